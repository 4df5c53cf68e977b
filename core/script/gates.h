#pragma once
/* What waits at gates, as the script and moongate.limit see it (await_gate.c, pdk_gates.c). */
#include "policy/gates.h"
#include "script/pdk_gates.h"

struct gw_exchange;
struct gw_script;

/* The exchange leaves the gate when it ends, however it does. */
void gw_gate_keep(struct gw_exchange *x, struct gw_gate *gate);

/* Forgets a ticket whose run was stopped before it waited. */
void gw_gate_wait_drop(struct gw_script *script);

/* The script ends. */
void gw_gate_wait_free(struct gw_script *script);
