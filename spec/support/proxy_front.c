/* Specs' own front: sessions over given connections, whose requests go to a proxy. */
#include "base/alloc.h"
#include "http/h2.h"
#include "proxy/proxy.h"
#include "telemetry/access_log.h"

struct gw_spec_front {
    struct gw_proxy *proxy;
    unsigned sessions; /* open ones */
};

static void on_request(void *ctx, struct gw_stream *down, struct gw_arena *arena,
                       struct gw_head *head, bool end)
{
    gw_proxy_on_request(((struct gw_spec_front *)ctx)->proxy, down, arena, head, end, -1);
}

static void on_refused(void *ctx, struct gw_stream *down, struct gw_arena *arena,
                       struct gw_head *head, enum gw_error why)
{
    gw_proxy_on_refused(((struct gw_spec_front *)ctx)->proxy, down, arena, head, why);
}

static void on_closed(void *ctx, struct gw_session *session)
{
    (void)session;
    ((struct gw_spec_front *)ctx)->sessions--;
}

static const struct gw_server_events events = {
    .on_request = on_request,
    .on_refused = on_refused,
    .on_closed = on_closed,
};

struct gw_session *gw_spec_front_open(struct gw_spec_front *front, struct gw_conn *conn,
                                      const struct gw_session_limits *limits);

struct gw_session *gw_spec_front_open(struct gw_spec_front *front, struct gw_conn *conn,
                                      const struct gw_session_limits *limits)
{
    front->sessions++;
    return gw_h1_server_new(conn, limits, GW_SLICE("http"), &events, front);
}

struct gw_session *gw_spec_front_open_h2(struct gw_spec_front *front, struct gw_conn *conn,
                                         const struct gw_session_limits *limits);

struct gw_session *gw_spec_front_open_h2(struct gw_spec_front *front, struct gw_conn *conn,
                                         const struct gw_session_limits *limits)
{
    const struct gw_h2_limits all = { .session = *limits };

    front->sessions++;
    return gw_h2_server_new(conn, &all, GW_SLICE("http"), &events, front);
}

/* The last line of the access log, for the specs. */
char gw_spec_access[GW_ACCESS_LINE_MAX];
unsigned gw_spec_access_count;
void gw_spec_keep_access(void *ctx, const struct gw_access_record *record);

void gw_spec_keep_access(void *ctx, const struct gw_access_record *record)
{
    size_t len = gw_access_log_format(gw_spec_access, record);

    (void)ctx;
    gw_spec_access[len] = '\0';
    gw_spec_access_count++;
}
