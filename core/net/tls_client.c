/* A context of OpenSSL for each set of settings, which all workers share; what belongs to one
 * connection (name, session) is set on it alone. A digest of the settings stands for them wherever
 * something must not be shared by two of them. */
#include "net/tls_client.h"

#include "base/alloc.h"
#include "base/arena.h"
#include "base/fault.h"
#include "base/map.h"
#include "base/refs.h"
#include "net/addr.h"
#include "net/tls_pem_private.h"
#include "net/tls_sessions.h"
#include "net/tls_suites_private.h"
#include "net/tls_trust_private.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#define NAME_MAX 255
#define ID_SIZE 32 /* SHA-256 */

struct gw_tls_client {
    struct gw_refs refs;
    SSL_CTX *ctx;
    bool verify, http2;
    unsigned char id[ID_SIZE];
};

struct gw_tls_client_set {
    struct gw_map by_id;  /* struct gw_tls_client, one reference each; the keys are theirs */
    struct gw_map stores; /* X509_STORE by what it was made of; keys owned */
    struct gw_tls_trust trust;
    bool trust_read;
};

/* ── what the settings are ── */

static void digest_text(EVP_MD_CTX *digest, struct gw_slice text)
{
    uint64_t len = text.len;

    EVP_DigestUpdate(digest, &len, sizeof(len));
    EVP_DigestUpdate(digest, text.ptr, text.len);
}

/* `ca`: also of what the system trusts. */
static void identify(const struct gw_tls_client_options *options, struct gw_slice ca,
                     unsigned char id[ID_SIZE])
{
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    unsigned char facts[] = { options->verify, (unsigned char)options->depth, options->http2 };
    unsigned len = ID_SIZE;

    GW_ASSERT(digest);
    EVP_DigestInit_ex(digest, EVP_sha256(), NULL);
    EVP_DigestUpdate(digest, facts, sizeof(facts));
    digest_text(digest, ca);
    digest_text(digest, options->cert);
    digest_text(digest, options->key);
    EVP_DigestFinal_ex(digest, id, &len);
    EVP_MD_CTX_free(digest);
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

/* A server's ticket: kept by the thread that has the connection. */
static int on_session(SSL *ssl, SSL_SESSION *session);

static bool set_manners(SSL_CTX *ctx)
{
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, on_session);
    return SSL_CTX_set_cipher_list(ctx, GW_TLS_CIPHERS_12) == 1 &&
           SSL_CTX_set_ciphersuites(ctx, GW_TLS_CIPHERS_13) == 1 &&
           SSL_CTX_set1_groups_list(ctx, GW_TLS_GROUPS) == 1 &&
           SSL_CTX_set1_sigalgs_list(ctx, GW_TLS_SIGNATURES) == 1;
}

static bool offer(SSL_CTX *ctx, bool http2)
{
    static const unsigned char protocols[] = "\x02h2\x08http/1.1";

    return SSL_CTX_set_alpn_protos(ctx, http2 ? protocols : protocols + 3, http2 ? 3 : 9) == 0;
}

static bool use_pair(SSL_CTX *ctx, const struct gw_tls_client_options *options)
{
    bool encrypted;
    STACK_OF(X509) *chain = gw_tls_read_certificates(options->cert.ptr, options->cert.len);
    EVP_PKEY *key = gw_tls_read_key(options->key.ptr, options->key.len, &encrypted);
    X509 *first = chain ? sk_X509_shift(chain) : NULL;
    bool good = first && key && SSL_CTX_use_cert_and_key(ctx, first, key, chain, 1) == 1;

    X509_free(first);
    sk_X509_pop_free(chain, X509_free);
    EVP_PKEY_free(key);
    return good;
}

static const struct gw_tls_trust *system_trust(struct gw_tls_client_set *set)
{
    if (!set->trust_read)
        gw_tls_trust_read(&set->trust);
    set->trust_read = true;
    return &set->trust;
}

static X509_STORE *make_store(struct gw_slice ca)
{
    STACK_OF(X509) *all = gw_tls_read_certificates(ca.ptr, ca.len);
    X509_STORE *store = all ? X509_STORE_new() : NULL;
    bool good = store != NULL;

    for (int i = 0; good && i < sk_X509_num(all); i++)
        good = X509_STORE_add_cert(store, sk_X509_value(all, i)) == 1;
    sk_X509_pop_free(all, X509_free);
    if (good)
        return store;
    X509_STORE_free(store);
    return NULL;
}

