#pragma once
/* What call.c (the stream to the owner, the timers), attempt.c (targets and tries), attempt_retry.c
 * (whether another follows), attempt_place.c (whether there is room for it) and attempt_connect.c
 * (the way to a target) share. */
#include "base/buf.h"
#include "net/reach.h"
#include "net/resolver.h"
#include "policy/breaker.h"
#include "policy/retry.h"
#include "upstream/call.h"
#include "upstream/target.h"
#include "upstream/trunk.h"
#include "upstream/view.h"

#define GW_CALL_FOREIGN_MAX 8 /* addresses of a name outside the registry */

enum gw_call_state {
    GW_CALL_NEW,     /* send_head() has not come */
    GW_CALL_SEEKING, /* resolves, dials, or pauses before the next try */
    GW_CALL_ACTIVE,  /* a stream carries it */
    GW_CALL_FAILED,  /* the error is on its way up, or was told */
    GW_CALL_CLOSED,
};

/* What the one timer is waiting for. */
enum gw_call_wait {
    GW_CALL_WAIT_NONE,
    GW_CALL_WAIT_WRITE,    /* room for more of the request */
    GW_CALL_WAIT_RESPONSE, /* the head, after the request was whole */
    GW_CALL_WAIT_READ,     /* more of the response */
};

/* What a breaker let it have. */
struct gw_call_pass {
    const struct gw_breaker_use *use;
    struct gw_breaker_pass pass;
};

struct gw_call {
    struct gw_stream stream; /* what the owner sees */
    struct gw_call_options options;
    struct gw_call_info info;
    enum gw_call_state state;

    /* The request, as far as it is kept for a connection that is still to come, or for another try.
     */
    struct gw_head head;
    bool head_ends;         /* no body follows */
    struct gw_buf pending;  /* body bytes given before there was a connection */
    struct gw_blob *replay; /* the whole body, given at once with an owner; one reference */
    size_t body_at;         /* how much of options.body or replay was sent */
    bool body_ended;        /* the owner gave the last byte */
    const struct gw_fields *trailers;
    bool body_sent; /* a piece that is not kept went to an attempt: no other try can repeat it */
    bool request_whole; /* all of it was given to the attempt */
    bool blocked;       /* the attempt said: no more until on_room */
    bool owner_waits;   /* the owner was told so */
    bool held;

    /* The response. */
    unsigned interim;                                /* heads below 200 */
    bool final_head, tunnel, events, response_whole; /* events: text/event-stream */

    /* The attempt. */
    struct gw_view *view; /* one use; NULL for a target outside the registry */
    bool *tried;          /* one flag an item of the view; NULL before a second try */
    bool *full;           /* the same, of those there was no room at; NULL: there always was */
    struct gw_target *foreign[GW_CALL_FOREIGN_MAX];
    unsigned foreign_count;
    int chosen;    /* index in the view */
    int stuck;     /* the target that the request's cookie names; -1: none. With `sticky` */
    bool sticky;   /* the upstream's sessions stay, and the owner has cookies */
    uint64_t hash; /* of the request's key; with `hashed` */
    bool hashed;
    struct gw_target *target; /* counted in its vitals; NULL between attempts */
    struct gw_stream *up;
    struct gw_stream *draining; /* of the try before, which nobody wants; or NULL */
    struct gw_reach *reach;
    struct gw_trunk_wait *wait; /* for a stream on a connection that others share */
    struct gw_resolve *resolve;
    /* Tries that follow; the service's rules and its upstream's budget, NULL: it has none. */
    const struct gw_retry_config *retry;
    struct gw_retry_budget *budget;
    struct gw_timer try_timer; /* per_try_timeout; between two tries: the pause; in line: the end of
                                  waiting */
    unsigned retries_left, retries_made;
    size_t replay_max; /* bytes of a body that is streamed are kept for another try; 0: none */
    bool repeatable;   /* the rules say that its method may reach the service twice */
    uint64_t whole_us; /* when the request was whole on its way the first time */

    struct gw_line *line;           /* of the upstream, where it has a capacity; else NULL */
    struct gw_line_wait *line_wait; /* or NULL */
    bool has_place;
    struct gw_call_pass passes[2]; /* of the breakers of service and route */
    unsigned pass_count;
    struct gw_tls_client *tls; /* what a target is spoken to with; NULL: plain */
    bool shares;               /* the service speaks HTTP/2 */
    bool must_be_fresh;        /* a reused connection failed already, or must not be used */

    struct gw_timer timer;
    enum gw_call_wait waits;
    struct gw_defer defer;
    enum gw_error failure;
};

