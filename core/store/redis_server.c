#include "store/redis_server.h"

#include "base/alloc.h"
#include "base/arena.h"
#include "net/tls_client.h"

struct gw_redis_server *gw_redis_server_new(const struct gw_redis_options *options)
{
    struct gw_redis_server *server = gw_alloc_zero(sizeof(*server));
    struct gw_redis_options *own = &server->options;
    struct gw_arena *arena = gw_arena_new();

    gw_refs_init(&server->refs);
    server->arena = arena;
    *own = *options;
    own->name = gw_arena_copy(arena, options->name);
    own->host = gw_arena_copy(arena, options->host);
    own->unix_socket = gw_arena_copy(arena, options->unix_socket);
    own->username = gw_arena_copy(arena, options->username);
    own->password = gw_arena_copy(arena, options->password);
    own->server_name =
        gw_arena_copy(arena, options->server_name.len ? options->server_name : options->host);
    if (options->tls) {
        gw_tls_client_ref(options->tls);
        server->tls_key = gw_tls_client_key(options->tls, own->host, own->server_name, arena);
    }
    return server;
}

struct gw_redis_server *gw_redis_server_ref(struct gw_redis_server *server)
{
    gw_refs_add(&server->refs);
    return server;
}

void gw_redis_server_unref(struct gw_redis_server *server)
{
    if (!server || !gw_refs_drop(&server->refs))
        return;
    gw_tls_client_unref(server->options.tls);
    gw_arena_free(server->arena);
    gw_free(server);
}

static bool is_same_place(const struct gw_redis_options *a, const struct gw_redis_options *b)
{
    return gw_slice_equal(a->host, b->host) && a->port == b->port &&
           gw_slice_equal(a->unix_socket, b->unix_socket) &&
           gw_slice_equal(a->server_name, b->server_name) && a->database == b->database &&
           gw_slice_equal(a->username, b->username) && gw_slice_equal(a->password, b->password) &&
           gw_slice_equal(a->name, b->name);
}

bool gw_redis_server_equal(const struct gw_redis_server *a, const struct gw_redis_server *b)
{
    const struct gw_redis_options *one = &a->options, *other = &b->options;

    if (a == b)
        return true;
    return is_same_place(one, other) && gw_slice_equal(a->tls_key, b->tls_key) &&
           one->connect_timeout_us == other->connect_timeout_us && one->idle_us == other->idle_us &&
           one->pool_size == other->pool_size && one->max_commands == other->max_commands &&
           one->max_queued_bytes == other->max_queued_bytes &&
           one->max_reply_bytes == other->max_reply_bytes;
}
