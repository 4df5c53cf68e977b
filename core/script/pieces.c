#include "script/pieces.h"

#include "base/alloc.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

/* Only what was used takes memory. Enough for what hooks leave behind between two rounds of the
 * collector; it bounds what sizes that nobody wants any more can hold back. Mapped, so that
 * nothing of it stays behind when another generation comes. */
#define REGION_SIZE ((size_t)4 * 1024 * 1024)

void gw_pieces_open(struct gw_pieces *pieces)
{
    void *region = mmap(NULL, REGION_SIZE, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (region == MAP_FAILED)
        return; /* slower, and nothing else */
    pieces->start = pieces->at = region;
    pieces->end = pieces->start + REGION_SIZE;
}

void gw_pieces_close(struct gw_pieces *pieces)
{
    if (pieces->start)
        munmap(pieces->start, REGION_SIZE);
    *pieces = (struct gw_pieces){ 0 };
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
        return gw_alloc(size);

    void **piece = pieces->free[class];

    if (piece) {
        pieces->free[class] = *piece;
        return piece;
    }
    size = (class + 1) * GW_PIECES_STEP;
    if ((size_t)(pieces->end - pieces->at) < size)
        return gw_alloc(size);
    pieces->at += size;
    return pieces->at - size;
}

static void give_back(struct gw_pieces *pieces, void *ptr, size_t size)
{
    if (!is_piece(pieces, ptr)) {
        gw_free(ptr);
        return;
    }
    *(void **)ptr = pieces->free[class_of(size)];
    pieces->free[class_of(size)] = ptr;
}

static void *move(struct gw_pieces *pieces, void *ptr, size_t old_size, size_t new_size)
{
    if (!is_piece(pieces, ptr))
        return gw_realloc(ptr, new_size);
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
