/* A link begins when the first command comes and has these states:
 *
 *     idle → connects → ready
 *              ↘ (any failure) pauses → connects …
 *
 * Jobs stand in one list in the order of their bytes. While it is not ready they keep their bytes;
 * when it is they go out in one write a turn, and replies are counted off at the front. After a
 * first failure nobody waits for a connection any more: commands are refused until it is ready
 * again. A ready connection *stalls* when a command's time is over and nothing at all came since
 * it was sent: then commands are refused, too, and after STALL_US it is given up. */
#include "store/redis_link.h"

#include "base/alloc.h"
#include "base/arena.h"
#include "base/log.h"
#include "store/redis_way.h"

#include <inttypes.h>

#define PAUSE_FIRST_US 50000
#define PAUSE_MAX_US 5000000
#define STEADY_US 10000000 /* after so long a failure counts as the first again */
#define STALL_US 1000000
#define LEAVE_US 1000000 /* for what is queued at the end */

enum state {
    LINK_IDLE,
    LINK_CONNECTS,
    LINK_READY,
    LINK_PAUSES,
};

struct gw_redis_link {
    struct gw_loop *loop;
    struct gw_redis_server *server;
    struct gw_redis_numbers *numbers; /* of the hub */
    enum state state;
    struct gw_redis_way *way;
    struct gw_conn *conn;
    struct gw_redis_reader *reader;
    struct gw_timer timer; /* of the pause, of the stall */
    struct gw_list jobs;
    unsigned waiting;
    size_t queued_bytes; /* of jobs that wait for the connection */
    struct gw_buf out;   /* of this turn */
    struct gw_defer flush;
    uint64_t due_us, ready_us;
    uint64_t reads;    /* how often something came */
    unsigned failures; /* in a row */
    bool fails, stalled;
    enum gw_redis_end why;
};

static void begin(struct gw_redis_link *link);

static const struct gw_redis_options *options_of(const struct gw_redis_link *link)
{
    return &link->server->options;
}

static bool may_move(enum state from, enum state to)
{
    switch (to) {
    case LINK_IDLE:
        return from == LINK_READY;
    case LINK_CONNECTS:
        return from == LINK_IDLE || from == LINK_PAUSES;
    case LINK_READY:
        return from == LINK_CONNECTS;
    case LINK_PAUSES:
        return from == LINK_CONNECTS || from == LINK_READY;
    }
    return false;
}

static void set_state(struct gw_redis_link *link, enum state state)
{
    GW_ASSERT(may_move(link->state, state));
    link->state = state;
}

/* ── jobs ── */

static void end_job(struct gw_redis_job *job, enum gw_redis_end end)
{
    gw_timer_stop(&job->timer);
    job->end = end;
    job->ended = true;
    if (end != GW_REDIS_ANSWERED)
        job->numbers->failures++;
    if (job->done)
        job->done(job->ctx, job); /* its owner frees it */
}

static void remove_job(struct gw_redis_link *link, struct gw_redis_job *job)
{
    gw_list_remove(&job->node);
    job->link = NULL;
    link->waiting--;
    link->queued_bytes -= job->bytes.len;
    job->bytes = GW_SLICE_EMPTY;
}

/* It is out of the link: ends, or goes when nobody waits for it. */
static void settle_job(struct gw_redis_job *job, enum gw_redis_end end)
{
    bool nobody_waits = !job->done;

    if (!job->ended)
        end_job(job, end);
    if (nobody_waits)
        gw_redis_job_free(job);
}

/* ── writing ── */

static void flush(struct gw_defer *defer)
{
    struct gw_redis_link *link = container_of(defer, struct gw_redis_link, flush);
    struct gw_slice bytes = gw_buf_slice(&link->out);

    if (link->conn && bytes.len)
        gw_conn_write(link->conn, &bytes, 1);
    gw_buf_clear(&link->out);
}

static void write_bytes(struct gw_redis_link *link, struct gw_redis_job *job, struct gw_slice bytes)
{
    GW_ASSERT(gw_buf_append(&link->out, bytes)); /* gw_redis_link_look() saw to it */
    job->reads = link->reads;
    if (job->due_us > link->due_us)
        link->due_us = job->due_us;
    gw_loop_defer(link->loop, &link->flush, flush);
}

enum gw_redis_end gw_redis_link_look(const struct gw_redis_link *link, size_t bytes)
{
    const struct gw_redis_options *options = options_of(link);
    size_t queued = link->queued_bytes + link->out.len;

    if (link->fails)
        return link->why;
    if (link->stalled)
        return GW_REDIS_STALLED;
    if (link->conn)
        queued += gw_conn_queued(link->conn);
    if (link->waiting >= options->max_commands || bytes > options->max_queued_bytes ||
        queued > options->max_queued_bytes - bytes)
        return GW_REDIS_FULL;
    return GW_REDIS_ANSWERED;
}

