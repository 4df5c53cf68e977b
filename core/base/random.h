#pragma once
/* Random bytes: a fast generator for ids and hash seeds of one thread, seeded from the system. */
#ifndef GW_CDEF
#include <stddef.h>
#include <stdint.h>
#endif

struct gw_random {
    uint64_t state[4]; /* xoshiro256**; predictable to who sees its output: never for secrets */
};

void gw_random_init(struct gw_random *random);                /* from the system */
void gw_random_seed(struct gw_random *random, uint64_t seed); /* repeatable, for tests */
uint64_t gw_random_next(struct gw_random *random);
uint64_t gw_random_below(struct gw_random *random, uint64_t limit); /* 0 … limit-1; limit > 0 */

/* From the system's generator, for secrets and seeds. */
void gw_random_bytes(void *out, size_t len);

/* A UUIDv7 (RFC 9562 5.7) in 36 characters and a NUL. */
void gw_uuid_v7(struct gw_random *random, int64_t wall_us, char out[37]);

/* A UUIDv4 (RFC 9562 5.4). */
void gw_uuid_v4(struct gw_random *random, char out[37]);
