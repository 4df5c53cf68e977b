/* Lines of the access log: whatever a request held, one line of JSON in UTF-8. The input's parts
 * stand in every text. */
#include "json_judge.h"

#include "telemetry/access_log.h"

/* The next part of the input, up to a byte 0xfe. */
static struct gw_slice part(struct gw_slice *rest)
{
    const char *end = rest->len ? memchr(rest->ptr, 0xfe, rest->len) : NULL;
    struct gw_slice text = gw_slice(rest->ptr, end ? (size_t)(end - rest->ptr) : rest->len);

    *rest = gw_slice_skip(*rest, text.len + 1);
    return text;
}

GW_FUZZ_TARGET(access_log)
{
    char *owned, *line = malloc(GW_ACCESS_LINE_MAX);
    struct gw_slice rest = fuzz_copy(data, size, &owned);
    struct fuzz_choice choice = fuzz_choice(data, size);
    struct gw_access_record record = { .grpc_status = -1,
                                       .wall_us = (int64_t)fuzz_pick(&choice, SIZE_MAX / 4),
                                       .status = (int)fuzz_pick(&choice, 600),
                                       .duration_us = (int64_t)fuzz_pick(&choice, SIZE_MAX / 4) - 9,
                                       .bytes_in = fuzz_pick(&choice, SIZE_MAX),
                                       .rewrite_us = -1,
                                       .body_us = (int64_t)fuzz_pick(&choice, 5000000) };
    struct gw_slice *texts[] = { &record.path,     &record.method,         &record.route,
                                 &record.service,  &record.correlation_id, &record.consumer,
                                 &record.upstream, &record.client_ip,      &record.error,
                                 &record.host,     &record.user_agent };

    for (size_t i = 0; i < GW_ARRAY_LEN(texts); i++)
        *texts[i] = part(&rest);

    size_t len = gw_access_log_format(line, &record);

    FUZZ_CHECK(len > 0 && len <= GW_ACCESS_LINE_MAX && line[len - 1] == '\n', "length %zu", len);
    FUZZ_CHECK(memchr(line, '\n', len) == line + len - 1, "two lines: %.*s", (int)len, line);
    FUZZ_CHECK(fuzz_is_json(gw_slice(line, len - 1)), "%.*s", (int)len, line);
    free(line);
    free(owned);
    return 0;
}