/* A call that is not hedged. */
struct gw_stream *gw_call_open_one(const struct gw_call_options *options);

/* It waits for an answer of a target, may be sent twice, and the budget of its upstream has room
 * for one more try, which is counted. */
bool gw_call_may_hedge(struct gw_stream *stream);

/* Tells the error upwards at the end of the turn. */
void gw_call_fail_later(struct gw_call *call, enum gw_error why);

/* Tells it now: only from events, and as the last thing done. */
void gw_call_fail(struct gw_call *call, enum gw_error why);

/* Sends what is kept of the request on call->up; the attempt was just connected. */
void gw_call_flush(struct gw_call *call);

/* Tells the owner that it may send more, if it waits for that: only from events, and as the last
 * thing done. */
void gw_call_tell_room(struct gw_call *call);

/* Starts, moves or stops the timer according to what is waited for. */
void gw_call_set_timer(struct gw_call *call);

/* Writes into the head how long an answer is waited for, where the service wants to know. */
void gw_call_tell_deadline(struct gw_call *call);

/* Reads the rest of an answer that nobody wants: the attempt goes on without its stream. */
void gw_attempt_drain(struct gw_call *call);

/* Closes that stream, where its rest is still being read. */
void gw_attempt_stop_draining(struct gw_call *call, enum gw_error why);

/* Bytes moved: what is waited for between two moves begins anew. */
void gw_call_note_progress(struct gw_call *call);

/* When response_timeout ends, whatever try it is; UINT64_MAX: it does not run (yet). */
uint64_t gw_call_answer_due(const struct gw_call *call);

/* Asks the breakers, once a call. One that is open sends the call to its fallback, or refuses it:
 * false, and the call fails later. */
bool gw_call_ask_breakers(struct gw_call *call);

static inline bool gw_call_may_pass(struct gw_call *call)
{
    const struct gw_service *service = call->options.service;

    return !(call->options.breaker || (service && service->breaker)) || gw_call_ask_breakers(call);
}

/* What the call says about the service to the breakers that let it pass; only the first time
 * counts. A status (of the final head), or 0 and the error; GW_OK when nobody waits any more. */
void gw_call_end_passes(struct gw_call *call, int status, enum gw_error why);

static inline void gw_call_end_pass(struct gw_call *call, int status, enum gw_error why)
{
    if (call->pass_count > 0)
        gw_call_end_passes(call, status, why);
}

/* Begins the first or the next attempt; failures come later. */
void gw_attempt_start(struct gw_call *call);

/* A target, whose place is taken; NULL when there is none, or when none has room. */
struct gw_target *gw_attempt_choose(struct gw_call *call, bool *all_full);

/* The attempt goes there. */
void gw_attempt_go_to(struct gw_call *call, struct gw_target *target);

/* Finds out whether the upstream has a capacity, once a call. */
void gw_place_begin(struct gw_call *call, struct gw_upstream *upstream);

/* Takes a place at the upstream and at one of its targets, and goes there; waits for it, or fails
 * later. */
void gw_place_find(struct gw_call *call);
void gw_place_leave(struct gw_call *call);
void gw_place_stop_waiting(struct gw_call *call);
/* As gw_attempt_learn(): by it the upstream's own bound is found out. */
void gw_place_learn(struct gw_call *call, int status, enum gw_error error);

/* The attempt came to its head (GW_OK and its status), or failed: its target is measured by it. */
void gw_attempt_learn(struct gw_call *call, int status, enum gw_error error);

/* The call goes to that upstream: finds the rules of trying again, once a call. */
void gw_retry_begin(struct gw_call *call, struct gw_upstream *upstream);

/* A try begins: its own timeout runs, where it has one. */
void gw_retry_watch(struct gw_call *call);

/* The attempt is over with that error. Another one follows, now or after a pause: true; else the
 * caller tells the error. */
bool gw_attempt_retry(struct gw_call *call, enum gw_error why);

/* The same for an answer's final head: false: it is the call's. */
bool gw_attempt_retry_answer(struct gw_call *call, const struct gw_head *head, bool end);

/* Ends whatever runs of it, at once. */
void gw_attempt_end(struct gw_call *call, enum gw_error why);

/* Connects to call->target, and sends what is kept of the request. */
void gw_attempt_connect(struct gw_call *call);

/* Nobody waits for a connection any more. */
void gw_attempt_stop_connecting(struct gw_call *call);

extern const struct gw_stream_events gw_call_events; /* of call->up; the owner is the call */
