#pragma once
/* What systemd passes to a service and hears from it, without its library: sockets by number
 * (sd_listen_fds(3)), states as datagrams (sd_notify(3)). */
#ifndef GW_CDEF
#include <stdbool.h>
#include <stdint.h>
#endif

/* How many sockets were passed to this process, from descriptor GW_ACTIVATION_FIRST on; the
 * environment does not name them afterwards. */
unsigned gw_activation_count(void);

#define GW_ACTIVATION_FIRST 3

/* Sends lines like "READY=1\nSTATUS=serves". Does nothing when nobody asked for it. */
void gw_notify(const char *lines);

/* How often a sign of life is due, in milliseconds; 0: never. */
int64_t gw_notify_watchdog_ms(void);
