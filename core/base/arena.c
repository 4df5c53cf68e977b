#include "base/arena.h"

#include "base/alloc.h"
#include "base/check.h"

#include <stdio.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define GW_ARENA_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define GW_ARENA_ASAN 1
#endif
#endif

#ifdef GW_ARENA_ASAN
#include <sanitizer/asan_interface.h>
#define poison(ptr, size) __asan_poison_memory_region(ptr, size)
#define unpoison(ptr, size) __asan_unpoison_memory_region(ptr, size)
/* Under ASan a freed arena must not come back at once, or a use after free would go unseen. */
#define SPARE_MAX 0
#else
#define poison(ptr, size) ((void)0)
#define unpoison(ptr, size) ((void)0)
#define SPARE_MAX 64
#endif

#define BLOCK_SIZE 4096 /* a whole block, its header included */
#define ALIGN 16

struct block {
    struct block *next;
    size_t size; /* of the whole block */
    size_t used; /* from the start of the block */
};

struct gw_arena {
    struct block *head; /* where the next piece comes from */
    size_t total;
};

/* Freed first blocks, kept for the next request of this thread: an arena costs no malloc in steady
 * state. */
static _Thread_local struct block *spare;
static _Thread_local int spare_count;

static size_t round_up(size_t size)
{
    GW_ASSERT(size <= SIZE_MAX - ALIGN);
    return (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
}

static struct block *block_new(size_t payload)
{
    size_t size = round_up(sizeof(struct block)) + payload;
    struct block *block;

    if (size <= BLOCK_SIZE && spare) {
        block = spare;
        spare = block->next;
        spare_count--;
    } else {
        size = size < BLOCK_SIZE ? BLOCK_SIZE : size;
        block = gw_alloc(size);
        block->size = size;
    }
    block->next = NULL;
    block->used = round_up(sizeof(struct block));
    poison((char *)block + block->used, block->size - block->used);
    return block;
}

static void block_free(struct block *block)
{
    unpoison(block, block->size);
    if (block->size == BLOCK_SIZE && spare_count < SPARE_MAX) {
        block->next = spare;
        spare = block;
        spare_count++;
        return;
    }
    gw_free(block);
}

static void *block_take(struct block *block, size_t size)
{
    void *ptr = (char *)block + block->used;

    block->used += size;
    unpoison(ptr, size);
    return ptr;
}

struct gw_arena *gw_arena_new(void)
{
    struct block *block = block_new(0);
    struct gw_arena *arena = block_take(block, round_up(sizeof(struct gw_arena)));

    arena->head = block;
    arena->total = block->size;
    return arena;
}

void gw_arena_free(struct gw_arena *arena)
{
    if (!arena)
        return;
    struct block *block = arena->head;

    while (block) {
        struct block *next = block->next;

        block_free(block);
        block = next;
    }
}

GW_SELDOM static void *take_from_new_block(struct gw_arena *arena, size_t size)
{
    size_t rounded = round_up(size);
    struct block *head = arena->head, *block = block_new(rounded);

    arena->total += block->size;
    if (block->size > BLOCK_SIZE) {
        /* A big piece gets a block of its own behind the head, whose rest stays in use. */
        block->next = head->next;
        head->next = block;
    } else {
        block->next = head;
        arena->head = block;
    }
    return block_take(block, rounded);
}

void *gw_arena_alloc(struct gw_arena *arena, size_t size)
{
    struct block *head = arena->head;

    size += size == 0; /* a place of its own */
    /* What is left of a block is a multiple of ALIGN: what fits, fits rounded up. */
    if (size <= head->size - head->used)
        return block_take(head, (size + ALIGN - 1) & ~(size_t)(ALIGN - 1));
    return take_from_new_block(arena, size);
}

void *gw_arena_alloc_zero(struct gw_arena *arena, size_t size)
{
    return memset(gw_arena_alloc(arena, size), 0, size);
}

struct gw_slice gw_arena_copy(struct gw_arena *arena, struct gw_slice slice)
{
    GW_ASSERT(slice.len < SIZE_MAX);
    char *copy = gw_arena_alloc(arena, slice.len + 1);

    if (slice.len)
        memcpy(copy, slice.ptr, slice.len);
    copy[slice.len] = '\0';
    return gw_slice(copy, slice.len);
}

struct gw_slice gw_arena_printf(struct gw_arena *arena, const char *format, ...)
{
    va_list args;
    va_list again;

    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    GW_ASSERT(len >= 0);
    char *text = gw_arena_alloc(arena, (size_t)len + 1);

    vsnprintf(text, (size_t)len + 1, format, again);
    va_end(again);
    return gw_slice(text, (size_t)len);
}

struct gw_slice gw_arena_number(struct gw_arena *arena, uint64_t number)
{
    char digits[20];
    size_t at = sizeof(digits);

    do
        digits[--at] = (char)('0' + number % 10);
    while (number /= 10);
    return gw_arena_copy(arena, gw_slice(digits + at, sizeof(digits) - at));
}

size_t gw_arena_size(const struct gw_arena *arena)
{
    return arena->total;
}

void gw_arena_trim(void)
{
    while (spare) {
        struct block *next = spare->next;

        gw_free(spare);
        spare = next;
    }
    spare_count = 0;
}
