/* The thread sleeps until the next flush is due, a key is to be loaded, or it is told to hurry. All
 * of the file is its own once it runs. */
#include "store/ledger.h"

#include "base/alloc.h"
#include "base/check.h"
#include "base/fault.h"
#include "base/log.h"
#include "net/loop.h"
#include "store/ledger_file.h"
#include "store/ledger_lock.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#define BATCH 4096                  /* changes in one transaction */
#define SAY_US UINT64_C(60000000)   /* how often trouble with the file is said */
#define CLEAN_US UINT64_C(60000000) /* how often ended windows are removed … */
#define CLEAN_TURNS 10              /* … and how many thousands of them at once, at most */
#define SHARE_US UINT64_C(10000000) /* others have gone when they wrote nothing for so long */
#define LEARN_SHARE 4 /* reading what others wrote takes a fifth of the time at most */
#define JOIN_US UINT64_C(7000000)

struct gw_ledger {
    struct gw_quotas *quotas;
    struct gw_siphash_key secret;
    struct gw_ledger_file *file; /* NULL: in memory alone */
    int lock_fd;
    char *path;
    struct gw_quota_change *changes; /* BATCH of them */

    uv_thread_t thread;
    bool runs;
    uv_mutex_t lock; /* for what follows */
    uv_cond_t wake;
    bool stops, hurries, ended;
    atomic_bool hands_over;
    uint64_t flush_us;
    struct gw_list loads; /* struct gw_ledger_load that wait for the thread */
    struct gw_ledger_stats stats;

    /* the thread's own */
    uint64_t shared_until_us, learn_us, clean_us, said_us;
};

struct gw_ledger_load {
    struct gw_message message;
    struct gw_list_node node;
    struct gw_ledger *ledger;
    struct gw_loop *loop;
    enum {
        LOAD_WAITS,
        LOAD_RUNS,
        LOAD_POSTED
    } state;                              /* under the ledger's lock */
    void (*done)(void *ctx, bool loaded); /* NULL: cancelled; the same */
    void *ctx;
    bool loaded;
    size_t count;
    struct gw_hash128 keys[GW_LIMIT_ASKS_MAX];
};

static uint64_t now_of_system(void)
{
    struct gw_clock clock;

    gw_clock_init(&clock, false);
    return gw_clock_steady_us(&clock);
}

/* --- life --- */

struct gw_ledger *gw_ledger_new(void)
{
    struct gw_ledger *ledger = gw_alloc_zero(sizeof(*ledger));

    ledger->lock_fd = -1;
    gw_siphash_key_init(&ledger->secret);
    gw_list_init(&ledger->loads);
    uv_mutex_init(&ledger->lock);
    uv_cond_init(&ledger->wake);
    ledger->quotas = gw_quotas_new(GW_LEDGER_DEFAULT_BYTES, false);
    return ledger;
}

void gw_ledger_free(struct gw_ledger *ledger)
{
    if (!ledger)
        return;
    GW_ASSERT(!ledger->runs);
    gw_ledger_file_close(ledger->file);
    if (ledger->lock_fd >= 0)
        close(ledger->lock_fd);
    gw_quotas_free(ledger->quotas);
    uv_cond_destroy(&ledger->wake);
    uv_mutex_destroy(&ledger->lock);
    gw_free(ledger->changes);
    gw_free(ledger->path);
    gw_free(ledger);
}

/* --- opening --- */

struct reading {
    struct gw_quotas *quotas;
    uint64_t now_us;
    bool adds;
};

static void on_row(void *ctx, const struct gw_quota_fact *fact)
{
    struct reading *reading = ctx;

    if (!gw_quotas_learn(reading->quotas, fact, reading->now_us, reading->adds))
        gw_quotas_set_partial(reading->quotas);
}

/* Where not all keys have room, those that are here are enough: the others are loaded when they are
 * asked for. */
