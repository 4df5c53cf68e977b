/* Whether another try follows one that failed, and when.
 *
 * The rule: only when no byte of the request reached the kernel (or the server said that it did not
 * begin), or when the method may be repeated; only when all of the request is still here; and only
 * before anything of an answer went to the owner. That a connection was reused changes how many
 * tries there are (one more), never the rule.
 *
 * A service without rules of its own has Kong's: what did not get there is tried again, at once
 * where it goes to another target and after a pause where there is none. One with rules
 * (policy/retry.h) says which failures and answers are, within a budget, after a pause. Neither
 * ever goes beyond the time there is for an answer. */
#include "base/log.h"
#include "http/date.h"
#include "upstream/call_private.h"
#include "upstream/registry_private.h"

static struct gw_loop *loop_of(const struct gw_call *call)
{
    return call->options.loop;
}

static uint64_t now_of(const struct gw_call *call)
{
    return loop_of(call)->clock.now_us;
}

static struct gw_retry_rules rules_of(const struct gw_retry_config *config)
{
    return (struct gw_retry_rules){
        .on = config->on,
        .per_try_timeout_us = config->per_try_timeout_us,
        .backoff_base_us = config->backoff_base_us,
        .backoff_max_us = config->backoff_max_us,
        .retry_after_max_us = config->retry_after_max_us,
        .budget_ratio = config->budget_ratio,
        .budget_min = config->budget_min,
    };
}

/* ── the beginning of a call ───────────────────────────────────────────────── */

static bool has_method(const struct gw_retry_config *config, struct gw_slice method)
{
    for (unsigned i = 0; i < config->method_count; i++)
        if (gw_slice_equal(config->methods[i], method))
            return true;
    return false;
}

/* Of a hedged request: it was counted when it began, and goes to another target. */
static void note_avoided(struct gw_call *call)
{
    const struct gw_target_set *set = call->view->set;

    call->tried = gw_arena_alloc_zero(call->options.arena, set->count);
    for (unsigned i = 0; i < set->count; i++)
        call->tried[i] = gw_slice_equal(set->items[i].target->text, call->options.avoid);
}

void gw_retry_begin(struct gw_call *call, struct gw_upstream *upstream)
{
    const struct gw_call_options *options = &call->options;

    call->retry = options->retry     ? options->retry
                  : options->service ? options->service->retry
                                     : NULL;
    if (!call->retry)
        return;
    call->budget = &upstream->retries;
    call->repeatable = has_method(call->retry, call->head.method_name);
    if (call->repeatable)
        call->replay_max = call->retry->replay;
    if (options->avoid.len)
        note_avoided(call);
    else
        gw_retry_budget_note(call->budget, now_of(call));
}

/* ── the time of a try ─────────────────────────────────────────────────────── */

/* A client that is slow to send its request takes no time from the service. */
static uint64_t try_began_us(const struct gw_call *call)
{
    const struct gw_call_info *info = &call->info;

    if (call->state == GW_CALL_ACTIVE && !call->request_whole && !call->blocked)
        return now_of(call);
    return info->sent_us > info->started_us ? info->sent_us : info->started_us;
}

static void on_try_timeout(struct gw_timer *timer)
{
    struct gw_call *call = container_of(timer, struct gw_call, try_timer);
    uint64_t ends_us = try_began_us(call) + call->retry->per_try_timeout_us;

    if (ends_us > now_of(call)) {
        gw_timer_start(loop_of(call), timer, ends_us - now_of(call), on_try_timeout);
        return;
    }
    if (!gw_attempt_retry(call, GW_E_RESPONSE_TIMEOUT))
        gw_call_fail(call, GW_E_RESPONSE_TIMEOUT);
}

void gw_retry_watch(struct gw_call *call)
{
    if (call->retry && call->retry->per_try_timeout_us)
        gw_timer_start(loop_of(call), &call->try_timer, call->retry->per_try_timeout_us,
                       on_try_timeout);
}

/* ── whether ───────────────────────────────────────────────────────────────── */

static unsigned condition_of(enum gw_error why)
{
    if (why == GW_E_UPSTREAM_REFUSED)
        return GW_RETRY_ON_REFUSED;
    if (why == GW_E_RESPONSE_TIMEOUT || why == GW_E_WRITE_TIMEOUT)
        return GW_RETRY_ON_TIMEOUT;
    switch (gw_error_info(why)->retry) {
    case GW_RETRY_NEVER:
        break;
    case GW_RETRY_ALWAYS:
    case GW_RETRY_ELSEWHERE:
        return GW_RETRY_ON_CONNECT;
    case GW_RETRY_IF_UNSENT_OR_IDEMPOTENT:
        return GW_RETRY_ON_RESET;
    }
    return 0;
}

