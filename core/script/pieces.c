#include "script/pieces.h"

#include "base/alloc.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

/* Only what was used takes memory. Enough for what hooks leave behind between two rounds of the
 * collector; it bounds what sizes that nobody wants any more can hold back. Mapped, so that
 * nothing of it stays behind when another generation comes. */
#define REGION_SIZE ((size_t)4 * 1024 * 1024)

/* In front of each block; keeps what is behind it aligned as malloc() does. */
struct block {
    _Alignas(max_align_t) struct gw_list_node node;
};

void gw_pieces_init(struct gw_pieces *pieces)
{
    *pieces = (struct gw_pieces){ .start = NULL };
    gw_list_init(&pieces->blocks);
}

void gw_pieces_open(struct gw_pieces *pieces)
{
    void *region = mmap(NULL, REGION_SIZE, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (region == MAP_FAILED)
        return; /* slower, and nothing else */
    pieces->start = pieces->at = region;
    pieces->end = pieces->start + REGION_SIZE;
}

static void free_block(struct block *block)
{
    gw_list_remove(&block->node);
    gw_free(block);
}

void gw_pieces_deinit(struct gw_pieces *pieces)
{
    struct gw_list_node *node;

    while ((node = gw_list_first(&pieces->blocks)))
        free_block(container_of(node, struct block, node));
    if (pieces->start)
        munmap(pieces->start, REGION_SIZE);
    gw_pieces_init(pieces);
}

static void *take_block(struct gw_pieces *pieces, size_t size)
{
    struct block *block = gw_alloc(sizeof(*block) + size);

    block->node = (struct gw_list_node){ NULL, NULL };
    gw_list_append(&pieces->blocks, &block->node);
    return block + 1;
}

static struct block *block_of(void *ptr)
{
    return (struct block *)ptr - 1;
}

static void *resize_block(struct gw_pieces *pieces, void *ptr, size_t size)
{
    struct block *block = block_of(ptr);

    gw_list_remove(&block->node);
    block = gw_realloc(block, sizeof(*block) + size);
    gw_list_append(&pieces->blocks, &block->node);
    return block + 1;
}

static bool is_piece(const struct gw_pieces *pieces, const void *ptr)
{
    return (uintptr_t)ptr - (uintptr_t)pieces->start <
           (uintptr_t)pieces->end - (uintptr_t)pieces->start;
}

static size_t class_of(size_t size)
{
    return (size - 1) / GW_PIECES_STEP;
}

static void *take(struct gw_pieces *pieces, size_t size)
{
    size_t class = class_of(size);

    if (size > GW_PIECES_MAX)
        return take_block(pieces, size);

    void **piece = pieces->free[class];

    if (piece) {
        pieces->free[class] = *piece;
        return piece;
    }
    size = (class + 1) * GW_PIECES_STEP;
    if ((size_t)(pieces->end - pieces->at) < size)
        return take_block(pieces, size);
    pieces->at += size;
    return pieces->at - size;
}

static void give_back(struct gw_pieces *pieces, void *ptr, size_t size)
{
    if (!is_piece(pieces, ptr)) {
        free_block(block_of(ptr));
        return;
    }
    *(void **)ptr = pieces->free[class_of(size)];
    pieces->free[class_of(size)] = ptr;
}

static void *move(struct gw_pieces *pieces, void *ptr, size_t old_size, size_t new_size)
{
    if (!is_piece(pieces, ptr))
        return resize_block(pieces, ptr, new_size);
    if (class_of(old_size) == class_of(new_size))
        return ptr;

    void *moved = take(pieces, new_size);

    memcpy(moved, ptr, old_size < new_size ? old_size : new_size);
    give_back(pieces, ptr, old_size);
    return moved;
}

void *gw_pieces_resize(struct gw_pieces *pieces, void *ptr, size_t old_size, size_t new_size)
{
    if (new_size == 0) {
        if (ptr)
            give_back(pieces, ptr, old_size);
        return NULL;
    }
    return ptr ? move(pieces, ptr, old_size, new_size) : take(pieces, new_size);
}