static const char *read_all(struct gw_ledger *ledger, struct gw_quotas *quotas, uint64_t now_us)
{
    struct reading reading = {
        .quotas = quotas,
        .now_us = now_us,
        .adds = !gw_quotas_stats(quotas).partial,
    };

    return gw_ledger_file_each(ledger->file, now_us, on_row, &reading);
}

static bool reopen(struct gw_ledger *ledger, const struct gw_ledger_options *options, char *why,
                   size_t why_size)
{
    if (strcmp(ledger->path, options->path) != 0) {
        snprintf(why, why_size, "quotas.file: %s is open; another file takes a restart",
                 ledger->path);
        return false;
    }
    if (gw_quotas_stats(ledger->quotas).max_bytes != options->max_bytes) {
        snprintf(why, why_size, "quotas.size: another size takes a restart");
        return false;
    }
    uv_mutex_lock(&ledger->lock);
    ledger->flush_us = options->flush_us;
    uv_cond_signal(&ledger->wake);
    uv_mutex_unlock(&ledger->lock);
    return true;
}

static void give_up_opening(struct gw_ledger *ledger, int lock_fd)
{
    gw_ledger_file_close(ledger->file);
    ledger->file = NULL;
    close(lock_fd);
}

bool gw_ledger_open(struct gw_ledger *ledger, const struct gw_ledger_options *options, char *why,
                    size_t why_size)
{
    uint64_t now_us = now_of_system();
    char text[512];
    bool shared;

    if (ledger->file)
        return reopen(ledger, options, why, why_size);
    int lock_fd = gw_ledger_lock(options->path, options->gateway, &shared, text, sizeof(text));

    if (lock_fd >= 0 && !(ledger->file = gw_ledger_file_open(options->path, text, sizeof(text))))
        close(lock_fd);
    if (!ledger->file) {
        snprintf(why, why_size, "quotas.file: %s", text);
        return false;
    }
    struct gw_quotas *quotas = gw_quotas_new(options->max_bytes, true);
    const char *problem = read_all(ledger, quotas, now_us);

    if (problem) {
        snprintf(why, why_size, "quotas.file: cannot read %s: %s", options->path, problem);
        gw_quotas_free(quotas);
        give_up_opening(ledger, lock_fd);
        return false;
    }
    gw_quotas_free(ledger->quotas);
    ledger->quotas = quotas;
    ledger->lock_fd = lock_fd;
    ledger->secret = gw_ledger_file_secret(ledger->file);
    ledger->path = gw_strndup(options->path, strlen(options->path));
    ledger->changes = gw_alloc(BATCH * sizeof(ledger->changes[0]));
    ledger->flush_us = options->flush_us;
    ledger->shared_until_us = shared ? now_us + SHARE_US : 0;
    ledger->stats.has_file = true;
    snprintf(ledger->stats.path, sizeof(ledger->stats.path), "%s", options->path);
    return true;
}

/* --- what the thread does --- */

static void say_trouble(struct gw_ledger *ledger, const char *problem, uint64_t now_us)
{
    bool says = !ledger->said_us || now_us - ledger->said_us >= SAY_US;

    uv_mutex_lock(&ledger->lock);
    ledger->stats.failures++;
    snprintf(ledger->stats.problem, sizeof(ledger->stats.problem), "%s", problem);
    uv_mutex_unlock(&ledger->lock);
    if (!says)
        return;
    ledger->said_us = now_us;
    gw_error("quotas: cannot write %s: %s (they go on being counted in memory)", ledger->path,
             problem);
}

static void say_written(struct gw_ledger *ledger, size_t count, uint64_t now_us)
{
    uv_mutex_lock(&ledger->lock);
    ledger->stats.flushes++;
    ledger->stats.written += count;
    ledger->stats.flushed_us = now_us;
    ledger->stats.problem[0] = '\0';
    uv_mutex_unlock(&ledger->lock);
    if (ledger->said_us)
        gw_notice("quotas: %s is written again", ledger->path);
    ledger->said_us = 0;
}

