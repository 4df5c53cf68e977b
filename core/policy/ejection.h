#pragma once
/* Targets whose traffic goes worse than that of their neighbours are left alone for a while
 * (outlier ejection). Failures in a row are found by whoever ends a request; what needs the view
 * over all targets, by a sweep at each interval. Every ejection in a row lasts longer, and never
 * are more ejected than allowed. */
#ifndef GW_CDEF
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#endif

struct gw_ejection_rules {
    uint32_t consecutive_failures; /* answers of 5xx, timeouts, resets …; 0: not looked at */
    uint32_t consecutive_gateway_failures; /* … of 502, 503, 504 and no answer; 0: not looked at */
    double success_rate_deviations;        /* so many below the mean of all; 0: not looked at */
    uint32_t success_rate_targets;         /* with so many targets … */
    uint32_t success_rate_requests;        /* … that had so many requests within the interval */
    uint32_t failure_percentage;           /* 0: not looked at */
    uint32_t failure_percentage_targets, failure_percentage_requests;
    uint64_t interval_us;
    uint64_t time_us;         /* how long, the first time; so much more each time in a row … */
    uint64_t time_max_us;     /* … and at most */
    uint32_t max_ejected;     /* percent of the targets; one may always be */
    bool returns_with_checks; /* a check that passes ends it */
};

/* 5 failures; no gateway failures; 1.9 deviations of 5 targets with 100 requests; no percentage (5
 * targets with 50); every 10 s; 30 s each time and at most 300 s; 10 %. */
extern const struct gw_ejection_rules gw_ejection_defaults;

enum gw_ejection_why {
    GW_EJECTION_NONE,
    GW_EJECTION_FAILURES,
    GW_EJECTION_GATEWAY_FAILURES,
    GW_EJECTION_SUCCESS_RATE,
    GW_EJECTION_FAILURE_PERCENTAGE,
    GW_EJECTION_RETURN, /* of a sweep: its time is over */
};

/* Of one target. */
struct gw_ejection {
    atomic_ullong until_us;                 /* what balancing looks at; 0: not ejected */
    atomic_uint failures, gateway_failures; /* in a row */
    atomic_ullong traffic;                  /* since the last sweep: failures << 32 | requests */

    /* With the owner's lock. */
    uint32_t times; /* in a row; one less for each interval that went well */
    bool returned;  /* within this interval: it does not count as one that went well */
    uint64_t seen;  /* `traffic` of the last interval */
    enum gw_ejection_why why;
};

enum gw_ejection_report {
    GW_EJECTION_GOOD,
    GW_EJECTION_FAILURE,
    GW_EJECTION_GATEWAY_FAILURE, /* a failure, too */
};

/* One request ended. Lock-free; not NONE: gw_ejection_eject() shall be asked. */
enum gw_ejection_why gw_ejection_note(struct gw_ejection *ejection,
                                      const struct gw_ejection_rules *rules,
                                      enum gw_ejection_report report);

/* Ejects all[index], unless it is already or too many are. All three with the owner's lock held.
 * Returns how long it lasts; 0: it is not done. */
uint64_t gw_ejection_eject(struct gw_ejection *const *all, unsigned count, unsigned index,
                           const struct gw_ejection_rules *rules, enum gw_ejection_why why,
                           uint64_t now_us);

/* Only says whose time is over. Writes one verdict a target; returns how many are not NONE. */
unsigned gw_ejection_returns(struct gw_ejection *const *all, unsigned count, uint64_t now_us,
                             enum gw_ejection_why *verdicts);

/* At each interval, after gw_ejection_returns(): looks at rates and ejects. */
unsigned gw_ejection_sweep(struct gw_ejection *const *all, unsigned count,
                           const struct gw_ejection_rules *rules, uint64_t now_us,
                           enum gw_ejection_why *verdicts);

/* Ends it before its time: a check passed, or the operator says so. True when it was ejected. */
bool gw_ejection_end(struct gw_ejection *ejection, uint64_t now_us);

static inline bool gw_ejection_is(const struct gw_ejection *ejection, uint64_t now_us)
{
    return atomic_load_explicit(&ejection->until_us, memory_order_relaxed) > now_us;
}

const char *gw_ejection_why_text(enum gw_ejection_why why); /* "consecutive_failures", … */
