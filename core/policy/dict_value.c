/* Values, and the entries that hold them. */
#include "base/alloc.h"
#include "policy/dict_private.h"

/* --- values --- */

static bool is_small(const struct gw_dict_value *value)
{
    return value->type != GW_DICT_STRING || value->len <= GW_DICT_SMALL_MAX;
}

size_t gw_dict_inline_size(const struct gw_dict_value *value)
{
    return value->type == GW_DICT_STRING && is_small(value) ? value->len : 0;
}

size_t gw_dict_blob_cost(const struct gw_dict_value *value)
{
    return is_small(value) ? 0 : gw_table_cost(sizeof(struct gw_blob) + value->len + 1);
}

void gw_dict_content_init(struct gw_dict_content *content, char *data,
                          const struct gw_dict_value *value)
{
    content->type = (uint8_t)value->type;
    content->len = value->type == GW_DICT_STRING ? (uint32_t)value->len : 0;
    if (value->type != GW_DICT_STRING)
        content->number = value->number;
    else if (!is_small(value))
        content->blob = gw_blob_new(gw_slice(value->ptr, value->len));
    else if (value->len)
        memcpy(data, value->ptr, value->len);
}

void gw_dict_content_deinit(struct gw_dict_content *content)
{
    if (content->type == GW_DICT_STRING && content->len > GW_DICT_SMALL_MAX)
        gw_blob_unref(content->blob);
}

void gw_dict_content_get(const struct gw_dict_content *content, const char *data,
                         struct gw_dict_got *got)
{
    got->type = content->type;
    got->len = content->len;
    got->blob = NULL;
    got->ptr = got->small;
    if (content->type != GW_DICT_STRING) {
        got->number = content->number;
    } else if (content->len > GW_DICT_SMALL_MAX) {
        got->blob = gw_blob_ref(content->blob);
        got->ptr = got->blob->data;
    } else {
        memcpy(got->small, data, content->len);
    }
}

void gw_dict_got_release(struct gw_dict_got *got)
{
    gw_blob_unref(got->blob);
    got->blob = NULL;
}

/* --- entries --- */

size_t gw_dict_entry_cost(struct gw_slice key, const struct gw_dict_value *value)
{
    size_t size = sizeof(struct gw_dict_entry) + key.len;

    return value ? gw_table_cost(size + gw_dict_inline_size(value)) + gw_dict_blob_cost(value)
                 : gw_table_cost(size);
}

struct gw_dict_entry *gw_dict_entry_new(struct gw_slice key, const struct gw_dict_value *value)
{
    size_t inline_size = value ? gw_dict_inline_size(value) : 0;
    struct gw_dict_entry *entry = gw_alloc(sizeof(*entry) + key.len + inline_size);

    *entry = (struct gw_dict_entry){
        .base = { .bytes = gw_dict_entry_cost(key, value), .key = gw_slice(entry->data, key.len) },
        .content.type = GW_DICT_LIST,
    };
    memcpy(entry->data, key.ptr, key.len);
    if (value)
        gw_dict_content_init(&entry->content, entry->data + key.len, value);
    else
        gw_list_init(&entry->items);
    return entry;
}

void gw_dict_entry_free(struct gw_table_entry *base)
{
    struct gw_dict_entry *entry = gw_dict_entry(base);

    if (entry->content.type == GW_DICT_LIST) {
        GW_LIST_EACH(&entry->items, node) {
            struct gw_dict_item *item = container_of(node, struct gw_dict_item, node);

            gw_dict_content_deinit(&item->content);
            gw_free(item);
        }
    }
    gw_dict_content_deinit(&entry->content);
    gw_free(entry);
}
