#pragma once
/* SipHash-2-4 with 128 bits: a keyed hash for bytes that strangers choose. Who does not know the
 * key cannot make two texts that collide, so what counts by key may keep the hash and not the
 * text. */
#include "base/slice.h"

struct gw_siphash_key {
    uint64_t k0, k1;
};

struct gw_hash128 {
    uint64_t low, high;
};

/* From the system's generator. */
void gw_siphash_key_init(struct gw_siphash_key *key);

/* Of `first`, as eight bytes, and the text behind it. */
struct gw_hash128 gw_siphash128(const struct gw_siphash_key *key, uint64_t first,
                                struct gw_slice text);
