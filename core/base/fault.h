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
/*    point             name                 fails with     what fails */
#define GW_FAULTS_ALL(X)                                                                           \
    X(CONN_OPEN,        "conn.open",        ENOMEM,        "taking over a connection's descriptor")\
    X(CONN_READ,        "conn.read",        ECONNRESET,    "a read")                               \
    X(CONN_READ_SHORT,  "conn.read.short",  EAGAIN,        "nothing: the read gives one byte")     \
    X(CONN_WRITE,       "conn.write",       ECONNRESET,    "a write")                              \
    X(CONN_WRITE_SHORT, "conn.write.short", EAGAIN,        "nothing: the write takes one byte")    \
    X(CONN_WRITE_FULL,  "conn.write.full",  EAGAIN,        "nothing: the write takes no byte yet") \
    X(CONN_WRITE_LATER, "conn.write.later", EPIPE,         "a write that had to wait")             \
    X(ACCEPT,           "accept",           EMFILE,        "accepting a connection")               \
    X(LISTENER,         "listener",         ENOMEM,        "watching a listening socket")          \
    X(SOCKET,           "socket",           EMFILE,        "making a socket")                      \
    X(BIND,             "bind",             EADDRINUSE,    "bind()")                               \
    X(LISTEN,           "listen",           EADDRINUSE,    "listen()")                             \
    X(CONNECT,          "connect",          EADDRNOTAVAIL, "connecting, at once")                  \
    X(CONNECT_LATER,    "connect.later",    ECONNREFUSED,  "connecting, in the end")               \
    X(TLS,              "tls",              EPROTO,        "a step of a TLS handshake")            \
    X(TLS_ENGINE,       "tls.engine",       ENOMEM,        "an engine for TLS to a service")       \
    X(TLS_CONTEXT,      "tls.context",      ENOMEM,        "making a context for TLS")             \
    X(DNS_START,        "dns.start",        ENOMEM,        "starting the resolver")                \
    X(DNS_WATCH,        "dns.watch",        EMFILE,        "watching a socket of the resolver")    \
    X(DNS_ANSWER,       "dns.answer",       ETIMEDOUT,     "an answer of the resolver")            \
    X(LOOP,             "loop",             EMFILE,        "making an event loop")                 \
    X(MAILBOX,          "mailbox",          EMFILE,        "making what wakes a loop")             \
    X(THREAD,           "thread",           EAGAIN,        "starting a thread")                    \
    X(SIGNAL,           "signal",           EMFILE,        "watching a signal")                    \
    X(WATCH,            "watch",            ENOSPC,        "watching a folder")                    \
    X(LOG_OPEN,         "log.open",         ENOSPC,        "opening a log")                        \
    X(LOG_WRITE,        "log.write",        ENOSPC,        "writing to a log")                     \
    X(LOG_WRITE_SHORT,  "log.write.short",  EAGAIN,        "nothing: the log takes one byte")      \
    X(LOG_WAKE,         "log.wake",         EMFILE,        "making what wakes the log writer")     \
    X(SINK_OPEN,        "sink.open",        ENOSPC,        "opening a sink's file")                \
    X(SINK_WRITE,       "sink.write",       ENOSPC,        "writing to a sink's file")             \
    X(SINK_SEND,        "sink.send",        ECONNREFUSED,  "sending a sink's datagram")            \
    X(LUA_STATE,        "lua.state",        ENOMEM,        "making a Lua state")                   \
    X(LUA_MEMORY,       "lua.memory",       ENOMEM,        "memory for plugins' Lua")              \
    X(LUA_OPEN,         "lua.open",         EMFILE,        "io.open and loadfile")                 \
    X(ZONE_ROOM,        "zone.room",        ENOMEM,        "room in a zone")                       \
    X(STORE_OPEN,       "store.open",       EACCES,        "opening the file of quotas")           \
    X(STORE_LOCK,       "store.lock",       EACCES,        "opening the lock of that file")        \
    X(STORE_READ,       "store.read",       EIO,           "reading a key from it")                \
    X(STORE_WRITE,      "store.write",      ENOSPC,        "writing to it")                        \
    X(REGEX,            "regex",            ENOMEM,        "compiling a pattern")                  \
    X(FORK,             "fork",             EAGAIN,        "starting a worker process")            \
    X(CHANNEL_OPEN,     "channel.open",     EMFILE,        "making a channel to a worker process") \
    X(CHANNEL_SEND,     "channel.send",     ENOBUFS,       "a word between supervisor and worker") \
    X(CHANNEL_TELL,     "channel.tell",     ENOBUFS,       "an order of the supervisor")          \
    X(CHANNEL_PASS,     "channel.pass",     ETOOMANYREFS,  "passing a socket to a worker process") \
    X(CHANNEL_TAKE,     "channel.take",     EMFILE,        "taking a socket that was passed")      \
    X(CHANNEL_WATCH,    "channel.watch",    EMFILE,        "watching the channel to the supervisor")\
    X(EXEC,             "exec",             ENOMEM,        "becoming another program")             \
    X(UPGRADE_STATE,    "upgrade.state",    ENFILE,        "keeping what the next program needs")  \
    X(SIGNAL_FD,        "signal.fd",        EMFILE,        "listening to signals as supervisor")
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

/* Has plan and counts in that file, for all processes that share it; the first makes it. NULL: for
 * oneself again. False when it cannot be had, or another build made it. */
bool gw_fault_share(const char *path);

/* Takes the plan in $GW_FAULT, or shares $GW_FAULT_FILE; every point that fails says so on standard
 * error, once. False when it cannot be read, which is said there, too. */
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
