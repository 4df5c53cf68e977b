#include "upstream/sticky.h"

#include "base/buf.h"
#include "base/check.h"
#include "upstream/target.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#define TAG_BYTES 18

static void encode(const unsigned char *bytes, char *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

    for (size_t i = 0; i < TAG_BYTES; i += 3) {
        unsigned group =
            (unsigned)bytes[i] << 16 | (unsigned)bytes[i + 1] << 8 | (unsigned)bytes[i + 2];

        for (int shift = 18; shift >= 0; shift -= 6)
            *out++ = digits[group >> shift & 63];
    }
}

void gw_sticky_tag(const struct gw_sticky *sticky, struct gw_slice upstream,
                   const struct gw_target *target, char tag[GW_STICKY_TAG_LEN])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    size_t len = 0;
    struct gw_buf text;

    /* NULs stand between: none of the parts has one. */
    gw_buf_init(&text, SIZE_MAX);
    gw_buf_append(&text, GW_SLICE("moongate sticky 1"));
    gw_buf_append_char(&text, '\0');
    gw_buf_append(&text, upstream);
    gw_buf_append_char(&text, '\0');
    gw_buf_append(&text, target->text);
    gw_buf_append_char(&text, '\0');
    gw_buf_append(&text, target->authority);
    GW_ASSERT(EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, sticky->key.ptr, sticky->key.len,
                        (const unsigned char *)text.data, text.len, digest, sizeof(digest), &len));
    GW_ASSERT(len >= TAG_BYTES);
    gw_buf_deinit(&text);
    encode(digest, tag);
}

int gw_sticky_find(const struct gw_target_set *set, struct gw_slice value)
{
    int found = -1;

    if (value.len != GW_STICKY_TAG_LEN)
        return -1;
    for (unsigned i = 0; i < set->count; i++)
        if (CRYPTO_memcmp(set->items[i].tag, value.ptr, GW_STICKY_TAG_LEN) == 0)
            found = (int)i;
    return found;
}
