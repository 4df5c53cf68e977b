#pragma once
/* Header fields: names in lower case, order and duplicates kept. Everything lives in an arena. */
#include "base/arena.h"
#include "base/slice.h"

struct gw_field {
    struct gw_slice name;
    struct gw_slice value;
    uint32_t hash; /* of the name: gw_fields_hash() */
};

struct gw_fields {
    struct gw_field *items;
    unsigned count;
    unsigned capacity;
};

/* `name` must be lower case already where it comes from us (a literal); name and value must live as
 * long as the arena. */
void gw_fields_add(struct gw_fields *fields, struct gw_arena *arena, struct gw_slice name,
                   struct gw_slice value);

/* Replaces all of that name by one, at the place of the first. */
void gw_fields_set(struct gw_fields *fields, struct gw_arena *arena, struct gw_slice name,
                   struct gw_slice value);

/* Returns how many were taken out. */
unsigned gw_fields_remove(struct gw_fields *fields, struct gw_slice name);

/* The first of that name (lower case), or NULL. Borrowed until the fields change. */
const struct gw_slice *gw_fields_get(const struct gw_fields *fields, struct gw_slice name);

unsigned gw_fields_count(const struct gw_fields *fields, struct gw_slice name);

/* The n-th (0 …) of that name, or NULL. */
const struct gw_slice *gw_fields_nth(const struct gw_fields *fields, struct gw_slice name,
                                     unsigned n);

/* True when a comma-separated list in any field of that name holds the token (no case). */
bool gw_fields_has_token(const struct gw_fields *fields, struct gw_slice name,
                         struct gw_slice token);

/* Copies the items, not the bytes. */
void gw_fields_copy(struct gw_fields *to, struct gw_arena *arena, const struct gw_fields *from);

uint32_t gw_fields_hash(struct gw_slice name);

/* Copies the bytes too. */
void gw_fields_copy_deep(struct gw_fields *to, struct gw_arena *arena,
                         const struct gw_fields *from);
