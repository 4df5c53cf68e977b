#pragma once
/* A circuit breaker: after too many failures nothing is sent for a while, then a few probes say
 * whether it may go on.
 *
 *     CLOSED ──failures──▶ OPEN ──time──▶ HALF_OPEN ──successes──▶ CLOSED
 *                           ▲────────one failure───────┘
 *
 * Shared by all workers. While it is closed and nothing fails, a call costs two atomic reads (and a
 * lock held for nanoseconds where a ratio is watched). Each request asks once, and ends its pass
 * once; what comes from an earlier state than this one changes nothing. */
#include "base/slice.h"

#ifndef GW_CDEF
#include <pthread.h>
#include <stdatomic.h>
#endif

#define GW_BREAKER_BUCKETS 10

enum gw_breaker_state {
    GW_BREAKER_CLOSED,
    GW_BREAKER_OPEN,
    GW_BREAKER_HALF_OPEN,
};

struct gw_breaker_rules {
    uint32_t failure_threshold; /* in a row; 0: not looked at */
    double failure_ratio;       /* of the calls within the window, 0 to 1; 0: not looked at */
    uint32_t minimum_volume;    /* calls within the window, before the ratio counts */
    uint64_t window_us;
    uint64_t call_timeout_us;        /* a call that took so long is a failure; 0: none is */
    uint64_t half_open_after_us;     /* how long it stays open the first time … */
    uint64_t half_open_after_max_us; /* … and at most, as it doubles each time the probes fail */
    uint64_t probe_timeout_us;       /* probes that end in nothing for so long count as failed */
    uint32_t half_open_requests;     /* probes at a time; at least 1 */
    uint32_t success_threshold;      /* probes that must succeed; at least 1 */
};

/* 5 failures, no ratio (100 calls in 10 s where there is one), 30 s a call, 60 s open and at most
 * 10 min, 1 probe of at most 60 s, 1 success. */
extern const struct gw_breaker_rules gw_breaker_defaults;

struct gw_breaker_bucket {
    uint64_t number; /* of the stretch of time it counts */
    uint32_t calls, failures;
};

struct gw_breaker {
    atomic_ullong word;   /* epoch << 2 | state: what closed breakers look at */
    atomic_uint failures; /* in a row, while closed */
    pthread_mutex_t lock; /* for what follows, and for every change of the two above but a reset */
    uint64_t open_until_us;
    uint64_t opened_for_us;
    uint64_t probed_us; /* when the last probe was let through */
    uint32_t probes, successes, reopened;
    struct gw_breaker_bucket buckets[GW_BREAKER_BUCKETS];
};

/* Why it moved. */
enum gw_breaker_why {
    GW_BREAKER_IN_A_ROW,
    GW_BREAKER_RATIO,
    GW_BREAKER_TIME,  /* it was open for long enough */
    GW_BREAKER_PROBE, /* a probe failed, or enough succeeded */
    GW_BREAKER_PROBE_STUCK,
    GW_BREAKER_ORDER,
};

/* A move, for metrics, log and hooks. */
struct gw_breaker_event {
    bool moved;
    enum gw_breaker_state from, to;
    enum gw_breaker_why why;
    uint64_t open_for_us; /* when it opened */
};

/* What a request carries from asking to ending. */
struct gw_breaker_pass {
    uint64_t epoch;
    uint64_t at_us;
    bool probe;
};

enum gw_breaker_outcome {
    GW_BREAKER_SUCCESS,
    GW_BREAKER_FAILURE,
    GW_BREAKER_NOTHING, /* cancelled, or refused by ourselves: says nothing about the service */
};

void gw_breaker_init(struct gw_breaker *breaker);
void gw_breaker_deinit(struct gw_breaker *breaker);

/* 0: it may be sent, and `pass` must be ended. Else the microseconds after which trying again makes
 * sense. The event is written in any case. */
uint64_t gw_breaker_ask(struct gw_breaker *breaker, const struct gw_breaker_rules *rules,
                        uint64_t now_us, struct gw_breaker_pass *pass,
                        struct gw_breaker_event *event);

void gw_breaker_end(struct gw_breaker *breaker, const struct gw_breaker_rules *rules,
                    const struct gw_breaker_pass *pass, enum gw_breaker_outcome outcome,
                    uint64_t now_us, struct gw_breaker_event *event);

/* Whatever it found: closed, and nothing is counted. */
void gw_breaker_close(struct gw_breaker *breaker, struct gw_breaker_event *event);

/* What it looks like now: an open one whose time is over still says OPEN until somebody asks. */
struct gw_breaker_look {
    enum gw_breaker_state state;
    uint32_t failures, probes, successes, reopened;
    uint64_t opens_in_us; /* until probes may go; 0 unless open */
};
struct gw_breaker_look gw_breaker_look(struct gw_breaker *breaker, uint64_t now_us);

const char *gw_breaker_state_text(enum gw_breaker_state state); /* "closed", "open", "half_open" */
const char *gw_breaker_why_text(enum gw_breaker_why why);
