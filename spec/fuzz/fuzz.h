#pragma once
/* One fuzz target a file. The same function is called by libFuzzer (preset `fuzz`, where it is
 * LLVMFuzzerTestOneInput of its own program) and, in every build, by spec/unit/fuzz/corpus_spec.lua
 * for each file of spec/fuzz/corpus/<target>/ (there it is gw_fuzz_<target>, inside gw-spec).
 *
 * A target checks what must hold for any input and ends the process where it does not. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

#ifdef GW_LIBFUZZER
#define GW_FUZZ_TARGET(name)                                                                       \
    int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);                                  \
    int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
#else
#define GW_FUZZ_TARGET(name)                                                                       \
    int gw_fuzz_##name(const uint8_t *data, size_t size);                                          \
    int gw_fuzz_##name(const uint8_t *data, size_t size)
#endif

/* What must hold for any input. `...` is a printf of what was seen. */
#define FUZZ_CHECK(condition, ...)                                                                 \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: does not hold: %s: ", __FILE__, __LINE__, #condition);         \
            fprintf(stderr, __VA_ARGS__);                                                          \
            fprintf(stderr, "\n");                                                                 \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* Two texts that must be the same; both are shown. */
static inline void fuzz_check_same(const char *what, struct gw_slice a, struct gw_slice b)
{
    FUZZ_CHECK(gw_slice_equal(a, b), "%s:\n--- one\n%.*s\n--- other\n%.*s\n---", what,
               GW_SLICE_ARG(a), GW_SLICE_ARG(b));
}

/* The input as a slice over a copy of its exact size, so that a byte read too far is seen. */
static inline struct gw_slice fuzz_copy(const uint8_t *data, size_t size, char **owned)
{
    *owned = malloc(size ? size : 1);
    if (size)
        memcpy(*owned, data, size);
    return gw_slice(*owned, size);
}

/* The same numbers for the same input: where to cut it, which of several ways to go. */
struct fuzz_choice {
    uint64_t state;
};

static inline struct fuzz_choice fuzz_choice(const uint8_t *data, size_t size)
{
    struct fuzz_choice choice = { 14695981039346656037ull };

    for (size_t i = 0; i < size; i++) /* FNV-1a */
        choice.state = (choice.state ^ data[i]) * 1099511628211ull;
    choice.state |= 1;
    return choice;
}

/* 0 … below - 1 */
static inline size_t fuzz_pick(struct fuzz_choice *choice, size_t below)
{
    choice->state ^= choice->state << 13; /* xorshift64 */
    choice->state ^= choice->state >> 7;
    choice->state ^= choice->state << 17;
    return below ? (size_t)(choice->state % below) : 0;
}
