#pragma once
/* Hedging: a request whose answer is long in coming goes to another target, too, and whoever
 * answers first wins. To its owner it is a call like any other. */
#include "upstream/call.h"

/* For gw_call_open(), of services that hedge. */
struct gw_stream *gw_hedge_open(const struct gw_call_options *options);

/* NULL: it is a call of another kind. */
const struct gw_call_info *gw_hedge_info(const struct gw_stream *stream);
