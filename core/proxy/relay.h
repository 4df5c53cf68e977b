#pragma once
/* One direction of a body: bytes come, body hooks may stand between, bytes go on. Used twice by
 * every exchange, and twice by a tunnel. What is in memory already (a collected beginning, a
 * replaced body, a reply) goes first. Who feeds it must hold its source while it does not want
 * more: the other side has no room, or a hook waits. */
#include "http/exchange.h"
#include "http/websocket.h"
#include "proxy/throttle.h"

struct gw_mirror;

struct gw_relay {
    struct gw_stream *to;  /* NULL: not running */
    struct gw_exchange *x; /* whose hooks stand between, NULL: none */
    enum gw_phase phase;   /* … and which */
    struct gw_slice memory;
    struct gw_blob *owner;            /* of memory, or NULL; borrowed */
    const struct gw_fields *trailers; /* of the source, once they are known */
    const struct gw_fields *added;    /* more of them, of plugins; NULL: none ever */
    bool memory_is_all;
    bool blocked;                       /* `to` takes no more until on_room */
    bool waits;                         /* a hook has a piece and waits */
    bool ending;                        /* the hooks got the last */
    bool ended;                         /* the last byte was given to `to` */
    bool failed;                        /* a hook failed: nothing goes on */
    struct gw_websocket_reader *reader; /* judges the frames; NULL: nobody does */
    enum gw_websocket_code broken;      /* what it says of one: nothing goes on */
    uint64_t bytes;
    struct gw_throttle *throttle; /* how fast; NULL: as fast as it goes */
    struct gw_mirror *mirror;     /* gets a copy of what goes on; NULL: nobody does */
};

/* Puts the hooks of that phase between; before the start. NULL takes them away. */
void gw_relay_hook(struct gw_relay *relay, struct gw_exchange *x, enum gw_phase phase);

/* Starts with what is in memory, which must live as long as the relay runs. `all`: nothing comes
 * behind it (but `trailers`, which may be NULL). */
void gw_relay_start(struct gw_relay *relay, struct gw_stream *to, struct gw_slice memory,
                    struct gw_blob *owner, bool all, const struct gw_fields *trailers);

/* A piece came from the source; borrowed for the call. */
void gw_relay_take(struct gw_relay *relay, struct gw_slice bytes, bool end);
void gw_relay_end_with(struct gw_relay *relay, const struct gw_fields *trailers);

/* `to` has room again. */
void gw_relay_go_on(struct gw_relay *relay);

/* The throttle lets more pass. */
void gw_relay_resume(struct gw_relay *relay);

/* The hooks that waited are through. */
void gw_relay_piped(struct gw_relay *relay, bool failed, struct gw_slice out);

/* It takes and gives nothing any more; a hook that waits is cancelled. */
void gw_relay_stop(struct gw_relay *relay);

/* More from the source is welcome. */
static inline bool gw_relay_wants(const struct gw_relay *relay)
{
    return relay->to && !relay->ended && !relay->blocked && !relay->waits && !relay->ending &&
           !relay->failed && !relay->memory_is_all && relay->memory.len == 0;
}
