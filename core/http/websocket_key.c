#include "http/websocket_key.h"

#include "base/check.h"
#include "base/encode.h"

#include <openssl/evp.h>
#include <openssl/rand.h>

#define KEY_BYTES 16
#define SHA1_BYTES 20

struct gw_slice gw_websocket_key(struct gw_arena *arena)
{
    char bytes[KEY_BYTES], *text = gw_arena_alloc(arena, gw_base64_length(KEY_BYTES));
    int made = RAND_bytes((unsigned char *)bytes, sizeof(bytes));

    GW_ASSERT(made == 1);
    return gw_slice(text, gw_base64_encode(gw_slice(bytes, sizeof(bytes)), false, text));
}

void gw_websocket_accept(struct gw_slice key, char out[GW_WEBSOCKET_ACCEPT_LEN])
{
    static const char magic[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; /* RFC 6455 1.3 */
    unsigned char digest[SHA1_BYTES];
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    int made = ctx != NULL && EVP_DigestInit_ex(ctx, EVP_sha1(), NULL) &&
               EVP_DigestUpdate(ctx, key.ptr ? key.ptr : "", key.len) &&
               EVP_DigestUpdate(ctx, magic, sizeof(magic) - 1) &&
               EVP_DigestFinal_ex(ctx, digest, NULL);

    GW_ASSERT(made);
    EVP_MD_CTX_free(ctx);
    gw_base64_encode(gw_slice((const char *)digest, sizeof(digest)), false, out);
}
