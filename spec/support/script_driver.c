/* An exchange without a proxy, for the specs of script/: heads and bodies are what the spec says,
 * and the callbacks of proxy are counted. spec/support/scripts.lua declares all this for FFI. */
#include "base/alloc.h"
#include "base/log.h"
#include "http/exchange.h"
#include "script/phase.h"
#include "script/pipe.h"
#include "script/script.h"

struct gw_fake_read {
    struct gw_buf *into;
    bool *whole;
    gw_body_cb done; /* NULL: nobody waits */
    void *ctx;
    size_t max;
    enum gw_error too_large;
};

struct gw_fake {
    struct gw_exchange x;
    struct gw_fake_read request, response;
    unsigned done;       /* calls of done */
    unsigned cancelled;  /* reads that were called off */
    int result;          /* of the last run */
    struct gw_buf piped; /* what came out of the body hooks last */
    bool pipe_failed;
};

static void keep(struct gw_fake_read *read, size_t max, gw_body_cb done, void *ctx)
{
    GW_ASSERT(!read->done);
    read->done = done;
    read->ctx = ctx;
    read->max = max;
}

static void read_request_body(struct gw_exchange *x, size_t max, gw_body_cb done, void *ctx)
{
    keep(&container_of(x, struct gw_fake, x)->request, max, done, ctx);
}

static void read_response_body(struct gw_exchange *x, size_t max, gw_body_cb done, void *ctx)
{
    keep(&container_of(x, struct gw_fake, x)->response, max, done, ctx);
}

static void cancel_read(struct gw_exchange *x, void *ctx)
{
    struct gw_fake *fake = container_of(x, struct gw_fake, x);
    struct gw_fake_read *reads[] = { &fake->request, &fake->response };

    for (size_t i = 0; i < GW_ARRAY_LEN(reads); i++) {
        if (reads[i]->done && reads[i]->ctx == ctx) {
            reads[i]->done = NULL;
            fake->cancelled++;
        }
    }
}

static void keep_piped(struct gw_fake *fake, bool failed, struct gw_slice out)
{
    fake->pipe_failed = failed;
    fake->piped.len = 0;
    gw_buf_append(&fake->piped, out);
}

static void on_piped(struct gw_exchange *x, enum gw_phase phase, bool failed, struct gw_slice out)
{
    struct gw_fake *fake = container_of(x, struct gw_fake, x);

    (void)phase;
    fake->done++;
    keep_piped(fake, failed, out);
}

static const struct gw_exchange_ops ops = {
    .read_request_body = read_request_body,
    .read_response_body = read_response_body,
    .cancel_read = cancel_read,
    .on_piped = on_piped,
};

struct gw_fake *gw_fake_new(struct gw_loop *loop, struct gw_config *config,
                            struct gw_script *script, int route);
void gw_fake_free(struct gw_fake *fake);
int gw_fake_run(struct gw_fake *fake, int phase);
int gw_fake_pipe(struct gw_fake *fake, int phase, const char *piece, size_t len, bool last);
bool gw_fake_deliver(struct gw_fake *fake, bool of_request, const char *body, size_t len);
void gw_fake_repeat(struct gw_loop *loop, struct gw_config *config, struct gw_script *script,
                    unsigned times);
void gw_log_catch(bool on);
const char *gw_log_caught(void);

/* `route`: index, or -1 for none. */
struct gw_fake *gw_fake_new(struct gw_loop *loop, struct gw_config *config,
                            struct gw_script *script, int route)
{
    struct gw_fake *fake = gw_alloc_zero(sizeof(*fake));
    struct gw_exchange *x = &fake->x;

