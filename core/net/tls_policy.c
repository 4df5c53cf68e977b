#include "net/tls_policy.h"

#include "net/tls_context.h"
#include "net/tls_pem_private.h"

#include <assert.h>
#include <openssl/err.h>

/* ── what two policies have in common ── */

static void digest_text(EVP_MD_CTX *digest, struct gw_slice text)
{
    uint64_t len = text.len;

    EVP_DigestUpdate(digest, &len, sizeof(len));
    if (len)
        EVP_DigestUpdate(digest, text.ptr, text.len);
}

void gw_tls_trust(const struct gw_tls_clients *clients, unsigned char trust[GW_TLS_TRUST_SIZE])
{
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    uint32_t depth = clients->depth;
    unsigned len = 0;

    GW_ASSERT(digest);
    EVP_DigestInit_ex(digest, EVP_sha256(), NULL);
    EVP_DigestUpdate(digest, &depth, sizeof(depth));
    digest_text(digest, clients->ca);
    digest_text(digest, clients->crl);
    EVP_DigestFinal_ex(digest, trust, &len);
    EVP_MD_CTX_free(digest);
    GW_ASSERT(len == GW_TLS_TRUST_SIZE);
}

/* A session holds where the same is asked in the same way. */
static void identify(struct gw_tls_policy *policy)
{
    unsigned len = sizeof(policy->id);
    unsigned char facts[1 + GW_TLS_TRUST_SIZE] = { (unsigned char)policy->mode };

    static_assert(sizeof(policy->id) == 32, "SHA-256 fits");
    if (policy->mode != GW_TLS_CLIENT_NONE)
        memcpy(facts + 1, policy->trust, sizeof(policy->trust));
    EVP_Digest(facts, sizeof(facts), policy->id, &len, EVP_sha256(), NULL);
}

bool gw_tls_policy_same(const struct gw_tls_policy *one, const struct gw_tls_policy *other)
{
    return one == other || memcmp(one->id, other->id, sizeof(one->id)) == 0;
}

/* ── making ── */

static bool add_authorities(struct gw_tls_policy *policy, struct gw_slice ca)
{
    STACK_OF(X509) *all = gw_tls_read_certificates(ca.ptr, ca.len);
    bool good = all != NULL;

    for (int i = 0; good && i < sk_X509_num(all); i++) {
        X509 *one = sk_X509_value(all, i);

        good = X509_STORE_add_cert(policy->store, one) == 1 &&
               sk_X509_NAME_push(policy->names, X509_NAME_dup(X509_get_subject_name(one))) > 0;
    }
    sk_X509_pop_free(all, X509_free);
    return good;
}

static bool add_revocations(struct gw_tls_policy *policy, struct gw_slice crl)
{
    STACK_OF(X509_CRL) *all = gw_tls_read_crls(crl.ptr, crl.len);
    bool good = all != NULL;

    for (int i = 0; good && i < sk_X509_CRL_num(all); i++)
        good = X509_STORE_add_crl(policy->store, sk_X509_CRL_value(all, i)) == 1;
    sk_X509_CRL_pop_free(all, X509_CRL_free);
    return good && X509_STORE_set_flags(policy->store, X509_V_FLAG_CRL_CHECK) == 1;
}

bool gw_tls_policy_init(struct gw_tls_policy *policy, const struct gw_tls_clients *given, char *why,
                        size_t why_size)
{
    const struct gw_slice label = GW_SLICE("client certificates");

    policy->mode = given->mode;
    policy->depth = (int)given->depth;
    gw_tls_trust(given, policy->trust);
    identify(policy);
    if (given->mode == GW_TLS_CLIENT_NONE)
        return true;
    policy->store = X509_STORE_new();
    policy->names = sk_X509_NAME_new_null();
    if (!policy->store || !policy->names || !add_authorities(policy, given->ca))
        return gw_tls_refuse(why, why_size, label, "the certificates of client_ca cannot be used");
    /* An intermediate that is named may be the end of the chain: its signature is to count. */
    X509_STORE_set_flags(policy->store, X509_V_FLAG_PARTIAL_CHAIN);
    if (given->crl.len && !add_revocations(policy, given->crl))
        return gw_tls_refuse(why, why_size, label, "the lists of crl cannot be used");
    return true;
}

void gw_tls_policy_deinit(struct gw_tls_policy *policy)
{
    X509_STORE_free(policy->store);
    sk_X509_NAME_pop_free(policy->names, X509_NAME_free);
}

/* ── connections ── */

/* Whoever asks for the certificate later decides; SSL_get_verify_result() keeps what was found. */
static int accept_all(int good, X509_STORE_CTX *ctx)
{
    (void)good;
    (void)ctx;
    return 1;
}

void gw_tls_policy_apply(const struct gw_tls_policy *policy, SSL *ssl)
{
    const int ask = SSL_VERIFY_PEER | SSL_VERIFY_CLIENT_ONCE;

    SSL_set_session_id_context(ssl, policy->id, sizeof(policy->id));
    switch (policy->mode) {
    case GW_TLS_CLIENT_NONE:
        SSL_set_verify(ssl, SSL_VERIFY_NONE, NULL);
        return;
    case GW_TLS_CLIENT_REQUESTED:
        SSL_set_verify(ssl, ask, accept_all);
        break;
    case GW_TLS_CLIENT_OPTIONAL:
        SSL_set_verify(ssl, ask, NULL);
        break;
    case GW_TLS_CLIENT_REQUIRED:
        SSL_set_verify(ssl, ask | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
        break;
    }
    SSL_set_verify_depth(ssl, policy->depth);
    SSL_set1_verify_cert_store(ssl, policy->store);
    SSL_set_client_CA_list(ssl, SSL_dup_CA_list(policy->names));
}
