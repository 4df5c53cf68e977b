#include "policy/breaker.h"

#include <string.h>

const struct gw_breaker_rules gw_breaker_defaults = {
    .failure_threshold = 5,
    .minimum_volume = 100,
    .window_us = 10000000,
    .call_timeout_us = 30000000,
    .half_open_after_us = 60000000,
    .half_open_after_max_us = 600000000,
    .probe_timeout_us = 60000000,
    .half_open_requests = 1,
    .success_threshold = 1,
};

static enum gw_breaker_state state_of(unsigned long long word)
{
    return (enum gw_breaker_state)(word & 3);
}

static unsigned long long read_word(const struct gw_breaker *breaker)
{
    return atomic_load_explicit(&breaker->word, memory_order_acquire);
}

void gw_breaker_init(struct gw_breaker *breaker)
{
    memset(breaker, 0, sizeof(*breaker));
    pthread_mutex_init(&breaker->lock, NULL);
}

void gw_breaker_deinit(struct gw_breaker *breaker)
{
    pthread_mutex_destroy(&breaker->lock);
}

/* ── moves, with the lock held ─────────────────────────────────────────────── */

/* A new epoch: passes of the old one say nothing any more. */
static void set_state(struct gw_breaker *breaker, enum gw_breaker_state to, enum gw_breaker_why why,
                      struct gw_breaker_event *event)
{
    unsigned long long word = read_word(breaker);

    *event =
        (struct gw_breaker_event){ .moved = true, .from = state_of(word), .to = to, .why = why };
    breaker->probes = breaker->successes = 0;
    atomic_store_explicit(&breaker->failures, 0, memory_order_relaxed);
    atomic_store_explicit(&breaker->word, ((word >> 2) + 1) << 2 | to, memory_order_release);
}

static uint64_t how_long(const struct gw_breaker *breaker, const struct gw_breaker_rules *rules)
{
    uint64_t most = rules->half_open_after_max_us > rules->half_open_after_us
                        ? rules->half_open_after_max_us
                        : rules->half_open_after_us;
    uint64_t open_us = rules->half_open_after_us;

    for (uint32_t i = 0; i < breaker->reopened && open_us < most; i++)
        open_us = open_us > most / 2 ? most : open_us * 2;
    return open_us;
}

static void open_it(struct gw_breaker *breaker, const struct gw_breaker_rules *rules,
                    enum gw_breaker_why why, uint64_t now_us, struct gw_breaker_event *event)
{
    breaker->opened_for_us = how_long(breaker, rules);
    breaker->open_until_us = now_us + breaker->opened_for_us;
    set_state(breaker, GW_BREAKER_OPEN, why, event);
    event->open_for_us = breaker->opened_for_us;
}

static void reopen(struct gw_breaker *breaker, const struct gw_breaker_rules *rules,
                   enum gw_breaker_why why, uint64_t now_us, struct gw_breaker_event *event)
{
    breaker->reopened += breaker->reopened < UINT32_MAX;
    open_it(breaker, rules, why, now_us, event);
}

static void close_it(struct gw_breaker *breaker, enum gw_breaker_why why,
                     struct gw_breaker_event *event)
{
    breaker->reopened = 0;
    memset(breaker->buckets, 0, sizeof(breaker->buckets));
    set_state(breaker, GW_BREAKER_CLOSED, why, event);
}

/* ── asking ────────────────────────────────────────────────────────────────── */

static void admit(const struct gw_breaker *breaker, uint64_t now_us, bool probe,
                  struct gw_breaker_pass *pass)
{
    *pass = (struct gw_breaker_pass){
        .epoch = read_word(breaker) >> 2,
        .at_us = now_us,
        .probe = probe,
    };
}

/* Half open: a free place for a probe, or how long until there may be one. When the youngest probe
 * is older than probes may be, all of them are. */
static uint64_t ask_for_probe(struct gw_breaker *breaker, const struct gw_breaker_rules *rules,
                              uint64_t now_us, struct gw_breaker_pass *pass,
                              struct gw_breaker_event *event)
{
    uint32_t most = rules->half_open_requests ? rules->half_open_requests : 1;
    uint64_t stuck_at_us = breaker->probed_us + rules->probe_timeout_us;

