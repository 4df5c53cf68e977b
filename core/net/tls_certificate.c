#include "net/tls_certificate.h"

#include "net/tls_pem_private.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

static struct gw_slice take(BIO *bio, bool good, struct gw_arena *arena)
{
    char *bytes = NULL;
    long len = good ? BIO_get_mem_data(bio, &bytes) : 0;
    struct gw_slice text =
        len > 0 ? gw_arena_copy(arena, gw_slice(bytes, (size_t)len)) : GW_SLICE_EMPTY;

    BIO_free(bio);
    ERR_clear_error();
    return text;
}

/* Everything that is not plain ASCII is escaped. */
static struct gw_slice name_text(const X509_NAME *name, struct gw_arena *arena)
{
    BIO *bio = BIO_new(BIO_s_mem());
    bool good = bio && X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253) >= 0;

    return take(bio, good, arena);
}

static struct gw_slice serial_text(const X509 *certificate, struct gw_arena *arena)
{
    BIO *bio = BIO_new(BIO_s_mem());
    bool good = bio && i2a_ASN1_INTEGER(bio, X509_get0_serialNumber(certificate)) >= 0;

    return take(bio, good, arena);
}

static struct gw_slice pem_text(const X509 *certificate, struct gw_arena *arena)
{
    BIO *bio = BIO_new(BIO_s_mem());
    bool good = bio && PEM_write_bio_X509(bio, (X509 *)certificate) == 1;

    return take(bio, good, arena);
}

static struct gw_slice der_bytes(const X509 *certificate, struct gw_arena *arena)
{
    BIO *bio = BIO_new(BIO_s_mem());
    bool good = bio && i2d_X509_bio(bio, certificate) == 1;

    return take(bio, good, arena);
}

static struct gw_slice digest_text(const X509 *certificate, const EVP_MD *digest,
                                   struct gw_arena *arena)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char made[EVP_MAX_MD_SIZE];
    unsigned len = 0;

    if (X509_digest(certificate, digest, made, &len) != 1)
        return GW_SLICE_EMPTY;
    char *text = gw_arena_alloc(arena, (size_t)2 * len + 1);

    for (unsigned i = 0; i < len; i++) {
        text[(size_t)2 * i] = digits[made[i] >> 4];
        text[(size_t)2 * i + 1] = digits[made[i] & 15];
    }
    return gw_slice(text, (size_t)2 * len);
}

struct gw_slice gw_tls_certificate_text(const X509 *certificate, enum gw_tls_certificate_text what,
                                        struct gw_arena *arena)
{
    switch (what) {
    case GW_TLS_CERTIFICATE_SUBJECT:
        return name_text(X509_get_subject_name(certificate), arena);
    case GW_TLS_CERTIFICATE_ISSUER:
        return name_text(X509_get_issuer_name(certificate), arena);
    case GW_TLS_CERTIFICATE_SERIAL:
        return serial_text(certificate, arena);
    case GW_TLS_CERTIFICATE_FINGERPRINT:
        return digest_text(certificate, EVP_sha256(), arena);
    case GW_TLS_CERTIFICATE_SHA1:
        return digest_text(certificate, EVP_sha1(), arena);
    case GW_TLS_CERTIFICATE_PEM:
        return pem_text(certificate, arena);
    case GW_TLS_CERTIFICATE_DER:
        return der_bytes(certificate, arena);
    }
    return GW_SLICE_EMPTY;
}

int64_t gw_tls_certificate_from(const X509 *certificate)
{
    return gw_tls_seconds(X509_get0_notBefore(certificate));
}

int64_t gw_tls_certificate_until(const X509 *certificate)
{
    return gw_tls_seconds(X509_get0_notAfter(certificate));
}

/* ── names ── */

static const char *kind_of(const GENERAL_NAME *name, const ASN1_IA5STRING **text)
{
    switch (name->type) {
    case GEN_DNS:
        *text = name->d.dNSName;
        return "DNS";
    case GEN_URI:
        *text = name->d.uniformResourceIdentifier;
        return "URI";
    case GEN_EMAIL:
        *text = name->d.rfc822Name;
        return "email";
    default:
        return NULL;
    }
}

static bool is_clean(struct gw_slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] <= ' ' || text.ptr[i] >= 0x7f)
            return false;
    return text.len > 0;
}

bool gw_tls_certificate_name(const X509 *certificate, unsigned n, const char **kind,
                             struct gw_slice *name, struct gw_arena *arena)
{
    GENERAL_NAMES *all = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    bool found = false;

    for (int i = 0; all && i < sk_GENERAL_NAME_num(all) && !found; i++) {
        const ASN1_IA5STRING *text = NULL;

        *kind = kind_of(sk_GENERAL_NAME_value(all, i), &text);
        if (!*kind)
            continue;
        *name =
            gw_slice((const char *)ASN1_STRING_get0_data(text), (size_t)ASN1_STRING_length(text));
        if (!is_clean(*name) || n-- > 0)
            continue;
        *name = gw_arena_copy(arena, *name);
        found = true;
    }
    GENERAL_NAMES_free(all);
    ERR_clear_error();
    return found;
}
