/* Responses as a service may send them: to a GET, a HEAD, a CONNECT and to a request for an
 * upgrade. */
#include "h1_wire.h"

/* What was understood, sent to a client of ours, is understood as the same. The writer adds a Date
 * and says nothing of how the body was marked off. */
static void check_written(const struct fuzz_message *message, const char *method)
{
    struct fuzz_reading written, again;
    struct gw_fields *fields;

    fuzz_write_response(&written, message, method);
    fuzz_read_response(&again, gw_buf_slice(&written.answers), FUZZ_WHOLE, method, false);
    FUZZ_CHECK(again.count == 1 && again.messages[0].error == GW_OK && again.messages[0].head,
               "%.*s\n--- is read as\n%.*s", GW_SLICE_ARG(gw_buf_slice(&written.answers)),
               GW_SLICE_ARG(gw_buf_slice(&again.text)));

    const struct fuzz_message *read = &again.messages[0];

    FUZZ_CHECK(read->head->status == message->head->status, "status");
    fuzz_check_same("body", gw_buf_slice(&message->body), gw_buf_slice(&read->body));
    fields = &read->head->fields;
    if (!gw_fields_get(&message->head->fields, GW_SLICE("date")))
        gw_fields_remove(fields, GW_SLICE("date"));
    FUZZ_CHECK(fields->count == message->head->fields.count, "fields:\n%.*s",
               GW_SLICE_ARG(gw_buf_slice(&written.answers)));
    for (unsigned i = 0; i < fields->count; i++)
        fuzz_check_same("field", message->head->fields.items[i].value, fields->items[i].value);
    fuzz_reading_free(&again);
    fuzz_reading_free(&written);
}

static void check(struct gw_slice bytes, const char *method, bool upgrade)
{
    struct fuzz_reading whole, cut;

    fuzz_read_response(&whole, bytes, FUZZ_WHOLE, method, upgrade);
    for (enum fuzz_cut how = FUZZ_BYTES; how <= FUZZ_PIECES; how++) {
        if (how == FUZZ_BYTES && bytes.len > 120)
            continue;
        fuzz_read_response(&cut, bytes, how, method, upgrade);
        fuzz_check_same("cut elsewhere", gw_buf_slice(&whole.text), gw_buf_slice(&cut.text));
        FUZZ_CHECK(whole.kept == cut.kept, "kept:\n%.*s", GW_SLICE_ARG(gw_buf_slice(&whole.text)));
        fuzz_reading_free(&cut);
    }
    FUZZ_CHECK(!whole.kept || !whole.messages[whole.count - 1].error, "kept after an error");
    if (!upgrade && strcmp(method, "CONNECT") != 0 &&
        whole.messages[whole.count - 1].error == GW_OK)
        check_written(&whole.messages[whole.count - 1], method);
    fuzz_reading_free(&whole);
}

GW_FUZZ_TARGET(h1_response)
{
    char *owned;
    struct gw_slice bytes = fuzz_copy(data, size, &owned);

    check(bytes, "GET", false);
    check(bytes, "HEAD", false);
    check(bytes, "GET", true);
    check(bytes, "CONNECT", false);
    free(owned);
    return 0;
}
