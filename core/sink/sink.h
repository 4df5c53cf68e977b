#pragma once
/* Where log plugins' lines go: a *sink* is a bounded queue that hooks put lines into without ever
 * waiting, and somebody off the workers who delivers them: to a file, a TCP or UDP receiver, a
 * local datagram socket (syslog) or an HTTP endpoint.
 *
 * Sinks belong to the process, not to a generation: who opens one with the settings of one that is
 * there gets that, so a reload loses nothing. One that nobody uses any more delivers what it has,
 * then goes away. Network sinks run on one loop (control's); files on the log writer's thread. */
#include "base/slice.h"
#include "http/fields.h"

struct gw_loop;
struct gw_sink;
struct gw_sinks;

enum gw_sink_kind {
    GW_SINK_FILE,
    GW_SINK_TCP,
    GW_SINK_UDP,
    GW_SINK_SYSLOG, /* datagrams to the unix socket `path` */
    GW_SINK_HTTP,
};

/* How much waits, how it is bundled, how often it is tried again. */
struct gw_sink_limits {
    unsigned max_entries;
    size_t max_bytes;
    unsigned max_batch_size;
    uint64_t max_coalescing_delay_us;
    uint64_t initial_retry_delay_us, max_retry_delay_us;
    uint64_t max_retry_time_us; /* from the first try of a batch; 0: one try */
};

struct gw_sink_options {
    enum gw_sink_kind kind;
    struct gw_sink_limits limits;
    struct gw_slice path; /* of the file or the socket */
    bool reopen;          /* look whether the file is still the one under its name */
    struct gw_slice host; /* a name or an IP */
    uint16_t port;
    uint64_t timeout_us;                       /* to connect, and for one delivery */
    uint64_t keepalive_us;                     /* how long an idle connection is kept */
    struct gw_slice authority, method, target; /* HTTP; target: path and query */
    struct gw_fields headers;
    bool tls; /* HTTP: verified by whom the system trusts when the sink is made */
};

struct gw_sinks_options {
    struct gw_loop *loop; /* outlives gw_sinks_stop() */
    bool no_datagrams;    /* they go over streams, a line each: the harness has nothing else; the
                             syslog is "syslog", port 514, there */
    bool alone;           /* one thread does everything: files are written by the loop, too */
};

struct gw_sinks *gw_sinks_new(const struct gw_sinks_options *options);

/* The one with these settings, made when it is not there; one use of it is the caller's. Texts are
 * copied. NULL with words for the operator in `why` when it cannot work. From any thread. */
struct gw_sink *gw_sinks_open(struct gw_sinks *sinks, const struct gw_sink_options *options,
                              char *why, size_t why_size);

/* Gives a use back. From any thread. */
void gw_sink_close(struct gw_sink *sink);

/* From any thread that knows of a use. Never waits. False: it is full, the line is dropped and
 * counted. */
bool gw_sink_put(struct gw_sink *sink, struct gw_slice line);

/* ── for the log writer ── */

/* Who writes the files: `wake` is called, from any thread, when there is something again. Before
 * its first call of gw_sinks_write_files(). */
void gw_sinks_attach_writer(struct gw_sinks *sinks, void (*wake)(void *ctx), void *ctx);

/* Writes what waits for files. True: call it again soon; false: not before the next wake. `last`:
 * nobody puts any more, waits a moment for a file that takes nothing (a pipe). */
bool gw_sinks_write_files(struct gw_sinks *sinks, bool last);

/* Opens the files again under their names before the next line. From any thread. */
void gw_sinks_reopen_files(struct gw_sinks *sinks);

/* ── the end, on the loop's thread ── */

/* Delivers what waits without gathering batches, at most so long; then calls `done`, later. Again
 * with less shortens it. Nobody puts any more. */
void gw_sinks_flush(struct gw_sinks *sinks, uint64_t timeout_us, void (*done)(void *ctx),
                    void *ctx);

/* Closes every connection; nothing is delivered any more by the loop. */
void gw_sinks_stop(struct gw_sinks *sinks);

/* After the loop was freed and the writer has ended; says what is lost. */
void gw_sinks_free(struct gw_sinks *sinks);

/* ── for metrics ── */

#define GW_SINK_NAME_MAX 128

struct gw_sink_info {
    char name[GW_SINK_NAME_MAX]; /* "tcp:logs.internal:5044"; no secrets, no quotes */
    uint64_t sent;               /* lines */
    uint64_t dropped;            /* found no room */
    uint64_t lost;               /* given up after their tries */
    uint64_t failures;       /* deliveries that did not work, each to be tried again or given up */
    uint64_t entries, bytes; /* that wait */
};

/* Fills at most `size`, those of one name added up; returns how many. From any thread. */
unsigned gw_sinks_list(struct gw_sinks *sinks, struct gw_sink_info *infos, unsigned size);
