/* Engines for specs; the client believes every certificate. */
#include "net/tls.h"
#include "net/tls_self.h"
#include "net/tls_server.h"
#include "net/tls_start.h"
#include "net/tls_tickets.h"

#include <openssl/ssl.h>

struct gw_tls *gw_spec_tls_client(const char *name, int version, const char *ciphers,
                                  const char *protocol);
struct gw_tls_server *gw_spec_tls_server(struct gw_tls_tickets *tickets, bool strict);
int gw_spec_tls_renegotiate(struct gw_tls *tls);
int gw_spec_tls_new_keys(struct gw_tls *tls);
const char *gw_spec_tls_version(struct gw_tls *tls);
void gw_spec_tls_secure(struct gw_conn *near, struct gw_conn *far, struct gw_tls_server *server,
                        unsigned *secure);

struct gw_tls *gw_spec_tls_client(const char *name, int version, const char *ciphers,
                                  const char *protocol)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL *ssl;

    SSL_CTX_set_security_level(ctx, 0);
    SSL_CTX_set_min_proto_version(ctx, version);
    SSL_CTX_set_max_proto_version(ctx, version);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (ciphers)
        SSL_CTX_set_cipher_list(ctx, ciphers);
    ssl = SSL_new(ctx);
    SSL_CTX_free(ctx);
    if (name)
        SSL_set_tlsext_host_name(ssl, name);
    if (protocol)
        SSL_set_alpn_protos(ssl, (const unsigned char *)protocol, (unsigned)strlen(protocol));
    SSL_set_connect_state(ssl);
    return gw_tls_new(ssl);
}

struct gw_tls_server *gw_spec_tls_server(struct gw_tls_tickets *tickets, bool strict)
{
    struct gw_tls_self *self = gw_tls_self_new();
    const struct gw_slice names[] = { GW_SLICE("a.test"), GW_SLICE("*.b.test") };
    struct gw_tls_identity identity = gw_tls_self_identity(self);
    struct gw_tls_server_options options = {
        .identities = &identity,
        .identity_count = 1,
        .strict = strict,
        .tickets = tickets,
    };
    struct gw_tls_server *server;
    char why[256];

    identity.names = names;
    identity.name_count = 2;
    server = gw_tls_server_new(&options, why, sizeof(why));
    gw_tls_self_free(self);
    return server;
}

int gw_spec_tls_renegotiate(struct gw_tls *tls)
{
    return SSL_renegotiate(gw_tls_ssl(tls));
}

int gw_spec_tls_new_keys(struct gw_tls *tls)
{
    return SSL_key_update(gw_tls_ssl(tls), SSL_KEY_UPDATE_REQUESTED);
}

const char *gw_spec_tls_version(struct gw_tls *tls)
{
    return SSL_get_version(gw_tls_ssl(tls));
}

static void on_secure(void *ctx, struct gw_conn *conn, enum gw_tls_failure failure,
                      const char *detail)
{
    (void)conn;
    (void)detail;
    if (!failure)
        ++*(unsigned *)ctx;
}

/* A handshake between the two ends of a connection, `near` being the server: *secure is 2 when both
 * may be bound. */
void gw_spec_tls_secure(struct gw_conn *near, struct gw_conn *far, struct gw_tls_server *server,
                        unsigned *secure)
{
    gw_tls_start_new(near, gw_tls_server_accept(server), GW_SLICE_EMPTY, 0, on_secure, secure);
    gw_tls_start_new(far, gw_spec_tls_client("a.test", 0, NULL, NULL), GW_SLICE_EMPTY, 0, on_secure,
                     secure);
}
