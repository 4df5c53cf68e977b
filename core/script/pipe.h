#pragma once
/* The body hooks of a plan, piped: a piece of a body goes in, what they made of it comes out. One
 * piece is in the pipe at a time, in each direction. */
#include "script/phase.h"

enum gw_pipe_result {
    GW_PIPE_DONE,  /* `out` stands */
    GW_PIPE_WAITS, /* a hook waits: the exchange's on_piped is called once, unless cancelled */
    GW_PIPE_FAILED /* a hook raised (it was logged): the body cannot go on */
};

/* Runs the REQUEST_BODY or BODY hooks over a piece, borrowed for the call, in plan order. `last`:
 * the message ends behind it; the hooks then get ("", true) too. What comes out is borrowed until
 * Lua runs again, and may be empty. The exchange must have a script with such hooks. */
enum gw_pipe_result gw_pipe_run(struct gw_exchange *x, enum gw_phase phase, struct gw_slice piece,
                                bool last, struct gw_slice *out);

/* Ends a hook that waits; on_piped never comes. Nothing when none does. */
void gw_pipe_cancel(struct gw_exchange *x, enum gw_phase phase);
