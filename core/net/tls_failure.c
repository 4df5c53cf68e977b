#include "net/tls_failure.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

const char *gw_tls_failure_reason(enum gw_tls_failure failure)
{
    static const char *const reasons[] = {
#define X(name, reason, text) reason,
        GW_TLS_FAILURES(X)
#undef X
    };
    return reasons[failure];
}

const char *gw_tls_failure_text(enum gw_tls_failure failure)
{
    static const char *const texts[] = {
#define X(name, reason, text) text,
        GW_TLS_FAILURES(X)
#undef X
    };
    return texts[failure];
}

enum gw_tls_failure gw_tls_failure_of(unsigned long error)
{
    switch (ERR_GET_REASON(error)) {
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST:
        return GW_TLS_FAILURE_PLAIN_HTTP;
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW:
    case SSL_R_NO_PROTOCOLS_AVAILABLE:
    case SSL_R_INAPPROPRIATE_FALLBACK:
    case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
        return GW_TLS_FAILURE_VERSION;
    case SSL_R_NO_SHARED_CIPHER:
    case SSL_R_NO_SUITABLE_KEY_SHARE:
    case SSL_R_NO_SHARED_GROUPS:
    case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
    case SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS:
        return GW_TLS_FAILURE_CIPHER;
    case SSL_R_NO_APPLICATION_PROTOCOL:
    case SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL:
        return GW_TLS_FAILURE_PROTOCOL;
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
        return GW_TLS_FAILURE_NO_CERTIFICATE;
    case SSL_R_CERTIFICATE_VERIFY_FAILED:
    case SSL_R_EE_KEY_TOO_SMALL:
    case SSL_R_CA_KEY_TOO_SMALL:
    case SSL_R_CA_MD_TOO_WEAK:
        return GW_TLS_FAILURE_CERTIFICATE;
    default:
        /* Reasons from 1000 on are alerts that came. */
        return ERR_GET_LIB(error) == ERR_LIB_SSL && ERR_GET_REASON(error) >= SSL_AD_REASON_OFFSET
                   ? GW_TLS_FAILURE_ALERT
                   : GW_TLS_FAILURE_MALFORMED;
    }
}

enum gw_tls_failure gw_tls_failure_of_verify(long result)
{
    switch (result) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return GW_TLS_FAILURE_EXPIRED;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        return GW_TLS_FAILURE_HOST;
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_CERT_UNTRUSTED:
        return GW_TLS_FAILURE_UNTRUSTED;
    default:
        return GW_TLS_FAILURE_CERTIFICATE;
    }
}