void gw_redis_link_take(struct gw_redis_link *link, struct gw_redis_job *job, struct gw_slice bytes)
{
    gw_list_append(&link->jobs, &job->node);
    job->link = link;
    link->waiting++;
    if (link->state == LINK_READY) {
        write_bytes(link, job, bytes);
        return;
    }
    job->bytes = gw_arena_copy(job->arena, bytes);
    link->queued_bytes += bytes.len;
    if (link->state == LINK_IDLE)
        begin(link);
}

static void write_waiting(struct gw_redis_link *link)
{
    GW_LIST_EACH(&link->jobs, node) {
        struct gw_redis_job *job = container_of(node, struct gw_redis_job, node);

        write_bytes(link, job, job->bytes);
        link->queued_bytes -= job->bytes.len;
        job->bytes = GW_SLICE_EMPTY;
    }
}

/* ── failing ── */

/* It doubles up to a bound; a part is chance, so that all workers of all nodes do not come back at
 * once. */
static uint64_t pause_of(struct gw_redis_link *link)
{
    unsigned doublings = link->failures < 8 ? link->failures : 8;
    uint64_t most = (uint64_t)PAUSE_FIRST_US << doublings;

    if (most > PAUSE_MAX_US)
        most = PAUSE_MAX_US;
    return most / 2 + gw_random_below(&link->loop->random, most / 2 + 1);
}

static void on_pause_over(struct gw_timer *timer)
{
    begin(container_of(timer, struct gw_redis_link, timer));
}

static void drop_connection(struct gw_redis_link *link)
{
    gw_timer_stop(&link->timer);
    gw_defer_cancel(&link->flush);
    gw_buf_clear(&link->out);
    if (link->way)
        gw_redis_way_cancel(link->way);
    if (link->conn)
        gw_conn_close(link->conn);
    gw_redis_reader_free(link->reader);
    link->way = NULL;
    link->conn = NULL;
    link->reader = NULL;
}

/* What stands in the list now; what a callback sends meanwhile is refused. */
static void end_jobs(struct gw_redis_link *link, enum gw_redis_end why)
{
    struct gw_list_node *node;

    while ((node = gw_list_first(&link->jobs))) {
        struct gw_redis_job *job = container_of(node, struct gw_redis_job, node);

        remove_job(link, job);
        settle_job(job, why);
    }
}

static void fail(struct gw_redis_link *link, enum gw_redis_end why, const char *detail)
{
    uint64_t now_us = link->loop->clock.now_us;
    bool was_ready = link->state == LINK_READY;

    if (was_ready && now_us - link->ready_us >= STEADY_US)
        link->failures = 0;
    drop_connection(link);
    set_state(link, LINK_PAUSES);

    uint64_t pause_us = pause_of(link);

    if (!link->fails || why != link->why)
        gw_warn("redis %.*s: %s%s%s; it is tried again in %" PRIu64 " ms, then ever more seldom",
                GW_SLICE_ARG(options_of(link)->name), gw_redis_end_text(why), *detail ? ": " : "",
                detail, pause_us / 1000);
    if (was_ready)
        link->numbers->ready--;
    link->failures++;
    link->fails = true;
    link->stalled = false;
    link->why = why;
    gw_timer_start(link->loop, &link->timer, pause_us, on_pause_over);
    end_jobs(link, why);
}

static void on_stall(struct gw_timer *timer)
{
    struct gw_redis_link *link = container_of(timer, struct gw_redis_link, timer);
    uint64_t now_us = link->loop->clock.now_us;

    if (now_us < link->due_us) /* somebody has the patience */
        gw_timer_start(link->loop, timer, link->due_us - now_us, on_stall);
    else
        fail(link, GW_REDIS_STALLED, "");
}

void gw_redis_link_note_timeout(struct gw_redis_link *link, const struct gw_redis_job *job)
{
    if (link->state != LINK_READY || link->stalled || link->reads != job->reads)
        return;
    link->stalled = true;
    gw_timer_start(link->loop, &link->timer, STALL_US, on_stall);
}

bool gw_redis_link_withdraw(struct gw_redis_link *link, struct gw_redis_job *job)
{
    if (!job->bytes.len)
        return false;
    remove_job(link, job);
    return true;
}

/* ── reading ── */

static void take_value(struct gw_redis_link *link, struct gw_redis_job *job,
                       struct gw_redis_value *value)
{
    job->values[job->got++] = value;
    if (job->got < job->count)
        return;
    remove_job(link, job);
    settle_job(job, GW_REDIS_ANSWERED);
}