/* Borrowed from the set. What is given is trusted as it stands, also one in the middle of a
 * chain. */
static X509_STORE *store_of(struct gw_tls_client_set *set, struct gw_slice ca)
{
    X509_STORE *store = gw_map_get(&set->stores, ca);

    if (store)
        return store;
    store = make_store(ca);
    if (!store)
        return NULL;
    X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
    gw_map_put(&set->stores, gw_slice(gw_strndup(ca.ptr, ca.len), ca.len), store);
    return store;
}

static bool trust(struct gw_tls_client_set *set, SSL_CTX *ctx,
                  const struct gw_tls_client_options *options, char *why, size_t why_size)
{
    X509_STORE *store;

    if (!options->verify) {
        SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
        return true;
    }
    store = options->ca.len ? store_of(set, options->ca) : system_trust(set)->store;
    if (!store)
        return refuse(why, why_size, options->label,
                      "the certificates of those it trusts cannot be used");
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_verify_depth(ctx, (int)options->depth);
    SSL_CTX_set1_cert_store(ctx, store);
    return true;
}

static bool fill(struct gw_tls_client_set *set, struct gw_tls_client *client,
                 const struct gw_tls_client_options *options, char *why, size_t why_size)
{
    client->verify = options->verify;
    client->http2 = options->http2;
    client->ctx = GW_FAULT_NULL(TLS_CONTEXT, SSL_CTX_new(TLS_client_method()));
    if (!client->ctx)
        return refuse(why, why_size, options->label, "there is no memory for it");
    if (!set_manners(client->ctx) || !offer(client->ctx, options->http2))
        return refuse(why, why_size, options->label, "the library does not know our cipher suites");
    if (options->cert.len && !use_pair(client->ctx, options))
        return refuse(why, why_size, options->label, "client certificate and key cannot be used");
    return trust(set, client->ctx, options, why, why_size);
}

struct gw_tls_client *gw_tls_client_set_get(struct gw_tls_client_set *set,
                                            const struct gw_tls_client_options *options, char *why,
                                            size_t why_size)
{
    bool system = options->verify && !options->ca.len;
    unsigned char id[ID_SIZE];
    struct gw_tls_client *client;

    identify(options, system ? system_trust(set)->digest : options->ca, id);
    client = gw_map_get(&set->by_id, gw_slice((const char *)id, ID_SIZE));
    if (client)
        return gw_tls_client_ref(client);
    client = gw_alloc_zero(sizeof(*client));
    gw_refs_init(&client->refs);
    memcpy(client->id, id, ID_SIZE);
    if (!fill(set, client, options, why, why_size)) {
        gw_tls_client_unref(client);
        return NULL;
    }
    gw_map_put(&set->by_id, gw_slice((const char *)client->id, ID_SIZE), client);
    return gw_tls_client_ref(client);
}

/* ── life ── */

struct gw_tls_client_set *gw_tls_client_set_new(void)
{
    struct gw_tls_client_set *set = gw_alloc_zero(sizeof(*set));

    gw_map_init(&set->by_id);
    gw_map_init(&set->stores);
    return set;
}

void gw_tls_client_set_free(struct gw_tls_client_set *set)
{
    struct gw_map_entry *entry;

    if (!set)
        return;
    for (size_t at = 0; (entry = gw_map_next(&set->by_id, &at));)
        gw_tls_client_unref(entry->value);
    for (size_t at = 0; (entry = gw_map_next(&set->stores, &at));) {
        X509_STORE_free(entry->value);
        gw_free((char *)entry->key.ptr); /* ours: see store_of() */
    }
    gw_map_deinit(&set->by_id);
    gw_map_deinit(&set->stores);
    gw_tls_trust_deinit(&set->trust);
    gw_free(set);
}

struct gw_tls_client *gw_tls_client_ref(struct gw_tls_client *client)
{
    gw_refs_add(&client->refs);
    return client;
}

void gw_tls_client_unref(struct gw_tls_client *client)
{
    if (!client || !gw_refs_drop(&client->refs))
        return;
    SSL_CTX_free(client->ctx);
    gw_free(client);
}

struct gw_slice gw_tls_client_key(const struct gw_tls_client *client, struct gw_slice address,
                                  struct gw_slice name, struct gw_arena *arena)
{
    size_t len = ID_SIZE + name.len + 1 + address.len;
    char *key = gw_arena_alloc(arena, len);

