#include "net/tls_self.h"

#include "base/alloc.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#define VALID_SECONDS (365L * 24 * 3600)

struct gw_tls_self {
    char *cert, *key; /* PEM */
    size_t cert_len, key_len;
};

static bool add_extension(X509 *x509, int nid, const char *value)
{
    X509V3_CTX ctx;

    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, x509, x509, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    bool good = extension && X509_add_ext(x509, extension, -1) == 1;

    X509_EXTENSION_free(extension);
    return good;
}

static bool set_serial(X509 *x509)
{
    unsigned char bytes[16];

    if (RAND_bytes(bytes, sizeof(bytes)) != 1)
        return false;
    bytes[0] = (unsigned char)((bytes[0] & 0x3f) | 0x40); /* positive, of this length */
    BIGNUM *number = BN_bin2bn(bytes, sizeof(bytes), NULL);
    bool good = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x509));

    BN_free(number);
    return good;
}

static bool fill(X509 *x509, EVP_PKEY *key)
{
    static const unsigned char common_name[] = "Moongate development certificate";
    X509_NAME *name = X509_get_subject_name(x509);

    return X509_set_version(x509, X509_VERSION_3) == 1 && set_serial(x509) &&
           X509_gmtime_adj(X509_getm_notBefore(x509), -3600) &&
           X509_gmtime_adj(X509_getm_notAfter(x509), VALID_SECONDS) &&
           X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_ASC, common_name, -1, -1, 0) ==
               1 &&
           X509_set_issuer_name(x509, name) == 1 && X509_set_pubkey(x509, key) == 1 &&
           add_extension(x509, NID_subject_alt_name,
                         "DNS:localhost,DNS:*.localhost,IP:127.0.0.1,IP:::1") &&
           add_extension(x509, NID_ext_key_usage, "serverAuth") &&
           X509_sign(x509, key, EVP_sha256()) > 0;
}

/* The BIO's bytes, and its end. */
static char *take_text(BIO *bio, size_t *len)
{
    char *data;
    long size = BIO_get_mem_data(bio, &data);
    char *text = gw_strndup(data, (size_t)size);

    *len = (size_t)size;
    return text;
}

static bool write_out(struct gw_tls_self *self, X509 *x509, EVP_PKEY *key)
{
    BIO *cert = BIO_new(BIO_s_mem());
    BIO *secret = BIO_new(BIO_s_mem());
    bool good = cert && secret && PEM_write_bio_X509(cert, x509) == 1 &&
                PEM_write_bio_PrivateKey(secret, key, NULL, NULL, 0, NULL, NULL) == 1;

    if (good) {
        self->cert = take_text(cert, &self->cert_len);
        self->key = take_text(secret, &self->key_len);
    }
    BIO_free(cert);
    BIO_free(secret);
    return good;
}

struct gw_tls_self *gw_tls_self_new(void)
{
    struct gw_tls_self *self = gw_alloc_zero(sizeof(*self));
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x509 = X509_new();
    bool good = key && x509 && fill(x509, key) && write_out(self, x509, key);

    X509_free(x509);
    EVP_PKEY_free(key);
    ERR_clear_error();
    if (good)
        return self;
    gw_tls_self_free(self);
    return NULL;
}

void gw_tls_self_free(struct gw_tls_self *self)
{
    if (!self)
        return;
    if (self->key)
        OPENSSL_cleanse(self->key, self->key_len);
    gw_free(self->cert);
    gw_free(self->key);
    gw_free(self);
}

struct gw_tls_identity gw_tls_self_identity(const struct gw_tls_self *self)
{
    return (struct gw_tls_identity){
        .label = GW_SLICE("the development certificate"),
        .pairs = { { gw_slice(self->cert, self->cert_len), gw_slice(self->key, self->key_len) } },
        .pair_count = 1,
    };
}
