/* A context of OpenSSL for each identity, and the client-hello callback that chooses: it runs
 * before anything else of the handshake is decided, also before a session is taken up again, so the
 * whole policy of a name holds from the start. What is asked of clients is set on the connection
 * itself; a session is bound to it (its session id context), so that it cannot be taken up where
 * something else is asked. */
#include "net/tls_server.h"

#include "base/alloc.h"
#include "net/tls_server_private.h"

#include <openssl/err.h>

/* ── names ── */

static const struct gw_tls_context *context_for(const struct gw_tls_server *server,
                                                struct gw_slice name)
{
    const struct gw_tls_context *found = gw_tls_names_find(&server->context_by_name, name);

    if (!found)
        found = gw_tls_names_find(&server->context_by_name, GW_SLICE("*"));
    return found || server->strict ? found : &server->contexts[0];
}

const struct gw_tls_policy *gw_tls_server_policy(const struct gw_tls_server *server,
                                                 struct gw_slice name)
{
    const struct gw_tls_policy *found = gw_tls_names_find_deep(&server->policy_by_name, name);

    return found ? found : &server->policies[0];
}

/* ── the hello ── */

/* The name in the hello's extension (RFC 6066 3); empty: there is none. False: it is malformed. */
static bool hello_name(SSL *ssl, struct gw_slice *name)
{
    const unsigned char *at;
    size_t len;

    *name = GW_SLICE_EMPTY;
    if (!SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &at, &len))
        return true;
    if (len < 5 || (size_t)(at[0] << 8 | at[1]) + 2 != len || at[2] != TLSEXT_NAMETYPE_host_name)
        return false;

    size_t name_len = (size_t)(at[3] << 8 | at[4]);

    if (name_len + 5 != len || name_len > GW_TLS_NAME_MAX || memchr(at + 5, 0, name_len))
        return false;
    *name = gw_slice((const char *)at + 5, name_len);
    return true;
}

static int on_hello(SSL *ssl, int *alert, void *ctx)
{
    const struct gw_tls_server *server = ctx;
    struct gw_tls *tls = gw_tls_of_ssl(ssl);
    struct gw_tls_facts *facts = gw_tls_owner(tls);
    const struct gw_tls_context *context;
    char text[GW_TLS_NAME_MAX];
    struct gw_slice name;

    if (!hello_name(ssl, &name)) {
        *alert = SSL_AD_DECODE_ERROR;
        return SSL_CLIENT_HELLO_ERROR;
    }
    name = gw_tls_name_tidy(name, text);
    context = context_for(server, name);
    if (!context) {
        gw_tls_fail(tls, GW_TLS_FAILURE_NAME);
        *alert = SSL_AD_UNRECOGNIZED_NAME;
        return SSL_CLIENT_HELLO_ERROR;
    }
    gw_tls_facts_set_name(facts, name); /* a second hello may come (RFC 8446 4.1.4) */
    facts->policy = gw_tls_server_policy(server, name);
    SSL_set_SSL_CTX(ssl, context->ctx);
    gw_tls_policy_apply(facts->policy, ssl);
    return SSL_CLIENT_HELLO_SUCCESS;
}

/* ── making ── */

static void enter(struct gw_tls_names *names, const struct gw_slice *all, unsigned count,
                  void *value)
{
    for (unsigned i = 0; i < count; i++)
        gw_tls_names_enter(names, all[i], value);
}

static bool make_contexts(struct gw_tls_server *server, const struct gw_tls_server_options *options,
                          char *why, size_t why_size)
{
    server->context_count = options->identity_count;
    server->contexts = gw_alloc_zero(server->context_count * sizeof(server->contexts[0]));
    for (unsigned i = 0; i < server->context_count; i++) {
        const struct gw_tls_identity *given = &options->identities[i];

        if (!gw_tls_context_init(&server->contexts[i], given, options, why, why_size))
            return false;
        SSL_CTX_set_client_hello_cb(server->contexts[i].ctx, on_hello, server);
        enter(&server->context_by_name, given->names, given->name_count, &server->contexts[i]);
    }
    return true;
}

static bool make_policies(struct gw_tls_server *server, const struct gw_tls_server_options *options,
                          char *why, size_t why_size)
{
    static const struct gw_tls_clients nobody = { .mode = GW_TLS_CLIENT_NONE };
    const struct gw_tls_clients *all = options->client_count ? options->clients : &nobody;

    server->policy_count = options->client_count ? options->client_count : 1;
    server->policies = gw_alloc_zero(server->policy_count * sizeof(server->policies[0]));
    for (unsigned i = 0; i < server->policy_count; i++) {
        if (!gw_tls_policy_init(&server->policies[i], &all[i], why, why_size))
            return false;
        enter(&server->policy_by_name, all[i].names, all[i].name_count, &server->policies[i]);
    }
    return true;
}

static void free_server(struct gw_tls_server *server)
{
    for (unsigned i = 0; server->contexts && i < server->context_count; i++)
        gw_tls_context_deinit(&server->contexts[i]);
    for (unsigned i = 0; server->policies && i < server->policy_count; i++)
        gw_tls_policy_deinit(&server->policies[i]);
    gw_tls_names_deinit(&server->context_by_name);
    gw_tls_names_deinit(&server->policy_by_name);
    gw_free(server->contexts);
    gw_free(server->policies);
    gw_free(server);
}

struct gw_tls_server *gw_tls_server_new(const struct gw_tls_server_options *options, char *why,
                                        size_t why_size)
{
    struct gw_tls_server *server = gw_alloc_zero(sizeof(*server));

    GW_ASSERT(options->identity_count > 0);
    gw_refs_init(&server->refs);
    gw_tls_names_init(&server->context_by_name);
    gw_tls_names_init(&server->policy_by_name);
    server->strict = options->strict;
    if (make_contexts(server, options, why, why_size) &&
        make_policies(server, options, why, why_size))
        return server;
    free_server(server);
    return NULL;
}

struct gw_tls_server *gw_tls_server_ref(struct gw_tls_server *server)
{
    gw_refs_add(&server->refs);
    return server;
}

void gw_tls_server_unref(struct gw_tls_server *server)
{
    if (server && gw_refs_drop(&server->refs))
        free_server(server);
}

/* ── connections ── */

static void on_engine_gone(void *ctx)
{
    gw_tls_facts_unref(ctx);
}

struct gw_tls *gw_tls_server_accept(struct gw_tls_server *server)
{
    SSL *ssl = SSL_new(server->contexts[0].ctx);

    if (!ssl) {
        ERR_clear_error();
        return NULL;
    }
    SSL_set_accept_state(ssl);
    /* What holds should the hello's callback not run. */
    gw_tls_policy_apply(&server->policies[0], ssl);
    struct gw_tls *tls = gw_tls_new(ssl);

    gw_tls_on_free(tls, on_engine_gone, gw_tls_facts_new(server));
    return tls;
}
