#include "server/repeats.h"

#include "base/alloc.h"

#define SECOND_US 1000000u

static bool is_same(const struct gw_repeats *repeats, int level, struct gw_slice text)
{
    return repeats->text && repeats->level == level &&
           gw_slice_equal(gw_slice(repeats->text, repeats->len), text);
}

bool gw_repeats_swallow(struct gw_repeats *repeats, int level, struct gw_slice text,
                        uint64_t now_us)
{
    if (!is_same(repeats, level, text) || now_us - repeats->second_us >= SECOND_US ||
        repeats->written < GW_REPEATS_WRITTEN)
        return false;
    repeats->pending++;
    return true;
}

void gw_repeats_written(struct gw_repeats *repeats, int level, struct gw_slice text,
                        uint64_t now_us)
{
    if (is_same(repeats, level, text)) {
        if (now_us - repeats->second_us < SECOND_US) {
            repeats->written++;
            return;
        }
    } else {
        gw_free(repeats->text);
        repeats->text = gw_strndup(text.ptr, text.len);
        repeats->len = text.len;
        repeats->level = level;
    }
    repeats->second_us = now_us;
    repeats->written = 1;
}

uint64_t gw_repeats_pending(const struct gw_repeats *repeats)
{
    return repeats->pending;
}

bool gw_repeats_due(const struct gw_repeats *repeats, uint64_t now_us)
{
    return repeats->pending > 0 && now_us - repeats->second_us >= SECOND_US;
}

void gw_repeats_told(struct gw_repeats *repeats)
{
    repeats->pending = 0;
}

void gw_repeats_deinit(struct gw_repeats *repeats)
{
    gw_free(repeats->text);
    *repeats = (struct gw_repeats){ 0 };
}
