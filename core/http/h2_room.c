/* Frames of many streams become one write. Heads of frames and small bodies are put together in the
 * thread's room; large bodies are written from where they lie. */
#include "http/h2_session.h"

#include "base/alloc.h"

#define WRITE_AT (128 * 1024)
#define COPY_BELOW 4096 /* cheaper than one part more */

struct gw_h2_room *gw_h2_room_of(struct gw_loop *loop)
{
    if (!loop->h2_room) {
        loop->h2_room = gw_alloc(sizeof(*loop->h2_room)); /* its large parts stay untouched */
        loop->h2_room->part_count = loop->h2_room->piece_count = 0;
        loop->h2_room->part_bytes = loop->h2_room->frames_len = 0;
        gw_list_init(&loop->h2_room->spent);
    }
    return loop->h2_room;
}

static void make_place(struct gw_h2_session *session, const struct gw_h2_room *room, size_t copied)
{
    if (room->part_count == GW_H2_PARTS || room->part_bytes >= WRITE_AT ||
        room->frames_len + copied > sizeof(room->frames))
        gw_h2_room_write(session);
}

static void add_copy(struct gw_h2_room *room, struct gw_slice bytes)
{
    struct gw_slice *last = room->part_count ? &room->parts[room->part_count - 1] : NULL;
    char *place = room->frames + room->frames_len;

    GW_ASSERT(bytes.len <= sizeof(room->frames) - room->frames_len);
    memcpy(place, bytes.ptr, bytes.len);
    room->frames_len += bytes.len;
    room->part_bytes += bytes.len;
    if (last && last->ptr + last->len == place)
        last->len += bytes.len;
    else
        room->parts[room->part_count++] = gw_slice(place, bytes.len);
}

void gw_h2_room_add_frame(struct gw_h2_session *session, struct gw_slice bytes)
{
    struct gw_h2_room *room = gw_h2_room_of(session->loop);

    make_place(session, room, bytes.len);
    add_copy(room, bytes);
}

bool gw_h2_room_add_body(struct gw_h2_session *session, struct gw_slice bytes)
{
    struct gw_h2_room *room = gw_h2_room_of(session->loop);
    bool small = bytes.len < COPY_BELOW;

    make_place(session, room, small ? bytes.len : 0);
    if (small) {
        add_copy(room, bytes);
    } else {
        room->parts[room->part_count++] = bytes;
        room->part_bytes += bytes.len;
    }
    return small;
}

void gw_h2_room_spend(struct gw_h2_session *session, struct gw_list_node *chunk)
{
    gw_list_append(&gw_h2_room_of(session->loop)->spent, chunk);
}

void gw_h2_room_write(struct gw_h2_session *session)
{
    struct gw_h2_room *room = gw_h2_room_of(session->loop);

    if (room->part_count)
        session->blocked = !gw_conn_write(session->conn, room->parts, room->part_count);
    gw_chunks_free(&room->spent);
    room->part_count = 0;
    room->part_bytes = room->frames_len = 0;
}
