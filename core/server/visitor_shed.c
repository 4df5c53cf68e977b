#include "net/relief.h"
#include "server/greeting.h"
#include "server/visitor.h"

#define GREETING_US 1000000 /* a new connection is not called idle before */

static bool shed(void *owner)
{
    struct gw_visitor *visitor = owner;

    if (visitor->http)
        return gw_session_shed(visitor->http, GW_E_DESCRIPTORS);
    if (visitor->hands) {
        gw_visitor_close_hands(visitor);
        gw_visitor_free(visitor);
        return true;
    }
    if (visitor->greeting) {
        if (gw_conn_look(gw_greeting_conn(visitor->greeting)) & GW_CONN_SEES_BYTES)
            return false;
        gw_visitor_close_greeting(visitor);
        return true;
    }
    if (gw_conn_look(visitor->rest.left.conn) & GW_CONN_SEES_BYTES)
        return false;
    gw_conn_close(gw_rest_end(&visitor->rest).conn);
    gw_visitor_free(visitor);
    return true;
}

static bool greets_for_long(const struct gw_visitor *visitor)
{
    uint64_t now_us = visitor->front->loop->clock.now_us;

    return now_us - gw_greeting_since(visitor->greeting) >= GREETING_US;
}

void gw_visitors_offer_waiting(struct gw_relief_giver *giver, struct gw_relief *relief)
{
    struct gw_front *front = container_of(giver, struct gw_front, giver);
    uint64_t since_us;

    GW_LIST_EACH(&front->visitors, node) {
        struct gw_visitor *visitor = container_of(node, struct gw_visitor, node);

        if (visitor->http && gw_session_waits(visitor->http, &since_us))
            gw_relief_offer(relief, since_us, shed, visitor);
        else if (visitor->hands)
            gw_relief_offer(relief, gw_visitor_hands_since(visitor), shed, visitor);
        else if (visitor->greeting && greets_for_long(visitor))
            gw_relief_offer(relief, gw_greeting_since(visitor->greeting), shed, visitor);
        else if (visitor->rest.left.conn)
            gw_relief_offer(relief, visitor->rest.left.since_us, shed, visitor);
    }
}
