#include "base/blob.h"

#include "base/alloc.h"

struct gw_blob *gw_blob_new_uninit(size_t len)
{
    GW_ASSERT(len < SIZE_MAX - sizeof(struct gw_blob));
    struct gw_blob *blob = gw_alloc(sizeof(*blob) + len + 1);

    gw_refs_init(&blob->refs);
    blob->len = len;
    blob->data[len] = '\0';
    return blob;
}

struct gw_blob *gw_blob_new(struct gw_slice bytes)
{
    struct gw_blob *blob = gw_blob_new_uninit(bytes.len);

    if (bytes.len)
        memcpy(blob->data, bytes.ptr, bytes.len);
    return blob;
}

struct gw_blob *gw_blob_ref(struct gw_blob *blob)
{
    gw_refs_add(&blob->refs);
    return blob;
}

void gw_blob_unref(struct gw_blob *blob)
{
    if (blob && gw_refs_drop(&blob->refs))
        gw_free(blob);
}
