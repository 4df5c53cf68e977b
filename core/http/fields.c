#include "http/fields.h"

#include "base/check.h"

#define FIRST_CAPACITY 16

/* Only keeps most names from being compared byte by byte; nothing is looked up by it, so it need
 * not resist chosen names. */
uint32_t gw_fields_hash(struct gw_slice name)
{
    if (name.len == 0)
        return 0;
    const unsigned char *bytes = (const unsigned char *)name.ptr;

    return (uint32_t)name.len ^ (uint32_t)bytes[0] << 24 ^ (uint32_t)bytes[name.len / 2] << 16 ^
           (uint32_t)bytes[name.len - 1] << 8;
}

static bool is_named(const struct gw_field *field, struct gw_slice name, uint32_t hash)
{
    return field->hash == hash && gw_slice_equal(field->name, name);
}

static void reserve(struct gw_fields *fields, struct gw_arena *arena, unsigned capacity)
{
    if (capacity <= fields->capacity)
        return;
    struct gw_field *items = gw_arena_alloc(arena, capacity * sizeof(*items));

    if (fields->count)
        memcpy(items, fields->items, fields->count * sizeof(*items));
    fields->items = items;
    fields->capacity = capacity;
}

static void append(struct gw_fields *fields, struct gw_slice name, struct gw_slice value)
{
    fields->items[fields->count++] =
        (struct gw_field){ .name = name, .value = value, .hash = gw_fields_hash(name) };
}

GW_SELDOM static void grow_and_append(struct gw_fields *fields, struct gw_arena *arena,
                                      struct gw_slice name, struct gw_slice value)
{
    GW_ASSERT(fields->capacity <= UINT32_MAX / 2);
    reserve(fields, arena, fields->capacity ? fields->capacity * 2 : FIRST_CAPACITY);
    append(fields, name, value);
}

void gw_fields_add(struct gw_fields *fields, struct gw_arena *arena, struct gw_slice name,
                   struct gw_slice value)
{
    if (fields->count == fields->capacity)
        grow_and_append(fields, arena, name, value);
    else
        append(fields, name, value);
}

void gw_fields_set(struct gw_fields *fields, struct gw_arena *arena, struct gw_slice name,
                   struct gw_slice value)
{
    uint32_t hash = gw_fields_hash(name);
    unsigned kept = 0;
    bool found = false;

    for (unsigned i = 0; i < fields->count; i++) {
        struct gw_field field = fields->items[i];

        if (is_named(&field, name, hash)) {
            if (found)
                continue;
            found = true;
            field.value = value;
        }
        fields->items[kept++] = field;
    }
    fields->count = kept;
    if (!found)
        gw_fields_add(fields, arena, name, value);
}

unsigned gw_fields_remove(struct gw_fields *fields, struct gw_slice name)
{
    uint32_t hash = gw_fields_hash(name);
    unsigned kept = 0;

    for (unsigned i = 0; i < fields->count; i++)
        if (!is_named(&fields->items[i], name, hash))
            fields->items[kept++] = fields->items[i];

    unsigned removed = fields->count - kept;

    fields->count = kept;
    return removed;
}

const struct gw_slice *gw_fields_nth(const struct gw_fields *fields, struct gw_slice name,
                                     unsigned n)
{
    uint32_t hash = gw_fields_hash(name);

    for (unsigned i = 0; i < fields->count; i++)
        if (is_named(&fields->items[i], name, hash) && n-- == 0)
            return &fields->items[i].value;
    return NULL;
}

const struct gw_slice *gw_fields_get(const struct gw_fields *fields, struct gw_slice name)
{
    return gw_fields_nth(fields, name, 0);
}

unsigned gw_fields_count(const struct gw_fields *fields, struct gw_slice name)
{
    uint32_t hash = gw_fields_hash(name);
    unsigned count = 0;

    for (unsigned i = 0; i < fields->count; i++)
        count += is_named(&fields->items[i], name, hash);
    return count;
}

static bool list_has(struct gw_slice list, struct gw_slice token)
{
    struct gw_slice item;

    while (gw_slice_next(&list, ',', &item))
        if (gw_slice_equal_nocase(item, token))
            return true;
    return false;
}

bool gw_fields_has_token(const struct gw_fields *fields, struct gw_slice name,
                         struct gw_slice token)
{
    uint32_t hash = gw_fields_hash(name);

    for (unsigned i = 0; i < fields->count; i++)
        if (is_named(&fields->items[i], name, hash) && list_has(fields->items[i].value, token))
            return true;
    return false;
}

void gw_fields_copy(struct gw_fields *to, struct gw_arena *arena, const struct gw_fields *from)
{
    *to = (struct gw_fields){ 0 };
    if (from->count == 0)
        return;
    reserve(to, arena, from->count + 8); /* a copy is made to be changed */
    memcpy(to->items, from->items, from->count * sizeof(*from->items));
    to->count = from->count;
}

void gw_fields_copy_deep(struct gw_fields *to, struct gw_arena *arena, const struct gw_fields *from)
{
    gw_fields_copy(to, arena, from);
    for (unsigned i = 0; i < to->count; i++) {
        to->items[i].name = gw_arena_copy(arena, to->items[i].name);
        to->items[i].value = gw_arena_copy(arena, to->items[i].value);
    }
}
