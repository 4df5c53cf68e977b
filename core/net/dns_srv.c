#include "net/dns_srv.h"

#include "base/alloc.h"

#include <ares.h>

#define HEADER_SIZE 12
#define RECORD_SIZE 10  /* after the owner: type, class, TTL, length of the data */
#define SRV_DATA_SIZE 7 /* priority, weight, port, and a name of one byte at least */
#define TYPE_CNAME 5
#define TYPE_SRV 33
#define CLASS_IN 1

struct reader {
    const unsigned char *bytes;
    size_t size, at;
    /* Whose records count: the name asked for, then what it is an alias of. */
    char wanted[GW_HOST_NAME_MAX + 1];
    size_t wanted_len;
};

struct record {
    char owner[GW_HOST_NAME_MAX + 1];
    size_t owner_len; /* 0: no name that a host could have */
    unsigned type, class;
    uint32_t ttl_s;
    size_t data, data_len; /* where in the packet */
};

static unsigned u16_at(const struct reader *reader, size_t at)
{
    return (unsigned)reader->bytes[at] << 8 | reader->bytes[at + 1];
}

/* The name that begins at `at`, in one spelling; *len is 0 where it is none of a host. Returns how
 * many bytes it has there, 0 when it is malformed. */
static size_t read_name(const struct reader *reader, size_t at, char out[GW_HOST_NAME_MAX + 1],
                        size_t *len)
{
    char *text = NULL;
    long size = 0;

    *len = 0;
    if (at >= reader->size || ares_expand_name(reader->bytes + at, reader->bytes, (int)reader->size,
                                               &text, &size) != ARES_SUCCESS)
        return 0;
    if (!gw_host_name_normalise(gw_slice_from(text), out, len))
        *len = 0;
    ares_free_string(text);
    return (size_t)size;
}

static bool read_question(struct reader *reader)
{
    size_t size = read_name(reader, reader->at, reader->wanted, &reader->wanted_len);

    reader->at += size + 4; /* type and class */
    return size > 0 && reader->at <= reader->size;
}

static bool read_record(struct reader *reader, struct record *record)
{
    size_t size = read_name(reader, reader->at, record->owner, &record->owner_len);

    if (size == 0 || reader->size - reader->at < size + RECORD_SIZE)
        return false;

    size_t at = reader->at + size;

    record->type = u16_at(reader, at);
    record->class = u16_at(reader, at + 2);
    record->ttl_s = (uint32_t)u16_at(reader, at + 4) << 16 | u16_at(reader, at + 6);
    if (record->ttl_s > INT32_MAX) /* RFC 2181, 8 */
        record->ttl_s = 0;
    record->data_len = u16_at(reader, at + 8);
    record->data = at + RECORD_SIZE;
    reader->at = record->data + record->data_len;
    return reader->at <= reader->size;
}

static bool is_wanted(const struct reader *reader, const struct record *record)
{
    return record->class == CLASS_IN && record->owner_len > 0 &&
           gw_slice_equal(gw_slice(record->owner, record->owner_len),
                          gw_slice(reader->wanted, reader->wanted_len));
}

static bool follow_alias(struct reader *reader, const struct record *record)
{
    return read_name(reader, record->data, reader->wanted, &reader->wanted_len) > 0;
}

static bool add_service(const struct reader *reader, const struct record *record, unsigned max,
                        struct gw_srv_list *list)
{
    struct gw_srv *srv = &list->items[list->count];
    size_t len;

    if (record->data_len < SRV_DATA_SIZE ||
        read_name(reader, record->data + SRV_DATA_SIZE - 1, srv->host, &len) == 0)
        return false;
    srv->priority = (uint16_t)u16_at(reader, record->data);
    srv->weight = (uint16_t)u16_at(reader, record->data + 2);
    srv->port = (uint16_t)u16_at(reader, record->data + 4);
    if (len > 0 && srv->port > 0 && list->count < max)
        list->count++;
    return true;
}

static bool read_answers(struct reader *reader, unsigned records, unsigned max,
                         struct gw_srv_list *list)
{
    for (unsigned i = 0; i < records; i++) {
        struct record record;

        if (!read_record(reader, &record))
            return false;
        if (!is_wanted(reader, &record))
            continue;
        if (record.type == TYPE_CNAME && !follow_alias(reader, &record))
            return false;
        if (record.type == TYPE_SRV && !add_service(reader, &record, max, list))
            return false;
        if ((record.type == TYPE_CNAME || record.type == TYPE_SRV) && record.ttl_s < list->ttl_s)
            list->ttl_s = record.ttl_s;
    }
    return true;
}

bool gw_srv_read(struct gw_slice packet, unsigned max, struct gw_srv_list *list)
{
    struct reader reader = { .bytes = (const unsigned char *)packet.ptr,
                             .size = packet.len,
                             .at = HEADER_SIZE };

    *list = (struct gw_srv_list){ .ttl_s = INT32_MAX };
    if (packet.len < HEADER_SIZE || packet.len > UINT16_MAX || u16_at(&reader, 4) != 1 ||
        !read_question(&reader))
        return false;

    unsigned records = u16_at(&reader, 6);

    /* One more than `max`: where the last one is read before it is found to be too many. */
    list->items = gw_alloc(((records < max ? records : max) + 1) * sizeof(*list->items));
    if (read_answers(&reader, records, max, list))
        return true;
    gw_free(list->items);
    *list = (struct gw_srv_list){ 0 };
    return false;
}
