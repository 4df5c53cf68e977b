/* A client that sends or takes too slowly: looked at every ten seconds while a body is on its
 * way. */
#include "net/loop.h"
#include "proxy/flight.h"

#define PACE_US 10000000ull

/* Who may not be faster need not be: half of its pace is enough, or, where others share it,
 * anything at all. */
static uint64_t least_bytes(uint64_t rate, const struct gw_throttle *throttle)
{
    uint64_t least = rate * (PACE_US / 1000000), most;

    if (!throttle)
        return least;
    most = throttle->pace->gate ? 1 : (uint64_t)throttle->pace->rate * (PACE_US / 1000000) / 2;
    return least < most ? least : most;
}

static bool sends_too_slowly(const struct gw_flight *flight)
{
    uint64_t least = least_bytes(flight->x.limits->body_min_rate, flight->to_service.throttle);

    return !flight->request_ended && !flight->down_held && !flight->tunnel && !flight->x.grpc &&
           (flight->asked_for_body || !flight->x.request.expect_continue) &&
           flight->x.counts.bytes_in - flight->paced_in < least;
}

/* What has reached the client: the kernel's buffers are large, and filling them is no progress. */
static uint64_t taken(const struct gw_flight *flight)
{
    const struct gw_stream *down = flight->x.down;

    return down && down->ops->taken ? gw_stream_taken(down) : flight->to_client.bytes;
}

/* In a tunnel nobody knows what is slow, and without a rate any progress in idle_timeout is
 * enough. */
static bool has_rate(const struct gw_flight *flight)
{
    return flight->x.limits->body_min_rate > 0 && !flight->tunnel;
}

static bool reads_too_slowly(const struct gw_flight *flight)
{
    uint64_t least = has_rate(flight)
                         ? least_bytes(flight->x.limits->body_min_rate, flight->to_client.throttle)
                         : 1;

    return flight->to_client.blocked && taken(flight) - flight->paced_out < least;
}

static void on_pace(struct gw_timer *timer)
{
    struct gw_flight *flight = container_of(timer, struct gw_flight, pace);

    if (sends_too_slowly(flight)) {
        gw_flight_fail(flight, GW_E_BODY_SLOW);
        return;
    }
    gw_flight_watch_pace(flight);
}

static void on_stuck(struct gw_timer *timer)
{
    struct gw_flight *flight = container_of(timer, struct gw_flight, pace);

    if (reads_too_slowly(flight)) {
        gw_flight_abandon(flight, GW_E_WRITE_SLOW);
        return;
    }
    gw_flight_watch_pace(flight);
}

void gw_flight_watch_pace(struct gw_flight *flight)
{
    struct gw_exchange *x = &flight->x;
    bool rate = has_rate(flight);

    flight->paced_in = x->counts.bytes_in;
    if (flight->to_client.blocked) {
        flight->paced_out = taken(flight);
        if (rate || x->limits->idle_timeout_us)
            gw_timer_start(x->loop, &flight->pace, rate ? PACE_US : x->limits->idle_timeout_us,
                           on_stuck);
    } else if (!flight->request_ended && rate) {
        gw_timer_start(x->loop, &flight->pace, PACE_US, on_pace);
    }
}
