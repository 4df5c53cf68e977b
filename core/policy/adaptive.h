#pragma once
/* How much an upstream may have to do at a time, found out by how long it takes.
 *
 * A window's answers have a median. Beside the *baseline*, how long the upstream takes while it has
 * little to do, it says whether requests wait there for each other: then the limit is multiplied by
 * baseline * tolerance / median, else it grows by its root. While less than half of the limit is
 * used nothing is learned of it, and it stays.
 *
 * A faster window is believed at once. That the upstream has become slower by itself shows in a
 * *probe*: now and then the limit is a quarter for one window, whose median is the new baseline.
 *
 * One of them serves all workers: answers are counted without a lock, and whoever brings the first
 * one after a window's end reckons, while the others go on. */
#ifndef GW_CDEF
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#endif

#define GW_ADAPTIVE_BUCKETS 576 /* sixteen for each power of two, up to 2^36 µs */
#define GW_ADAPTIVE_SAMPLES 10  /* with fewer a window goes on */

struct gw_adaptive_rules {
    uint32_t least, most, initial;
    double tolerance;        /* how many times the baseline is still no sign of waiting */
    uint64_t interval_us;    /* a window */
    uint64_t probe_every_us; /* or up to an eighth less */
};

struct gw_adaptive {
    atomic_uint limit; /* 0: nothing is known yet */
    atomic_uint samples, peak;
    atomic_ullong window_ends_us;
    atomic_ullong counts_from_us; /* in a probe: what began before says nothing */
    atomic_uint buckets[GW_ADAPTIVE_BUCKETS];
    pthread_mutex_t lock; /* for what follows */
    double exact;         /* the limit, not rounded, and not the probe's */
    double baseline_us;   /* 0: none yet */
    uint64_t probe_at_us, probe_ends_us;
    bool probes;
};

void gw_adaptive_init(struct gw_adaptive *adaptive);
void gw_adaptive_deinit(struct gw_adaptive *adaptive);

/* How many may be on their way now. */
unsigned gw_adaptive_limit(const struct gw_adaptive *adaptive,
                           const struct gw_adaptive_rules *rules);

/* An answer began, or was waited for in vain, after so long, while so many were on their way. */
void gw_adaptive_note(struct gw_adaptive *adaptive, const struct gw_adaptive_rules *rules,
                      uint64_t took_us, uint64_t now_us, unsigned in_flight);

struct gw_adaptive_look {
    double baseline_us;
    bool probes;
};
struct gw_adaptive_look gw_adaptive_look(struct gw_adaptive *adaptive);
