#include "policy/pace.h"

#include "policy/gates_private.h"

#include <math.h>

/* A piece is what passes in 20 ms, but not so small that a write costs more than it carries, nor so
 * large that others wait for long. */
#define PIECES_A_SECOND 50
#define PIECE_MIN 256
#define PIECE_MAX 65536

static size_t piece_of(const struct gw_pace *pace)
{
    double piece = pace->rate / PIECES_A_SECOND;

    if (piece < PIECE_MIN)
        return PIECE_MIN;
    return piece > PIECE_MAX ? PIECE_MAX : (size_t)piece;
}

static double time_of(const struct gw_pace *pace, double bytes)
{
    return bytes * 1e6 / pace->rate;
}

static size_t take(const struct gw_pace *pace, size_t want, double *empty_us, double now_us,
                   double *wait_us)
{
    size_t piece = piece_of(pace), taken = want < piece ? want : piece;
    double full_us = now_us - time_of(pace, pace->burst);

    if (*empty_us < full_us)
        *empty_us = full_us;

    double there = (now_us - *empty_us) * pace->rate / 1e6;

    if (there >= (double)want)
        taken = want;
    else if (there >= (double)taken)
        taken = (size_t)there;
    *empty_us += time_of(pace, (double)taken);
    *wait_us = *empty_us - now_us;
    return taken;
}

/* A bucket that nobody used yet is full. */
static void begin(bool *begun, double *empty_us)
{
    if (!*begun)
        *empty_us = -1e18;
    *begun = true;
}

size_t gw_pace_take(struct gw_pace *pace, size_t want, uint64_t now_us, uint64_t *wait_us)
{
    struct gw_gate *gate = pace->gate;
    double wait = 0;
    size_t taken;

    if (gate) {
        gw_gate_lock(gate, now_us);
        begin(&gate->begun, &gate->last_us);
        taken = take(pace, want, &gate->last_us, (double)now_us, &wait);
        gw_gate_unlock(gate);
    } else {
        begin(&pace->begun, &pace->empty_us);
        taken = take(pace, want, &pace->empty_us, (double)now_us, &wait);
    }
    *wait_us = wait > 0 ? (uint64_t)ceil(wait) : 0;
    return taken;
}

void gw_pace_give_back(struct gw_pace *pace, size_t bytes)
{
    double back_us = time_of(pace, (double)bytes);

    if (!pace->gate) {
        pace->empty_us -= back_us;
        return;
    }
    pthread_mutex_lock(&pace->gate->stripe->lock);
    pace->gate->last_us -= back_us;
    pthread_mutex_unlock(&pace->gate->stripe->lock);
}
