/* A context of OpenSSL for each identity, and the client-hello callback that chooses: it runs
 * before anything else of the handshake is decided, also before a session is taken up again, so the
 * whole policy of a name holds from the start. What is asked of clients is set on the connection
 * itself; a session is bound to it (its session id context), so that it cannot be taken up where
 * something else is asked. */
#include "net/tls_server.h"

#include "base/alloc.h"
#include "base/fault.h"
#include "base/map.h"
#include "net/tls_pem_private.h"
#include "net/tls_suites_private.h"
#include "net/tls_tickets.h"

#include <assert.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <time.h>

#define NAME_MAX 255

struct identity {
    SSL_CTX *ctx;
    unsigned char *ocsp;
    size_t ocsp_len;
};

struct clients {
    enum gw_tls_client_mode mode;
    X509_STORE *store; /* NULL: nobody is asked */
    STACK_OF(X509_NAME) * names;
    int depth;
    unsigned char id[SSL_MAX_SID_CTX_LENGTH]; /* what sessions are bound to */
};

struct gw_tls_server {
    struct gw_refs refs;
    struct identity *identities;
    unsigned identity_count;
    struct clients *clients;
    unsigned client_count;
    struct gw_map identity_by_name, clients_by_name; /* keys owned */
    bool strict, http2;
    struct gw_tls_tickets *tickets;
};

/* ── names ── */

/* In lower case, without a dot at the end. */
static struct gw_slice tidy(struct gw_slice name, char out[NAME_MAX])
{
    if (name.len && name.ptr[name.len - 1] == '.')
        name.len--;
    if (name.len > NAME_MAX)
        return GW_SLICE_EMPTY;
    for (size_t i = 0; i < name.len; i++)
        out[i] = gw_lower(name.ptr[i]);
    return gw_slice(out, name.len);
}

/* Exact, then the wildcard for its first label. */
static void *find(const struct gw_map *map, struct gw_slice name)
{
    char wildcard[NAME_MAX + 1];
    void *found = name.len ? gw_map_get(map, name) : NULL;
    const char *dot = name.len ? memchr(name.ptr, '.', name.len) : NULL;

    if (found || !dot)
        return found;
    size_t len = name.len - (size_t)(dot - name.ptr);

    wildcard[0] = '*';
    memcpy(wildcard + 1, dot, len);
    return gw_map_get(map, gw_slice(wildcard, len + 1));
}

static const struct identity *identity_for(const struct gw_tls_server *server, struct gw_slice name)
{
    const struct identity *found = find(&server->identity_by_name, name);

    if (!found)
        found = gw_map_get(&server->identity_by_name, GW_SLICE("*"));
    return found || server->strict ? found : &server->identities[0];
}

static const struct clients *clients_for(const struct gw_tls_server *server, struct gw_slice name)
{
    const struct clients *found = find(&server->clients_by_name, name);

    return found ? found : &server->clients[0];
}

static void enter(struct gw_map *map, struct gw_slice name, void *value)
{
    char text[NAME_MAX];

    name = tidy(name, text);
    if (gw_map_get(map, name))
        return; /* who comes first */
    gw_map_put(map, gw_slice(gw_strndup(text, name.len), name.len), value);
}

static void free_names(struct gw_map *map)
{
    struct gw_map_entry *entry;

    for (size_t at = 0; (entry = gw_map_next(map, &at));)
        gw_free((char *)entry->key.ptr); /* ours: see enter() */
    gw_map_deinit(map);
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

    if (name_len + 5 != len || name_len > NAME_MAX || memchr(at + 5, 0, name_len))
        return false;
    *name = gw_slice((const char *)at + 5, name_len);
    return true;
}

static void set_clients(SSL *ssl, const struct clients *clients)
{
    const int ask = SSL_VERIFY_PEER | SSL_VERIFY_CLIENT_ONCE;

    SSL_set_session_id_context(ssl, clients->id, sizeof(clients->id));
    if (clients->mode == GW_TLS_CLIENT_NONE) {
        SSL_set_verify(ssl, SSL_VERIFY_NONE, NULL);
        return;
    }
    SSL_set_verify(
        ssl, clients->mode == GW_TLS_CLIENT_REQUIRED ? ask | SSL_VERIFY_FAIL_IF_NO_PEER_CERT : ask,
        NULL);
    SSL_set_verify_depth(ssl, clients->depth);
    SSL_set1_verify_cert_store(ssl, clients->store);
    SSL_set_client_CA_list(ssl, SSL_dup_CA_list(clients->names));
}

