#pragma once
/* Memory from the heap. None of these returns NULL: out of memory ends the process (and the
 * supervisor starts a new one). What a peer can make grow must have its own limit, so that it never
 * comes to that. */
#include <stddef.h>

/* Owned by the caller until gw_free(). Contents undefined. */
void *gw_alloc(size_t size) __attribute__((malloc, alloc_size(1), returns_nonnull));

/* The same, filled with zeros. */
void *gw_alloc_zero(size_t size) __attribute__((malloc, alloc_size(1), returns_nonnull));

/* Like realloc(3); `ptr` may be NULL. `size` must not be 0. */
void *gw_realloc(void *ptr, size_t size) __attribute__((alloc_size(2), returns_nonnull));

/* A copy with a NUL behind it; owned by the caller. */
char *gw_strndup(const char *text, size_t len) __attribute__((malloc, returns_nonnull));

/* `ptr` may be NULL. Set the pointer to NULL in the same line. */
void gw_free(void *ptr);
