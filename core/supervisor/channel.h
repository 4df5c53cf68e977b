#pragma once
/* What the supervisor and a worker process say to each other: messages of one size over a
 * SOCK_SEQPACKET pair, sockets beside them (SCM_RIGHTS). The two may be of different versions
 * while an upgrade runs: new kinds go to the end, the struct stays as it is. */
#include "net/addr.h"

#ifndef GW_CDEF
#include <stdbool.h>
#include <stdint.h>
#endif

/* Names the worker process's end in its environment: "FD RESTARTS". */
#define GW_CHANNEL_VARIABLE "MOONGATE_SUPERVISOR"

enum gw_channel_kind {
    GW_CHANNEL_UNKNOWN, /* of another version: to be passed over */

    /* from the worker process */
    GW_CHANNEL_GET,       /* a socket of `addr` for worker `index`, please */
    GW_CHANNEL_RELEASE,   /* `addr` is not wanted any more */
    GW_CHANNEL_READY,     /* it serves; `text` says what, for who asks systemd */
    GW_CHANNEL_RELOADING, /* a new configuration is being loaded; READY follows */
    GW_CHANNEL_LEAVING,   /* it stops by itself, takes no new connections, and will end */

    /* from the supervisor */
    GW_CHANNEL_SOCKET, /* the answer to GET: a descriptor and in `addr` where it is bound, or why
                          not in `text` */
    GW_CHANNEL_STOP,   /* like SIGTERM: end within drain_timeout; a second time: end now */
    GW_CHANNEL_RETIRE, /* another process serves: take no more, end when the last stream has */

    /* from the worker process */
    GW_CHANNEL_GET_KEPT, /* like GET, but only what is there already */
    GW_CHANNEL_ACCESS,   /* the unix socket `addr` is to be open to whom `text` says, "0660 GROUP".
                          The answer is SOCKET without a descriptor, and an empty text if it is */
};

#ifndef GW_CDEF

#define GW_CHANNEL_TEXT_MAX 256

struct gw_channel_message {
    uint32_t kind; /* enum gw_channel_kind */
    uint32_t index;
    uint32_t serial; /* of a question, and then of its answer */
    struct gw_addr addr;
    char text[GW_CHANNEL_TEXT_MAX];
};

enum gw_channel_result {
    GW_CHANNEL_GOT,
    GW_CHANNEL_NOTHING, /* not yet */
    GW_CHANNEL_CLOSED,  /* the other side is gone */
};

/* Both ends close on exec and never block. False, with errno, when there are no descriptors. */
bool gw_channel_open(int ends[2]);

/* `pass`: a descriptor that goes along, or -1; it stays the caller's. False when it did not go. */
bool gw_channel_send(int channel, const struct gw_channel_message *message, int pass);

/* A descriptor that came along is the caller's (*passed), else -1. */
enum gw_channel_result gw_channel_receive(int channel, struct gw_channel_message *message,
                                          int *passed);

#endif