static int on_hello(SSL *ssl, int *alert, void *ctx)
{
    const struct gw_tls_server *server = ctx;
    struct gw_tls *tls = gw_tls_of_ssl(ssl);
    const struct identity *identity;
    char text[NAME_MAX];
    struct gw_slice name;

    if (!hello_name(ssl, &name)) {
        *alert = SSL_AD_DECODE_ERROR;
        return SSL_CLIENT_HELLO_ERROR;
    }
    name = tidy(name, text);
    identity = identity_for(server, name);
    if (!identity) {
        gw_tls_fail(tls, GW_TLS_FAILURE_NAME);
        *alert = SSL_AD_UNRECOGNIZED_NAME;
        return SSL_CLIENT_HELLO_ERROR;
    }
    SSL_set_SSL_CTX(ssl, identity->ctx);
    set_clients(ssl, clients_for(server, name));
    return SSL_CLIENT_HELLO_SUCCESS;
}

/* Tells clients that the name was understood. */
static int on_name(SSL *ssl, int *alert, void *ctx)
{
    (void)alert;
    (void)ctx;
    return SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name) ? SSL_TLSEXT_ERR_OK
                                                              : SSL_TLSEXT_ERR_NOACK;
}

static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                   const unsigned char *in, unsigned in_len, void *ctx)
{
    static const unsigned char protocols[] = "\x02h2\x08http/1.1";
    const struct gw_tls_server *server = ctx;
    size_t skip = server->http2 ? 0 : 3;
    unsigned char *chosen = NULL;

    (void)ssl;
    if (SSL_select_next_proto(&chosen, out_len, protocols + skip,
                              (unsigned)(sizeof(protocols) - 1 - skip), in,
                              in_len) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static int on_status(SSL *ssl, void *ctx)
{
    const struct gw_tls_server *server = ctx;
    const SSL_CTX *used = SSL_get_SSL_CTX(ssl);

    for (unsigned i = 0; i < server->identity_count; i++) {
        const struct identity *identity = &server->identities[i];

        if (identity->ctx != used || !identity->ocsp)
            continue;
        unsigned char *copy = OPENSSL_memdup(identity->ocsp, identity->ocsp_len);

        if (!copy)
            return SSL_TLSEXT_ERR_NOACK;
        SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)identity->ocsp_len);
        return SSL_TLSEXT_ERR_OK;
    }
    return SSL_TLSEXT_ERR_NOACK;
}

/* ── tickets ── */

static bool use_ticket_key(const struct gw_tls_ticket_key *key, const unsigned char *iv,
                           EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, bool encrypt)
{
    unsigned char secret[sizeof(key->mac)];
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, secret, sizeof(secret)),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };

    memcpy(secret, key->mac, sizeof(secret));
    bool good = EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher, iv, encrypt) == 1 &&
                EVP_MAC_CTX_set_params(mac, params) == 1;

    OPENSSL_cleanse(secret, sizeof(secret));
    return good;
}

/* As SSL_CTX_set_tlsext_ticket_key_evp_cb(3) asks for it: 0: a full handshake; 2: good, and a new
 * ticket is due. */
static int on_ticket(SSL *ssl, unsigned char name[16], unsigned char *iv, EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *mac, int encrypt)
{
    const struct gw_tls_server *server = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    struct gw_tls_ticket_key key;
    int64_t now = time(NULL);
    int result = 0;

    if (encrypt) {
        if (gw_tls_tickets_current(server->tickets, now, &key) &&
            RAND_bytes(iv, EVP_MAX_IV_LENGTH) == 1 && use_ticket_key(&key, iv, cipher, mac, true)) {
            memcpy(name, key.name, sizeof(key.name));
            result = 1;
        }
    } else if (gw_tls_tickets_find(server->tickets, now, name, &key) &&
               use_ticket_key(&key, iv, cipher, mac, false)) {
        result = 2;
    }
    OPENSSL_cleanse(&key, sizeof(key));
    return result;
}

/* ── making ── */

static bool refuse(char *why, size_t why_size, struct gw_slice label, const char *what)
{
    const char *detail = ERR_reason_error_string(ERR_peek_last_error());

    snprintf(why, why_size, "tls: %.*s: %s%s%s%s", GW_SLICE_ARG(label), what, detail ? " (" : "",
             detail ? detail : "", detail ? ")" : "");
    ERR_clear_error();
    return false;
}

