#pragma once
/* An exchange on its way: the exchange that everybody knows, and what only proxy/ needs. Lives in
 * the exchange's arena.
 *
 * Words.  *flight*: this struct. *to_service*, *to_client*: the two relays. *reader*: who waits for
 * a whole body. *epoch*: a configuration and its script as this worker counts their users, without
 * atomics. */
#include "base/gauge.h"
#include "config/config.h"
#include "http/exchange.h"
#include "proxy/counters.h"
#include "proxy/proxy.h"
#include "proxy/relay.h"
#include "script/phase.h"
#include "upstream/call.h"

struct gw_epoch {
    struct gw_config *config; /* one reference */
    struct gw_script *script; /* one reference, while it is current or has users; or NULL */
    struct gw_series series;
    unsigned users, script_users;
    bool current;
};

struct gw_proxy {
    struct gw_proxy_options options;
    struct gw_counters counters;
    struct gw_epoch *epoch; /* the current one */
    struct gw_list flights; /* by in_worker */
    struct gw_gauge active;
    struct gw_list mirrors; /* struct gw_mirror, collecting or on their way */
    unsigned mirror_count;
};

struct gw_flight {
    struct gw_exchange x;
    struct gw_epoch *epoch;
    const struct gw_listener_config *listener; /* it came in through; NULL: none of this epoch's */
    bool has_script;                           /* counted in script_users */
    bool entered; /* the step's function ran already: it is woken now */
    bool advancing;

    struct gw_relay to_service, to_client;
    bool down_held, up_held;
    bool request_ended;  /* the last byte of the client's message came */
    bool response_ended; /* the same of the stream in x.up */
    struct gw_fields *request_trailers, *response_trailers; /* of a body that was collected */
    struct gw_list readers[2];                              /* enum gw_body_side */
    bool asked_for_body;           /* an interim head was sent: the client waits no longer */
    struct gw_blob *piped_request; /* a whole body as request_body hooks left it; one reference */

    bool calling;                    /* x.up is a call */
    const struct gw_call_info *call; /* lives in the arena; NULL when nobody was called */
    bool head_here;                  /* x.response is filled */
    struct gw_edits edits; /* x.response_edits as they were then: a reply that replaces the response
                              gets them too */
    bool replying;         /* x.up is a reply stream */
    bool tunnel;
    bool cut;             /* the client's stream must end visibly unfinished */
    uint64_t deadline_us; /* how long a call of gRPC may take, as its client says; 0: for ever */
    enum gw_error grpc_error; /* what is wrong with that */
    bool speaks_grpc;         /* to the service */
    struct gw_slice message;  /* of the reply: struct gw_reply */
    enum gw_error
        up_error; /* the service's stream ended so, in a moment when nothing could be answered */

    struct gw_timer total;        /* limits.total_timeout, then the bound of the log hooks */
    struct gw_timer pace;         /* the client sends and reads fast enough */
    uint64_t paced_in, paced_out; /* bytes at the last look */
    struct gw_defer free_later;
};

enum gw_body_side {
    GW_BODY_OF_REQUEST,
    GW_BODY_OF_RESPONSE
};

static inline struct gw_flight *gw_flight_of(struct gw_exchange *x)
{
    return container_of(x, struct gw_flight, x);
}

/* Its plan has hooks of that phase, or ctx:after kept work for it. */
static inline bool gw_flight_has_hooks(const struct gw_flight *flight, enum gw_phase phase)
{
    const struct gw_exchange *x = &flight->x;

    return x->script && ((gw_script_phases(x->script, x->route) & (1u << phase)) ||
                         (phase == GW_PHASE_LOG && x->has_after));
}

/* ── proxy.c ───────────────────────────────────────────────────────────────────── */

/* Runs steps until one waits. The flight may be over when it returns. */
void gw_flight_advance(struct gw_flight *flight);

/* Leaves the way where it stands and goes to its end: the client's stream is cut. Cancels what
 * waits. */
void gw_flight_abandon(struct gw_flight *flight, enum gw_error why);

/* It cannot go on as it was meant to: a problem is answered when nothing was sent yet, else the
 * client's stream is cut. Advances. */
void gw_flight_fail(struct gw_flight *flight, enum gw_error why);

/* ── entry.c ───────────────────────────────────────────────────────────────────── */

void gw_flight_drop_script(struct gw_flight *flight); /* no hook of it will run any more */
const struct gw_listener_config *gw_proxy_listener(const struct gw_proxy *proxy, int listener);
void gw_flight_free(
    struct gw_flight *flight); /* takes it out of the proxy; the arena goes with it */

/* ── client.c ──────────────────────────────────────────────────────────────────── */

/* Who asks: peer, real address after trusted_proxies, how it reached the first proxy we trust,
 * correlation id. */
void gw_flight_identify(struct gw_flight *flight);

/* ── routing.c ─────────────────────────────────────────────────────────────────── */

/* (Again) from the head on, with the limits that hold now, and the deadline of a call. */
void gw_flight_start_total_timeout(struct gw_flight *flight);

/* Finds the route and fills x.outgoing. What stands in the way is a reply in x.reply. */
void gw_flight_route(struct gw_flight *flight);

/* ── certificate.c ─────────────────────────────────────────────────────────────── */

/* Tells the service of the certificate its client has shown, where there is one that is good. */
void gw_flight_tell_certificate(const struct gw_exchange *x, enum gw_certificate_header header,
                                struct gw_fields *fields);

