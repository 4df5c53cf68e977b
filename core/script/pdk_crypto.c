/* moongate.crypto over OpenSSL's EVP. What has to be fetched by name is fetched once a process, and
 * a script keeps the contexts of its digests: in OpenSSL 3 both cost more than hashing a token. */
#include "base/alloc.h"
#include "base/random.h"
#include "script/modules.h"
#include "script/state.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>

#define DIGESTS (GW_PDK_SHA512 + 1)

static const char *const digest_names[DIGESTS] = {
    [GW_PDK_MD5] = "MD5",       [GW_PDK_SHA1] = "SHA1",     [GW_PDK_SHA256] = "SHA256",
    [GW_PDK_SHA384] = "SHA384", [GW_PDK_SHA512] = "SHA512",
};

/* Of the process, to its end; NULL where OpenSSL's configuration has none (FIPS: no MD5). */
static struct {
    EVP_MD *digests[DIGESTS];
    EVP_MAC *hmac;
    EVP_CIPHER *gcm_128, *gcm_256;
} fetched;

static pthread_once_t fetch_once = PTHREAD_ONCE_INIT;

static void fetch(void)
{
    for (unsigned i = 0; i < DIGESTS; i++)
        fetched.digests[i] = EVP_MD_fetch(NULL, digest_names[i], NULL);
    fetched.hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    fetched.gcm_128 = EVP_CIPHER_fetch(NULL, "AES-128-GCM", NULL);
    fetched.gcm_256 = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
}

static const EVP_MD *find_digest(int name)
{
    pthread_once(&fetch_once, fetch);
    return fetched.digests[name];
}

/* --- digests --- */

struct gw_crypto {
    EVP_MD_CTX *digest;
    EVP_MAC_CTX *hmacs[DIGESTS];
};

static struct gw_crypto *crypto_of(struct gw_script *script)
{
    if (!script->crypto) {
        script->crypto = gw_alloc_zero(sizeof(*script->crypto));
        script->crypto->digest = EVP_MD_CTX_new();
        GW_ASSERT(script->crypto->digest);
    }
    return script->crypto;
}

void gw_script_free_crypto(struct gw_script *script)
{
    if (!script->crypto)
        return;
    EVP_MD_CTX_free(script->crypto->digest);
    for (unsigned i = 0; i < DIGESTS; i++)
        EVP_MAC_CTX_free(script->crypto->hmacs[i]);
    gw_free(script->crypto);
    script->crypto = NULL;
}

static int end_digest(EVP_MD_CTX *ctx, char *out)
{
    unsigned len = 0;

    return EVP_DigestFinal_ex(ctx, (unsigned char *)out, &len) ? (int)len : 0;
}

int gw_pdk_digest(struct gw_script *script, int name, const char *data, size_t len, char *out)
{
    const EVP_MD *digest = find_digest(name);
    EVP_MD_CTX *ctx = crypto_of(script)->digest;

    if (!digest || !EVP_DigestInit_ex2(ctx, digest, NULL) || !EVP_DigestUpdate(ctx, data, len))
        return 0;
    return end_digest(ctx, out);
}

static EVP_MAC_CTX *new_hmac(int name)
{
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
                                         (char *)(uintptr_t)digest_names[name], 0),
        OSSL_PARAM_construct_end(),
    };

    if (!find_digest(name) || !fetched.hmac)
        return NULL;
    EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(fetched.hmac);

    GW_ASSERT(ctx);
    if (EVP_MAC_CTX_set_params(ctx, params))
        return ctx;
    EVP_MAC_CTX_free(ctx);
    return NULL;
}

static int end_hmac(EVP_MAC_CTX *ctx, char *out)
{
    size_t len = 0;

    return EVP_MAC_final(ctx, (unsigned char *)out, &len, GW_PDK_DIGEST_MAX) ? (int)len : 0;
}

int gw_pdk_hmac(struct gw_script *script, int name, const char *key, size_t key_len,
                const char *data, size_t len, char *out)
{
    EVP_MAC_CTX **ctx = &crypto_of(script)->hmacs[name];

    if (!*ctx)
        *ctx = new_hmac(name);
    if (!*ctx || !EVP_MAC_init(*ctx, (const unsigned char *)key, key_len, NULL) ||
        !EVP_MAC_update(*ctx, (const unsigned char *)data, len))
        return 0;
    return end_hmac(*ctx, out);
}

/* --- piece by piece --- */

