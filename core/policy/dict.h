#pragma once
/* A dictionary that all workers share: strings, numbers, booleans and lists of them by key, with
 * times to live and a budget of bytes, past which what was not used for the longest time leaves.
 * A kind of zone. Values above a kilobyte are counted blobs, so that nobody copies them under a
 * lock. Every function may be called from any thread. */
#include "policy/zone.h"

struct gw_blob;
struct gw_buf;
struct gw_dict;

enum {
    GW_DICT_KEY_MAX = 1024,   /* bytes */
    GW_DICT_SMALL_MAX = 1024, /* longer strings are blobs */
};

enum gw_dict_type {
    GW_DICT_NOTHING,
    GW_DICT_BOOLEAN,
    GW_DICT_NUMBER,
    GW_DICT_STRING,
    GW_DICT_LIST,
};

enum gw_dict_result {
    GW_DICT_FINE,
    GW_DICT_MISSING,    /* no such key */
    GW_DICT_EXISTS,     /* add: the key is there */
    GW_DICT_WRONG_TYPE, /* a list where a value is wanted, or the other way round */
    GW_DICT_TOO_LARGE,  /* more than one entry may have */
    GW_DICT_BAD_KEY,    /* empty, or longer than GW_DICT_KEY_MAX */
};

/* What is put; the bytes are borrowed for the call. */
struct gw_dict_value {
    int type;      /* enum gw_dict_type, but for LIST */
    double number; /* of a BOOLEAN: 0 or 1 */
    const char *ptr;
    size_t len;
};

/* What comes out. A blob is the caller's to give back with gw_dict_got_release(). */
struct gw_dict_got {
    int type;
    double number;
    const char *ptr; /* into `small` or the blob */
    size_t len;
    struct gw_blob *blob;
    char small[GW_DICT_SMALL_MAX];
};

enum gw_dict_when {
    GW_DICT_ALWAYS,
    GW_DICT_IF_MISSING, /* add */
    GW_DICT_IF_THERE,   /* replace */
};

/* Its options are a pointer to a size_t, the most bytes it may have. */
extern const struct gw_zone_kind gw_dict_kind;

struct gw_dict *gw_dict_of_zone(struct gw_zone *zone);

/* Without a registry, for specs. */
struct gw_dict *gw_dict_new(size_t max_bytes);
void gw_dict_free(struct gw_dict *dict);

enum gw_dict_result gw_dict_get(struct gw_dict *dict, struct gw_slice key, uint64_t now_us,
                                struct gw_dict_got *got);
void gw_dict_got_release(struct gw_dict_got *got);

/* `ttl_us` 0: for ever. */
enum gw_dict_result gw_dict_set(struct gw_dict *dict, enum gw_dict_when when, struct gw_slice key,
                                const struct gw_dict_value *value, uint64_t ttl_us,
                                uint64_t now_us);

/* Adds to a number. `first` (may be NULL: MISSING then) is what is added to where nothing is, with
 * a time to live; that of a number which is there stays as it is. */
enum gw_dict_result gw_dict_incr(struct gw_dict *dict, struct gw_slice key, double by,
                                 const double *first, uint64_t ttl_us, uint64_t now_us,
                                 double *result);

enum gw_dict_result gw_dict_remove(struct gw_dict *dict, struct gw_slice key, uint64_t now_us);

/* How long it still has; 0: for ever. */
enum gw_dict_result gw_dict_ttl(struct gw_dict *dict, struct gw_slice key, uint64_t now_us,
                                uint64_t *left_us);
enum gw_dict_result gw_dict_expire(struct gw_dict *dict, struct gw_slice key, uint64_t ttl_us,
                                   uint64_t now_us);

/* Lists. An empty one is none. `first`: at its beginning, else at its end. */
enum gw_dict_result gw_dict_push(struct gw_dict *dict, struct gw_slice key, bool first,
                                 const struct gw_dict_value *value, uint64_t now_us,
                                 uint32_t *length);
enum gw_dict_result gw_dict_pop(struct gw_dict *dict, struct gw_slice key, bool first,
                                uint64_t now_us, struct gw_dict_got *got);
enum gw_dict_result gw_dict_length(struct gw_dict *dict, struct gw_slice key, uint64_t now_us,
                                   uint32_t *length);

/* Appends at most so many keys, each behind its length as a uint32_t; returns how many. */
size_t gw_dict_keys(struct gw_dict *dict, size_t max, uint64_t now_us, struct gw_buf *out);

void gw_dict_flush(struct gw_dict *dict);
void gw_dict_stats(struct gw_dict *dict, struct gw_zone_stats *stats);
