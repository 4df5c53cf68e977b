#pragma once
/* What all workers know of one target: how much it has to do, how fast it is, and whether it may be
 * used. Written by whoever learns something, read at every choice; each number stands for itself,
 * so plain atomics do. */
#include "policy/ejection.h"
#include "policy/health.h"

struct gw_vitals {
    atomic_uint active; /* requests on their way, of all workers */
    struct gw_health health;
    struct gw_ejection ejection;
    atomic_ullong
        ramp_from_us;      /* slow start began: the first passed check, or the recovery; 0: none */
    atomic_ullong latency; /* peak EWMA; packed by vitals.c */
};

/* One more request is on its way to it, unless `most` are (0: no bound): false then. */
bool gw_vitals_enter(struct gw_vitals *vitals, unsigned most);
void gw_vitals_leave(struct gw_vitals *vitals);

/* Whether a choice may take it. */
bool gw_vitals_usable(const struct gw_vitals *vitals, uint64_t now_us);

/* An answer took so long. Slower than what is known counts at once, faster ones bring the average
 * down within a few times `decay_us`. Lock-free. */
void gw_vitals_observe(struct gw_vitals *vitals, uint64_t took_us, uint64_t decay_us,
                       uint64_t now_us);

/* What is known of its latency, fading while nothing is learned; 0: nothing. */
double gw_vitals_latency_us(const struct gw_vitals *vitals, uint64_t decay_us, uint64_t now_us);

/* The part of its weight that a target gets in slow start: from `least` (of 1024) to 1024, along
 * t^(1/aggression). 1024 without slow start. */
unsigned gw_vitals_share(const struct gw_vitals *vitals, uint64_t slow_start_us, double aggression,
                         unsigned least, uint64_t now_us);