struct gw_pdk_hash {
    EVP_MD_CTX *digest; /* one of the two */
    EVP_MAC_CTX *hmac;
};

static bool begin_hash(struct gw_pdk_hash *hash, int name, const char *key, size_t key_len)
{
    if (key) {
        hash->hmac = new_hmac(name);
        return hash->hmac && EVP_MAC_init(hash->hmac, (const unsigned char *)key, key_len, NULL);
    }
    hash->digest = EVP_MD_CTX_new();
    GW_ASSERT(hash->digest);
    return find_digest(name) && EVP_DigestInit_ex2(hash->digest, find_digest(name), NULL);
}

struct gw_pdk_hash *gw_pdk_hash_new(int name, const char *key, size_t key_len)
{
    struct gw_pdk_hash *hash = gw_alloc_zero(sizeof(*hash));

    if (begin_hash(hash, name, key, key_len))
        return hash;
    gw_pdk_hash_free(hash);
    return NULL;
}

void gw_pdk_hash_update(struct gw_pdk_hash *hash, const char *data, size_t len)
{
    int good = hash->hmac ? EVP_MAC_update(hash->hmac, (const unsigned char *)data, len)
                          : EVP_DigestUpdate(hash->digest, data, len);

    GW_ASSERT(good);
}

int gw_pdk_hash_final(struct gw_pdk_hash *hash, char *out)
{
    return hash->hmac ? end_hmac(hash->hmac, out) : end_digest(hash->digest, out);
}

void gw_pdk_hash_free(struct gw_pdk_hash *hash)
{
    EVP_MD_CTX_free(hash->digest);
    EVP_MAC_CTX_free(hash->hmac);
    gw_free(hash);
}

/* --- AES-GCM --- */

/* With key and nonce set and `with` fed in; NULL: OpenSSL refused. */
static EVP_CIPHER_CTX *begin_gcm(const struct gw_pdk_gcm *gcm, int encrypts)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int len = 0;

    pthread_once(&fetch_once, fetch);
    GW_ASSERT(ctx && (gcm->key_len == 16 || gcm->key_len == 32));
    if (EVP_CipherInit_ex2(ctx, gcm->key_len == 16 ? fetched.gcm_128 : fetched.gcm_256,
                           (const unsigned char *)gcm->key, (const unsigned char *)gcm->nonce,
                           encrypts, NULL) &&
        EVP_CipherUpdate(ctx, NULL, &len, (const unsigned char *)gcm->with, (int)gcm->with_len))
        return ctx;
    EVP_CIPHER_CTX_free(ctx);
    return NULL;
}

int gw_pdk_gcm_seal(const struct gw_pdk_gcm *gcm, const char *data, size_t len, char *out)
{
    EVP_CIPHER_CTX *ctx = begin_gcm(gcm, 1);
    unsigned char *at = (unsigned char *)out;
    int written = 0, rest = 0;

    if (!ctx)
        return 0;
    int good = EVP_CipherUpdate(ctx, at, &written, (const unsigned char *)data, (int)len) &&
               EVP_CipherFinal_ex(ctx, at + written, &rest) &&
               EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, GW_PDK_GCM_TAG, at + len);

    EVP_CIPHER_CTX_free(ctx);
    return good;
}

int gw_pdk_gcm_open(const struct gw_pdk_gcm *gcm, const char *data, size_t len, char *out)
{
    unsigned char tag[GW_PDK_GCM_TAG];
    unsigned char *at = (unsigned char *)out;
    int written = 0, rest = 0;

    if (len < sizeof(tag))
        return 0;
    EVP_CIPHER_CTX *ctx = begin_gcm(gcm, 0);

    if (!ctx)
        return 0;
    len -= sizeof(tag);
    memcpy(tag, data + len, sizeof(tag));
    int good = EVP_CipherUpdate(ctx, at, &written, (const unsigned char *)data, (int)len) &&
               EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, sizeof(tag), tag) &&
               EVP_CipherFinal_ex(ctx, at + written, &rest) > 0;

    EVP_CIPHER_CTX_free(ctx);
    if (!good)
        OPENSSL_cleanse(out, len); /* nobody sees what was not authenticated */
    return good;
}

/* --- the rest --- */

void gw_pdk_random(char *out, size_t len)
{
    gw_random_bytes(out, len);
}

int gw_pdk_equal(const char *a, const char *b, size_t len)
{
    return CRYPTO_memcmp(a, b, len) == 0;
}
