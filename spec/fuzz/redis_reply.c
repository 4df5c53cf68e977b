/* Replies of a Redis: whatever comes, in whatever pieces, the same values are read until the same
 * end, none deeper than the protocol's reader goes, and what they keep is bounded. */
#include "fuzz.h"

#include "base/alloc.h"
#include "store/redis_reply.h"

#define MOST ((size_t)4096)
#define DEEPEST 8

struct outcome {
    struct gw_buf said;     /* the values, as text */
    struct gw_arena *arena; /* of the reply that is read */
    enum gw_redis_read end;
};

static size_t put(struct gw_buf *out, const struct gw_redis_value *value, unsigned depth)
{
    size_t kept = sizeof(*value) + value->text.len + value->count * sizeof(value);

    FUZZ_CHECK(depth <= DEEPEST, "%u", depth);
    gw_buf_printf(out, "%d,%u,%lld,", (int)value->type, value->count, (long long)value->integer);
    gw_buf_append(out, value->text);
    for (unsigned i = 0; i < value->count; i++)
        kept += put(out, value->elements[i], depth + 1);
    return kept;
}

static void read_all(struct gw_redis_reader *reader, struct outcome *outcome)
{
    while (!outcome->end && gw_redis_reader_rest(reader)) {
        struct gw_redis_value *value;
        enum gw_redis_read read = gw_redis_reader_next(reader, outcome->arena, &value);

        if (read == GW_REDIS_READ_MORE)
            return;
        if (read != GW_REDIS_READ_VALUE) {
            outcome->end = read;
            return;
        }

        size_t kept = put(&outcome->said, value, 0);

        FUZZ_CHECK(kept <= MOST, "%zu", kept);
        gw_arena_free(outcome->arena);
        outcome->arena = gw_arena_new();
    }
}

static struct outcome run(struct gw_slice bytes, size_t piece)
{
    struct gw_redis_reader *reader = gw_redis_reader_new(MOST);
    struct outcome outcome = { .arena = gw_arena_new(), .end = GW_REDIS_READ_MORE };

    gw_buf_init(&outcome.said, SIZE_MAX / 2);
    while (bytes.len && !outcome.end) {
        struct gw_slice next = gw_slice(bytes.ptr, piece < bytes.len ? piece : bytes.len);

        bytes = gw_slice_skip(bytes, next.len);
        while (next.len) {
            gw_redis_reader_feed(reader, &next);
            read_all(reader, &outcome);
        }
    }
    gw_redis_reader_free(reader);
    gw_arena_free(outcome.arena);
    return outcome;
}

GW_FUZZ_TARGET(redis_reply)
{
    char *owned;
    struct gw_slice bytes = fuzz_copy(data, size, &owned);

    if (gw_redis_available() && size) {
        struct outcome whole = run(bytes, 16384), cut = run(bytes, 1 + (data[0] & 15));

        fuzz_check_same("values", gw_buf_slice(&whole.said), gw_buf_slice(&cut.said));
        FUZZ_CHECK(whole.end == cut.end, "%d, %d", (int)whole.end, (int)cut.end);
        gw_buf_deinit(&whole.said);
        gw_buf_deinit(&cut.said);
    }
    free(owned);
    return 0;
}
