#include "base/alloc.h"
#include "base/check.h"
#include "net/conn_private.h"

/* Below this a copy is cheaper than a reference, and a queue of crumbs would hold more bookkeeping
 * than bytes. */
#define COPY_BELOW 1024
#define SMALLEST_CHUNK (4096 - sizeof(struct gw_chunk))

static struct gw_chunk *last_chunk(struct gw_list *chunks)
{
    struct gw_list_node *node = gw_list_last(chunks);

    return node ? container_of(node, struct gw_chunk, node) : NULL;
}

struct gw_chunk *gw_chunk_new(struct gw_list *chunks, size_t capacity)
{
    struct gw_chunk *chunk = gw_alloc(sizeof(*chunk) + capacity);

    *chunk = (struct gw_chunk){ .ptr = chunk->data, .capacity = capacity };
    gw_list_append(chunks, &chunk->node);
    return chunk;
}

void gw_chunk_fill(struct gw_chunk *chunk, struct gw_slice bytes)
{
    GW_ASSERT(bytes.len <= chunk->capacity - chunk->len);
    if (bytes.len)
        memcpy(chunk->data + chunk->len, bytes.ptr, bytes.len);
    chunk->len += bytes.len;
}

void gw_chunks_append(struct gw_list *chunks, struct gw_slice bytes, struct gw_blob *blob)
{
    if (blob && bytes.len >= COPY_BELOW) {
        struct gw_chunk *chunk = gw_chunk_new(chunks, 0);

        chunk->blob = gw_blob_ref(blob);
        chunk->ptr = bytes.ptr;
        chunk->len = bytes.len;
        return;
    }
    struct gw_chunk *last = last_chunk(chunks);

    if (!last || last->blob || last->capacity - last->len < bytes.len)
        last = gw_chunk_new(chunks, bytes.len > SMALLEST_CHUNK ? bytes.len : SMALLEST_CHUNK);
    gw_chunk_fill(last, bytes);
}

unsigned gw_conn_take_chunks(struct gw_conn *conn, struct gw_list *out, size_t max_bytes,
                             unsigned max_chunks)
{
    unsigned count = 0;
    size_t bytes = 0;

    GW_LIST_EACH(&conn->queue, node) {
        struct gw_chunk *chunk = container_of(node, struct gw_chunk, node);

        if (count == max_chunks || (count > 0 && bytes + chunk->len > max_bytes))
            break;
        gw_list_remove(node);
        gw_list_append(out, node);
        conn->queue_bytes -= chunk->len;
        bytes += chunk->len;
        count++;
    }
    return count;
}

void gw_chunks_free(struct gw_list *chunks)
{
    GW_LIST_EACH(chunks, node) {
        struct gw_chunk *chunk = container_of(node, struct gw_chunk, node);

        gw_list_remove(node);
        gw_blob_unref(chunk->blob);
        gw_free(chunk);
    }
}