static bool write_changes(struct gw_ledger *ledger, uint64_t now_us)
{
    size_t count;

    while ((count = gw_quotas_collect(ledger->quotas, now_us, ledger->changes, BATCH)) > 0) {
        const char *problem = gw_ledger_file_add(ledger->file, ledger->changes, count);

        for (size_t i = 0; i < count; i++)
            gw_quotas_settle(ledger->quotas, &ledger->changes[i], !problem);
        if (problem) {
            say_trouble(ledger, problem, now_us);
            return false;
        }
        say_written(ledger, count, now_us);
        if (count < BATCH)
            break;
    }
    return true;
}

static bool is_shared(const struct gw_ledger *ledger, uint64_t now_us)
{
    return now_us < ledger->shared_until_us;
}

/* Of another process that has the file, too. Who has handed over, and only waits for its last
 * streams, need not read all that its successor writes for days. */
static void learn_from_others(struct gw_ledger *ledger, uint64_t now_us, bool has_written)
{
    bool retired = ledger->hands_over && !is_shared(ledger, now_us);

    if (now_us < ledger->learn_us || (retired && !has_written) ||
        !gw_ledger_file_has_changed(ledger->file))
        return;
    if (!ledger->hands_over)
        ledger->shared_until_us = now_us + SHARE_US;
    uint64_t began_us = uv_hrtime() / 1000;

    read_all(ledger, ledger->quotas, now_us);
    ledger->learn_us = now_us + LEARN_SHARE * (uv_hrtime() / 1000 - began_us);
}

static void clean(struct gw_ledger *ledger, uint64_t now_us)
{
    bool more = true;

    if (now_us < ledger->clean_us)
        return;
    ledger->clean_us = now_us + CLEAN_US;
    for (int i = 0; more && i < CLEAN_TURNS; i++)
        if (gw_ledger_file_clean(ledger->file, now_us, &more))
            return; /* the next flush says what is wrong */
    if (!gw_ledger_file_has_moved(ledger->file))
        return;
    gw_error("quotas: %s was moved or removed: what is counted now will be lost at the end of the "
             "process (restart it to begin another file)",
             ledger->path);
}

void gw_ledger_turn(struct gw_ledger *ledger, uint64_t now_us)
{
    uint64_t written = ledger->stats.written;

    if (write_changes(ledger, now_us))
        clean(ledger, now_us);
    learn_from_others(ledger, now_us, ledger->stats.written != written);
    uv_mutex_lock(&ledger->lock);
    ledger->stats.shared = is_shared(ledger, now_us);
    uv_mutex_unlock(&ledger->lock);
}

static bool load_key(struct gw_ledger *ledger, struct gw_hash128 key, uint64_t now_us)
{
    struct gw_quota_fact fact = { .key = key };
    const char *problem = gw_ledger_file_get(ledger->file, now_us, &fact);

    uv_mutex_lock(&ledger->lock);
    ledger->stats.loads++;
    uv_mutex_unlock(&ledger->lock);
    if (problem) {
        say_trouble(ledger, problem, now_us);
        return false;
    }
    return gw_quotas_learn(ledger->quotas, &fact, now_us, true);
}

static void on_loaded(struct gw_message *message, struct gw_loop *loop)
{
    struct gw_ledger_load *load = container_of(message, struct gw_ledger_load, message);

    (void)loop;
    if (load->done)
        load->done(load->ctx, load->loaded);
    gw_free(load);
}

/* Room may be missing because all is dirty: then it is written first. */
static void serve(struct gw_ledger *ledger, struct gw_ledger_load *load, uint64_t now_us)
{
    load->loaded = true;
    for (size_t i = 0; i < load->count; i++)
        if (!load_key(ledger, load->keys[i], now_us))
            load->loaded = write_changes(ledger, now_us) && load_key(ledger, load->keys[i], now_us);
}