/* The race with a server that closes an idle connection, and only once: the next try gets a
 * connection of its own, at once, and it is none of the `retries`. But it is in the budget, because
 * nobody can tell the race from a server that resets what it should answer. */
static bool lost_race(const struct gw_call *call, enum gw_error why)
{
    if (condition_of(why) != GW_RETRY_ON_RESET || !call->info.reused || call->must_be_fresh)
        return false;
    return !gw_stream_sent(call->up) || gw_method_idempotent(call->head.method);
}

/* A plain service's rule. */
static bool never_got_there(const struct gw_call *call, enum gw_error why)
{
    enum gw_retry rule = gw_error_info(why)->retry;

    return !call->retry && (rule == GW_RETRY_ALWAYS || rule == GW_RETRY_ELSEWHERE);
}

/* A target that was not asked yet. */
static bool has_others(const struct gw_call *call)
{
    const struct gw_target_set *set = call->view ? call->view->set : NULL;

    if (!set)
        return call->info.tries < call->foreign_count;
    for (unsigned i = 0; i < set->count; i++)
        if ((int)i != call->chosen && set->items[i].weight && !(call->tried && call->tried[i]))
            return true;
    return false;
}

/* What this target said it would say again. Over TLS 1.3 it may say so when the request is on its
 * way. */
static bool is_final_here(const struct gw_call *call, enum gw_error why)
{
    return gw_error_info(why)->retry == GW_RETRY_ELSEWHERE &&
           ((call->up && gw_stream_sent(call->up)) || !has_others(call));
}

static bool has_rule(const struct gw_call *call, unsigned condition)
{
    if (!call->retry || !(call->retry->on & condition))
        return false;
    if (condition == GW_RETRY_ON_CONNECT || condition == GW_RETRY_ON_REFUSED)
        return true;
    return call->repeatable ||
           (condition == GW_RETRY_ON_RESET && !(call->up && gw_stream_sent(call->up)));
}

/* When an answer must have begun; UINT64_MAX: nobody says. */
static uint64_t deadline_of(const struct gw_call *call)
{
    uint64_t deadline = call->options.deadline_us ? call->options.deadline_us : UINT64_MAX;
    uint64_t answer = gw_call_answer_due(call);

    return answer < deadline ? answer : deadline;
}

static bool is_in_budget(struct gw_call *call)
{
    if (!call->retry)
        return true;

    struct gw_retry_rules rules = rules_of(call->retry);

    call->info.over_budget = !gw_retry_budget_take(call->budget, &rules, now_of(call));
    return !call->info.over_budget;
}

/* The pause before the next try fits into the time there is, and the budget has room. */
static bool can_afford(struct gw_call *call, uint64_t least_us, uint64_t *pause_us)
{
    uint64_t now_us = now_of(call);

    *pause_us = 0;
    if (!call->retry && has_others(call))
        return true;

    struct gw_retry_rules rules = call->retry ? rules_of(call->retry) : gw_retry_defaults;

    *pause_us = gw_retry_backoff_us(&rules, ++call->retries_made, &loop_of(call)->random);
    if (*pause_us < least_us)
        *pause_us = least_us;
    return now_us + *pause_us < deadline_of(call) && is_in_budget(call);
}

bool gw_call_may_hedge(struct gw_stream *stream)
{
    struct gw_call *call = container_of(stream, struct gw_call, stream);

    return call->state == GW_CALL_ACTIVE && call->repeatable && call->view->set->count > 1 &&
           is_in_budget(call);
}

/* ── another try ───────────────────────────────────────────────────────────── */

static void note_tried(struct gw_call *call)
{
    if (!call->view || call->chosen < 0)
        return;
    if (!call->tried)
        call->tried = gw_arena_alloc_zero(call->options.arena, call->view->set->count);
    call->tried[call->chosen] = true;
}

/* For log and metrics: only those that failed are kept, so that a plain request pays nothing. */
static void note_failed(struct gw_call *call, enum gw_error why, int status)
{
    struct gw_call_info *info = &call->info;

    if (info->tries > GW_CALL_TRIES_KEPT)
        return;

    struct gw_try *failed = gw_arena_alloc(call->options.arena, sizeof(*failed));

    *failed = (struct gw_try){
        .before = info->failed,
        .target = gw_arena_copy(call->options.arena, gw_slice_from(info->target)),
        .started_us = info->started_us,
        .error = why,
        .status = status,
    };
    info->failed = failed;
}

