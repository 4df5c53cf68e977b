#include "base/alloc.h"
#include "base/check.h"
#include "net/tls_pem.h"
#include "net/tls_trust_private.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FILE_MAX ((size_t)16 * 1024 * 1024)

/* Where distributions keep it, after what OpenSSL was told. */
static const char *const places[] = {
    "/etc/ssl/certs/ca-certificates.crt", /* Debian, Ubuntu, Alpine, Arch */
    "/etc/pki/tls/certs/ca-bundle.crt",   /* Fedora, RHEL */
    "/etc/ssl/ca-bundle.pem",             /* SUSE */
    "/etc/ssl/cert.pem",                  /* BSD, macOS */
};

/* NULL: there is none. */
static const char *find_file(void)
{
    const char *told = getenv(X509_get_default_cert_file_env());

    if (told)
        return told;
    if (access(X509_get_default_cert_file(), R_OK) == 0)
        return X509_get_default_cert_file();
    for (size_t i = 0; i < GW_ARRAY_LEN(places); i++)
        if (access(places[i], R_OK) == 0)
            return places[i];
    return NULL;
}

static bool digest_file(const char *path, unsigned char *out)
{
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    FILE *file = fopen(path, "rbe");
    size_t len, all = 0;
    char bytes[16384];

    GW_ASSERT(digest);
    EVP_DigestInit_ex(digest, EVP_sha256(), NULL);
    while (file && all < FILE_MAX && (len = fread(bytes, 1, sizeof(bytes), file)) > 0) {
        EVP_DigestUpdate(digest, bytes, len);
        all += len;
    }
    EVP_DigestFinal_ex(digest, out, NULL);
    EVP_MD_CTX_free(digest);
    if (file)
        fclose(file);
    return all > 0 && all < FILE_MAX;
}

void gw_tls_trust_read(struct gw_tls_trust *trust)
{
    const char *path = find_file();
    unsigned char *digest = gw_alloc_zero(EVP_MAX_MD_SIZE);

    trust->store = X509_STORE_new();
    trust->digest = gw_slice((const char *)digest, EVP_MAX_MD_SIZE);
    if (trust->store && path && digest_file(path, digest))
        X509_STORE_load_file(trust->store, path);
    ERR_clear_error();
}

void gw_tls_trust_deinit(struct gw_tls_trust *trust)
{
    X509_STORE_free(trust->store);
    gw_free((char *)trust->digest.ptr); /* ours: see gw_tls_trust_read() */
    *trust = (struct gw_tls_trust){ 0 };
}

bool gw_tls_system_trusts(void)
{
    const char *path = find_file();

    return path && access(path, R_OK) == 0;
}
