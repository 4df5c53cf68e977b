#include "base/alloc.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Noreturn void out_of_memory(size_t size)
{
    fprintf(stderr, "moongate: out of memory: cannot get %zu bytes\n", size);
    abort();
}

void *gw_alloc(size_t size)
{
    void *ptr = malloc(size ? size : 1);

    if (!ptr)
        out_of_memory(size);
    return ptr;
}

void *gw_alloc_zero(size_t size)
{
    void *ptr = calloc(1, size ? size : 1);

    if (!ptr)
        out_of_memory(size);
    return ptr;
}

void *gw_realloc(void *ptr, size_t size)
{
    void *moved = realloc(ptr, size ? size : 1);

    if (!moved)
        out_of_memory(size);
    return moved;
}

char *gw_strndup(const char *text, size_t len)
{
    if (len == SIZE_MAX)
        out_of_memory(len);
    char *copy = gw_alloc(len + 1);

    if (len)
        memcpy(copy, text, len);
    copy[len] = '\0';
    return copy;
}

void gw_free(void *ptr)
{
    free(ptr);
}
