#pragma once
/* Changes to a head that is not there yet: what hooks before the response want of its fields. Kept
 * in order and applied once, whoever makes the head. Everything lives in an arena; all zero means
 * none. */
#include "http/fields.h"

enum gw_edit_verb {
    GW_EDIT_SET, /* replaces all of that name */
    GW_EDIT_ADD,
    GW_EDIT_CLEAR,
};

struct gw_edit {
    struct gw_edit *next;
    enum gw_edit_verb verb;
    struct gw_slice name, value;
};

struct gw_edits {
    struct gw_edit *first, *last;
};

/* Name and value must be valid and live as long as the arena. */
void gw_edits_add(struct gw_edits *edits, struct gw_arena *arena, enum gw_edit_verb verb,
                  struct gw_slice name, struct gw_slice value);

/* Does them in order and forgets them: a second call changes nothing. */
void gw_edits_apply(struct gw_edits *edits, struct gw_fields *fields, struct gw_arena *arena);
