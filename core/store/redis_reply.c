#include "store/redis_reply.h"

#include "base/alloc.h"
#include "base/check.h"

#ifdef GW_HIREDIS

#include <hiredis/hiredis.h>

/* hiredis keeps what it was fed and moves it as replies leave: small pieces keep that cheap. */
#define PIECE ((size_t)16 * 1024)

/* A state, an error, a number or a length; hiredis looks for its end from its beginning each time.
 */
#define LINE_MAX_BYTES ((size_t)64 * 1024)

#define PARTS_ON_STACK 32

struct gw_redis_reader {
    redisReader *hiredis;
    struct gw_arena *arena; /* of the reply that is being read */
    size_t max_bytes, used; /* by that reply */
    bool too_large;
    enum gw_redis_read broken; /* GW_REDIS_READ_MORE: not */
};

bool gw_redis_available(void)
{
    return true;
}

/* ── commands ── */

bool gw_redis_write_command(struct gw_buf *buf, const struct gw_slice *parts, unsigned count)
{
    const char *few[PARTS_ON_STACK], **texts = few;
    size_t few_lengths[PARTS_ON_STACK], *lengths = few_lengths;
    char *bytes = NULL;

    if (count > PARTS_ON_STACK) {
        texts = gw_alloc(count * sizeof(*texts));
        lengths = gw_alloc(count * sizeof(*lengths));
    }
    for (unsigned i = 0; i < count; i++) {
        texts[i] = parts[i].ptr ? parts[i].ptr : "";
        lengths[i] = parts[i].len;
    }

    int len = redisFormatCommandArgv(&bytes, (int)count, texts, lengths);
    bool good = len > 0 && gw_buf_append(buf, gw_slice(bytes, (size_t)len));

    if (len > 0)
        redisFreeCommand(bytes);
    if (texts != few) {
        gw_free(texts);
        gw_free(lengths);
    }
    return good;
}

/* ── values ── */

/* NULL, which hiredis takes for a lack of memory, when the reply becomes too large. Its own bound
 * for arrays is what an int holds. */
static struct gw_redis_value *add(const redisReadTask *task, enum gw_redis_type type, size_t size)
{
    struct gw_redis_reader *reader = task->privdata;

    if (size > reader->max_bytes ||
        reader->used + sizeof(struct gw_redis_value) + size > reader->max_bytes) {
        reader->too_large = true;
        return NULL;
    }
    reader->used += sizeof(struct gw_redis_value) + size;

    struct gw_redis_value *value = gw_arena_alloc_zero(reader->arena, sizeof(*value));

    value->type = type;
    if (task->parent) {
        struct gw_redis_value *parent = task->parent->obj;

        GW_ASSERT(parent->type == GW_REDIS_ARRAY && (unsigned)task->idx < parent->count);
        parent->elements[task->idx] = value;
    }
    return value;
}

static void *create_string(const redisReadTask *task, char *text, size_t len)
{
    struct gw_redis_reader *reader = task->privdata;
    enum gw_redis_type type = task->type == REDIS_REPLY_ERROR    ? GW_REDIS_ERROR
                              : task->type == REDIS_REPLY_STATUS ? GW_REDIS_STATUS
                                                                 : GW_REDIS_STRING;
    struct gw_redis_value *value = add(task, type, len);

    if (value)
        value->text = gw_arena_copy(reader->arena, gw_slice(text, len));
    return value;
}

static void *create_array(const redisReadTask *task, int count)
{
    struct gw_redis_reader *reader = task->privdata;
    size_t size = (size_t)count * sizeof(struct gw_redis_value *);
    struct gw_redis_value *value = add(task, GW_REDIS_ARRAY, size);

    if (!value)
        return NULL;
    value->count = (unsigned)count;
    value->elements = gw_arena_alloc_zero(reader->arena, size ? size : 1);
    return value;
}

static void *create_integer(const redisReadTask *task, long long integer)
{
    struct gw_redis_value *value = add(task, GW_REDIS_INTEGER, 0);

    if (value)
        value->integer = integer;
    return value;
}

