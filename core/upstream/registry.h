#pragma once
/* The upstreams of the process, by name. They outlive configurations: health, in-flight counts and
 * addresses stay while the configuration changes around them. Locks are held for pointer swaps
 * only. */
#include "config/config.h"
#include "net/addr.h"
#include "net/loop.h"
#include "policy/balance.h"
#include "policy/breaker.h"

struct gw_registry;
struct gw_upstream;
struct gw_target_set;

struct gw_registry *gw_registry_new(void);
void gw_registry_free(struct gw_registry *registry); /* all configurations must be gone, and the
                                                        loop it ran on freed */

/* Finds or makes the upstream of each service and publishes target sets for what is configured;
 * sets service->upstream and the configuration's on_free. Any thread; call it when nothing can
 * refuse the configuration any more, because the targets of an upstream change for all
 * configurations that name it. IP literals are there at once; names are resolved by
 * gw_registry_run(). */
void gw_registry_bind(struct gw_registry *registry, struct gw_config *config);

/* Keeps names resolved on `loop` (control's): first answers as soon as possible, then by TTL, the
 * last good answer kept. `first_done` is called once, later, when every name known at this moment
 * was answered or failed, so that start-up can wait. Calling it again (after a bind, with the same
 * loop) waits for the new names; a wait still open then is replaced. */
void gw_registry_run(struct gw_registry *registry, struct gw_loop *loop,
                     void (*first_done)(void *ctx), void *ctx);
void gw_registry_stop(struct gw_registry *registry); /* on that loop's thread */

/* By name, for plugins' set_upstream() and fetch; borrowed while `config` lives. NULL: no such
 * upstream. */
struct gw_upstream *gw_registry_find(struct gw_registry *registry, const struct gw_config *config,
                                     struct gw_slice name);

/* Every service and route that has a circuit breaker. `visit` may not call back. */
struct gw_breaker_info {
    struct gw_slice name;
    bool of_route;
    struct gw_breaker_look look;
    uint64_t opened, refused; /* how often, since the start */
};
void gw_registry_breakers(struct gw_registry *registry, uint64_t now_us,
                          void (*visit)(const struct gw_breaker_info *info, void *ctx), void *ctx);

/* Closes those of that name, a service's and a route's. Returns how many there are. */
int gw_registry_close_breakers(struct gw_registry *registry, struct gw_slice name);

/* ── health ────────────────────────────────────────────────────────────────────── */

enum gw_health_event_kind {
    GW_HEALTH_EVENT_HEALTH,
    GW_HEALTH_EVENT_EJECTION,
    GW_HEALTH_EVENT_BREAKER,
};

/* Something moved. The pointers are to texts of the program. */
struct gw_health_event {
    enum gw_health_event_kind kind;
    const char *state; /* "healthy", "unhealthy"; "ejected", "returned"; a breaker's */
    const char *by;    /* "check", "traffic", "operator", "time"; of breakers: whose, "service" or
                          "route" */
    const char *why;   /* a report, or what was looked at; may be empty */
    uint64_t lasts_us; /* of an ejection, of an open breaker */
    char name[256];    /* of the upstream or the service; cut where it is longer */
    char target[272], address[GW_ADDR_TEXT_MAX]; /* empty for breakers */
};

/* Who hears of them, on the thread of gw_registry_run()'s loop. Before that; NULL: nobody. */
void gw_registry_listen(struct gw_registry *registry,
                        void (*on_event)(void *ctx, const struct gw_health_event *event),
                        void *ctx);

/* Makes targets of that name unhealthy (`down`) or healthy, whatever was reported; the next reports
 * count anew. Returns how many were meant; -1: there is no such upstream. */
int gw_registry_order_health(struct gw_registry *registry, struct gw_slice upstream,
                             struct gw_slice target, bool down, const struct gw_clock *clock);

struct gw_upstream_info {
    struct gw_slice name;
    enum gw_balance_why mood;   /* CHOSEN, BACKUP, PANIC, NONE */
    uint64_t panicked, refused; /* requests that were sent in panic, or found no target */
};

struct gw_target_info {
    struct gw_slice upstream, target, address;
    unsigned weight, priority, in_flight;
    const char *state; /* "healthy", "unhealthy", "unchecked", "ejected" */
    const char *by, *why;
    struct gw_health_look look;
    int64_t since_us; /* wall time; 0: from the beginning */
    uint64_t ejected_for_us;
    uint64_t checks[GW_HEALTH_NOTHING + 1];
    uint64_t ejections[GW_EJECTION_RETURN]; /* by enum gw_ejection_why */
};

/* Either may be NULL; they may not call back. */
struct gw_upstream_visitor {
    void (*upstream)(const struct gw_upstream_info *info, void *ctx);
    void (*target)(const struct gw_target_info *info, void *ctx); /* of the upstream before */
};

void gw_registry_upstreams(struct gw_registry *registry, uint64_t now_us,
                           const struct gw_upstream_visitor *visitor, void *ctx);
/* Of one alone. */
void gw_upstream_look(struct gw_upstream *upstream, uint64_t now_us,
                      const struct gw_upstream_visitor *visitor, void *ctx);
/* Whether there is a target that may be used, panic or not. */
bool gw_upstream_usable(struct gw_upstream *upstream, uint64_t now_us);

/* Every upstream that has a capacity. `visit` may not call back. */
struct gw_line_info {
    struct gw_slice upstream;
    unsigned active, waiting;
    uint64_t full, late; /* how often the line was full, and somebody waited too long */
    unsigned limit;      /* of the upstream's requests now; 0: none */
    bool adaptive;       /* it is found out; and by how long an answer takes at rest: */
    double baseline_us;
};
void gw_registry_lines(struct gw_registry *registry,
                       void (*visit)(const struct gw_line_info *info, void *ctx), void *ctx);
/* Every name that is kept resolved. On the thread of gw_registry_run()'s loop; `visit` may not call
 * back. */
struct gw_name_info {
    const char *host;
    bool services; /* by its SRV records */
    unsigned addresses;
    bool stale; /* the last question was answered by nobody, or with nothing */
};
void gw_registry_names(struct gw_registry *registry,
                       void (*visit)(const struct gw_name_info *info, void *ctx), void *ctx);

/* One line a target (upstream, address, weight, in flight), as JSON for /status. */
struct gw_buf;
void gw_registry_describe(struct gw_registry *registry, struct gw_buf *out);
