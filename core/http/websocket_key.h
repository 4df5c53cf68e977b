#pragma once
/* The proof of RFC 6455's handshake, which HTTP/1.1 has and RFC 8441 has not: where a WebSocket
 * goes from one to the other, the side that speaks HTTP/1.1 makes it. */
#include "http/head.h"

#ifndef GW_CDEF
#define GW_WEBSOCKET GW_SLICE("websocket")
#define GW_WEBSOCKET_KEY_FIELD GW_SLICE("sec-websocket-key")
#define GW_WEBSOCKET_ACCEPT_FIELD GW_SLICE("sec-websocket-accept")
#endif

#define GW_WEBSOCKET_ACCEPT_LEN 28

/* A new Sec-WebSocket-Key; lives in the arena. */
struct gw_slice gw_websocket_key(struct gw_arena *arena);

/* The Sec-WebSocket-Accept to a key, of any length. */
void gw_websocket_accept(struct gw_slice key, char out[GW_WEBSOCKET_ACCEPT_LEN]);
