#include "http/h1_out.h"

/* From here on a blob is referenced, in a write of its own; below, copying what the kernel does not
 * take is cheaper. */
#define BLOB_MIN (64 * 1024)

void gw_h1_out_begin(struct gw_h1_out *out, struct gw_conn *conn)
{
    *out = (struct gw_h1_out){ .conn = conn };
}

void gw_h1_out_interim(struct gw_h1_out *out, struct gw_slice text)
{
    if (out->conn)
        gw_conn_write(out->conn, &text, 1);
}

void gw_h1_out_flush(struct gw_h1_out *out)
{
    struct gw_slice text = out->pending;

    out->pending = GW_SLICE_EMPTY;
    if (out->conn && text.len)
        gw_conn_write(out->conn, &text, 1);
}

void gw_h1_out_head(struct gw_h1_out *out, const struct gw_h1_written *written, bool end)
{
    out->started = true;
    out->body = written->body;
    out->remaining = written->length;
    out->pending = written->text;
    out->ended = end && written->body != GW_H1_BODY_TUNNEL;
    if (out->ended)
        gw_h1_out_flush(out);
}

void gw_h1_out_tunnel(struct gw_h1_out *out)
{
    out->body = GW_H1_BODY_TUNNEL;
    out->ended = false;
}

/* The head that waits, then the parts, in one go. */
static bool write_parts(struct gw_h1_out *out, struct gw_slice before, struct gw_slice bytes,
                        struct gw_blob *owner, struct gw_slice after)
{
    struct gw_slice parts[4];
    unsigned count = 0;
    bool apart = owner && bytes.len >= BLOB_MIN;

    if (!out->conn)
        return true;
    if (out->pending.len)
        parts[count++] = out->pending;
    if (before.len)
        parts[count++] = before;
    out->pending = GW_SLICE_EMPTY;
    if (apart) {
        if (count)
            gw_conn_write(out->conn, parts, count);
        bool room = gw_conn_write_blob(out->conn, owner, bytes);

        return after.len ? gw_conn_write(out->conn, &after, 1) : room;
    }
    if (bytes.len)
        parts[count++] = bytes;
    if (after.len)
        parts[count++] = after;
    return count == 0 || gw_conn_write(out->conn, parts, count);
}

static bool write_chunk(struct gw_h1_out *out, struct gw_slice bytes, struct gw_blob *owner,
                        bool end)
{
    char line[GW_H1_CHUNK_LINE_MAX];

    if (bytes.len == 0)
        return !end ||
               write_parts(out, GW_SLICE_EMPTY, GW_SLICE("0\r\n\r\n"), NULL, GW_SLICE_EMPTY);
    return write_parts(out, gw_h1_chunk_line(line, bytes.len), bytes, owner,
                       end ? GW_SLICE("\r\n0\r\n\r\n") : GW_SLICE("\r\n"));
}

enum gw_error gw_h1_out_body(struct gw_h1_out *out, struct gw_slice bytes, struct gw_blob *owner,
                             bool end, bool *room)
{
    *room = true;
    if (!out->started)
        return GW_E_INTERNAL;
    if (out->ended || (bytes.len == 0 && !end))
        return GW_OK;
    switch (out->body) {
    case GW_H1_BODY_NONE:
        if (end)
            gw_h1_out_flush(out);
        break;
    case GW_H1_BODY_LENGTH:
        if ((uint64_t)bytes.len > (uint64_t)out->remaining ||
            (end && (uint64_t)bytes.len != (uint64_t)out->remaining))
            return GW_E_INTERNAL;
        out->remaining -= (int64_t)bytes.len;
        *room = write_parts(out, GW_SLICE_EMPTY, bytes, owner, GW_SLICE_EMPTY);
        break;
    case GW_H1_BODY_CHUNKED:
        *room = write_chunk(out, bytes, owner, end);
        break;
    case GW_H1_BODY_CLOSE:
    case GW_H1_BODY_TUNNEL:
        *room = write_parts(out, GW_SLICE_EMPTY, bytes, owner, GW_SLICE_EMPTY);
        if (end && out->body == GW_H1_BODY_TUNNEL && out->conn)
            gw_conn_shutdown(out->conn);
        break;
    }
    out->ended = end;
    return GW_OK;
}

enum gw_error gw_h1_out_trailers(struct gw_h1_out *out, const struct gw_fields *trailers,
                                 struct gw_arena *arena)
{
    bool room;
    struct gw_slice text;

    /* Only chunks have room for them; elsewhere a recipient must do without (RFC 9110 6.5.2). */
    if (!out->started || out->ended || out->body != GW_H1_BODY_CHUNKED)
        return gw_h1_out_body(out, GW_SLICE_EMPTY, NULL, true, &room);

    enum gw_error error = gw_h1_write_trailers(trailers, arena, &text);

    if (error)
        return error;
    write_parts(out, GW_SLICE_EMPTY, text, NULL, GW_SLICE_EMPTY);
    out->ended = true;
    return GW_OK;
}