    memcpy(key, client->id, ID_SIZE);
    if (name.len)
        memcpy(key + ID_SIZE, name.ptr, name.len);
    key[ID_SIZE + name.len] = '\0'; /* which stands in neither of them */
    memcpy(key + ID_SIZE + name.len + 1, address.ptr, address.len);
    return gw_slice(key, len);
}

/* ── connections ── */

/* What an engine keeps. */
struct asked {
    struct gw_tls_client *client;
    struct gw_tls_sessions *sessions;
    size_t key_len;
    char key[];
};

static void on_engine_gone(void *owner)
{
    struct asked *asked = owner;

    gw_tls_client_unref(asked->client);
    gw_tls_sessions_unref(asked->sessions);
    gw_free(asked);
}

static int on_session(SSL *ssl, SSL_SESSION *session)
{
    const struct asked *asked = gw_tls_owner(gw_tls_of_ssl(ssl));

    if (!asked->sessions)
        return 0;
    gw_tls_sessions_put(asked->sessions, gw_slice(asked->key, asked->key_len), session);
    return 1; /* its reference was taken */
}

/* Without brackets and a dot at the end; empty: it is none. */
static struct gw_slice tidy(struct gw_slice name, char text[NAME_MAX + 1])
{
    if (name.len > 2 && name.ptr[0] == '[' && name.ptr[name.len - 1] == ']')
        name = gw_slice(name.ptr + 1, name.len - 2);
    if (name.len && name.ptr[name.len - 1] == '.')
        name.len--;
    if (name.len == 0 || name.len > NAME_MAX || memchr(name.ptr, '\0', name.len))
        return GW_SLICE_EMPTY;
    memcpy(text, name.ptr, name.len);
    text[name.len] = '\0';
    return gw_slice(text, name.len);
}

/* An IP address is never asked for by SNI (RFC 6066 3). */
static bool set_name(const struct gw_tls_client *client, SSL *ssl, struct gw_slice name)
{
    X509_VERIFY_PARAM *verify = SSL_get0_param(ssl);
    char text[NAME_MAX + 1];
    struct gw_addr addr;

    name = tidy(name, text);
    if (name.len == 0)
        return !client->verify;
    if (gw_addr_parse_ip(&addr, name, 0))
        return X509_VERIFY_PARAM_set1_ip_asc(verify, text) == 1;
    X509_VERIFY_PARAM_set_hostflags(verify, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT |
                                                X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return X509_VERIFY_PARAM_set1_host(verify, text, name.len) == 1 &&
           SSL_set_tlsext_host_name(ssl, text) == 1;
}

static void take_up(SSL *ssl, struct gw_tls_sessions *sessions, struct gw_slice key)
{
    SSL_SESSION *session = gw_tls_sessions_take(sessions, key);

    if (!session)
        return;
    SSL_set_session(ssl, session); /* else the handshake is a whole one */
    SSL_SESSION_free(session);
}

struct gw_tls *gw_tls_client_connect(struct gw_tls_client *client, struct gw_slice name,
                                     struct gw_tls_sessions *sessions, struct gw_slice key)
{
    SSL *ssl = GW_FAULT_NULL(TLS_ENGINE, SSL_new(client->ctx));
    struct asked *asked;
    struct gw_tls *tls;

    if (!ssl || !set_name(client, ssl, name)) {
        SSL_free(ssl);
        ERR_clear_error();
        return NULL;
    }
    SSL_set_connect_state(ssl);
    if (sessions)
        take_up(ssl, sessions, key);
    asked = gw_alloc_zero(sizeof(*asked) + key.len);
    asked->client = gw_tls_client_ref(client);
    asked->sessions = sessions ? gw_tls_sessions_ref(sessions) : NULL;
    asked->key_len = key.len;
    if (key.len)
        memcpy(asked->key, key.ptr, key.len);
    tls = gw_tls_new(ssl);
    gw_tls_on_free(tls, on_engine_gone, asked);
    return tls;
}

bool gw_tls_client_agrees(const struct gw_tls *tls)
{
    const struct asked *asked = gw_tls_owner(tls);
    struct gw_slice agreed = gw_tls_protocol(tls);

    if (asked->client->http2)
        return gw_slice_equal(agreed, GW_SLICE("h2"));
    return agreed.len == 0 || gw_slice_equal(agreed, GW_SLICE("http/1.1"));
}
