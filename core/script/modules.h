#pragma once
/* The C side of the modules that plugins require (moongate.shared, .metrics, .crypto …), for FFI as
 * script/pdk.h is. They belong to no request: each may be called in every hook and in `init`. */
#include "policy/dict.h"
#include "policy/limit.h"
#include "store/quotas.h"
#ifndef GW_CDEF
#include <stddef.h>
#include <stdint.h>
#endif

struct gw_breaker;
struct gw_metric_family;
struct gw_script;

/* --- moongate.breaker: policy/breaker.h, in seconds --- */

struct gw_pdk_breaker_rules {
    double failure_threshold, failure_ratio, minimum_volume, window, call_timeout;
    double half_open_after, half_open_after_max, half_open_timeout;
    double half_open_requests, success_threshold;
};

struct gw_pdk_breaker_pass {
    uint64_t epoch, at_us, probe;
};

/* As gw_pdk_dict(). */
struct gw_breaker *gw_pdk_breaker(struct gw_script *script, const char *name, size_t len,
                                  const char **other_kind);
/* 0: it may be called, and `pass` must be ended; else how long to wait. `name`: for the log. */
double gw_pdk_breaker_ask(struct gw_script *script, struct gw_breaker *breaker, const char *name,
                          const struct gw_pdk_breaker_rules *rules,
                          struct gw_pdk_breaker_pass *pass);
/* `outcome`: enum gw_breaker_outcome. */
void gw_pdk_breaker_end(struct gw_script *script, struct gw_breaker *breaker, const char *name,
                        const struct gw_pdk_breaker_rules *rules,
                        const struct gw_pdk_breaker_pass *pass, int outcome);
/* "closed", "open", "half_open". */
const char *gw_pdk_breaker_state(struct gw_script *script, struct gw_breaker *breaker);

/* --- moongate.health --- */

/* Where a name is asked for. */
enum {
    GW_PDK_HEALTH_UNKNOWN = -1, /* there is no such upstream */
    GW_PDK_HEALTH_EARLY = -2,   /* in `init`: nothing serves yet */
};

/* The upstreams of the script's configuration, by index; NULL: there are no more. */
const char *gw_pdk_upstream_name(struct gw_script *script, int index, size_t *len);
/* 1, 0, or one of the above. */
int gw_pdk_upstream_usable(struct gw_script *script, const char *name, size_t len);
/* Its state as JSON. How long that is: where it is more than `size`, `out` holds nothing of use. */
double gw_pdk_upstream_look(struct gw_script *script, const char *name, size_t len, char *out,
                            size_t size);
/* How many targets were meant. */
int gw_pdk_upstream_order(struct gw_script *script, const char *name, size_t len,
                          const char *target, size_t target_len, int down);

/* --- moongate.shared; enum gw_dict_result; times to live in seconds, 0: for ever --- */

/* The dictionary of that name, made when there is none, the script's until its end. NULL when the
 * name is another kind of zone's (*other_kind says which) or there are too many (it is NULL). */
struct gw_dict *gw_pdk_dict(struct gw_script *script, const char *name, size_t len, double bytes,
                            const char **other_kind);

/* A value above GW_DICT_SMALL_MAX holds a blob: gw_pdk_dict_release(). */
int gw_pdk_dict_get(struct gw_script *script, struct gw_dict *dict, const char *key, size_t len,
                    struct gw_dict_got *got);
int gw_pdk_dict_pop(struct gw_script *script, struct gw_dict *dict, const char *key, size_t len,
                    int first, struct gw_dict_got *got);
void gw_pdk_dict_release(struct gw_dict_got *got);

/* `when`: enum gw_dict_when. */
int gw_pdk_dict_set_text(struct gw_script *script, struct gw_dict *dict, int when, const char *key,
                         size_t len, const char *text, size_t text_len, double ttl);
int gw_pdk_dict_set_number(struct gw_script *script, struct gw_dict *dict, int when,
                           const char *key, size_t len, int type, double number, double ttl);

/* `has_first` 0: only what is there. The result is in got->number. */
int gw_pdk_dict_incr(struct gw_script *script, struct gw_dict *dict, const char *key, size_t len,
                     double by, int has_first, double first, double ttl, struct gw_dict_got *got);

