#pragma once
/* Small helpers of the pdk_*.c files. */
#include "http/exchange.h"
#include "http/token.h"
#include "script/pdk.h"

/* The result of a reading function; returns 1. */
static inline int gw_pdk_put(struct gw_pdk *h, struct gw_slice text)
{
    h->ptr = text.ptr ? text.ptr : "";
    h->len = text.len;
    return 1;
}

static inline void gw_pdk_put_value(struct gw_pdk *h, struct gw_slice text)
{
    h->ptr2 = text.ptr ? text.ptr : "";
    h->len2 = text.len;
}

/* Lua's bytes, kept as long as the request. */
static inline struct gw_slice gw_pdk_keep(const struct gw_pdk *h, const char *text, size_t len)
{
    return gw_arena_copy(h->x->arena, gw_slice(text, len));
}

/* The Host of the request before routing, of what goes out after it. */
int gw_pdk_set_host(struct gw_pdk *h, const char *text, size_t len);

/* The numbers of gw_pdk_number() that stand when a request is over (pdk_record.c). */
double gw_pdk_record(const struct gw_pdk *h, int what);

/* Lower case; with "-" for "_" where asked. Lives in the arena. */
struct gw_slice gw_pdk_field_name(struct gw_arena *arena, struct gw_slice name, bool dashes);

/* True for the fields that the codec writes (framing, connection control): nobody above it may. */
bool gw_pdk_is_framing(struct gw_slice lower_name);

/* What a plugin may call a header and write into it. */
enum gw_pdk_verdict gw_pdk_check_field(struct gw_slice lower_name, struct gw_slice value);