/* False: there is no connection any more, or no more to be read. */
static bool read_one(struct gw_redis_link *link)
{
    struct gw_list_node *first = gw_list_first(&link->jobs);
    struct gw_redis_job *job = first ? container_of(first, struct gw_redis_job, node) : NULL;
    struct gw_redis_value *value;

    if (!job) {
        fail(link, GW_REDIS_MALFORMED, "it speaks unasked");
        return false;
    }
    switch (gw_redis_reader_next(link->reader, job->arena, &value)) {
    case GW_REDIS_READ_MORE:
        return false;
    case GW_REDIS_READ_MALFORMED:
        fail(link, GW_REDIS_MALFORMED, "");
        return false;
    case GW_REDIS_READ_TOO_LARGE:
        fail(link, GW_REDIS_TOO_LARGE, "");
        return false;
    case GW_REDIS_READ_VALUE:
        break;
    }
    take_value(link, job, value);
    return link->conn != NULL;
}

static bool has_bytes(const struct gw_redis_link *link)
{
    return link->conn && gw_redis_reader_rest(link->reader) > 0;
}

static void on_read(void *owner, struct gw_slice bytes)
{
    struct gw_redis_link *link = owner;

    link->reads++;
    if (link->stalled) {
        link->stalled = false;
        gw_timer_stop(&link->timer);
    }
    while (bytes.len && link->conn) {
        gw_redis_reader_feed(link->reader, &bytes);
        while (has_bytes(link) && read_one(link))
            continue;
    }
}

static void on_room(void *owner)
{
    (void)owner; /* gw_redis_link_look() looks itself */
}

/* Servers close what was idle for long (Redis' own `timeout`): nothing is lost, the next command
 * makes another one. */
static void rest(struct gw_redis_link *link)
{
    drop_connection(link);
    set_state(link, LINK_IDLE);
    link->numbers->ready--;
}

static void on_end(void *owner, enum gw_error why)
{
    struct gw_redis_link *link = owner;

    if (why == GW_E_CLOSED && link->waiting == 0)
        rest(link);
    else
        fail(link, GW_REDIS_LOST,
             why == GW_E_CLOSED ? "it closed the connection" : gw_error_info(why)->reason);
}

static const struct gw_conn_events events = {
    .on_read = on_read,
    .on_room = on_room,
    .on_end = on_end,
};

/* ── connecting ── */

static void on_connected(void *ctx, struct gw_conn *conn, enum gw_redis_end why, const char *detail)
{
    struct gw_redis_link *link = ctx;

    link->way = NULL;
    if (!conn) {
        fail(link, why, detail);
        return;
    }
    link->conn = conn;
    link->reader = gw_redis_reader_new(options_of(link)->max_reply_bytes);
    gw_conn_bind(conn, &events, link);
    set_state(link, LINK_READY);
    link->ready_us = link->loop->clock.now_us;
    if (link->fails)
        gw_notice("redis %.*s: connected again", GW_SLICE_ARG(options_of(link)->name));
    link->fails = false;
    link->numbers->ready++;
    link->numbers->connects++;
    write_waiting(link);
}

static void begin(struct gw_redis_link *link)
{
    set_state(link, LINK_CONNECTS);
    link->way = gw_redis_way_start(link->loop, link->server, on_connected, link);
}

/* ── life ── */

struct gw_redis_link *gw_redis_link_new(struct gw_loop *loop, struct gw_redis_server *server,
                                        struct gw_redis_numbers *numbers)
{
    struct gw_redis_link *link = gw_alloc_zero(sizeof(*link));

    link->loop = loop;
    link->server = gw_redis_server_ref(server);
    link->numbers = numbers;
    gw_list_init(&link->jobs);
    gw_buf_init(&link->out, SIZE_MAX / 2); /* bounded by gw_redis_link_look() */
    return link;
}

void gw_redis_link_free(struct gw_redis_link *link)
{
    if (link->state == LINK_READY) {
        link->numbers->ready--;
        flush(&link->flush);
        gw_conn_close_gently(link->conn, LEAVE_US);
        link->conn = NULL;
    }
    link->fails = true; /* for who is told and wants to send */
    link->why = GW_REDIS_SHUTDOWN;
    drop_connection(link);
    end_jobs(link, GW_REDIS_SHUTDOWN);
    gw_buf_deinit(&link->out);
    gw_redis_server_unref(link->server);
    gw_free(link);
}

unsigned gw_redis_link_waiting(const struct gw_redis_link *link)
{
    return link->waiting;
}

bool gw_redis_link_ready(const struct gw_redis_link *link)
{
    return link->state == LINK_READY;
}

bool gw_redis_link_fails(const struct gw_redis_link *link)
{
    return link->fails || link->stalled;
}