    if (breaker->probes >= most && now_us >= stuck_at_us) {
        reopen(breaker, rules, GW_BREAKER_PROBE_STUCK, now_us, event);
        return breaker->opened_for_us;
    }
    if (breaker->probes >= most)
        return stuck_at_us - now_us;
    breaker->probes++;
    if (breaker->probed_us < now_us) /* another worker's clock may be ahead of this one's */
        breaker->probed_us = now_us;
    admit(breaker, now_us, true, pass);
    return 0;
}

static uint64_t ask_locked(struct gw_breaker *breaker, const struct gw_breaker_rules *rules,
                           uint64_t now_us, struct gw_breaker_pass *pass,
                           struct gw_breaker_event *event)
{
    switch (state_of(read_word(breaker))) {
    case GW_BREAKER_CLOSED: /* just now */
        admit(breaker, now_us, false, pass);
        return 0;
    case GW_BREAKER_OPEN:
        if (now_us < breaker->open_until_us)
            return breaker->open_until_us - now_us;
        set_state(breaker, GW_BREAKER_HALF_OPEN, GW_BREAKER_TIME, event);
        break;
    case GW_BREAKER_HALF_OPEN:
        break;
    }
    return ask_for_probe(breaker, rules, now_us, pass, event);
}

uint64_t gw_breaker_ask(struct gw_breaker *breaker, const struct gw_breaker_rules *rules,
                        uint64_t now_us, struct gw_breaker_pass *pass,
                        struct gw_breaker_event *event)
{
    unsigned long long word = read_word(breaker);

    *event = (struct gw_breaker_event){ .moved = false };
    if (state_of(word) == GW_BREAKER_CLOSED) {
        *pass = (struct gw_breaker_pass){ .epoch = word >> 2, .at_us = now_us };
        return 0;
    }
    pthread_mutex_lock(&breaker->lock);

    uint64_t wait_us = ask_locked(breaker, rules, now_us, pass, event);

    pthread_mutex_unlock(&breaker->lock);
    return wait_us;
}

/* ── ending ────────────────────────────────────────────────────────────────── */

static uint64_t bucket_us(const struct gw_breaker_rules *rules)
{
    uint64_t us = rules->window_us / GW_BREAKER_BUCKETS;

    return us ? us : 1;
}

/* Counts into the window; true when the ratio is reached. */
static bool count_in_window(struct gw_breaker *breaker, const struct gw_breaker_rules *rules,
                            bool failed, uint64_t now_us)
{
    uint64_t number = now_us / bucket_us(rules);
    struct gw_breaker_bucket *bucket = &breaker->buckets[number % GW_BREAKER_BUCKETS];
    uint64_t calls = 0, failures = 0;

    if (bucket->number < number)
        *bucket = (struct gw_breaker_bucket){ .number = number };
    bucket->calls++;
    bucket->failures += failed;
    if (!failed) /* a success never opens it */
        return false;
    for (unsigned i = 0; i < GW_BREAKER_BUCKETS; i++) {
        if (breaker->buckets[i].number + GW_BREAKER_BUCKETS <= number)
            continue;
        calls += breaker->buckets[i].calls;
        failures += breaker->buckets[i].failures;
    }
    return calls >= rules->minimum_volume &&
           (double)failures >= rules->failure_ratio * (double)calls;
}

static void end_closed(struct gw_breaker *breaker, const struct gw_breaker_rules *rules,
                       bool failed, uint64_t now_us, struct gw_breaker_event *event)
{
    unsigned in_a_row = 0;
    bool ratio_reached =
        rules->failure_ratio > 0 && count_in_window(breaker, rules, failed, now_us);

    if (failed)
        in_a_row = atomic_load_explicit(&breaker->failures, memory_order_relaxed) + 1;
    atomic_store_explicit(&breaker->failures, in_a_row, memory_order_relaxed);
    if (failed && rules->failure_threshold && in_a_row >= rules->failure_threshold)
        open_it(breaker, rules, GW_BREAKER_IN_A_ROW, now_us, event);
    else if (ratio_reached)
        open_it(breaker, rules, GW_BREAKER_RATIO, now_us, event);
}

