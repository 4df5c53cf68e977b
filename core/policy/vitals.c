#include "policy/vitals.h"

#include <math.h>

/* The average in microseconds and when it was made in milliseconds, both wrapping at 32 bits, so
 * that both change in one step. */
struct latency {
    uint32_t average_us;
    uint32_t at_ms;
};

static struct latency unpack(unsigned long long word)
{
    return (struct latency){ (uint32_t)(word >> 32), (uint32_t)word };
}

static double kept(struct latency known, uint64_t decay_us, uint64_t now_us)
{
    uint32_t age_ms = (uint32_t)(now_us / 1000) - known.at_ms;

    if (age_ms > UINT32_MAX / 2) /* another worker's clock is a little ahead */
        age_ms = 0;
    return decay_us ? exp(-1000.0 * age_ms / (double)decay_us) : 0;
}

bool gw_vitals_enter(struct gw_vitals *vitals, unsigned most)
{
    unsigned active;

    if (most == 0) {
        atomic_fetch_add_explicit(&vitals->active, 1, memory_order_relaxed);
        return true;
    }
    active = atomic_load_explicit(&vitals->active, memory_order_relaxed);
    do {
        if (active >= most)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&vitals->active, &active, active + 1,
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}

void gw_vitals_leave(struct gw_vitals *vitals)
{
    atomic_fetch_sub_explicit(&vitals->active, 1, memory_order_relaxed);
}

bool gw_vitals_usable(const struct gw_vitals *vitals, uint64_t now_us)
{
    return !gw_health_down(&vitals->health) && !gw_ejection_is(&vitals->ejection, now_us);
}

void gw_vitals_observe(struct gw_vitals *vitals, uint64_t took_us, uint64_t decay_us,
                       uint64_t now_us)
{
    unsigned long long before = atomic_load_explicit(&vitals->latency, memory_order_relaxed);
    unsigned long long after;

    if (took_us == 0) /* 0 means that nothing is known */
        took_us = 1;
    do {
        struct latency known = unpack(before);
        double average = (double)took_us;

        if (average < known.average_us) {
            double part = kept(known, decay_us, now_us);

            average = known.average_us * part + average * (1 - part);
        }
        if (average > UINT32_MAX)
            average = UINT32_MAX;
        after = (unsigned long long)(average + 0.5) << 32 | (uint32_t)(now_us / 1000);
    } while (!atomic_compare_exchange_weak_explicit(&vitals->latency, &before, after,
                                                    memory_order_relaxed, memory_order_relaxed));
}

double gw_vitals_latency_us(const struct gw_vitals *vitals, uint64_t decay_us, uint64_t now_us)
{
    struct latency known = unpack(atomic_load_explicit(&vitals->latency, memory_order_relaxed));

    return known.average_us ? known.average_us * kept(known, decay_us, now_us) : 0;
}

unsigned gw_vitals_share(const struct gw_vitals *vitals, uint64_t slow_start_us, double aggression,
                         unsigned least, uint64_t now_us)
{
    uint64_t from = atomic_load_explicit(&vitals->ramp_from_us, memory_order_relaxed);

    if (from == 0 || slow_start_us == 0 || now_us >= from + slow_start_us)
        return 1024;

    double t = now_us > from ? (double)(now_us - from) / (double)slow_start_us : 0;
    unsigned share =
        (unsigned)(1024 * (aggression > 0 && aggression != 1 ? pow(t, 1 / aggression) : t));

    return share > least ? share : least;
}
