/* Lists of a dictionary: a list is one entry, and leaves as one. */
#include "base/alloc.h"
#include "policy/dict_private.h"

static size_t item_cost(const struct gw_dict_value *value)
{
    return gw_table_cost(sizeof(struct gw_dict_item) + gw_dict_inline_size(value)) +
           gw_dict_blob_cost(value);
}

static struct gw_dict_item *new_item(const struct gw_dict_value *value)
{
    struct gw_dict_item *item = gw_alloc(sizeof(*item) + gw_dict_inline_size(value));

    *item = (struct gw_dict_item){ .bytes = item_cost(value) };
    gw_dict_content_init(&item->content, item->data, value);
    return item;
}

static void free_item(struct gw_dict_item *item)
{
    gw_dict_content_deinit(&item->content);
    gw_free(item);
}

/* MISSING when there is no list. */
static enum gw_dict_result push(struct gw_dict *dict, struct gw_table_place *place, bool first,
                                struct gw_dict_item *item, uint32_t *length)
{
    if (!place->entry)
        return GW_DICT_MISSING;
    struct gw_dict_entry *entry = gw_dict_entry(place->entry);

    if (entry->content.type != GW_DICT_LIST)
        return GW_DICT_WRONG_TYPE;
    if (entry->base.bytes + item->bytes > gw_table_entry_max(dict->table))
        return GW_DICT_TOO_LARGE;
    if (first)
        gw_list_prepend(&entry->items, &item->node);
    else
        gw_list_append(&entry->items, &item->node);
    entry->base.bytes += item->bytes;
    *length = ++entry->item_count;
    return GW_DICT_FINE;
}

/* Makes the list unless somebody else did meanwhile. */
static enum gw_dict_result begin(struct gw_dict *dict, struct gw_slice key, bool first,
                                 struct gw_dict_item *item, uint64_t now_us, uint32_t *length)
{
    struct gw_table_place place;

    if (!gw_table_reserve(dict->table, gw_dict_entry_cost(key, NULL), now_us))
        return GW_DICT_TOO_LARGE;
    struct gw_dict_entry *entry = gw_dict_entry_new(key, NULL);

    gw_table_lock(dict->table, key, now_us, &place);
    bool missing = !place.entry;

    if (missing)
        gw_table_put(&place, &entry->base);
    enum gw_dict_result result = push(dict, &place, first, item, length);

    gw_table_unlock(&place);
    if (!missing) {
        gw_table_give_back(dict->table, entry->base.bytes);
        gw_dict_entry_free(&entry->base);
    }
    return result;
}

enum gw_dict_result gw_dict_push(struct gw_dict *dict, struct gw_slice key, bool first,
                                 const struct gw_dict_value *value, uint64_t now_us,
                                 uint32_t *length)
{
    struct gw_table_place place;

    if (gw_dict_key_is_bad(key))
        return GW_DICT_BAD_KEY;
    if (!gw_table_reserve(dict->table, item_cost(value), now_us))
        return GW_DICT_TOO_LARGE;
    struct gw_dict_item *item = new_item(value);

    gw_table_lock(dict->table, key, now_us, &place);
    enum gw_dict_result result = push(dict, &place, first, item, length);

    gw_table_unlock(&place);
    if (result == GW_DICT_MISSING)
        result = begin(dict, key, first, item, now_us, length);
    if (result != GW_DICT_FINE) {
        gw_table_give_back(dict->table, item->bytes);
        free_item(item);
    }
    return result;
}

/* The list is there and not empty. */
static struct gw_dict_item *take(struct gw_table_place *place, bool first)
{
    struct gw_dict_entry *entry = gw_dict_entry(place->entry);
    struct gw_list_node *node = first ? gw_list_first(&entry->items) : gw_list_last(&entry->items);
    struct gw_dict_item *item = container_of(node, struct gw_dict_item, node);

    gw_list_remove(node);
    entry->base.bytes -= item->bytes;
    if (--entry->item_count == 0)
        gw_table_remove(place);
    return item;
}

static enum gw_dict_result check_list(const struct gw_table_place *place)
{
    if (!place->entry)
        return GW_DICT_MISSING;
    return gw_dict_entry(place->entry)->content.type == GW_DICT_LIST ? GW_DICT_FINE
                                                                     : GW_DICT_WRONG_TYPE;
}

enum gw_dict_result gw_dict_pop(struct gw_dict *dict, struct gw_slice key, bool first,
                                uint64_t now_us, struct gw_dict_got *got)
{
    struct gw_table_place place;
    struct gw_dict_item *item = NULL;

    got->type = GW_DICT_NOTHING;
    got->blob = NULL;
    if (gw_dict_key_is_bad(key))
        return GW_DICT_BAD_KEY;
    gw_table_lock(dict->table, key, now_us, &place);
    enum gw_dict_result result = check_list(&place);

    if (result == GW_DICT_FINE)
        item = take(&place, first);
    gw_table_unlock(&place);
    if (!item)
        return result;
    gw_dict_content_get(&item->content, item->data, got);
    gw_table_give_back(dict->table, item->bytes);
    free_item(item);
    return GW_DICT_FINE;
}

enum gw_dict_result gw_dict_length(struct gw_dict *dict, struct gw_slice key, uint64_t now_us,
                                   uint32_t *length)
{
    struct gw_table_place place;

    *length = 0;
    if (gw_dict_key_is_bad(key))
        return GW_DICT_BAD_KEY;
    gw_table_lock(dict->table, key, now_us, &place);
    enum gw_dict_result result = check_list(&place);

    if (result == GW_DICT_FINE)
        *length = gw_dict_entry(place.entry)->item_count;
    gw_table_unlock(&place);
    return result;
}
