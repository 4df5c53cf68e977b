#include "proxy/throttle.h"

#include "base/check.h"
#include "http/exchange.h"

struct gw_throttle *gw_throttle_of(struct gw_throttle *throttle, struct gw_exchange *x,
                                   struct gw_pace *pace, gw_throttle_cb on_ready, void *owner)
{
    if (!throttle) {
        throttle = gw_arena_alloc_zero(x->arena, sizeof(*throttle));
        gw_buf_init(&throttle->kept, SIZE_MAX); /* one piece of a source that is held then */
    }
    throttle->loop = x->loop;
    throttle->pace = pace;
    throttle->on_ready = on_ready;
    throttle->owner = owner;
    return throttle;
}

static void on_timer(struct gw_timer *timer)
{
    struct gw_throttle *throttle = container_of(timer, struct gw_throttle, timer);

    throttle->on_ready(throttle);
}

size_t gw_throttle_pass(struct gw_throttle *throttle, size_t want)
{
    uint64_t wait_us = 0;

    if (want == 0 || gw_timer_running(&throttle->timer))
        return 0;
    if (throttle->granted == 0)
        throttle->granted =
            gw_pace_take(throttle->pace, want, throttle->loop->clock.now_us, &wait_us);
    if (wait_us) {
        gw_timer_start(throttle->loop, &throttle->timer, wait_us, on_timer);
        return 0;
    }

    size_t passed = want < throttle->granted ? want : throttle->granted;

    throttle->granted -= passed;
    return passed;
}

struct gw_slice gw_throttle_keep(struct gw_throttle *throttle, struct gw_slice bytes)
{
    gw_buf_clear(&throttle->kept);
    gw_buf_append(&throttle->kept, bytes);
    return gw_buf_slice(&throttle->kept);
}

void gw_throttle_stop(struct gw_throttle *throttle)
{
    gw_timer_stop(&throttle->timer);
    if (throttle->granted)
        gw_pace_give_back(throttle->pace, throttle->granted);
    throttle->granted = 0;
    gw_buf_deinit(&throttle->kept);
    gw_buf_init(&throttle->kept, SIZE_MAX);
}
