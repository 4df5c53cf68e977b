/* Frames of a WebSocket: what passes and how it ends does not depend on where the bytes were cut,
 * and what passes is a prefix of what came. The first byte says whose frames they are and by which
 * rules. */
#include "http/websocket.h"

#include "fuzz.h"

static enum gw_websocket_code read_all(struct gw_slice input, uint8_t how,
                                       struct fuzz_choice *choice, struct gw_buf *out)
{
    const struct gw_websocket_rules rules = {
        .utf8 = how & 1,
        .max_frame = how & 2 ? 40 : 0,
        .max_message = how & 4 ? 100 : 0,
    };
    struct gw_websocket_reader reader;
    size_t at = 0;

    gw_websocket_reader_init(&reader, &rules, how & 8, how & 16);
    while (at < input.len) {
        size_t most = choice ? 1 + fuzz_pick(choice, 20) : input.len;
        size_t len = input.len - at < most ? input.len - at : most;
        char *piece = malloc(len);

        memcpy(piece, input.ptr + at, len);

        struct gw_websocket_passed passed = gw_websocket_read(&reader, gw_slice(piece, len));

        FUZZ_CHECK(passed.len <= len, "%zu of %zu", passed.len, len);
        gw_buf_append(out, passed.held);
        gw_buf_append(out, gw_slice(piece, passed.len));
        free(piece);
        if (passed.code)
            return passed.code;
        at += len;
    }
    return GW_WEBSOCKET_FINE;
}

/* A frame is judged by its header: a payload that is no text, or a bad Close, is heard of in the
 * middle of it, and how much of it had passed depends on the cut. */
GW_FUZZ_TARGET(websocket)
{
    struct fuzz_choice choice = fuzz_choice(data, size);
    struct gw_buf whole, pieces;
    char *owned;
    struct gw_slice input = gw_slice_skip(fuzz_copy(data, size, &owned), 1);
    uint8_t how = size ? data[0] : 0;

    gw_buf_init(&whole, SIZE_MAX / 2);
    gw_buf_init(&pieces, SIZE_MAX / 2);

    enum gw_websocket_code one = read_all(input, how, NULL, &whole);
    enum gw_websocket_code other = read_all(input, how, &choice, &pieces);
    struct gw_slice a = gw_buf_slice(&whole), b = gw_buf_slice(&pieces);
    size_t common = a.len < b.len ? a.len : b.len;

    FUZZ_CHECK(one == other, "%d or %d", (int)one, (int)other);
    FUZZ_CHECK(a.len <= input.len && (a.len == 0 || memcmp(a.ptr, input.ptr, a.len) == 0),
               "%zu bytes", a.len);
    FUZZ_CHECK(common == 0 || memcmp(a.ptr, b.ptr, common) == 0, "%zu bytes", common);
    FUZZ_CHECK(one || a.len == b.len, "%zu or %zu bytes", a.len, b.len);
    gw_buf_deinit(&whole);
    gw_buf_deinit(&pieces);
    free(owned);
    return 0;
}
