#pragma once
/* HTTP/2 (RFC 9113) in both roles, on nghttp2. Many streams on a connection; flow control is the
 * backpressure: a peer may send on as its bytes are taken, and a stream that is held keeps at most
 * a window of them.
 *
 * What comes is judged as strictly as HTTP/1's: a malformed message ends its stream, what breaks
 * the connection's own rules ends that, and both are counted: a peer that makes us work for nothing
 * (resets, faults, floods of small frames) is told to calm down and let go (h2_guard.c).
 *
 * Tunnels. A CONNECT with :protocol (RFC 8441) is a head with `protocol`, as HTTP/1's Upgrade is;
 * it is answered with 101, which goes out as 200. The client role writes it so, when the server has
 * allowed it (gw_h2_client_tunnels()), and tells of 200 as 101. */
#include "http/session.h"

struct gw_h2_limits {
    struct gw_session_limits session;
    unsigned streams;       /* at once; 0: 128 */
    uint32_t stream_window; /* bytes that may come ahead on one; 0: 64 KiB */
    bool tls;               /* a client: what it asks for is https */
    uint32_t conn_window;   /* on all of them; 0: every stream's and 1 MiB for those that grow */
};

/* Takes the connection over and binds it; the preface is the first thing it reads. `limits` are
 * copied. `scheme` is static text. */
struct gw_session *gw_h2_server_new(struct gw_conn *conn, const struct gw_h2_limits *limits,
                                    struct gw_slice scheme, const struct gw_server_events *events,
                                    void *ctx);

struct gw_h2_client;

struct gw_h2_client_events {
    /* There was no room for a stream, and now there is; or it is known how much. */
    void (*on_room_for_streams)(void *ctx, struct gw_h2_client *client);
    /* No stream is open any more; it may carry others. */
    void (*on_idle)(void *ctx, struct gw_h2_client *client);
    /* The connection is gone and no stream is open; the client frees itself after this call. Not
     * called after gw_h2_client_close(). */
    void (*on_closed)(void *ctx, struct gw_h2_client *client);
};

struct gw_h2_client *gw_h2_client_new(struct gw_conn *conn, const struct gw_h2_limits *limits,
                                      const struct gw_h2_client_events *events, void *ctx);

/* A stream for one request, or NULL when there is no room for one. Response heads live in `arena`,
 * which outlives the stream. */
struct gw_stream *gw_h2_client_open(struct gw_h2_client *client, struct gw_arena *arena);

/* How many more may be opened now: what the server allows (100 until it has said so) and we do; 0
 * once the connection is on its way out. */
unsigned gw_h2_client_free_streams(const struct gw_h2_client *client);

/* The server's settings are here; on_room_for_streams comes when they are. */
bool gw_h2_client_settled(const struct gw_h2_client *client);

/* The server takes extended CONNECT. False until its settings are here. */
bool gw_h2_client_tunnels(const struct gw_h2_client *client);

/* No more streams; ends when those it has are closed (on_closed comes). */
void gw_h2_client_drain(struct gw_h2_client *client);

/* Ends at once; streams in flight get on_end(GW_E_SHUTDOWN) and must still be closed by their
 * owners. */
void gw_h2_client_close(struct gw_h2_client *client);

unsigned gw_h2_client_requests(const struct gw_h2_client *client); /* how many it carried */
struct gw_conn *gw_h2_client_conn(struct gw_h2_client *client);    /* NULL once it is closed */