static bool use_pair(SSL_CTX *ctx, const struct gw_tls_pair *pair)
{
    bool encrypted;
    STACK_OF(X509) *chain = gw_tls_read_certificates(pair->cert.ptr, pair->cert.len);
    EVP_PKEY *key = gw_tls_read_key(pair->key.ptr, pair->key.len, &encrypted);
    X509 *first = chain ? sk_X509_shift(chain) : NULL;
    bool good = first && key && SSL_CTX_use_cert_and_key(ctx, first, key, chain, 1) == 1;

    X509_free(first);
    sk_X509_pop_free(chain, X509_free);
    EVP_PKEY_free(key);
    return good;
}

static void set_manners(SSL_CTX *ctx, struct gw_tls_server *server, bool tls13_only)
{
    SSL_CTX_set_min_proto_version(ctx, tls13_only ? TLS1_3_VERSION : TLS1_2_VERSION);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_timeout(ctx, GW_TLS_TICKET_SECONDS);
    SSL_CTX_set_num_tickets(ctx, 1);
    SSL_CTX_set_app_data(ctx, server);
    SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket);
    SSL_CTX_set_client_hello_cb(ctx, on_hello, server);
    SSL_CTX_set_tlsext_servername_callback(ctx, on_name);
    SSL_CTX_set_alpn_select_cb(ctx, on_alpn, server);
    SSL_CTX_set_tlsext_status_cb(ctx, on_status);
    SSL_CTX_set_tlsext_status_arg(ctx, server);
}

static bool make_identity(struct gw_tls_server *server, struct identity *made,
                          const struct gw_tls_identity *given, bool tls13_only, char *why,
                          size_t why_size)
{
    made->ctx = GW_FAULT_NULL(TLS_CONTEXT, SSL_CTX_new(TLS_server_method()));
    if (!made->ctx)
        return refuse(why, why_size, given->label, "there is no memory for it");
    set_manners(made->ctx, server, tls13_only);
    if (SSL_CTX_set_cipher_list(made->ctx, GW_TLS_CIPHERS_12) != 1 ||
        SSL_CTX_set_ciphersuites(made->ctx, GW_TLS_CIPHERS_13) != 1 ||
        SSL_CTX_set1_groups_list(made->ctx, GW_TLS_GROUPS) != 1 ||
        SSL_CTX_set1_sigalgs_list(made->ctx, GW_TLS_SIGNATURES) != 1)
        return refuse(why, why_size, given->label, "the library does not know our cipher suites");
    for (unsigned i = 0; i < given->pair_count; i++)
        if (!use_pair(made->ctx, &given->pairs[i]))
            return refuse(why, why_size, given->label, "certificate and key cannot be used");
    if (given->ocsp.len) {
        made->ocsp = gw_alloc(given->ocsp.len);
        memcpy(made->ocsp, given->ocsp.ptr, given->ocsp.len);
        made->ocsp_len = given->ocsp.len;
    }
    for (unsigned i = 0; i < given->name_count; i++)
        enter(&server->identity_by_name, given->names[i], made);
    return true;
}

/* What two policies must have in common for a session to hold under both. */
static void identify(struct clients *made, const struct gw_tls_clients *given)
{
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    unsigned char facts[2] = { (unsigned char)given->mode, (unsigned char)given->depth };
    unsigned len = sizeof(made->id);

    static_assert(sizeof(made->id) == 32, "SHA-256 fits");
    GW_ASSERT(digest);
    EVP_DigestInit_ex(digest, EVP_sha256(), NULL);
    EVP_DigestUpdate(digest, facts, given->mode == GW_TLS_CLIENT_NONE ? 1 : sizeof(facts));
    if (given->mode != GW_TLS_CLIENT_NONE) {
        uint64_t ca_len = given->ca.len;

        EVP_DigestUpdate(digest, &ca_len, sizeof(ca_len));
        EVP_DigestUpdate(digest, given->ca.ptr, given->ca.len);
        EVP_DigestUpdate(digest, given->crl.ptr, given->crl.len);
    }
    EVP_DigestFinal_ex(digest, made->id, &len);
    EVP_MD_CTX_free(digest);
}

static bool add_authorities(struct clients *made, const struct gw_tls_clients *given)
{
    STACK_OF(X509) *all = gw_tls_read_certificates(given->ca.ptr, given->ca.len);
    bool good = all != NULL;

    for (int i = 0; good && i < sk_X509_num(all); i++) {
        X509 *one = sk_X509_value(all, i);

        good = X509_STORE_add_cert(made->store, one) == 1 &&
               sk_X509_NAME_push(made->names, X509_NAME_dup(X509_get_subject_name(one))) > 0;
    }
    sk_X509_pop_free(all, X509_free);
    return good;
}

