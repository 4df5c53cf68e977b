#pragma once
/* Immutable bytes with several owners: bodies that are kept, sent and cached without copies. */
#include "base/refs.h"
#include "base/slice.h"

struct gw_blob {
    struct gw_refs refs;
    size_t len;
    char data[]; /* a NUL stands behind, not counted */
};

/* Copies the bytes; the caller owns one reference. */
struct gw_blob *gw_blob_new(struct gw_slice bytes);

/* Bytes undefined: fill `data` before anybody else sees it. */
struct gw_blob *gw_blob_new_uninit(size_t len);

struct gw_blob *gw_blob_ref(struct gw_blob *blob);

/* `blob` may be NULL. */
void gw_blob_unref(struct gw_blob *blob);

static inline struct gw_slice gw_blob_slice(const struct gw_blob *blob)
{
    return (struct gw_slice){ blob->data, blob->len };
}