    x->loop = loop;
    x->ops = &ops;
    x->config = config;
    x->script = script;
    x->arena = gw_arena_new();
    x->ctx_slot = -1;
    x->body_limit = -1;
    x->outgoing.retries = -1;
    x->route = route >= 0 ? &config->routes[route] : NULL;
    x->limits = x->route ? &x->route->limits : &config->limits;
    x->correlation_id = GW_SLICE("id-1");
    x->client_ip = GW_SLICE("192.0.2.7");
    gw_addr_parse(&x->peer, GW_SLICE("192.0.2.1:4000"));
    x->local_port = 8000;
    x->times.wall_us = 1767225600000000;
    x->request.method_name = GW_SLICE("GET");
    x->request.scheme = GW_SLICE("http");
    x->request.authority = GW_SLICE("example.com:8000");
    x->request.path = x->request.raw_target = GW_SLICE("/a/b");
    x->request.version = 11;
    x->request.body_length = x->response.body_length = GW_BODY_NONE;
    x->response.status = 200;
    gw_list_init(&x->holds);
    gw_buf_init(&x->request_body, SIZE_MAX);
    gw_buf_init(&x->response_body, SIZE_MAX);
    gw_buf_init(&fake->piped, SIZE_MAX);
    gw_buf_init(&x->new_body, SIZE_MAX);
    fake->request = (struct gw_fake_read){ .into = &x->request_body,
                                           .whole = &x->request_body_whole,
                                           .too_large = GW_E_BODY_TOO_LARGE };
    fake->response = (struct gw_fake_read){ .into = &x->response_body,
                                            .whole = &x->response_body_whole,
                                            .too_large = GW_E_UPSTREAM_BODY_TOO_LARGE };
    return fake;
}

void gw_fake_free(struct gw_fake *fake)
{
    gw_phase_end(&fake->x);
    GW_LIST_EACH(&fake->x.holds, node) {
        struct gw_hold *hold = container_of(node, struct gw_hold, node);

        gw_list_remove(node);
        hold->release(hold);
    }
    if (fake->x.reply)
        gw_blob_unref(fake->x.reply->body);
    gw_buf_deinit(&fake->x.request_body);
    gw_buf_deinit(&fake->x.response_body);
    gw_buf_deinit(&fake->piped);
    gw_buf_deinit(&fake->x.new_body);
    gw_arena_free(fake->x.arena);
    gw_free(fake);
}

static void on_done(struct gw_exchange *x)
{
    container_of(x, struct gw_fake, x)->done++;
}

int gw_fake_run(struct gw_fake *fake, int phase)
{
    fake->result = (int)gw_phase_run(&fake->x, (enum gw_phase)phase, on_done);
    return fake->result;
}

/* A piece through the body hooks. */
int gw_fake_pipe(struct gw_fake *fake, int phase, const char *piece, size_t len, bool last)
{
    struct gw_slice out;

    fake->result =
        (int)gw_pipe_run(&fake->x, (enum gw_phase)phase, gw_slice(piece, len), last, &out);
    if (fake->result != GW_PIPE_WAITS)
        keep_piped(fake, fake->result == GW_PIPE_FAILED, out);
    return fake->result;
}

/* The body came; false when nobody reads. */
bool gw_fake_deliver(struct gw_fake *fake, bool of_request, const char *body, size_t len)
{
    struct gw_fake_read *read = of_request ? &fake->request : &fake->response;
    gw_body_cb done = read->done;

    if (!done)
        return false;
    read->done = NULL;
    if (len > read->max) {
        done(read->ctx, GW_SLICE_EMPTY, read->too_large);
        return true;
    }
    gw_buf_append(read->into, gw_slice(body, len));
    *read->whole = true;
    done(read->ctx, gw_buf_slice(read->into), GW_OK);
    return true;
}

/* Many requests one after the other through all phases: for growth and for time. */
void gw_fake_repeat(struct gw_loop *loop, struct gw_config *config, struct gw_script *script,
                    unsigned times)
{
    for (unsigned i = 0; i < times; i++) {
        struct gw_fake *fake = gw_fake_new(loop, config, script, 0);

        for (int phase = 0; phase <= GW_PHASE_LOG; phase++) {
            if (gw_fake_run(fake, phase) == GW_RUN_WAITS)
                gw_phase_cancel(&fake->x);
        }
        gw_fake_free(fake);
    }
}

static struct gw_buf caught;

static void catch_line(enum gw_log_level level, const char *line, void *ctx)
{
    (void)ctx;
    gw_buf_printf(&caught, "%s %s\n", gw_log_level_name(level), line);
}

void gw_log_catch(bool on)
{
    gw_buf_deinit(&caught);
    gw_buf_init(&caught, 1024 * 1024);
    gw_log_set_sink(on ? catch_line : NULL, NULL);
}

const char *gw_log_caught(void)
{
    return gw_buf_append_char(&caught, '\0') ? (caught.len--, caught.data) : "";
}