int gw_pdk_dict_remove(struct gw_script *script, struct gw_dict *dict, const char *key, size_t len);

/* Into got->number. */
int gw_pdk_dict_ttl(struct gw_script *script, struct gw_dict *dict, const char *key, size_t len,
                    struct gw_dict_got *got);
int gw_pdk_dict_expire(struct gw_script *script, struct gw_dict *dict, const char *key, size_t len,
                       double ttl);

/* The length of the list after it, in got->number. */
int gw_pdk_dict_push_text(struct gw_script *script, struct gw_dict *dict, int first,
                          const char *key, size_t len, const char *text, size_t text_len,
                          struct gw_dict_got *got);
int gw_pdk_dict_push_number(struct gw_script *script, struct gw_dict *dict, int first,
                            const char *key, size_t len, int type, double number,
                            struct gw_dict_got *got);
int gw_pdk_dict_length(struct gw_script *script, struct gw_dict *dict, const char *key, size_t len,
                       struct gw_dict_got *got);

/* At most so many keys, each behind its length as a uint32_t; gw_pdk_keys_free() is due. */
struct gw_pdk_keys {
    char *data;
    size_t count;
};
void gw_pdk_dict_keys(struct gw_script *script, struct gw_dict *dict, size_t max,
                      struct gw_pdk_keys *keys);
void gw_pdk_keys_free(struct gw_pdk_keys *keys);

void gw_pdk_dict_flush(struct gw_dict *dict);
void gw_pdk_dict_stats(struct gw_dict *dict, struct gw_zone_stats *stats);

/* --- moongate.limit: policy/limit.h, in seconds --- */

struct gw_pdk_limit_ask {
    const char *key;
    size_t len;
    const struct gw_limit_rule *rule;
    double cost;
};

struct gw_pdk_limit_answer {
    double limit, remaining, reset, retry_after; /* never: infinity */
    int allowed;
};

/* As gw_pdk_dict(). */
struct gw_limit_table *gw_pdk_limit_table(struct gw_script *script, const char *name, size_t len,
                                          double bytes, const char **other_kind);

/* 1 … GW_LIMIT_ASKS_MAX asks; 1 when all may pass. `take` 0: only to look. */
int gw_pdk_limit_decide(struct gw_script *script, struct gw_limit_table *limits, int take,
                        const struct gw_pdk_limit_ask *asks, size_t count,
                        struct gw_pdk_limit_answer *answers);

/* The same for one ask. */
int gw_pdk_limit_decide_one(struct gw_script *script, struct gw_limit_table *limits, int take,
                            const char *key, size_t len, const struct gw_limit_rule *rule,
                            double cost, struct gw_pdk_limit_answer *answer);
int gw_pdk_limit_adjust(struct gw_script *script, struct gw_limit_table *limits, const char *key,
                        size_t len, const struct gw_limit_rule *rule, double delta,
                        struct gw_pdk_limit_answer *answer);
void gw_pdk_limit_forget(struct gw_limit_table *limits, const char *key, size_t len,
                         const struct gw_limit_rule *rule);
double gw_pdk_limit_log_max(const struct gw_limit_table *limits);
void gw_pdk_limit_stats(struct gw_limit_table *limits, struct gw_zone_stats *stats);

/* NULL, or what is wrong with the terms. */
const char *gw_pdk_limit_rule(struct gw_limit_rule *rule, const struct gw_limit_terms *terms);

/* --- moongate.limit in a file: store/ledger.h --- */

/* An enum gw_quotas_outcome; `mode` 1: take, 0: look. */
int gw_pdk_quota_decide(struct gw_script *script, double counter, int mode,
                        const struct gw_pdk_limit_ask *asks, size_t count,
                        struct gw_pdk_limit_answer *answers);
/* 0: there is no room to count it. */
int gw_pdk_quota_adjust(struct gw_script *script, double counter,
                        const struct gw_pdk_limit_ask *ask, struct gw_pdk_limit_answer *answer);
void gw_pdk_quota_stats(struct gw_script *script, struct gw_zone_stats *stats);

/* What tells counters apart; the same in every process. */
double gw_pdk_quota_counter(const char *name, size_t len);

/* --- moongate.metrics --- */

