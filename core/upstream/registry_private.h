#pragma once
/* What registry.c, specs.c, names.c, publish.c and view.c share. Words: a *spec* is a target as
 * configured (a host, a port, a weight), a *name* is a host that has to be resolved, a *place* one
 * address of it, and a *set* what workers balance over: made anew from specs and names whenever
 * either changes. */
#include "base/list.h"
#include "base/map.h"
#include "policy/adaptive.h"
#include "policy/retry.h"
#include "upstream/line.h"
#include "upstream/registry.h"
#include "upstream/target.h"

#include <pthread.h>

struct gw_check_group;
struct gw_checks;
struct gw_name;

/* What a weight of 1 is in sets. Divisible by 1 to 8, so that common numbers of addresses share a
 * weight exactly. */
#define GW_WEIGHT_SHARES 840u

/* In sets a target's priority counts before that of its SRV record. */
#define GW_RECORD_PRIORITIES 65536u

struct gw_spec {
    char *host;    /* owned */
    uint16_t port; /* 0 of a unix socket */
    unsigned weight, priority;
    struct gw_slice authority; /* what the target's own Host is; owned, in `host`'s memory */
    bool literal;
    struct gw_addr addr;  /* of a literal */
    struct gw_name *name; /* of the others; counted by users */
    bool host_of_record;  /* the Host of a target is what its SRV record names */
};

enum gw_upstream_mood {
    GW_MOOD_FINE,
    GW_MOOD_PANIC,
    GW_MOOD_REFUSES, /* there are targets, and none may be used */
};

struct gw_upstream {
    struct gw_registry *registry;
    char *key; /* "u:name" or "h:host:port"; owned */
    size_t key_len;
    unsigned slot;   /* place in the workers' tables of views; taken again after it was freed */
    uint64_t serial; /* never taken again */
    atomic_ullong version;  /* of the set: workers look at these two alone while nothing changes */
    atomic_ullong moves;    /* of its targets' health: candidates are counted anew */
    atomic_bool slow_start; /* new and recovered targets start slowly */
    atomic_ullong panicked, panic_failed; /* requests that were sent, or refused, in panic */
    atomic_uint mood; /* enum gw_upstream_mood, as the log was told of it last */

    struct gw_retry_budget retries;
    struct gw_line line;          /* of those who wait for a place, where there are so many */
    struct gw_adaptive *adaptive; /* owned; NULL until a configuration wants it */

    /* Below: under the registry's lock. */
    unsigned users; /* configurations */
    struct gw_spec *specs;
    unsigned spec_count;
    struct gw_target_set *set; /* one reference */
    bool watched, gone;        /* by checks.c, which frees it when it is gone */

    struct gw_check_group *group; /* on the loop's thread */
};

/* How many requests may be there at a time; 0: no bound. */
unsigned gw_place_limit(const struct gw_upstream *upstream, const struct gw_capacity *capacity);

static inline struct gw_slice gw_upstream_name(const struct gw_upstream *upstream)
{
    return gw_slice(upstream->key + 2, upstream->key_len - 2);
}
/* One address of a name, and what its SRV record says beside it; of names that are asked for
 * addresses the first one is all there is. */
struct gw_name_place {
    struct gw_addr addr;
    uint16_t weight, priority;
    char *host; /* owned; NULL without a record */
};

struct gw_name {
    struct gw_registry *registry;
    char *key;        /* owned */
    const char *host; /* of the key */
    bool services;    /* it is asked for SRV records */

    /* Under the registry's lock. */
    unsigned users;               /* specs */
    struct gw_name_place *places; /* the last good answer, by priority; owned */
    unsigned place_count;

    /* On the resolving loop's thread. */
    bool started, answered; /* a failure is an answer too */
    bool first;             /* gw_registry_run() waits for its first answer */
    unsigned failures;      /* in a row: no answer, or one that there is nothing */
    unsigned empties;       /* of them, in a row: the latter */
    uint64_t empty_since_us;
    struct gw_resolve *resolve; /* at most one of these two */
    struct gw_locate *locate;
    struct gw_timer timer;
};

/* What health_events.c queues, under its own lock. */
struct gw_health_events {
    pthread_mutex_t lock;
    struct gw_loop *loop; /* NULL: nobody listens */
    struct gw_list entries;
    unsigned count;
    uint64_t lost;
    struct gw_message message;
    bool posted;
    void (*on_event)(void *ctx, const struct gw_health_event *event);
    void *ctx;
    void (*on_moved)(void *ctx); /* after each batch: the checks look */
    void *moved_ctx;
};

void gw_health_events_init(struct gw_health_events *events);
void gw_health_events_open(struct gw_health_events *events,
                           struct gw_loop *loop); /* NULL: closes */
void gw_health_events_deinit(struct gw_health_events *events);

struct gw_registry {
    pthread_mutex_t lock;
    struct gw_map upstreams; /* by key */
    struct gw_map breakers;  /* by the service's name */
    struct gw_map names;     /* by host; a name without users stays until the loop takes it away */
    bool *slots;             /* in use */
    unsigned slot_count;
    uint64_t serials;
    char sticky_key[32]; /* of sticky sessions whose configuration has none: of this process */
    /* When it is believed that a name has no addresses any more: the latest configuration's. */
    unsigned empty_answers;
    uint64_t empty_hold_us;

    struct gw_loop *loop; /* NULL: nobody resolves (yet, or any more) */
    struct gw_message sync;
    bool sync_posted;
    struct gw_health_events events;

    /* On the loop's thread. */
    unsigned first_left; /* names whose first answer is awaited */
    bool first_told;
    struct gw_defer first_defer;
    void (*first_done)(void *ctx);
    void *first_ctx;
    struct gw_checks *checks; /* NULL: not running */
};

void gw_upstream_free(struct gw_upstream *upstream); /* of checks.c, when it is gone */

/* All with the lock held. */
struct gw_name *gw_name_use(struct gw_registry *registry, struct gw_slice host, bool services);
void gw_name_free(struct gw_name *name);
void gw_name_drop(struct gw_name *name);
void gw_registry_post_sync(
    struct gw_registry *registry); /* names came or went: the loop looks after them */
/* Takes the configured targets over, in the place of those before. */
void gw_specs_set(struct gw_upstream *upstream, const struct gw_target_config *targets,
                  unsigned count);
void gw_specs_drop(struct gw_upstream *upstream);
/* Makes the set from specs and names; `how` NULL: as before. */
void gw_upstream_publish(struct gw_upstream *upstream, const struct gw_balancing *how);

/* The set and its version at this moment; the caller owns one reference. Takes the lock. */
struct gw_target_set *gw_upstream_set(struct gw_upstream *upstream, uint64_t *version);
