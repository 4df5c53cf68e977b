#pragma once
/* What must hold. GW_ASSERT is for our own mistakes, never for what a peer sent: it stays in
 * release builds, because a gateway that goes on with a broken invariant leaks one client's bytes
 * to another. */
#include <stddef.h>

#define GW_ASSERT(condition)                                                                       \
    do {                                                                                           \
        if (__builtin_expect(!(condition), 0))                                                     \
            gw_check_failed(#condition, __FILE__, __LINE__, __func__);                             \
    } while (0)

/* Of a function for what happens seldom: it stays out of its caller, which is small then. */
#define GW_SELDOM __attribute__((noinline))

/* From a pointer to a member to the struct that holds it. */
#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#define GW_ARRAY_LEN(array) (sizeof(array) / sizeof((array)[0]))

/* Writes the failed condition and aborts. `gw_check_on_fail` may add a line about what was
 * running. */
_Noreturn void gw_check_failed(const char *condition, const char *file, int line,
                               const char *function);

/* Called once, before the abort, from whatever thread failed; may only write to stderr. */
extern void (*gw_check_on_fail)(void);
