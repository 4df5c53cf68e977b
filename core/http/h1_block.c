#include "http/h1_block.h"

#include "http/token.h"

void gw_h1_block_init(struct gw_h1_block *block)
{
    *block = (struct gw_h1_block){ 0 };
    gw_buf_init(&block->partial, SIZE_MAX / 2); /* the limit is that of the head, kept in feed() */
}

void gw_h1_block_deinit(struct gw_h1_block *block)
{
    gw_buf_deinit(&block->partial);
}

bool gw_h1_block_begun(const struct gw_h1_block *block)
{
    return block->partial.len > 0;
}

void gw_h1_block_clear(struct gw_h1_block *block)
{
    if (block->partial.data)
        gw_buf_deinit(&block->partial); /* idle connections hold nothing */
    gw_h1_block_init(block);
}

/* A line ends at `cr`. */
static enum gw_error end_line(struct gw_h1_block *block, const struct gw_h1_block_limits *limits,
                              const char *base, size_t cr, bool *whole)
{
    size_t len = cr - block->line;

    if (block->lines == 0 && len == 0) {
        if (!limits->skip_empty || block->skipped)
            return GW_E_BAD_REQUEST;
        block->skipped = true;
        block->start = cr + 2;
    } else if (block->lines == 0) {
        if (len > limits->first_line)
            return GW_E_TARGET_TOO_LONG;
        block->first_end = cr;
        block->lines = 1;
    } else if (len == 0) {
        *whole = true;
    } else {
        if (base[block->line] == ' ' || base[block->line] == '\t')
            return GW_E_BAD_REQUEST; /* obs-fold */
        if (block->lines++ > limits->lines)
            return GW_E_HEAD_TOO_LARGE;
    }
    block->line = block->at = cr + 2;
    return GW_OK;
}

/* Goes over the lines that are whole. */
static enum gw_error scan(struct gw_h1_block *block, const struct gw_h1_block_limits *limits,
                          const char *base, size_t len, bool *whole)
{
    while (!*whole) {
        size_t control = block->at + gw_find_control(base + block->at, len - block->at);

        block->at = control; /* a CR at the very end is looked at again with what follows */
        if (control < len && base[control] != '\r')
            return GW_E_BAD_REQUEST;
        if (control + 1 >= len) {
            if (block->lines == 0 && len - block->line > limits->first_line + 2)
                return GW_E_TARGET_TOO_LONG;
            return len - block->start > limits->bytes ? GW_E_HEAD_TOO_LARGE : GW_OK;
        }
        if (base[control + 1] != '\n')
            return GW_E_BAD_REQUEST;

        enum gw_error error = end_line(block, limits, base, control, whole);

        if (error)
            return error;
    }
    return block->at - block->start > limits->bytes ? GW_E_HEAD_TOO_LARGE : GW_OK;
}

enum gw_error gw_h1_block_feed(struct gw_h1_block *block, const struct gw_h1_block_limits *limits,
                               struct gw_slice *input, struct gw_slice *whole)
{
    size_t before = block->partial.len;
    struct gw_slice bytes = *input;
    bool done = false;

    *whole = GW_SLICE_EMPTY;
    if (before) {
        /* One byte over the limit is enough to see that it is passed. */
        size_t room = limits->bytes + 4 - (before < limits->bytes + 4 ? before : limits->bytes + 4);
        size_t take = bytes.len < room ? bytes.len : room;

        gw_buf_append(&block->partial, gw_slice(bytes.ptr, take));
        bytes = gw_buf_slice(&block->partial);
    }

    enum gw_error error = scan(block, limits, bytes.ptr, bytes.len, &done);

    if (error)
        return error;
    if (done) {
        *whole = gw_slice(bytes.ptr + block->start, block->at - block->start);
        *input = gw_slice_skip(*input, block->at - before);
        return GW_OK;
    }
    if (block->start ==
        bytes.len) { /* an empty line and nothing behind it: still between messages */
        gw_h1_block_clear(block);
        block->skipped = true;
    } else if (!before) {
        gw_buf_append(&block->partial, bytes);
    }
    *input = GW_SLICE_EMPTY;
    return GW_OK;
}

struct gw_slice gw_h1_block_first_line(const struct gw_h1_block *block, struct gw_slice input)
{
    struct gw_slice bytes = block->partial.len ? gw_buf_slice(&block->partial) : input;
    size_t end = block->first_end ? block->first_end : block->at;

    return end > block->start ? gw_slice(bytes.ptr + block->start, end - block->start)
                              : GW_SLICE_EMPTY;
}