enum gw_pdk_metric_kind {
    GW_PDK_COUNTER,
    GW_PDK_GAUGE,
    GW_PDK_HISTOGRAM,
};

enum {
    GW_PDK_LABELS_MAX = 8,
    GW_PDK_BOUNDS_MAX = 30,
};

struct gw_pdk_metric {
    int kind;
    const char *name, *help;
    const char *labels[GW_PDK_LABELS_MAX]; /* up to the first NULL */
    double max_series;
    double bounds[GW_PDK_BOUNDS_MAX];
    double bound_count;
};

/* The family of that definition, made when there is none; NULL for what cannot be one. */
struct gw_metric_family *gw_pdk_metric(struct gw_script *script, const struct gw_pdk_metric *def);

/* The series with these label values. `is_other`: the one for what comes past the maximum, which
 * must not be remembered for these values. */
struct gw_pdk_labels {
    const char *ptr[GW_PDK_LABELS_MAX];
    size_t len[GW_PDK_LABELS_MAX];
    int is_other;
};
uint32_t gw_pdk_metric_series(struct gw_metric_family *family, struct gw_pdk_labels *labels);

void gw_pdk_metric_count(struct gw_script *script, uint32_t series, double n);
void gw_pdk_metric_set(struct gw_script *script, uint32_t series, double value);
void gw_pdk_metric_move(struct gw_script *script, uint32_t series, double by);
void gw_pdk_metric_observe(struct gw_script *script, struct gw_metric_family *family,
                           uint32_t series, double value);

/* --- moongate.crypto --- */

enum gw_pdk_digest_name {
    GW_PDK_MD5,
    GW_PDK_SHA1,
    GW_PDK_SHA256,
    GW_PDK_SHA384,
    GW_PDK_SHA512,
};

enum {
    GW_PDK_DIGEST_MAX = 64,
    GW_PDK_GCM_NONCE = 12,
    GW_PDK_GCM_TAG = 16,
};

/* These write the digest's bytes and return how many; 0: OpenSSL has no such digest here. */
int gw_pdk_digest(struct gw_script *script, int name, const char *data, size_t len, char *out);
int gw_pdk_hmac(struct gw_script *script, int name, const char *key, size_t key_len,
                const char *data, size_t len, char *out);

/* Piece by piece; `key` NULL: a plain digest, else an HMAC. NULL: no such digest. It belongs to no
 * script: whoever made it frees it. */
struct gw_pdk_hash;
struct gw_pdk_hash *gw_pdk_hash_new(int name, const char *key, size_t key_len);
void gw_pdk_hash_update(struct gw_pdk_hash *hash, const char *data, size_t len);
int gw_pdk_hash_final(struct gw_pdk_hash *hash, char *out);
void gw_pdk_hash_free(struct gw_pdk_hash *hash);

/* AES-GCM with a key of 16 or 32 bytes. Sealing writes `len` bytes and the tag; opening takes them
 * and writes what is left without the tag. 0: not the key, or not what was sealed. `out` may not be
 * the data. */
struct gw_pdk_gcm {
    const char *key, *nonce, *with; /* `with`: authenticated, not encrypted */
    size_t key_len, with_len;
};
int gw_pdk_gcm_seal(const struct gw_pdk_gcm *gcm, const char *data, size_t len, char *out);
int gw_pdk_gcm_open(const struct gw_pdk_gcm *gcm, const char *data, size_t len, char *out);

void gw_pdk_random(char *out, size_t len);

/* In a time that tells nothing about where they differ. */
int gw_pdk_equal(const char *a, const char *b, size_t len);

/* How many bytes were written; decoding -1: it is none (base/encode.h). */
double gw_pdk_hex_encode(const char *bytes, size_t len, char *out);
double gw_pdk_hex_decode(const char *text, size_t len, char *out);
double gw_pdk_base64_encode(const char *bytes, size_t len, int url, char *out);
double gw_pdk_base64_decode(const char *text, size_t len, int url, char *out);

/* --- budgets --- */

/* Whether the run that has the thread is being stopped: nothing more of it may run. */
int gw_pdk_is_stopping(const struct gw_script *script);

/* Whose code this thread begins to load, and which part of it; NULL: our own again. */
void gw_pdk_loading(const char *plugin, const char *part);
