/* LuaJIT cannot make callbacks that take structs by value: what a connection tells is passed on by
 * pointer. */
#include "net/conn.h"

struct gw_spec_hears {
    void (*on_read)(void *owner, const char *ptr, size_t len);
    void (*on_room)(void *owner);
    void (*on_end)(void *owner, int why);
};

struct gw_spec_hears gw_spec_hears;
extern const struct gw_conn_events gw_spec_conn_events;

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

const struct gw_conn_events gw_spec_conn_events = { on_read, on_room, on_end };