/* Under the lock: the loop of who cancelled may be gone. */
static void hand_back(struct gw_ledger_load *load)
{
    if (!load->done) {
        gw_free(load);
        return;
    }
    load->state = LOAD_POSTED;
    gw_loop_post(load->loop, &load->message);
}

static struct gw_ledger_load *next_load(struct gw_ledger *ledger)
{
    struct gw_list_node *node;

    if (gw_list_empty(&ledger->loads))
        return NULL;
    node = gw_list_first(&ledger->loads);
    gw_list_remove(node);
    return container_of(node, struct gw_ledger_load, node);
}

static void serve_loads(struct gw_ledger *ledger)
{
    struct gw_ledger_load *load;

    while ((load = next_load(ledger))) {
        load->state = LOAD_RUNS;
        uv_mutex_unlock(&ledger->lock);
        serve(ledger, load, now_of_system());
        uv_mutex_lock(&ledger->lock);
        hand_back(load);
    }
}

static void run_thread(void *arg)
{
    struct gw_ledger *ledger = arg;
    uint64_t due_us = 0;

    uv_mutex_lock(&ledger->lock);
    while (!ledger->stops) {
        uint64_t now_us = now_of_system();

        serve_loads(ledger);
        if (ledger->hurries || now_us >= due_us) {
            if (ledger->hurries) /* it hands over */
                ledger->shared_until_us = now_us + SHARE_US;
            ledger->hurries = false;
            uv_mutex_unlock(&ledger->lock);
            gw_ledger_turn(ledger, now_us);
            uv_mutex_lock(&ledger->lock);
            uint64_t pause_us = ledger->flush_us;

            if (is_shared(ledger, now_us) && pause_us > GW_LEDGER_SHARED_US)
                pause_us = GW_LEDGER_SHARED_US;
            due_us = now_us + pause_us;
        }
        now_us = now_of_system();
        if (!ledger->stops && !ledger->hurries && gw_list_empty(&ledger->loads) && now_us < due_us)
            uv_cond_timedwait(&ledger->wake, &ledger->lock, (due_us - now_us) * 1000);
    }
    serve_loads(ledger);
    uv_mutex_unlock(&ledger->lock);
    if (!write_changes(ledger, now_of_system()))
        gw_error("quotas: what %" PRIu64 " keys used since the last flush is lost",
                 gw_quotas_stats(ledger->quotas).pending);
    uv_mutex_lock(&ledger->lock);
    ledger->ended = true;
    uv_cond_signal(&ledger->wake);
    uv_mutex_unlock(&ledger->lock);
}

/* --- the thread, from outside --- */

void gw_ledger_start(struct gw_ledger *ledger)
{
    if (!ledger->file || ledger->runs)
        return;
    int error = GW_FAULT_UV(THREAD, uv_thread_create(&ledger->thread, run_thread, ledger));

    if (error)
        gw_fatal("the thread that writes quotas does not start: %s", uv_strerror(error));
    ledger->runs = true;
}

void gw_ledger_hand_over(struct gw_ledger *ledger)
{
    uv_mutex_lock(&ledger->lock);
    ledger->hands_over = ledger->hurries = true;
    uv_cond_signal(&ledger->wake);
    uv_mutex_unlock(&ledger->lock);
}

bool gw_ledger_stop(struct gw_ledger *ledger)
{
    uint64_t until_us = uv_hrtime() / 1000 + JOIN_US;

    if (!ledger->runs)
        return true;
    uv_mutex_lock(&ledger->lock);
    ledger->stops = true;
    uv_cond_signal(&ledger->wake);
    while (!ledger->ended && uv_hrtime() / 1000 < until_us)
        uv_cond_timedwait(&ledger->wake, &ledger->lock, JOIN_US * 100);
    bool ended = ledger->ended;

    uv_mutex_unlock(&ledger->lock);
    if (!ended)
        return false;
    uv_thread_join(&ledger->thread);
    ledger->runs = false;
    return true;
}

