#pragma once
/* The plugin harness: a whole gateway that does nothing but when it is turned. One loop with a
 * virtual clock, one worker's pool and proxy, scripts that live in the caller's Lua state; clients
 * and upstreams are *wires*, ends of connections in memory whose bytes Lua reads and writes. What
 * happens is not called back but kept as *events*, because Lua that C called may not be entered
 * again from anywhere; who turns takes them.
 *
 * Only lua/moongate/spec uses it, through the functions of harness/lua.c. */
#include "config/config.h"
#include "net/outside.h"
#include "proxy/proxy.h"
#include "script/script.h"

struct gw_conn;
struct lua_State;

enum gw_harness_event_kind {
    GW_HARNESS_BYTES,     /* came on a wire */
    GW_HARNESS_END,       /* of a wire's other side; `number` is the error, 0 a plain end */
    GW_HARNESS_ROOM,      /* a wire that took no more does */
    GW_HARNESS_DIAL,      /* the gateway wants a connection to `text`, "name:port" */
    GW_HARNESS_DIAL_GONE, /* it does not want it any more */
    GW_HARNESS_ALARM,     /* its time has come */
    GW_HARNESS_LOG,       /* a line of the error log; `number` is the level */
    GW_HARNESS_ACCESS,    /* a line of the access log */
};

struct gw_harness_event {
    struct gw_list_node node;
    enum gw_harness_event_kind kind;
    unsigned id; /* of the wire, dial or alarm */
    int number;
    size_t len;
    char text[];
};

struct gw_harness {
    struct gw_outside outside;
    struct gw_loop *loop;
    struct gw_registry *registry;
    struct gw_pool *pool;
    struct gw_redis_hub *redis;
    struct gw_metrics *metrics;
    struct gw_sinks *sinks; /* of log plugins */
    struct gw_zones *zones;
    struct gw_ledger *ledger; /* in memory alone */
    struct gw_proxy *proxy;
    struct gw_list sessions; /* the gateway's side of client connections */
    struct gw_list wires;
    struct gw_list dials;
    struct gw_list alarms;
    struct gw_list events;
    char **names; /* the n-th has the address 198.18.x.y of its index */
    unsigned name_count;
    struct gw_config *config; /* of the current generation, one reference */
    struct gw_script *script; /* the same */
    struct gw_script **unused;
    unsigned unused_count;
    unsigned last_id;
    bool network; /* what no name or port of ours is for is dialled really */
};

/* --- life (harness.c) --- */

struct gw_harness_options {
    uint64_t seed; /* of ids and whatever else is random */
    bool network;  /* real time and the real network for what no wire stands for */
};

struct gw_harness *gw_harness_new(const struct gw_harness_options *options);

/* Everything must have come to its end; gw_harness_stop() brings that about. */
void gw_harness_free(struct gw_harness *harness);

/* Closes all wires and ends what runs, by force. False: something does not end. */
bool gw_harness_stop(struct gw_harness *harness);

/* Builds a script in the caller's state and makes it and the configuration (whose reference it
 * takes over) the current generation. False with lines for people in *why (owned by the caller). */
bool gw_harness_load(struct gw_harness *harness, struct gw_config *config, const char *home,
                     struct lua_State *L, int loader, char **why);

/* Turns until nothing is ready or an event waits. True while more is ready. */
bool gw_harness_turn(struct gw_harness *harness, bool wait);

/* Moves time to the next timer and fires it, at most by `limit_us`; true when one fired. */
bool gw_harness_step(struct gw_harness *harness, uint64_t limit_us);

/* --- what Lua holds in its hands (wire.c) --- */

void gw_harness_wires_init(struct gw_harness *harness);
void gw_harness_wires_deinit(struct gw_harness *harness);

/* Appends; the text is copied. */
void gw_harness_tell(struct gw_harness *harness, enum gw_harness_event_kind kind, unsigned id,
                     int number, struct gw_slice text);

/* NULL when there is none. The caller frees it. */
struct gw_harness_event *gw_harness_take(struct gw_harness *harness);

/* A client's connection; the gateway believes it comes from `peer`. */
unsigned gw_harness_connect(struct gw_harness *harness, const struct gw_addr *peer);

/* Takes our end of a connection over. */
unsigned gw_harness_add_wire(struct gw_harness *harness, struct gw_conn *conn);

/* The connection of a wire; NULL once it is closed. */
struct gw_conn *gw_harness_wire(struct gw_harness *harness, unsigned id);
void gw_harness_close_wire(struct gw_harness *harness, unsigned id, bool reset);

unsigned gw_harness_set_alarm(struct gw_harness *harness, uint64_t delay_us);
void gw_harness_cancel_alarm(struct gw_harness *harness, unsigned id);

/* --- names and dials (dial.c) --- */

void gw_harness_dials_init(struct gw_harness *harness);
void gw_harness_dials_deinit(struct gw_harness *harness);

/* Answers a dial: the wire that is connected now, or 0 when nobody waits for it any more. */
unsigned gw_harness_accept(struct gw_harness *harness, unsigned dial);
void gw_harness_refuse(struct gw_harness *harness, unsigned dial);

/* --- for Lua (lua.c) --- */

/* Makes `require("moongate.spec.core")` work in a state that hosts specs. */
void gw_harness_open(struct lua_State *L, const char *home);
