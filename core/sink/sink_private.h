#pragma once
/* What the files of sink/ share. */
#include "base/arena.h"
#include "base/list.h"
#include "net/loop.h"
#include "sink/queue.h"
#include "sink/sink.h"

#include <pthread.h>

struct gw_tls_client;

struct gw_pool;
struct gw_sink_datagrams;
struct gw_sink_file;
struct gw_sink_http;
struct gw_sink_stream;

/* How the lines of a sink leave. One delivery at a time. */
struct gw_sink_carrier {
    bool newline;       /* lines are ended in the queue already */
    unsigned batch_max; /* entries of one delivery; 0: limits.max_batch_size */
    void (*open)(struct gw_sink *sink);
    /* Delivers sink->batch. Ends with gw_sink_delivered(). */
    void (*deliver)(struct gw_sink *sink);
    /* Nothing more is heard of a delivery under way; connections are closed. */
    void (*close)(struct gw_sink *sink);
};

extern const struct gw_sink_carrier gw_sink_stream_carrier, gw_sink_datagram_carrier,
    gw_sink_http_carrier;

enum gw_sink_state {
    GW_SINK_SLEEPS,   /* the next put wakes it */
    GW_SINK_LOOKS,    /* again, soon */
    GW_SINK_GATHERS,  /* a batch */
    GW_SINK_DELIVERS, /* it */
    GW_SINK_RESTS,    /* until the next try */
    GW_SINK_STOPPED,
};

/* The oldest entries that were taken from the queue. */
struct gw_sink_batch {
    unsigned count;
    size_t bytes;
    unsigned tries;    /* that failed */
    uint64_t since_us; /* first try */
};

struct gw_sink {
    struct gw_list_node node; /* in sinks->all */
    struct gw_sinks *sinks;
    unsigned users; /* under the lock */
    struct gw_slice key;
    struct gw_arena *arena; /* owned: key and options' texts */
    char name[GW_SINK_NAME_MAX];
    struct gw_sink_options options;
    const struct gw_sink_carrier *carrier; /* NULL: a file */
    struct gw_tls_client *tls;             /* one reference; NULL: plain */
    struct gw_sink_queue *queue;
    atomic_uint_fast64_t sent, lost, failures;

    struct gw_sink_entry *oldest, *youngest; /* taken from the queue; the batch comes first */
    unsigned taken;

    struct gw_message wake;    /* to the loop */
    struct gw_defer wake_soon; /* in its place where there is one thread only */
    atomic_bool waking;        /* it is on its way */

    /* the loop's (runner.c) */
    enum gw_sink_state state;
    struct gw_sink_batch batch;
    struct gw_timer timer;
    struct gw_defer ended; /* a delivery ended: what came of it */
    const char *problem;   /* NULL: it worked */
    bool is_failing;       /* and it was said so */
    uint64_t said_us;      /* when something was said last */
    uint64_t told_lost;    /* what was lost or dropped by then */

    union {
        struct gw_sink_file *file;
        struct gw_sink_stream *stream;
        struct gw_sink_datagrams *datagrams;
        struct gw_sink_http *http;
    } way;
};

struct gw_sinks {
    struct gw_loop *loop;
    bool alone, no_datagrams;
    pthread_mutex_t lock; /* the list, users, and what is said to be so below */
    struct gw_list all;   /* struct gw_sink; each leaves it on the thread that delivers it */
    bool stopped;         /* under the lock: the loop's part is over */
    void (*wake_writer)(void *ctx); /* under the lock until the workers start; NULL: none yet */
    void *wake_writer_ctx;
    atomic_uint reopened; /* counts gw_sinks_reopen_files() */

    struct gw_pool *pool; /* of HTTP connections; made at first use, on the loop */
    bool flushing;
    struct gw_timer flush_timer;
    struct gw_defer flushed;
    void (*flush_done)(void *ctx); /* NULL once called */
    void *flush_ctx;
};

/* ── entries (sinks.c) ── */

/* Appends what the queue has to what was taken. False: nothing is there at all; with `sleeps` the
 * next put wakes then. */
bool gw_sink_take(struct gw_sink *sink, bool sleeps);

/* The oldest ones that were taken are done with. */
void gw_sink_release(struct gw_sink *sink, unsigned count);

/* What was dropped for want of room, and lost. */
uint64_t gw_sink_missing(const struct gw_sink *sink);

/* Nobody uses it and nothing is in it: takes it out of the list, and the caller, who delivers it,
 * frees it. False: it is still wanted. */
bool gw_sink_retire(struct gw_sink *sink);
void gw_sink_free(struct gw_sink *sink);

/* ── the loop's part (runner.c) ── */

void gw_sink_post(struct gw_sink *sink); /* from any thread: look what there is */
void gw_sink_on_wake(struct gw_message *message, struct gw_loop *loop); /* sink->wake arrived */

/* The delivery ended: NULL, or the problem in a few words that live for ever (or as long as the
 * sink). Not before it returned to the loop is anything done about it. */
void gw_sink_delivered(struct gw_sink *sink, const char *problem);

/* The first `count` entries of the batch are delivered already; the others are still to be. */
void gw_sink_delivered_some(struct gw_sink *sink, unsigned count);

/* The first entry of the batch can never be delivered: it is lost. */
void gw_sink_give_up_first(struct gw_sink *sink);

void gw_sink_stop(struct gw_sink *sink);
void gw_sink_hurry(struct gw_sink *sink); /* flushing has begun */
bool gw_sink_is_idle(const struct gw_sink *sink);

/* The flush may be over. */
void gw_sinks_check_flush(struct gw_sinks *sinks);

/* ── HTTP (http.c) ── */

/* What an endpoint over TLS is spoken to with; one reference, the caller's. NULL, and why. */
struct gw_tls_client *gw_sink_http_client(const struct gw_sink_options *options, char *why,
                                          size_t why_size);

/* ── files (file.c) ── */

/* Why a file cannot be written there, or NULL. */
const char *gw_sink_file_problem(const char *path);
void gw_sink_file_open(struct gw_sink *sink);
void gw_sink_file_free(struct gw_sink *sink);

/* True while there is something, or was just now. */
bool gw_sink_file_write(struct gw_sink *sink, bool last);
