#pragma once
/* What checks.c (which target is checked when) and the files of the kinds (one check) share. */
#include "base/buf.h"
#include "base/list.h"
#include "http/stream.h"
#include "net/dial.h"
#include "upstream/checks.h"
#include "upstream/health.h"
#include "upstream/pool.h"
#include "upstream/target.h"

#define GW_CHECKS_AT_ONCE 512 /* of all upstreams */

struct gw_checks {
    struct gw_registry *registry;
    struct gw_loop *loop;
    struct gw_pool *pool;
    struct gw_list groups;
    unsigned running;
};

/* The checks of one upstream. */
struct gw_check_group {
    struct gw_list_node node;
    struct gw_checks *checks;
    struct gw_upstream *upstream; /* watched */
    struct gw_target_set *set;    /* one reference */
    struct gw_list all;           /* struct gw_check */
    struct gw_list waiting;       /* those that are due but have no place */
    unsigned running;
    struct gw_timer sweep; /* for ejections */
    uint64_t rates_due_us; /* the next look at rates */
};

struct gw_check_kind;

struct gw_check {
    struct gw_list_node in_group, in_waiting;
    struct gw_check_group *group;
    struct gw_target *target; /* one reference */
    struct gw_timer timer; /* until the next one; while one is under way: until it took too long */
    uint64_t started_us;
    bool is_wanted; /* of a sync */

    /* The one under way. */
    const struct gw_check_kind *kind; /* NULL: none is */
    struct gw_health_plan *plan;      /* one reference */
    struct gw_dial *dial;
    struct gw_service service; /* timeouts and TLS, as calls want to be told */
    struct gw_service_tls_config tls;
    struct gw_arena *arena;
    struct gw_stream *call;
    struct gw_buf body; /* as far as it is looked at */
    int status;
};

/* How a kind of check is made. Ends once: by gw_check_done(), not before start() returned, or by
 * end(), which also cleans up after a check that is done. */
struct gw_check_kind {
    void (*start)(struct gw_check *check);
    void (*end)(struct gw_check *check);
};

extern const struct gw_check_kind gw_check_http, gw_check_tcp, gw_check_grpc;

void gw_check_done(struct gw_check *check, enum gw_health_report report);

/* ── for kinds that make a call (check_http.c) ─────────────────────────────────── */

/* Before the head is written: the arena, and what the target is called. */
void gw_check_call_begin(struct gw_check *check, struct gw_head *head);
void gw_check_call_send(struct gw_check *check, const struct gw_head *head, struct gw_slice body,
                        const struct gw_stream_events *events);
void gw_check_call_end(struct gw_check *check);
