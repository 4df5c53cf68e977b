/* Rules and asks at random, among few keys of a small table. What an answer says must come true:
 * who may pass does, who is told to wait is refused until then and not after, and nobody finds more
 * room than the rule has. */
#include "fuzz.h"

#include "policy/limit.h"

#define RULES 4
#define WAIT_MAX UINT64_C(1000000000000) /* longer waits are not waited for */

struct input {
    const uint8_t *at;
    size_t left;
};

static unsigned next(struct input *input)
{
    if (!input->left)
        return 0;
    input->left--;
    return *input->at++;
}

/* Small ones, fractions, and now and then a large one. */
static double next_amount(struct input *input)
{
    static const double scales[] = { 1, 0.125, 0.000001, 1e9 };
    unsigned byte = next(input);

    return (byte % 64) * scales[byte / 64];
}

static bool next_rule(struct input *input, struct gw_limit_rule *rule)
{
    struct gw_limit_terms terms = {
        .algorithm = (int)(next(input) % GW_LIMIT_ALGORITHMS),
        .align = (int)(next(input) % GW_LIMIT_ALIGNMENTS),
        .limit = next_amount(input),
        .rate = next_amount(input),
        .window = next_amount(input),
    };

    return !gw_limit_rule_init(rule, &terms);
}

static void check_answer(const struct gw_limit_answer *answer)
{
    FUZZ_CHECK(answer->remaining >= 0 && answer->remaining <= answer->limit, "%g of %g",
               answer->remaining, answer->limit);
    FUZZ_CHECK(answer->allowed == (answer->retry_us == 0), "allowed %d, and wait %llu",
               answer->allowed, (unsigned long long)answer->retry_us);
}

/* Waits as long as it was told to. */
static void wait_for(struct gw_limit_table *limits, const struct gw_limit_ask *ask,
                     uint64_t retry_us, uint64_t *now_us)
{
    struct gw_limit_answer answer;

    *now_us += retry_us - 1;
    FUZZ_CHECK(!gw_limit_look(limits, ask, 1, *now_us, &answer), "it may pass too early");
    *now_us += 1;
    FUZZ_CHECK(gw_limit_look(limits, ask, 1, *now_us, &answer), "it may not pass in its time");
}

static void take(struct gw_limit_table *limits, const struct gw_limit_ask *asks, size_t count,
                 uint64_t *now_us)
{
    struct gw_limit_answer looked[GW_LIMIT_ASKS_MAX], took[GW_LIMIT_ASKS_MAX];
    struct gw_zone_stats before, after;
    bool may = gw_limit_look(limits, asks, count, *now_us, looked);

    gw_limit_table_stats(limits, &before);
    bool did = gw_limit_take(limits, asks, count, *now_us, took);

    gw_limit_table_stats(limits, &after);
    FUZZ_CHECK(may == did, "it looked as if it could %d, and did %d", may, did);
    FUZZ_CHECK(after.evicted - before.evicted <= GW_LIMIT_ASKS_MAX, "too many left");
    FUZZ_CHECK(after.bytes <= after.max_bytes, "%llu bytes", (unsigned long long)after.bytes);
    for (size_t i = 0; i < count; i++) {
        check_answer(&took[i]);
        FUZZ_CHECK(took[i].allowed == looked[i].allowed, "ask %zu", i);
        FUZZ_CHECK(did || took[i].remaining == looked[i].remaining, "a refusal took something");
    }
    if (count == 1 && !did && took[0].retry_us < WAIT_MAX)
        wait_for(limits, asks, took[0].retry_us, now_us);
}

GW_FUZZ_TARGET(limit)
{
    static const char keys[] = "abcdefgh";
    struct input input = { data, size };
    struct gw_limit_rule rules[RULES];
    uint64_t now_us = UINT64_C(1767225600000000) + next(&input) * UINT64_C(7919);
    unsigned rule_count = 0;

    for (unsigned i = 0; i < RULES; i++)
        rule_count += next_rule(&input, &rules[rule_count]);
    if (!rule_count)
        return 0;
    struct gw_limit_table *limits = gw_limit_table_new(GW_LIMIT_MIN_BYTES);

    while (input.left) {
        struct gw_limit_ask asks[GW_LIMIT_ASKS_MAX];
        struct gw_limit_answer answer;
        unsigned what = next(&input);
        size_t count = what % 4 ? 1 : 1 + what / 4 % GW_LIMIT_ASKS_MAX;

        for (size_t i = 0; i < count; i++)
            asks[i] = (struct gw_limit_ask){
                .key = gw_slice(&keys[next(&input) % 8], 1),
                .rule = &rules[next(&input) % rule_count],
                .cost = next_amount(&input),
            };
        now_us += next(&input) * (UINT64_C(1) << what % 24);
        if (what >= 240) {
            asks[0].cost = what % 2 ? asks[0].cost : -asks[0].cost;
            gw_limit_adjust(limits, &asks[0], now_us, &answer);
        } else if (what >= 236) {
            gw_limit_forget(limits, asks[0].key, asks[0].rule);
        } else {
            take(limits, asks, count, &now_us);
        }
    }
    gw_limit_table_free(limits);
    return 0;
}