static void start(struct gw_call *call)
{
    gw_attempt_start(call);
    gw_call_tell_room(call);
}

static void on_pause_over(struct gw_timer *timer)
{
    struct gw_call *call = container_of(timer, struct gw_call, try_timer);

    gw_attempt_stop_draining(call, GW_E_CANCELLED);
    start(call);
}

/* What failed is over, also where the next one waits: it holds no place at the target. */
static void go_again(struct gw_call *call, enum gw_error why, uint64_t pause_us)
{
    gw_attempt_end(call, why);
    call->body_at = 0;
    call->blocked = call->request_whole = false;
    call->info.sent_us = call->info.bytes_out = 0;
    call->state = GW_CALL_SEEKING;
    gw_call_set_timer(call);
    if (pause_us)
        gw_timer_start(loop_of(call), &call->try_timer, pause_us, on_pause_over);
    else
        start(call);
}

static bool may_retry(struct gw_call *call, enum gw_error why, uint64_t *pause_us)
{
    *pause_us = 0;
    if (call->final_head || call->interim || call->body_sent)
        return false;
    if (lost_race(call, why)) {
        call->must_be_fresh = true;
        return is_in_budget(call);
    }
    if (call->retries_left == 0 || is_final_here(call, why))
        return false;
    if (!never_got_there(call, why) && !has_rule(call, condition_of(why)))
        return false;
    if (!can_afford(call, 0, pause_us))
        return false;
    call->retries_left--;
    note_tried(call);
    return true;
}

bool gw_attempt_retry(struct gw_call *call, enum gw_error why)
{
    uint64_t pause_us;

    if (!call->final_head)
        gw_attempt_learn(call, 0, why);
    if (!may_retry(call, why, &pause_us))
        return false;
    gw_debug("call %.*s: %s: %s; trying again", GW_SLICE_ARG(call->options.correlation_id),
             call->info.target, gw_error_info(why)->text);
    note_failed(call, why, 0);
    go_again(call, why, pause_us);
    return true;
}

/* ── answers ───────────────────────────────────────────────────────────────── */

/* RFC 9110 10.2.3: seconds, or a date. 0: none, or none that can be read. */
static uint64_t retry_after_us(const struct gw_call *call, const struct gw_head *head)
{
    const struct gw_slice *value = gw_fields_get(&head->fields, GW_SLICE("retry-after"));
    int64_t wall_us = loop_of(call)->clock.wall_us;
    int64_t at;

    if (!value)
        return 0;
    if (gw_slice_to_int64(*value, &at))
        return at < INT64_MAX / 1000000 ? (uint64_t)at * 1000000 : INT64_MAX;
    if (gw_http_date_parse(*value, &at) && at > wall_us / 1000000)
        return (uint64_t)at * 1000000 - (uint64_t)wall_us;
    return 0;
}

static bool may_retry_answer(struct gw_call *call, const struct gw_head *head, uint64_t *pause_us)
{
    if (call->interim || call->body_sent || !call->repeatable || call->retries_left == 0)
        return false;

    uint64_t asked_us = retry_after_us(call, head);

    if (asked_us > call->retry->retry_after_max_us || !can_afford(call, asked_us, pause_us))
        return false;
    call->retries_left--;
    note_tried(call);
    return true;
}

bool gw_attempt_retry_answer(struct gw_call *call, const struct gw_head *head, bool end)
{
    const struct gw_retry_config *retry = call->retry;
    uint64_t pause_us;

    if (!retry || head->status >= (int)GW_ARRAY_LEN(retry->statuses) ||
        !retry->statuses[head->status])
        return false;
    if (!may_retry_answer(call, head, &pause_us)) {
        call->info.gave_up = true;
        return false;
    }
    gw_debug("call %.*s: %s answered %d; trying again", GW_SLICE_ARG(call->options.correlation_id),
             call->info.target, head->status);
    gw_attempt_learn(call, head->status, GW_OK);
    note_failed(call, GW_OK, head->status);
    if (!end && call->request_whole && pause_us)
        gw_attempt_drain(call);
    /* A connection whose answer is whole serves the next one. */
    go_again(call, end && call->request_whole ? GW_OK : GW_E_CANCELLED, pause_us);
    return true;
}
