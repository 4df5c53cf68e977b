#pragma once
/* Two streams that are each other's peer, in memory: what one sends the other hears, in later
 * calls. For tests and the plugin harness, where nothing needs to be bytes on a wire. */
#include "http/stream.h"
#include "net/loop.h"

/* The client's end sends a request and hears the response (on_head with a status); the server's end
 * hears the request (on_head too). Each end's arena outlives it. Both must be closed; the memory
 * goes with the second. */
void gw_stream_pair_open(struct gw_loop *loop, struct gw_arena *client_arena,
                         struct gw_arena *server_arena, struct gw_stream **client,
                         struct gw_stream **server);