static bool add_revocations(struct clients *made, const struct gw_tls_clients *given)
{
    STACK_OF(X509_CRL) *all = gw_tls_read_crls(given->crl.ptr, given->crl.len);
    bool good = all != NULL;

    for (int i = 0; good && i < sk_X509_CRL_num(all); i++)
        good = X509_STORE_add_crl(made->store, sk_X509_CRL_value(all, i)) == 1;
    sk_X509_CRL_pop_free(all, X509_CRL_free);
    return good && X509_STORE_set_flags(made->store, X509_V_FLAG_CRL_CHECK) == 1;
}

static bool make_clients(struct gw_tls_server *server, struct clients *made,
                         const struct gw_tls_clients *given, char *why, size_t why_size)
{
    const struct gw_slice label = GW_SLICE("client certificates");

    made->mode = given->mode;
    made->depth = (int)given->depth;
    identify(made, given);
    for (unsigned i = 0; i < given->name_count; i++)
        enter(&server->clients_by_name, given->names[i], made);
    if (given->mode == GW_TLS_CLIENT_NONE)
        return true;
    made->store = X509_STORE_new();
    made->names = sk_X509_NAME_new_null();
    if (!made->store || !made->names || !add_authorities(made, given))
        return refuse(why, why_size, label, "the certificates of client_ca cannot be used");
    if (given->crl.len && !add_revocations(made, given))
        return refuse(why, why_size, label, "the lists of crl cannot be used");
    return true;
}

static void free_server(struct gw_tls_server *server)
{
    for (unsigned i = 0; i < server->identity_count; i++) {
        SSL_CTX_free(server->identities[i].ctx);
        gw_free(server->identities[i].ocsp);
    }
    for (unsigned i = 0; i < server->client_count; i++) {
        X509_STORE_free(server->clients[i].store);
        sk_X509_NAME_pop_free(server->clients[i].names, X509_NAME_free);
    }
    free_names(&server->identity_by_name);
    free_names(&server->clients_by_name);
    gw_free(server->identities);
    gw_free(server->clients);
    gw_free(server);
}

struct gw_tls_server *gw_tls_server_new(const struct gw_tls_server_options *options, char *why,
                                        size_t why_size)
{
    static const struct gw_tls_clients nobody = { .mode = GW_TLS_CLIENT_NONE };
    struct gw_tls_server *server = gw_alloc_zero(sizeof(*server));
    const struct gw_tls_clients *clients = options->client_count ? options->clients : &nobody;
    bool good = true;

    GW_ASSERT(options->identity_count > 0);
    gw_refs_init(&server->refs);
    gw_map_init(&server->identity_by_name);
    gw_map_init(&server->clients_by_name);
    server->strict = options->strict;
    server->http2 = options->http2;
    server->tickets = options->tickets;
    server->identity_count = options->identity_count;
    server->identities = gw_alloc_zero(server->identity_count * sizeof(server->identities[0]));
    server->client_count = options->client_count ? options->client_count : 1;
    server->clients = gw_alloc_zero(server->client_count * sizeof(server->clients[0]));
    for (unsigned i = 0; good && i < server->identity_count; i++)
        good = make_identity(server, &server->identities[i], &options->identities[i],
                             options->tls13_only, why, why_size);
    for (unsigned i = 0; good && i < server->client_count; i++)
        good = make_clients(server, &server->clients[i], &clients[i], why, why_size);
    if (good)
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
    gw_tls_server_unref(ctx);
}

struct gw_tls *gw_tls_server_accept(struct gw_tls_server *server)
{
    SSL *ssl = SSL_new(server->identities[0].ctx);

    if (!ssl) {
        ERR_clear_error();
        return NULL;
    }
    SSL_set_accept_state(ssl);
    /* What holds should the hello's callback not run. */
    set_clients(ssl, &server->clients[0]);
    struct gw_tls *tls = gw_tls_new(ssl);

    gw_tls_on_free(tls, on_engine_gone, gw_tls_server_ref(server));
    return tls;
}

bool gw_tls_server_covers(const struct gw_tls *tls, struct gw_slice host)
{
    const struct gw_tls_server *server = gw_tls_owner(tls);
    const char *asked = SSL_get_servername(gw_tls_ssl(tls), TLSEXT_NAMETYPE_host_name);
    char text[NAME_MAX];
    char other[NAME_MAX];
    const struct clients *now = clients_for(server, tidy(gw_slice_from(asked), text));
    const struct clients *then = clients_for(server, tidy(host, other));

    return now == then || memcmp(now->id, then->id, sizeof(now->id)) == 0;
}
