#pragma once
/* Memory of one request: many small pieces, freed all at once. Not thread-safe; belongs to one
 * worker. */
#include "base/slice.h"

#include <stdarg.h>

struct gw_arena;

/* Owned by the caller until gw_arena_free(). The first block comes with it (one allocation, or none
 * when the thread has a spare one). */
struct gw_arena *gw_arena_new(void);

/* Everything that was allocated from it is gone with it. `arena` may be NULL. */
void gw_arena_free(struct gw_arena *arena);

/* Aligned for any type, contents undefined; lives in the arena. */
void *gw_arena_alloc(struct gw_arena *arena, size_t size)
    __attribute__((alloc_size(2), returns_nonnull));

void *gw_arena_alloc_zero(struct gw_arena *arena, size_t size)
    __attribute__((alloc_size(2), returns_nonnull));

/* Copies the bytes into the arena, with a NUL behind them that does not count. */
struct gw_slice gw_arena_copy(struct gw_arena *arena, struct gw_slice slice);

/* Like printf, into the arena; a NUL stands behind. */
struct gw_slice gw_arena_printf(struct gw_arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* In decimal, for the hot path: printf takes a thousand instructions. */
struct gw_slice gw_arena_number(struct gw_arena *arena, uint64_t number);

/* Bytes held from the system: for limits and for the tests. */
size_t gw_arena_size(const struct gw_arena *arena);

/* Gives the thread's spare blocks back; call it before a thread ends. */
void gw_arena_trim(void);
