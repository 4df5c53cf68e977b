/* Fields between two hops, as text: nothing forged passes in any spelling, what was protected
 * stays, and what we say of the client is ours alone. */
#include "fuzz.h"

#include "http/hop.h"
#include "http/token.h"

/* As a server reads it that takes "_" and "." for "-". */
static void lenient(struct gw_slice name, char out[64])
{
    size_t len = name.len < 63 ? name.len : 63;

    for (size_t i = 0; i < len; i++)
        out[i] = name.ptr[i] == '_' || name.ptr[i] == '.' ? '-' : name.ptr[i];
    while (len && out[len - 1] == '-')
        len--;
    out[len] = '\0';
}

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static void check_clean(const struct gw_fields *fields)
{
    for (unsigned i = 0; i < fields->count; i++) {
        struct gw_slice name = fields->items[i].name;
        char text[64];

        lenient(name, text);
        FUZZ_CHECK(!begins(text, "x-consumer-") && !begins(text, "x-credential-") &&
                       !begins(text, "x-authenticated-") && !begins(text, "x-anonymous-consumer"),
                   "identity: %.*s", GW_SLICE_ARG(name));
        FUZZ_CHECK(!gw_slice_equal(name, GW_SLICE("proxy")) &&
                       !gw_slice_equal(name, GW_SLICE("te")) &&
                       !gw_slice_equal(name, GW_SLICE("keep-alive")) &&
                       !gw_slice_equal(name, GW_SLICE("proxy-connection")),
                   "hop-by-hop: %.*s", GW_SLICE_ARG(name));
    }
}

static void check_forwarded(const struct gw_fields *fields)
{
    unsigned ours = 0;

    for (unsigned i = 0; i < fields->count; i++) {
        char text[64];

        lenient(fields->items[i].name, text);
        if (!begins(text, "x-forwarded") && strcmp(text, "x-real-ip") != 0 &&
            strcmp(text, "forwarded") != 0)
            continue;
        ours++;
        FUZZ_CHECK(begins(text, "x-forwarded-") || strcmp(text, "x-real-ip") == 0, "%s", text);
    }
    FUZZ_CHECK(ours == 5, "%u fields say who the client is", ours);
    fuzz_check_same("client", *gw_fields_get(fields, GW_SLICE("x-forwarded-for")),
                    GW_SLICE("192.0.2.1"));
    fuzz_check_same("client", *gw_fields_get(fields, GW_SLICE("x-real-ip")), GW_SLICE("192.0.2.1"));
    fuzz_check_same("scheme", *gw_fields_get(fields, GW_SLICE("x-forwarded-proto")),
                    GW_SLICE("http"));
}

/* "name: value" lines; the codec has lowered the names and judged every byte before we see them. */
static void read_fields(struct gw_slice rest, struct gw_fields *fields, struct gw_arena *arena)
{
    struct gw_slice line;

    while (gw_slice_next(&rest, '\n', &line)) {
        const char *colon = line.len ? memchr(line.ptr, ':', line.len) : NULL;

        if (!colon)
            continue;

        struct gw_slice name = gw_slice(line.ptr, (size_t)(colon - line.ptr));
        struct gw_slice value = gw_slice_trim(gw_slice_skip(line, name.len + 1));

        if (gw_field_name_valid(name) && gw_field_value_valid(value))
            gw_fields_add(fields, arena, name, value);
    }
}

GW_FUZZ_TARGET(hop)
{
    static const struct gw_slice kept[] = {
        { "authorization", 13 }, { "cookie", 6 }, { "content-type", 12 }, { "origin", 6 }
    };
    char *owned;
    struct gw_arena *arena = gw_arena_new();
    struct gw_fields fields = { 0 }, before;
    const struct gw_slice *connection;
    struct gw_forwarded forwarded = { .client_ip = GW_SLICE("192.0.2.1"),
                                      .scheme = GW_SLICE("http"),
                                      .authority = GW_SLICE("[::1]:80"),
                                      .port = 80 };

    read_fields(fuzz_copy(data, size, &owned), &fields, arena);
    before = (struct gw_fields){ 0 };
    gw_fields_copy(&before, arena, &fields);
    for (unsigned n = 0; (connection = gw_fields_nth(&before, GW_SLICE("connection"), n)); n++)
        if (!gw_hop_remove_named(&fields, *connection))
            goto out; /* the request is refused */
    for (size_t i = 0; i < GW_ARRAY_LEN(kept); i++)
        FUZZ_CHECK(gw_fields_count(&fields, kept[i]) == gw_fields_count(&before, kept[i]),
                   "Connection took %.*s", GW_SLICE_ARG(kept[i]));
    gw_hop_clean_request(&fields);
    check_clean(&fields);
    gw_hop_set_forwarded(&fields, arena, &forwarded);
    check_clean(&fields);
    check_forwarded(&fields);
out:
    gw_arena_free(arena);
    free(owned);
    return 0;
}