static void *create_nil(const redisReadTask *task)
{
    return add(task, GW_REDIS_NIL, 0);
}

static void free_object(void *object)
{
    (void)object; /* the arena's */
}

static redisReplyObjectFunctions functions = {
    .createString = create_string,
    .createArray = create_array,
    .createInteger = create_integer,
    .createNil = create_nil,
    .freeObject = free_object,
};

/* ── the reader ── */

struct gw_redis_reader *gw_redis_reader_new(size_t max_bytes)
{
    struct gw_redis_reader *reader = gw_alloc_zero(sizeof(*reader));

    reader->hiredis = redisReaderCreateWithFunctions(&functions);
    GW_ASSERT(reader->hiredis);
    reader->hiredis->privdata = reader;
    reader->max_bytes = max_bytes;
    return reader;
}

void gw_redis_reader_free(struct gw_redis_reader *reader)
{
    if (!reader)
        return;
    redisReaderFree(reader->hiredis);
    gw_free(reader);
}

void gw_redis_reader_feed(struct gw_redis_reader *reader, struct gw_slice *bytes)
{
    size_t len = bytes->len < PIECE ? bytes->len : PIECE;

    if (!reader->broken && redisReaderFeed(reader->hiredis, bytes->ptr, len) != REDIS_OK)
        reader->broken = GW_REDIS_READ_TOO_LARGE;
    *bytes = gw_slice_skip(*bytes, len);
}

size_t gw_redis_reader_rest(const struct gw_redis_reader *reader)
{
    return reader->hiredis->len - reader->hiredis->pos;
}

/* Of a reply that is not whole: how much of it lies there, and whether a line ever ends. */
static enum gw_redis_read judge_rest(const struct gw_redis_reader *reader)
{
    const redisReader *hiredis = reader->hiredis;
    size_t rest = gw_redis_reader_rest(reader);

    if (rest > reader->max_bytes)
        return GW_REDIS_READ_TOO_LARGE;
    if (rest > LINE_MAX_BYTES && !memchr(hiredis->buf + hiredis->pos, '\n', LINE_MAX_BYTES))
        return GW_REDIS_READ_TOO_LARGE;
    return GW_REDIS_READ_MORE;
}

enum gw_redis_read gw_redis_reader_next(struct gw_redis_reader *reader, struct gw_arena *arena,
                                        struct gw_redis_value **value)
{
    void *reply = NULL;

    if (reader->broken)
        return reader->broken;
    reader->arena = arena;
    if (redisReaderGetReply(reader->hiredis, &reply) != REDIS_OK) {
        reader->broken = reader->too_large ? GW_REDIS_READ_TOO_LARGE : GW_REDIS_READ_MALFORMED;
        return reader->broken;
    }
    if (!reply) {
        reader->broken = judge_rest(reader);
        return reader->broken;
    }
    reader->used = 0;
    *value = reply;
    return GW_REDIS_READ_VALUE;
}

#else

bool gw_redis_available(void)
{
    return false;
}

bool gw_redis_write_command(struct gw_buf *buf, const struct gw_slice *parts, unsigned count)
{
    (void)buf;
    (void)parts;
    (void)count;
    return false;
}

struct gw_redis_reader *gw_redis_reader_new(size_t max_bytes)
{
    (void)max_bytes;
    GW_ASSERT(!"built without hiredis");
    return NULL;
}

void gw_redis_reader_free(struct gw_redis_reader *reader)
{
    (void)reader;
}

void gw_redis_reader_feed(struct gw_redis_reader *reader, struct gw_slice *bytes)
{
    (void)reader;
    (void)bytes;
}

size_t gw_redis_reader_rest(const struct gw_redis_reader *reader)
{
    (void)reader;
    return 0;
}

enum gw_redis_read gw_redis_reader_next(struct gw_redis_reader *reader, struct gw_arena *arena,
                                        struct gw_redis_value **value)
{
    (void)reader;
    (void)arena;
    (void)value;
    return GW_REDIS_READ_MALFORMED;
}

#endif
