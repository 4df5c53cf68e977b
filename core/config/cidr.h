#pragma once
/* Sets of IP networks: trusted_proxies, allow and deny lists. An IPv4-mapped IPv6 address or
 * network is the IPv4 one. Kept as sorted ranges that do not touch: a lookup is a binary search,
 * and a network takes 32 bytes. */
#ifndef GW_CDEF
#include <stdbool.h>
#include <stddef.h>
#endif

struct gw_addr_bytes;
struct gw_cidr_set;

/* Owned by the caller until gw_cidr_set_free(). */
struct gw_cidr_set *gw_cidr_set_new(void);
void gw_cidr_set_free(struct gw_cidr_set *set); /* NULL is fine */

/* Adds "10.0.0.0/8", "::1" … Host bits beyond the prefix are ignored. Returns NULL, or what is
 * wrong with the text. */
const char *gw_cidr_set_add(struct gw_cidr_set *set, const char *text, size_t len);

/* Adds every unix socket. */
void gw_cidr_set_add_unix(struct gw_cidr_set *set);

/* Sorts and merges; after it the set is read-only and any thread may ask it. */
void gw_cidr_set_seal(struct gw_cidr_set *set);

/* False for the set that is NULL or empty. The set must be sealed. */
bool gw_cidr_set_has(const struct gw_cidr_set *set, const struct gw_addr_bytes *addr);

/* Ranges after merging. */
size_t gw_cidr_set_count(const struct gw_cidr_set *set);

/* An address without a prefix, strictly: no 010.0.0.1, no 0x0a.1, no zone. Returns NULL, or what is
 * wrong with the text. */
const char *gw_addr_bytes_parse(struct gw_addr_bytes *addr, const char *text, size_t len);

/* Checks without a set: NULL, or what is wrong with the network. */
const char *gw_cidr_check(const char *text, size_t len);