/* --- deciding --- */

static void hash_all(const struct gw_ledger *ledger, const struct gw_ledger_ask *asks, size_t count,
                     struct gw_quota_ask *hashed)
{
    GW_ASSERT(count >= 1 && count <= GW_LIMIT_ASKS_MAX);
    for (size_t i = 0; i < count; i++)
        hashed[i] = (struct gw_quota_ask){
            .key = gw_siphash128(&ledger->secret, asks[i].counter ^ asks[i].rule->id, asks[i].key),
            .rule = asks[i].rule,
            .cost = asks[i].cost,
        };
}

enum gw_quotas_outcome gw_ledger_take(struct gw_ledger *ledger, const struct gw_ledger_ask *asks,
                                      size_t count, uint64_t now_us,
                                      struct gw_limit_answer *answers)
{
    struct gw_quota_ask hashed[GW_LIMIT_ASKS_MAX];

    hash_all(ledger, asks, count, hashed);
    return gw_quotas_take(ledger->quotas, hashed, count, now_us, answers);
}

enum gw_quotas_outcome gw_ledger_look(struct gw_ledger *ledger, const struct gw_ledger_ask *asks,
                                      size_t count, uint64_t now_us,
                                      struct gw_limit_answer *answers)
{
    struct gw_quota_ask hashed[GW_LIMIT_ASKS_MAX];

    hash_all(ledger, asks, count, hashed);
    return gw_quotas_look(ledger->quotas, hashed, count, now_us, answers);
}

bool gw_ledger_adjust(struct gw_ledger *ledger, const struct gw_ledger_ask *ask, uint64_t now_us,
                      struct gw_limit_answer *answer)
{
    struct gw_quota_ask hashed;

    hash_all(ledger, ask, 1, &hashed);
    return gw_quotas_adjust(ledger->quotas, &hashed, now_us, answer);
}

struct gw_ledger_load *gw_ledger_load(struct gw_ledger *ledger, const struct gw_ledger_ask *asks,
                                      size_t count, struct gw_loop *loop,
                                      void (*done)(void *ctx, bool loaded), void *ctx)
{
    struct gw_ledger_load *load = gw_alloc_zero(sizeof(*load));
    struct gw_quota_ask hashed[GW_LIMIT_ASKS_MAX];

    hash_all(ledger, asks, count, hashed);
    *load = (struct gw_ledger_load){
        .message.deliver = on_loaded,
        .ledger = ledger,
        .loop = loop,
        .done = done,
        .ctx = ctx,
        .count = count,
    };
    for (size_t i = 0; i < count; i++)
        load->keys[i] = hashed[i].key;
    if (!ledger->runs) { /* nobody would serve it; in memory alone nothing is unknown */
        load->state = LOAD_POSTED;
        gw_loop_post(loop, &load->message);
        return load;
    }
    uv_mutex_lock(&ledger->lock);
    gw_list_append(&ledger->loads, &load->node);
    uv_cond_signal(&ledger->wake);
    uv_mutex_unlock(&ledger->lock);
    return load;
}

void gw_ledger_load_cancel(struct gw_ledger_load *load)
{
    struct gw_ledger *ledger = load->ledger;

    uv_mutex_lock(&ledger->lock);
    load->done = NULL;
    bool waits = load->state == LOAD_WAITS;

    if (waits)
        gw_list_remove(&load->node);
    uv_mutex_unlock(&ledger->lock);
    if (waits)
        gw_free(load);
}

/* --- seen from outside --- */

void gw_ledger_stats(struct gw_ledger *ledger, struct gw_ledger_stats *stats)
{
    uv_mutex_lock(&ledger->lock);
    *stats = ledger->stats;
    uv_mutex_unlock(&ledger->lock);
    stats->quotas = gw_quotas_stats(ledger->quotas);
}
