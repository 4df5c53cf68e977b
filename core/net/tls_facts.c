#include "base/alloc.h"
#include "net/tls_server_private.h"

#include <openssl/x509.h>

struct gw_tls_facts *gw_tls_facts_new(struct gw_tls_server *server)
{
    struct gw_tls_facts *facts = gw_alloc_zero(sizeof(*facts));

    facts->refs = 1;
    facts->server = gw_tls_server_ref(server);
    facts->policy = &server->policies[0];
    return facts;
}

struct gw_tls_facts *gw_tls_facts_ref(struct gw_tls_facts *facts)
{
    facts->refs++;
    return facts;
}

void gw_tls_facts_unref(struct gw_tls_facts *facts)
{
    if (!facts || --facts->refs > 0)
        return;
    X509_free(facts->certificate);
    gw_tls_facts_set_name(facts, GW_SLICE_EMPTY);
    gw_tls_server_unref(facts->server);
    gw_free(facts);
}

void gw_tls_facts_set_name(struct gw_tls_facts *facts, struct gw_slice name)
{
    gw_free((char *)facts->name.ptr); /* ours */
    facts->name = name.len ? gw_slice(gw_strndup(name.ptr, name.len), name.len) : GW_SLICE_EMPTY;
}

static void take_certificate(struct gw_tls_facts *facts, const SSL *ssl)
{
    facts->certificate = SSL_get1_peer_certificate(ssl);
    if (!facts->certificate)
        return;
    facts->verdict = SSL_get_verify_result(ssl);
    facts->shown = facts->verdict == X509_V_OK ? GW_TLS_SHOWN_GOOD : GW_TLS_SHOWN_BAD;
}

static const char *protocol_of(const struct gw_tls *tls)
{
    struct gw_slice protocol = gw_tls_protocol(tls);

    if (gw_slice_equal(protocol, GW_SLICE("h2")))
        return "h2";
    return protocol.len ? "http/1.1" : "";
}

struct gw_tls_facts *gw_tls_facts(const struct gw_tls *tls)
{
    struct gw_tls_facts *facts = gw_tls_is_client(tls) ? NULL : gw_tls_owner(tls);
    const SSL *ssl = gw_tls_ssl(tls);

    if (!facts || facts->complete)
        return facts;
    facts->complete = true;
    facts->version = SSL_get_version(ssl);
    facts->cipher = SSL_get_cipher_name(ssl);
    facts->protocol = protocol_of(tls);
    facts->resumed = SSL_session_reused(ssl) != 0;
    take_certificate(facts, ssl);
    return facts;
}

bool gw_tls_facts_cover(const struct gw_tls_facts *facts, struct gw_slice host)
{
    char text[GW_TLS_NAME_MAX];

    return facts->server->policy_count == 1 ||
           gw_tls_policy_same(facts->policy,
                              gw_tls_server_policy(facts->server, gw_tls_name_tidy(host, text)));
}

bool gw_tls_facts_trusted(const struct gw_tls_facts *facts, const unsigned char *trust)
{
    return facts->shown == GW_TLS_SHOWN_GOOD &&
           (!trust || memcmp(trust, facts->policy->trust, GW_TLS_TRUST_SIZE) == 0);
}

const char *gw_tls_facts_refused(const struct gw_tls_facts *facts)
{
    if (facts->shown == GW_TLS_SHOWN_NOTHING)
        return "a client certificate is asked for, and none was shown";
    if (facts->shown == GW_TLS_SHOWN_BAD) {
        switch (facts->verdict) {
        case X509_V_ERR_CERT_HAS_EXPIRED:
            return "the client certificate, or one above it, has expired";
        case X509_V_ERR_CERT_NOT_YET_VALID:
            return "the client certificate, or one above it, is not valid yet";
        case X509_V_ERR_CERT_REVOKED:
            return "the client certificate is revoked";
        case X509_V_ERR_INVALID_PURPOSE:
            return "the client certificate is not made for clients";
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
        case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
            break;
        default:
            return "the client certificate is not accepted";
        }
    }
    return "the client certificate is of an issuer that is not accepted here";
}

const char *gw_tls_facts_problem(const struct gw_tls_facts *facts)
{
    return X509_verify_cert_error_string(facts->verdict);
}
