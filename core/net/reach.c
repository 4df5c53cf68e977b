#include "net/reach.h"

#include "base/alloc.h"
#include "base/log.h"
#include "net/dial.h"
#include "net/tls_client.h"
#include "net/tls_sessions.h"
#include "net/tls_start.h"

#include <stdio.h>

#define TELL_US 1000000u

struct gw_reach {
    struct gw_loop *loop;
    struct gw_addr addr;
    struct gw_dial *dial; /* one of these two */
    struct gw_tls_start *start;
    uint64_t until_us;
    struct gw_slice first;
    struct gw_tls_client *tls; /* one reference; NULL: plain */
    struct gw_tls_sessions *sessions;
    size_t name_len, key_len;
    bool outside; /* what stands in for the network does without TLS */
    gw_reach_cb done;
    void *ctx;
    char bytes[]; /* of the name, then of the key */
};

static struct gw_slice name_of(const struct gw_reach *reach)
{
    return gw_slice(reach->bytes, reach->name_len);
}

static void finish(struct gw_reach *reach, struct gw_conn *conn, enum gw_error error)
{
    gw_reach_cb done = reach->done;
    void *ctx = reach->ctx;

    gw_tls_client_unref(reach->tls);
    gw_free(reach);
    done(ctx, conn, error);
}

/* ── TLS ── */

static enum gw_error error_of(enum gw_tls_failure failure)
{
    switch (failure) {
    case GW_TLS_FAILURE_NONE:
        return GW_OK;
    case GW_TLS_FAILURE_EXPIRED:
        return GW_E_TLS_EXPIRED;
    case GW_TLS_FAILURE_UNTRUSTED:
        return GW_E_TLS_UNTRUSTED;
    case GW_TLS_FAILURE_HOST:
        return GW_E_TLS_NAME;
    case GW_TLS_FAILURE_CERTIFICATE:
    case GW_TLS_FAILURE_NO_CERTIFICATE:
        return GW_E_TLS_CERTIFICATE;
    case GW_TLS_FAILURE_VERSION:
    case GW_TLS_FAILURE_CIPHER:
    case GW_TLS_FAILURE_NAME:
    case GW_TLS_FAILURE_ALERT:
        return GW_E_TLS_REFUSED;
    case GW_TLS_FAILURE_PROTOCOL:
        return GW_E_TLS_PROTOCOL;
    case GW_TLS_FAILURE_SLOW:
        return GW_E_TLS_TIMEOUT;
    case GW_TLS_FAILURE_PLAIN_HTTP:
    case GW_TLS_FAILURE_MALFORMED:
    case GW_TLS_FAILURE_FLOOD:
    case GW_TLS_FAILURE_CLOSED:
    case GW_TLS_FAILURE_INTERNAL:
    case GW_TLS_FAILURE_COUNT:
        break;
    }
    return GW_E_TLS_HANDSHAKE;
}

/* A line a second for each failure: all requests meet the same one, and the access log has them. */
static bool may_tell(enum gw_tls_failure failure, uint64_t now_us, unsigned *untold)
{
    static _Thread_local struct {
        uint64_t last_us;
        unsigned untold;
    } told[GW_TLS_FAILURE_COUNT];

    if (told[failure].last_us && now_us - told[failure].last_us < TELL_US) {
        told[failure].untold++;
        return false;
    }
    *untold = told[failure].untold;
    told[failure].last_us = now_us;
    told[failure].untold = 0;
    return true;
}

static void tell(const struct gw_reach *reach, enum gw_tls_failure failure, const char *detail)
{
    char address[GW_ADDR_TEXT_MAX], more[32] = "";
    unsigned untold;

    if (!may_tell(failure, reach->loop->clock.now_us, &untold))
        return;
    if (untold)
        snprintf(more, sizeof(more), "; and %u before it", untold);
    gw_addr_format(&reach->addr, address);
    gw_warn("TLS to %s (%.*s): %s%s%s%s", address, GW_SLICE_ARG(name_of(reach)),
            gw_error_info(error_of(failure))->text, *detail ? ": " : "", detail, more);
}

static void on_secure(void *ctx, struct gw_conn *conn, enum gw_tls_failure failure,
                      const char *detail)
{
    struct gw_reach *reach = ctx;

    reach->start = NULL;
    if (!failure && !gw_tls_client_agrees(gw_conn_tls(conn)))
        failure = GW_TLS_FAILURE_PROTOCOL;
    if (!failure) {
        finish(reach, conn, GW_OK);
        return;
    }
    tell(reach, failure, detail);
    gw_conn_close(conn);
    finish(reach, NULL, error_of(failure));
}

static void secure(struct gw_reach *reach, struct gw_conn *conn)
{
    uint64_t now_us = reach->loop->clock.now_us;
    struct gw_slice key = gw_slice(reach->bytes + reach->name_len, reach->key_len);
    struct gw_tls *engine = gw_tls_client_connect(reach->tls, name_of(reach), reach->sessions, key);

    if (!engine) {
        tell(reach, GW_TLS_FAILURE_INTERNAL, "");
        gw_conn_close(conn);
        finish(reach, NULL, GW_E_TLS_HANDSHAKE);
        return;
    }
    reach->start =
        gw_tls_start_new(conn, engine, GW_SLICE_EMPTY,
                         reach->until_us > now_us ? reach->until_us - now_us : 1, on_secure, reach);
}

/* ── both ── */

static void on_dialled(void *ctx, struct gw_conn *conn, enum gw_error error)
{
    struct gw_reach *reach = ctx;

    reach->dial = NULL;
    if (conn && reach->first.len)
        gw_conn_write(conn, &reach->first, 1);
    if (error || !reach->tls || reach->outside)
        finish(reach, conn, error);
    else
        secure(reach, conn);
}

struct gw_reach *gw_reach_start(const struct gw_reach_options *options, gw_reach_cb done, void *ctx)
{
    struct gw_slice name = options->tls ? options->name : GW_SLICE_EMPTY;
    struct gw_slice key = options->tls ? options->key : GW_SLICE_EMPTY;
    struct gw_reach *reach = gw_alloc_zero(sizeof(*reach) + name.len + key.len);

    reach->loop = options->loop;
    reach->addr = *options->addr;
    reach->until_us = options->loop->clock.now_us + options->timeout_us;
    reach->first = options->first;
    reach->done = done;
    reach->ctx = ctx;
    if (options->tls) {
        reach->tls = gw_tls_client_ref(options->tls);
        reach->sessions = options->sessions;
        reach->name_len = name.len;
        reach->key_len = key.len;
        if (name.len)
            memcpy(reach->bytes, name.ptr, name.len);
        memcpy(reach->bytes + name.len, key.ptr, key.len);
    }
    reach->dial =
        gw_dial_start(options->loop, &reach->addr, options->timeout_us, on_dialled, reach);
    reach->outside = gw_dial_is_outside(reach->dial);
    return reach;
}

void gw_reach_cancel(struct gw_reach *reach)
{
    if (reach->dial)
        gw_dial_cancel(reach->dial);
    if (reach->start)
        gw_tls_start_cancel(reach->start);
    gw_tls_client_unref(reach->tls);
    gw_free(reach);
}

bool gw_reach_shakes_hands(const struct gw_reach *reach)
{
    return reach->start != NULL;
}
