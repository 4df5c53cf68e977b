/* Header fields as plugins see and change them: any case, "_" for "-" in look-ups, Host and
 * Content-Length told although the codec keeps them. */
#include "script/pdk_common.h"

#include <stdio.h>
#include <string.h>

#define FIELDS_MAX 1000

struct gw_slice gw_pdk_field_name(struct gw_arena *arena, struct gw_slice name, bool dashes)
{
    char *text = gw_arena_alloc(arena, name.len + 1);

    for (size_t i = 0; i < name.len; i++)
        text[i] = dashes && name.ptr[i] == '_' ? '-' : gw_lower(name.ptr[i]);
    text[name.len] = '\0';
    return gw_slice(text, name.len);
}

bool gw_pdk_is_framing(struct gw_slice name)
{
    static const char *const framing[] = {
        "content-length", "transfer-encoding", "connection", "keep-alive",       "te",
        "trailer",        "upgrade",           "expect",     "proxy-connection",
    };

    for (size_t i = 0; i < GW_ARRAY_LEN(framing); i++) {
        if (gw_slice_equal(name, gw_slice_from(framing[i])))
            return true;
    }
    return false;
}

enum gw_pdk_verdict gw_pdk_check_field(struct gw_slice name, struct gw_slice value)
{
    if (!gw_field_name_valid(name))
        return GW_PDK_BAD_NAME;
    if (!gw_field_value_valid(value))
        return GW_PDK_BAD_VALUE;
    return gw_pdk_is_framing(name) ? GW_PDK_FRAMING : GW_PDK_FINE;
}

/* --- reading --- */

/* NULL: there is no such head. A reply that a hook made in this phase is what will be sent. */
static struct gw_head *head_of(struct gw_pdk *h, int which)
{
    switch ((enum gw_pdk_head)which) {
    case GW_PDK_OF_REQUEST:
        return &h->x->request;
    case GW_PDK_OF_RESPONSE:
        return &h->x->response;
    case GW_PDK_OF_SERVICE:
        return h->x->received;
    case GW_PDK_TRAILERS:
        return NULL;
    }
    return NULL;
}

static struct gw_fields *fields_of(struct gw_pdk *h, int which)
{
    struct gw_head *head = head_of(h, which);

    if (which == GW_PDK_OF_RESPONSE && h->replied && h->x->reply)
        return &h->x->reply->fields;
    if (which == GW_PDK_TRAILERS)
        return h->x->received_trailers;
    return head ? &head->fields : NULL;
}

static struct gw_slice length_text(struct gw_pdk *h, const struct gw_head *head)
{
    if (!head || head->body_length < 0)
        return GW_SLICE_EMPTY;
    return gw_arena_printf(h->x->arena, "%lld", (long long)head->body_length);
}

/* Fields the codec keeps; empty when it is not one, or unknown. */
static struct gw_slice kept_field(struct gw_pdk *h, int which, struct gw_slice name)
{
    if (gw_slice_equal(name, GW_SLICE("host")))
        return which == GW_PDK_OF_REQUEST ? h->x->request.authority : GW_SLICE_EMPTY;
    if (gw_slice_equal(name, GW_SLICE("content-length")))
        return length_text(h, head_of(h, which));
    return GW_SLICE_EMPTY;
}

int gw_pdk_field(struct gw_pdk *h, int which, const char *name, size_t len)
{
    char lower[128];
    struct gw_fields *fields = fields_of(h, which);
    bool underscores = false;

    if (!fields || len == 0 || len > sizeof(lower))
        return 0;
    for (size_t i = 0; i < len; i++) {
        underscores |= name[i] == '_';
        lower[i] = name[i] == '_' ? '-' : gw_lower(name[i]);
    }

    const struct gw_slice *found = gw_fields_get(fields, gw_slice(lower, len));

    if (found)
        return gw_pdk_put(h, *found);
    if (underscores) { /* as it was sent */
        for (size_t i = 0; i < len; i++)
            lower[i] = gw_lower(name[i]);
        found = gw_fields_get(fields, gw_slice(lower, len));
        return found ? gw_pdk_put(h, *found) : 0;
    }

    struct gw_slice kept = kept_field(h, which, gw_slice(lower, len));

    return kept.len ? gw_pdk_put(h, kept) : 0;
}

