#pragma once
/* What the files of a dictionary share. */
#include "base/blob.h"
#include "policy/dict.h"
#include "policy/table.h"

/* A string up to a kilobyte stands behind its owner, a longer one in a blob. */
struct gw_dict_content {
    uint8_t type;
    uint32_t len;
    union {
        double number;
        struct gw_blob *blob;
    };
};

struct gw_dict_item {
    struct gw_list_node node;
    struct gw_dict_content content;
    size_t bytes; /* what it costs its list */
    char data[];
};

struct gw_dict_entry {
    struct gw_table_entry base;
    struct gw_dict_content content;
    struct gw_list items; /* of a list */
    uint32_t item_count;
    char data[]; /* the key, then a small string */
};

struct gw_dict {
    struct gw_zone zone;
    struct gw_table *table;
};

static inline struct gw_dict_entry *gw_dict_entry(struct gw_table_entry *entry)
{
    return container_of(entry, struct gw_dict_entry, base);
}

static inline bool gw_dict_key_is_bad(struct gw_slice key)
{
    return key.len == 0 || key.len > GW_DICT_KEY_MAX;
}

/* Bytes that stand behind the owner. */
size_t gw_dict_inline_size(const struct gw_dict_value *value);

/* Bytes of the blob, or 0. */
size_t gw_dict_blob_cost(const struct gw_dict_value *value);

/* Copies the value; small strings go to `data`. */
void gw_dict_content_init(struct gw_dict_content *content, char *data,
                          const struct gw_dict_value *value);
void gw_dict_content_deinit(struct gw_dict_content *content);

/* `data` is where a small string stands. */
void gw_dict_content_get(const struct gw_dict_content *content, const char *data,
                         struct gw_dict_got *got);

/* An entry with a copy of the key and an empty list, or a value (then `value` is not NULL). */
struct gw_dict_entry *gw_dict_entry_new(struct gw_slice key, const struct gw_dict_value *value);
size_t gw_dict_entry_cost(struct gw_slice key, const struct gw_dict_value *value);
void gw_dict_entry_free(struct gw_table_entry *entry);
