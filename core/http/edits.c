#include "http/edits.h"

void gw_edits_add(struct gw_edits *edits, struct gw_arena *arena, enum gw_edit_verb verb,
                  struct gw_slice name, struct gw_slice value)
{
    struct gw_edit *edit = gw_arena_alloc_zero(arena, sizeof(*edit));

    edit->verb = verb;
    edit->name = name;
    edit->value = value;
    if (edits->last)
        edits->last->next = edit;
    else
        edits->first = edit;
    edits->last = edit;
}

void gw_edits_apply(struct gw_edits *edits, struct gw_fields *fields, struct gw_arena *arena)
{
    for (const struct gw_edit *edit = edits->first; edit; edit = edit->next) {
        switch (edit->verb) {
        case GW_EDIT_SET:
            gw_fields_set(fields, arena, edit->name, edit->value);
            break;
        case GW_EDIT_ADD:
            gw_fields_add(fields, arena, edit->name, edit->value);
            break;
        case GW_EDIT_CLEAR:
            gw_fields_remove(fields, edit->name);
            break;
        }
    }
    *edits = (struct gw_edits){ NULL, NULL };
}