int gw_pdk_field_at(struct gw_pdk *h, int which, uint32_t n)
{
    static const struct {
        const char *name;
    } kept[] = { { "host" }, { "content-length" } };
    struct gw_fields *fields = fields_of(h, which);

    if (!fields)
        return 0;
    for (size_t i = 0; i < GW_ARRAY_LEN(kept); i++) {
        struct gw_slice name = gw_slice_from(kept[i].name), value = kept_field(h, which, name);

        if (value.len == 0)
            continue;
        if (n-- == 0) {
            gw_pdk_put(h, name);
            gw_pdk_put_value(h, value);
            return 1;
        }
    }
    if (n >= fields->count)
        return 0;
    gw_pdk_put(h, fields->items[n].name);
    gw_pdk_put_value(h, fields->items[n].value);
    return 1;
}

static bool same_loosely(struct gw_slice a, struct gw_slice dashed)
{
    if (a.len != dashed.len)
        return false;
    for (size_t i = 0; i < a.len; i++) {
        if ((a.ptr[i] == '_' ? '-' : a.ptr[i]) != dashed.ptr[i])
            return false;
    }
    return true;
}

uint32_t gw_pdk_count_field(struct gw_pdk *h, int which, const char *name, size_t len)
{
    const struct gw_fields *fields = fields_of(h, which);
    struct gw_slice dashed = gw_pdk_field_name(h->x->arena, gw_slice(name, len), true);
    uint32_t count = kept_field(h, which, dashed).len > 0;

    for (unsigned i = 0; fields && i < fields->count; i++)
        count += same_loosely(fields->items[i].name, dashed);
    return count;
}

/* --- changing --- */

/* Servers take X_User for X-User: what is cleared or set goes in every spelling. */
static void clear(struct gw_fields *fields, struct gw_arena *arena, struct gw_slice name)
{
    struct gw_slice dashed = gw_pdk_field_name(arena, name, true);

    for (unsigned i = fields->count; i-- > 0;) {
        if (i < fields->count && same_loosely(fields->items[i].name, dashed))
            gw_fields_remove(fields, fields->items[i].name);
    }
}

static void edit_now(struct gw_pdk *h, struct gw_fields *fields, int edit, struct gw_slice name,
                     struct gw_slice value)
{
    if (edit != GW_PDK_ADD)
        clear(fields, h->x->arena, name);
    if (edit != GW_PDK_CLEAR)
        gw_fields_add(fields, h->x->arena, name, value);
}

static enum gw_edit_verb later_verb(int edit)
{
    return edit == GW_PDK_SET ? GW_EDIT_SET : edit == GW_PDK_ADD ? GW_EDIT_ADD : GW_EDIT_CLEAR;
}

int gw_pdk_edit(struct gw_pdk *h, int which, int edit, const char *name, size_t name_len,
                const char *value, size_t value_len)
{
    struct gw_slice lower = gw_pdk_field_name(h->x->arena, gw_slice(name, name_len), false);
    struct gw_slice text = gw_slice(value, value_len);
    enum gw_pdk_verdict verdict = gw_pdk_check_field(lower, text);
    struct gw_fields *fields = fields_of(h, which);

    if (verdict == GW_PDK_FRAMING && edit == GW_PDK_CLEAR)
        return GW_PDK_FINE; /* it is not here; the codec writes what is true */
    if (verdict)
        return verdict;
    if (which == GW_PDK_OF_REQUEST && gw_slice_equal(lower, GW_SLICE("host")))
        return edit == GW_PDK_CLEAR ? GW_PDK_FINE : gw_pdk_set_host(h, value, value_len);
    if (fields->count >= FIELDS_MAX && edit != GW_PDK_CLEAR)
        return GW_PDK_TOO_MANY;
    text = gw_pdk_keep(h, value, value_len);
    if (which == GW_PDK_OF_RESPONSE && h->phase != GW_PDK_RESPONSE)
        gw_edits_add(&h->x->response_edits, h->x->arena, later_verb(edit), lower, text);
    else
        edit_now(h, fields, edit, lower, text);
    return GW_PDK_FINE;
}
