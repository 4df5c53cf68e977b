#pragma once
/* Failing on purpose: points where the system or a library can say no. Builds with GW_FAULTS (the
 * presets of tests) can be told which of them fail, and when; elsewhere a point is the plain call.
 *
 *     GW_FAULT=conn.write:7 build/dev/moongate run        the 7th write fails
 *     GW_FAULT='accept=ENOMEM:3-5,conn.read:*,connect:10%,seed:4'
 *
 * A plan is a list of POINT[=ERRNO]:WHEN, where WHEN is a number (the n-th time, from 1), a range
 * (3-5, or 3- without end), * for always, or a share in percent, drawn from `seed`. */
#ifndef GW_CDEF
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#endif

/* clang-format off */
/*    point             name                 fails with  what fails */
#define GW_FAULTS_ALL(X)                                                                           \
    X(CONN_OPEN,        "conn.open",         ENOMEM,     "taking over a descriptor")              \
    X(CONN_READ,        "conn.read",         ECONNRESET, "a read")                                \
    X(CONN_READ_SHORT,  "conn.read.short",   EAGAIN,     "nothing: the read gives one byte")      \
    X(CONN_WRITE,       "conn.write",        ECONNRESET, "a write")                               \
    X(CONN_WRITE_SHORT, "conn.write.short",  EAGAIN,     "nothing: the write takes one byte")     \
    X(CONN_WRITE_FULL,  "conn.write.full",   EAGAIN,     "nothing: the write takes no byte yet")  \
    X(CONN_WRITE_LATER, "conn.write.later",  EPIPE,      "a write that had to wait")
/* clang-format on */

enum gw_fault {
#define X(point, name, error, about) GW_FAULT_##point,
    GW_FAULTS_ALL(X)
#undef X
    GW_FAULT_COUNT
};

/* The functions are there only with GW_FAULTS: code that releases have, too, uses the macros. */

/* Takes a plan; counting begins anew. "" or NULL: nothing fails. False, the reason in `why`, when
 * it cannot be read; nothing fails then. */
bool gw_fault_set(const char *plan, char *why, size_t why_size);

/* Takes the plan in $GW_FAULT; every point that fails says so on standard error, once. False when
 * it cannot be read, which is said there, too. */
bool gw_fault_set_from_environment(void);

/* How often anything failed since the last plan. */
uint64_t gw_fault_fired(void);

/* How often a point was passed since the last plan. */
uint64_t gw_fault_passed(enum gw_fault point);

/* Passes a point, from any thread. True: it is to fail, and errno says with what. */
bool gw_fault_hit(enum gw_fault point);

#ifndef GW_CDEF

#ifdef GW_FAULTS
#include <errno.h>

/* Whether this is to fail. */
#define GW_FAULT(point) gw_fault_hit(GW_FAULT_##point)

/* A call that says no by -1 and errno, by a negative errno (as libuv does), by an errno, or by
 * NULL. */
#define GW_FAULT_SYS(point, call) (gw_fault_hit(GW_FAULT_##point) ? -1 : (call))
#define GW_FAULT_UV(point, call) (gw_fault_hit(GW_FAULT_##point) ? -errno : (call))
#define GW_FAULT_ERRNO(point, call) (gw_fault_hit(GW_FAULT_##point) ? errno : (call))
#define GW_FAULT_NULL(point, call) (gw_fault_hit(GW_FAULT_##point) ? NULL : (call))
#else
#define GW_FAULT(point) false
#define GW_FAULT_SYS(point, call) (call)
#define GW_FAULT_UV(point, call) (call)
#define GW_FAULT_ERRNO(point, call) (call)
#define GW_FAULT_NULL(point, call) (call)
#endif

#endif