static void end_probe(struct gw_breaker *breaker, const struct gw_breaker_rules *rules,
                      enum gw_breaker_outcome outcome, uint64_t now_us,
                      struct gw_breaker_event *event)
{
    uint32_t wanted = rules->success_threshold ? rules->success_threshold : 1;

    if (breaker->probes == 0) /* it was ended twice, by a plugin */
        return;
    breaker->probes--;
    switch (outcome) {
    case GW_BREAKER_SUCCESS:
        if (++breaker->successes >= wanted)
            close_it(breaker, GW_BREAKER_PROBE, event);
        break;
    case GW_BREAKER_FAILURE:
        reopen(breaker, rules, GW_BREAKER_PROBE, now_us, event);
        break;
    case GW_BREAKER_NOTHING: /* the place is free again */
        break;
    }
}

/* Nothing to write down: it is closed, nothing failed, and no ratio is watched. */
static bool is_quiet(const struct gw_breaker *breaker, const struct gw_breaker_rules *rules,
                     enum gw_breaker_outcome outcome)
{
    if (outcome == GW_BREAKER_NOTHING)
        return true;
    return outcome == GW_BREAKER_SUCCESS && rules->failure_ratio <= 0 &&
           atomic_load_explicit(&breaker->failures, memory_order_relaxed) == 0;
}

void gw_breaker_end(struct gw_breaker *breaker, const struct gw_breaker_rules *rules,
                    const struct gw_breaker_pass *pass, enum gw_breaker_outcome outcome,
                    uint64_t now_us, struct gw_breaker_event *event)
{
    *event = (struct gw_breaker_event){ .moved = false };
    if (outcome == GW_BREAKER_SUCCESS && rules->call_timeout_us && now_us > pass->at_us &&
        now_us - pass->at_us >= rules->call_timeout_us)
        outcome = GW_BREAKER_FAILURE;
    if (!pass->probe && is_quiet(breaker, rules, outcome))
        return;
    pthread_mutex_lock(&breaker->lock);
    if (read_word(breaker) >> 2 == pass->epoch) {
        if (pass->probe)
            end_probe(breaker, rules, outcome, now_us, event);
        else
            end_closed(breaker, rules, outcome == GW_BREAKER_FAILURE, now_us, event);
    }
    pthread_mutex_unlock(&breaker->lock);
}

void gw_breaker_close(struct gw_breaker *breaker, struct gw_breaker_event *event)
{
    pthread_mutex_lock(&breaker->lock);
    close_it(breaker, GW_BREAKER_ORDER, event);
    event->moved = event->from != GW_BREAKER_CLOSED;
    pthread_mutex_unlock(&breaker->lock);
}

/* ── for people ────────────────────────────────────────────────────────────── */

struct gw_breaker_look gw_breaker_look(struct gw_breaker *breaker, uint64_t now_us)
{
    pthread_mutex_lock(&breaker->lock);

    struct gw_breaker_look look = {
        .state = state_of(read_word(breaker)),
        .failures = atomic_load_explicit(&breaker->failures, memory_order_relaxed),
        .probes = breaker->probes,
        .successes = breaker->successes,
        .reopened = breaker->reopened,
    };

    if (look.state == GW_BREAKER_OPEN && breaker->open_until_us > now_us)
        look.opens_in_us = breaker->open_until_us - now_us;
    pthread_mutex_unlock(&breaker->lock);
    return look;
}

const char *gw_breaker_state_text(enum gw_breaker_state state)
{
    static const char *const texts[] = { "closed", "open", "half_open" };

    return texts[state];
}

const char *gw_breaker_why_text(enum gw_breaker_why why)
{
    static const char *const texts[] = {
        [GW_BREAKER_IN_A_ROW] = "failures in a row", [GW_BREAKER_RATIO] = "failure ratio",
        [GW_BREAKER_TIME] = "time to probe",         [GW_BREAKER_PROBE] = "probes",
        [GW_BREAKER_PROBE_STUCK] = "probes stuck",   [GW_BREAKER_ORDER] = "operator",
    };

    return texts[why];
}
