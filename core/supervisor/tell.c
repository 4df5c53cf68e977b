/* What the service manager hears of us. */
#include "supervisor/notify.h"
#include "supervisor/supervisor_private.h"

#include <stdio.h>
#include <time.h>

static void say(const char *states, const char *status)
{
    char lines[GW_CHANNEL_TEXT_MAX + 128];

    snprintf(lines, sizeof(lines), "%sSTATUS=%s", states, status);
    gw_notify(lines);
}

void gw_tell_ready(const char *status)
{
    say("READY=1\n", status);
}

void gw_tell_reloading(void)
{
    struct timespec now;
    char states[96];

    clock_gettime(CLOCK_MONOTONIC, &now);
    snprintf(states, sizeof(states), "RELOADING=1\nMONOTONIC_USEC=%lld\n",
             (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
    say(states, "reading the configuration again");
}

void gw_tell_alive(struct gw_supervisor *supervisor)
{
    int64_t now_ms = gw_supervisor_now();

    if (!supervisor->watchdog_ms || now_ms < supervisor->next_sign_ms)
        return;
    gw_notify("WATCHDOG=1");
    supervisor->next_sign_ms = now_ms + supervisor->watchdog_ms;
}

void gw_tell_stopping(void)
{
    say("STOPPING=1\n", "requests under way come to their end");
}

void gw_tell_lost(const char *how)
{
    char status[128];

    snprintf(status, sizeof(status), "the worker process %s: starting another", how);
    say("", status);
}
