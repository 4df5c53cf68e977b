#pragma once
/* Durations in log-linear buckets: at most 5 % off, from a microsecond to a hundred seconds, in two
 * kilobytes. Bucket edges are decimal (1, 1.1, … 2, 2.2, … 5, 5.5, … 10 of each power of ten), so
 * that the bounds people read (1 ms, 20 ms, 5 s) are edges and their counts exact. */
#ifndef GW_CDEF
#include <stdatomic.h>
#include <stdint.h>

#define GW_HISTOGRAM_BUCKETS 256

/* Written by one thread, read by any. */
struct gw_histogram {
    _Atomic uint64_t sum_us;
    _Atomic uint64_t buckets[GW_HISTOGRAM_BUCKETS]; /* the last one: everything above */
};

void gw_histogram_add(struct gw_histogram *histogram, uint64_t duration_us);
#endif

/* The bucket of a duration, and the longest duration that falls into a bucket. */
unsigned gw_histogram_bucket(uint64_t duration_us);
uint64_t gw_histogram_bound_us(unsigned bucket);
