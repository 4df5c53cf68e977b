#pragma once
/* One request that Lua makes: a call whose response is collected within a bound, or given away
 * piece by piece; its body comes from memory or from a producer, a child run that is asked for one
 * piece after the other. */
#include "base/buf.h"
#include "http/stream.h"
#include "net/loop.h"
#include "script/wait.h"

struct gw_fetch;
struct gw_run;
struct gw_script;

/* The fetch may be freed in it. */
typedef void (*gw_fetch_cb)(struct gw_fetch *fetch);

enum gw_fetch_mode {
    GW_FETCH_COLLECT, /* tells once, at the end */
    GW_FETCH_STREAM,  /* tells at the head, at every piece and at the end */
};

enum gw_fetch_state {
    GW_FETCH_NEW,
    GW_FETCH_ASKED,
    GW_FETCH_ENDED, /* `error` says how */
};

/* What the job's table says; borrowed from Lua while the table is on the stack. */
struct gw_fetch_job {
    int service; /* index + 1; 0: none */
    struct gw_slice upstream, host, authority, method, path, body;
    uint16_t port;
    bool has_body, produces;
    bool tls; /* of a URL */
    double timeout;
};

struct gw_fetch {
    struct gw_script *script;
    struct gw_account *account; /* of the plugin that asks */
    enum gw_fetch_mode mode;
    enum gw_fetch_state state;
    gw_fetch_cb tell;
    void *owner;
    struct gw_arena *arena; /* owned: both heads */
    struct gw_head request;
    struct gw_stream *call; /* opened, not sent; NULL once closed */
    struct gw_timer deadline;
    uint64_t timeout_us; /* 0: the service's alone */

    struct gw_head *head;       /* the final one, once it came */
    struct gw_fields *trailers; /* or NULL */
    struct gw_buf body;         /* what was collected, or what nobody took yet */
    bool held;
    bool unknown_upstream; /* there is no such upstream: it never starts */
    enum gw_error error;
    char *failure; /* of the producer, owned; or NULL */
    struct gw_slice service_name;

    struct gw_run *producer; /* or NULL */
    struct gw_wait room;     /* what it waits for while the call has none; run: NULL when not */
    struct gw_defer later;   /* it begins, or goes on, when everybody had a turn */
    size_t burst;            /* bytes it gave without a wait */
};

/* Owned by the caller. */
struct gw_fetch *gw_fetch_new(struct gw_script *script, enum gw_fetch_mode mode);

/* Ends it silently at whatever stage, and frees it. NULL is fine. */
void gw_fetch_free(struct gw_fetch *fetch);

/* Takes the job at `index` of the stack (lua/moongate/fetch.lua says what it holds). NULL, or what
 * is wrong with it. May raise. */
const char *gw_fetch_read(lua_State *L, int index, struct gw_fetch *fetch, struct gw_run *run);

/* Starts what was read. */
void gw_fetch_start(struct gw_fetch *fetch, gw_fetch_cb tell, void *owner);

/* Streams: the piece that lay in `body` was taken, more may come. */
void gw_fetch_go_on(struct gw_fetch *fetch);

/* Pushes code (0; an enum gw_error; -1: no such upstream) and, of what did not fail, status,
 * headers, body and trailers (or nil); else why the producer failed, or the limit of the body.
 * Returns how many. May raise. */
int gw_fetch_push(lua_State *L, const struct gw_fetch *fetch);
void gw_fetch_push_fields(lua_State *L, const struct gw_fields *fields); /* a flat array */

/* fetch_job.c: what the request's head becomes. NULL, or what is wrong. */
const char *gw_fetch_make_head(lua_State *L, int index, struct gw_fetch *fetch,
                               const struct gw_fetch_job *job);
void gw_fetch_read_job(lua_State *L, int index, struct gw_fetch_job *job);
