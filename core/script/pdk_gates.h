#pragma once
/* What waits at gates, as moongate.limit sees it (policy/gates.h), for FFI as script/pdk.h is. */
#ifndef GW_CDEF
#include <stddef.h>
#include <stdint.h>
#endif

struct gw_gates;
struct gw_limit_rule;
struct gw_pdk;
struct gw_script;

/* The first four are enum gw_gate_result. */
enum gw_pdk_gate {
    GW_PDK_GATE_PASSED,
    GW_PDK_GATE_WAITS, /* core.gate_wait comes next, and says how it ended */
    GW_PDK_GATE_FULL,
    GW_PDK_GATE_CROWDED,
    GW_PDK_GATE_LATE,     /* it waited for as long as it wanted to */
    GW_PDK_GATE_NOT_HERE, /* where nothing may wait, or nobody would give it back */
};

struct gw_pdk_gate_answer {
    double wait; /* seconds, as gw_gate_answer says */
    double waiting, active;
};

struct gw_pdk_gates_stats {
    double waiting, active, keys, bytes, size, passed, refused, left, evicted;
};

/* As gw_pdk_dict(). */
struct gw_gates *gw_pdk_gates(struct gw_script *script, const char *name, size_t len, double bytes,
                              const char **other_kind);
void gw_pdk_gates_stats(struct gw_gates *gates, struct gw_pdk_gates_stats *stats);

/* enum gw_pdk_gate. A queue belongs to a rule, as its cells do; a hold ends with the request. */
int gw_pdk_gate_queue(struct gw_script *script, struct gw_gates *gates,
                      const struct gw_limit_rule *rule, const char *key, size_t len, double rate,
                      double most, double cost, struct gw_pdk_gate_answer *answer);
int gw_pdk_gate_hold(struct gw_script *script, struct gw_gates *gates, const char *key, size_t len,
                     double limit, double most, struct gw_pdk_gate_answer *answer);

/* Bytes a second of the request's body (0) or the response's (1), and what may pass without waiting
 * after a pause. `gates` NULL: of this stream alone; else all of the key share them. 0: every gate
 * is in use. */
int gw_pdk_pace(struct gw_pdk *h, int direction, double rate, double burst, struct gw_gates *gates,
                const char *key, size_t len);
