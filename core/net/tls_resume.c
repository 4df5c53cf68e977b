#include "net/tls_resume.h"

#include "base/check.h"
#include "net/tls_pem_private.h"

#include <openssl/core_names.h>
#include <openssl/rand.h>
#include <time.h>

/* ── the keys ── */

static bool use_key(const struct gw_tls_ticket_key *key, const unsigned char *iv,
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
static int on_key(SSL *ssl, unsigned char name[16], unsigned char *iv, EVP_CIPHER_CTX *cipher,
                  EVP_MAC_CTX *mac, int encrypt)
{
    struct gw_tls_tickets *tickets = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    struct gw_tls_ticket_key key;
    int64_t now = time(NULL);
    int result = 0;

    if (encrypt) {
        if (gw_tls_tickets_current(tickets, now, &key) && RAND_bytes(iv, EVP_MAX_IV_LENGTH) == 1 &&
            use_key(&key, iv, cipher, mac, true)) {
            memcpy(name, key.name, sizeof(key.name));
            result = 1;
        }
    } else if (gw_tls_tickets_find(tickets, now, name, &key) &&
               use_key(&key, iv, cipher, mac, false)) {
        result = 2;
    }
    OPENSSL_cleanse(&key, sizeof(key));
    return result;
}

/* ── how long a client is known ── */

/* When the first certificate of the chain ends; 0: the client is not known. */
static int64_t known_until(SSL *ssl)
{
    const STACK_OF(X509) *chain = SSL_get0_verified_chain(ssl);
    int64_t until = INT64_MAX;

    if (!chain || SSL_get_verify_result(ssl) != X509_V_OK)
        return 0;
    for (int i = 0; i < sk_X509_num(chain); i++) {
        int64_t end = gw_tls_seconds(X509_get0_notAfter(sk_X509_value(chain, i)));

        until = end < until ? end : until;
    }
    return until;
}

/* A ticket for a client that showed a certificate says until when that is good: the chain is not in
 * the ticket. A session that was taken up again brings the time along. */
static int on_ticket_made(SSL *ssl, void *ctx)
{
    int64_t until;

    (void)ctx;
    if (SSL_session_reused(ssl) || !SSL_get0_peer_certificate(ssl))
        return 1;
    until = known_until(ssl);
    return SSL_SESSION_set1_ticket_appdata(SSL_get_session(ssl), &until, sizeof(until));
}

static bool is_known(SSL_SESSION *session, int64_t now)
{
    void *data = NULL;
    size_t len = 0;
    int64_t until;

    if (!SSL_SESSION_get0_peer(session))
        return true; /* it showed none: what is asked is the same */
    if (!SSL_SESSION_get0_ticket_appdata(session, &data, &len) || len != sizeof(until))
        return false;
    memcpy(&until, data, sizeof(until));
    return now <= until;
}

static SSL_TICKET_RETURN on_ticket_read(SSL *ssl, SSL_SESSION *session,
                                        const unsigned char *key_name, size_t key_name_len,
                                        SSL_TICKET_STATUS status, void *ctx)
{
    (void)ssl;
    (void)key_name;
    (void)key_name_len;
    (void)ctx;
    if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW)
        return SSL_TICKET_RETURN_IGNORE_RENEW;
    return is_known(session, time(NULL)) ? SSL_TICKET_RETURN_USE_RENEW
                                         : SSL_TICKET_RETURN_IGNORE_RENEW;
}

void gw_tls_resume_set(SSL_CTX *ctx, struct gw_tls_tickets *tickets)
{
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_timeout(ctx, GW_TLS_TICKET_SECONDS);
    SSL_CTX_set_num_tickets(ctx, 1);
    SSL_CTX_set_app_data(ctx, tickets);
    SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_key);
    SSL_CTX_set_session_ticket_cb(ctx, on_ticket_made, on_ticket_read, NULL);
}