/* ── secure.c ──────────────────────────────────────────────────────────────────── */

/* Before and after its route is known: false when it came in a way in which it is not served; the
 * answer stands in x.reply. */
bool gw_flight_check_way(struct gw_flight *flight);
bool gw_flight_check_route(struct gw_flight *flight);

/* ── outgoing.c ────────────────────────────────────────────────────────────────── */

/* Lets request_body hooks work on a body that is in memory as a whole, so that it still goes out
 * with its length and may be sent again. True when they wait. */
bool gw_flight_pipe_request(struct gw_flight *flight);

/* What they made of it; `failed` is a reply in x.reply. */
void gw_flight_take_request(struct gw_flight *flight, bool failed, struct gw_slice out);

/* Opens the call, sends the head, starts the relay of the request's body. GW_E_NO_TARGET when there
 * is no service, GW_E_PLUGIN when a request_body hook failed at once. */
enum gw_error gw_flight_call(struct gw_flight *flight);

/* Kong's v0 rule: the service's path, one slash, then the request's path or what strip_path left of
 * it. */
struct gw_slice gw_outgoing_path(struct gw_arena *arena, struct gw_slice base,
                                 struct gw_slice request, size_t matched, bool strip);

/* ── grpc.c ────────────────────────────────────────────────────────────────────── */

/* Whether the request is a call, and how long it may take. */
void gw_flight_begin_grpc(struct gw_flight *flight);

/* The same for a request that a plugin made a call of, with the fields that go. */
enum gw_error gw_flight_adopt_call(struct gw_flight *flight, struct gw_fields *fields);

/* What of the client's time is left, for the service to know. */
void gw_flight_pass_deadline(const struct gw_flight *flight, struct gw_fields *fields);

/* Turns a reply into what a call can read. True when the head is all there is to send. */
bool gw_flight_answer_call(struct gw_flight *flight);

/* A call whose answer has begun and cannot go on: trailers say why. */
void gw_flight_end_call(struct gw_flight *flight, enum gw_error why);

/* How the call ended, for log and metrics; GW_GRPC_NONE where there was none. */
int gw_flight_grpc_status(const struct gw_flight *flight);

/* ── frames.c ──────────────────────────────────────────────────────────────────── */

/* Puts judges of frames into the relays of a tunnel, where the route wants them. */
void gw_flight_read_frames(struct gw_flight *flight);

/* One of them found something: the WebSocket ends. */
void gw_flight_break_frames(struct gw_flight *flight);

/* The gateway stops: both sides of a WebSocket whose frames are judged are told so, and have a
 * second to go. False: it is none. */
bool gw_flight_part_frames(struct gw_flight *flight, enum gw_error why);

/* Whether a handshake over HTTP/1.1 can be proven. */
bool gw_flight_has_websocket_key(const struct gw_exchange *x);

/* ── answer.c ──────────────────────────────────────────────────────────────────── */

/* Puts a problem in x.reply, in the place of any other. */
void gw_flight_refuse(struct gw_flight *flight, enum gw_error why);

/* The same in other words than the error's own; static text. */
void gw_flight_refuse_saying(struct gw_flight *flight, enum gw_error why, const char *detail);

/* Puts the reply in the place of the service's stream. */
void gw_flight_open_reply(struct gw_flight *flight);

/* Fills x.response from a head that came. */
void gw_flight_take_head(struct gw_flight *flight, struct gw_head *head, bool end);

/* Sends the head, and the body as far as it is here. */
void gw_flight_respond(struct gw_flight *flight);
bool gw_flight_responded(const struct gw_flight *flight);

/* ── slow.c ────────────────────────────────────────────────────────────────────── */

/* Watches that the client sends and reads. */
void gw_flight_watch_pace(struct gw_flight *flight);

/* ── sides.c ───────────────────────────────────────────────────────────────────── */

/* Before a relay starts: its bytes keep the pace that a plugin asked for. */
void gw_flight_throttle(struct gw_flight *flight);

extern const struct gw_stream_events gw_down_events, gw_up_events; /* the owner is the flight */

/* Holds each side, or lets it go on, according to who wants its bytes now. Called at the end of
 * whatever may change that. */
void gw_flight_set_holds(struct gw_flight *flight);

/* What body hooks that waited made of their piece: gw_exchange_ops. */
void gw_flight_on_piped(struct gw_exchange *x, enum gw_phase phase, bool failed,
                        struct gw_slice out);

/* Ends the stream towards the service or the reply, if there is one. */
void gw_flight_close_up(struct gw_flight *flight, enum gw_error why);

/* ── collect.c ─────────────────────────────────────────────────────────────────── */

extern const struct gw_exchange_ops gw_flight_ops;

bool gw_readers_want(const struct gw_flight *flight, enum gw_body_side side);
void gw_readers_take(struct gw_flight *flight, enum gw_body_side side, struct gw_slice bytes,
                     bool end);
void gw_readers_fail(struct gw_flight *flight, enum gw_body_side side, enum gw_error why);
void gw_readers_cancel(struct gw_flight *flight);

/* ── record.c ──────────────────────────────────────────────────────────────────── */

/* The access log line and the metrics of a flight that is over. */
void gw_flight_record(struct gw_flight *flight);

/* The same of a request that was refused before it became one; `x` holds only what is known. */
void gw_refusal_record(struct gw_proxy *proxy, struct gw_exchange *x);
