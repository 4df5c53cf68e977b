#pragma once
/* Where requests go: one address of an upstream, and the immutable table of all of them that
 * workers balance over. Both are counted; a target keeps its identity while the tables around it
 * are replaced. */
#include "base/map.h"
#include "base/refs.h"
#include "base/slice.h"
#include "config/config.h"
#include "net/addr.h"
#include "policy/balance.h"
#include "upstream/sticky.h"

struct gw_check;
struct gw_health_plan;

struct gw_target {
    struct gw_refs refs;
    struct gw_addr addr;
    struct gw_slice text;      /* "ip:port", "unix:path": for logs and as the key of pools */
    struct gw_slice authority; /* what its own Host header is: "name[:port]" as configured */
    struct gw_vitals vitals;   /* of all workers */
    atomic_llong moved_us;     /* wall time of its health's last move; 0: none */
    atomic_ullong checks[GW_HEALTH_NOTHING + 1]; /* ended, by what they reported */
    atomic_ullong ejections[GW_EJECTION_RETURN]; /* by why */
    bool late;                                   /* it came when others were there already */
    atomic_ullong complained_us; /* when the log last heard of a failure; 0: never */
    atomic_uint unsaid;          /* failures since */

    /* On control's thread. */
    struct gw_check *check; /* NULL: it is not checked */
    bool passed;            /* a check did, once */
    char bytes[];           /* what text and authority point to */
};

struct gw_target_item {
    struct gw_target *target; /* one reference owned by the set */
    unsigned weight, priority;
    char tag[GW_STICKY_TAG_LEN]; /* zeros without sticky sessions */
};

/* How an upstream chooses, and what its targets are told. */
struct gw_balancing {
    struct gw_slice algorithm;
    struct gw_balance_rules rules;
    struct gw_hash_source hash[2];
    struct gw_slice cookie_path; /* of a cookie that is made to hash on */
    struct gw_slice host_header; /* what Host says instead of the target's own; empty: none */
    bool own_host;               /* Host is the target's own (or host_header), not the service's */
    struct gw_health_plan
        *health; /* NULL: nothing takes targets out; the set holds one reference */
    struct gw_capacity capacity;
    struct gw_sticky sticky;
};

static inline bool gw_capacity_bounds(const struct gw_capacity *capacity)
{
    return capacity->max_requests || capacity->max_requests_per_target || capacity->adaptive;
}

struct gw_target_set {
    struct gw_refs refs;
    struct gw_balancing how; /* its texts are the set's */
    enum gw_error why_empty; /* what a call gets when there is no item */
    unsigned count;
    struct gw_target_item *items;
    struct gw_map by_name; /* the items by their target's text and authority */
    char *bytes;           /* owned: what the slices point to */
};

/* The caller owns one reference. */
struct gw_target *gw_target_new(const struct gw_addr *addr, struct gw_slice authority);
struct gw_target *gw_target_ref(struct gw_target *target);
void gw_target_unref(struct gw_target *target); /* NULL is fine */

/* Room for `most` items, none filled yet; the texts are copied. The caller owns one reference. */
struct gw_target_set *gw_target_set_new(unsigned most, const struct gw_balancing *how);

/* Takes the reference over. While the set is not published. An equal address with an equal
 * authority adds to the weight of the first and keeps the better priority. */
void gw_target_set_add(struct gw_target_set *set, struct gw_target *target, unsigned weight,
                       unsigned priority);

/* The target of that address and authority, or NULL; borrowed from the set. */
struct gw_target *gw_target_set_find(const struct gw_target_set *set, const struct gw_addr *addr,
                                     struct gw_slice authority);

struct gw_target_set *gw_target_set_ref(struct gw_target_set *set);
void gw_target_set_unref(struct gw_target_set *set); /* NULL is fine */
