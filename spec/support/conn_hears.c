/* LuaJIT cannot make callbacks that take structs by value: what a connection tells is passed on by
 * pointer. */
#include "net/proxy_accept.h"

struct gw_spec_hears {
    void (*on_read)(void *owner, const char *ptr, size_t len);
    void (*on_room)(void *owner);
    void (*on_end)(void *owner, int why);
    void (*on_accepted)(void *ctx, struct gw_conn *conn, const char *rest, size_t len, int why,
                        const char *problem);
};

struct gw_spec_hears gw_spec_hears;
extern const struct gw_conn_events gw_spec_conn_events;
gw_proxy_accept_cb gw_spec_on_accepted(void);

static void on_read(void *owner, struct gw_slice bytes)
{
    gw_spec_hears.on_read(owner, bytes.ptr, bytes.len);
}

static void on_room(void *owner)
{
    gw_spec_hears.on_room(owner);
}

static void on_end(void *owner, enum gw_error why)
{
    gw_spec_hears.on_end(owner, (int)why);
}

const struct gw_conn_events gw_spec_conn_events = {
    .on_read = on_read,
    .on_room = on_room,
    .on_end = on_end,
};

static void on_accepted(void *ctx, struct gw_conn *conn, struct gw_slice rest, enum gw_error why,
                        const char *problem)
{
    gw_spec_hears.on_accepted(ctx, conn, rest.ptr, rest.len, (int)why, problem);
}

gw_proxy_accept_cb gw_spec_on_accepted(void)
{
    return on_accepted;
}
