/* What clients are told of their limits, on every response: so it is written here, without making
 * strings in Lua. */
#include "script/pdk_common.h"

#include <math.h>
#include <string.h>

#define DIGITS_MAX 15 /* of an integer in a structured field (RFC 9651) */
#define NUMBER_MAX 999999999999999.0

static char *put(char *out, const char *text, size_t len)
{
    memcpy(out, text, len);
    return out + len;
}

static uint64_t whole(double number)
{
    return !(number > 0) ? 0 : number > NUMBER_MAX ? (uint64_t)NUMBER_MAX : (uint64_t)number;
}

static char *put_number(char *out, uint64_t number)
{
    char digits[DIGITS_MAX + 1];
    size_t len = 0;

    do
        digits[len++] = (char)('0' + number % 10);
    while ((number /= 10) && len < sizeof(digits));
    while (len)
        *out++ = digits[--len];
    return out;
}

static void set(struct gw_pdk *h, struct gw_slice name, struct gw_slice value)
{
    gw_edits_add(&h->x->response_edits, h->x->arena, GW_EDIT_SET, name, value);
}

static struct gw_slice number_text(struct gw_pdk *h, uint64_t number)
{
    char *text = gw_arena_alloc(h->x->arena, DIGITS_MAX + 1);

    return gw_slice(text, (size_t)(put_number(text, number) - text));
}

void gw_pdk_tell_limits(struct gw_pdk *h, const char *policy, size_t policy_len,
                        const struct gw_pdk_told *told, uint32_t count)
{
    size_t most = 0;

    for (uint32_t i = 0; i < count; i++)
        most += told[i].lead_len + 2 * (DIGITS_MAX + 1) + 5; /* ;t= and a comma */

    char *text = gw_arena_alloc(h->x->arena, most), *out = text;

    for (uint32_t i = 0; i < count; i++) {
        if (i)
            out = put(out, ", ", 2);
        out = put(out, told[i].lead, told[i].lead_len);
        out = put_number(out, whole(told[i].remaining));
        out = put(out, ";t=", 3);
        out = put_number(out, whole(ceil(told[i].reset)));
    }
    set(h, GW_SLICE("ratelimit-policy"), gw_pdk_keep(h, policy, policy_len));
    set(h, GW_SLICE("ratelimit"), gw_slice(text, (size_t)(out - text)));
}

void gw_pdk_tell_limits_legacy(struct gw_pdk *h, const struct gw_pdk_told *told, uint32_t count)
{
    const struct gw_pdk_told *nearest = told;

    for (uint32_t i = 0; i < count; i++) {
        const struct gw_pdk_told *one = &told[i];

        set(h, gw_pdk_keep(h, one->limit_name, one->limit_name_len),
            gw_pdk_keep(h, one->quota, one->quota_len));
        set(h, gw_pdk_keep(h, one->remaining_name, one->remaining_name_len),
            number_text(h, whole(one->remaining)));
        if (one->remaining < nearest->remaining)
            nearest = one;
    }
    set(h, GW_SLICE("ratelimit-limit"), gw_pdk_keep(h, nearest->quota, nearest->quota_len));
    set(h, GW_SLICE("ratelimit-remaining"), number_text(h, whole(nearest->remaining)));
    set(h, GW_SLICE("ratelimit-reset"), number_text(h, whole(ceil(nearest->reset))));
}
