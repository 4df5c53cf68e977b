#pragma once
/* Real HTTP/1 sessions on a memory pair, fed with bytes cut in different places. What they make of
 * them is written down as text, so that two readings can be compared. */
#include "fuzz.h"

#include "http/h1.h"

enum fuzz_cut {
    FUZZ_WHOLE,  /* in one piece */
    FUZZ_BYTES,  /* byte by byte */
    FUZZ_PIECES, /* in pieces that depend on the input */
};

#define FUZZ_MESSAGES_MAX 32

/* One message as a session told it. */
struct fuzz_message {
    struct gw_head *head; /* in the reading's arena */
    bool end;             /* no body follows the head */
    struct gw_buf body;
    struct gw_fields *trailers; /* the same; NULL: none */
    enum gw_error error;        /* GW_OK: it was whole */
    bool refused, tunnel;
};

struct fuzz_reading {
    struct gw_arena *arena;
    struct fuzz_message messages[FUZZ_MESSAGES_MAX];
    unsigned count;
    struct gw_buf text;    /* all of it, for comparing */
    struct gw_buf answers; /* what the session sent */
    bool kept;             /* a client: it may carry another request */
};

void fuzz_reading_free(struct fuzz_reading *reading);

/* Requests: a server session that answers each with "ok", then the client ends. */
void fuzz_read_requests(struct fuzz_reading *reading, struct gw_slice bytes, enum fuzz_cut cut);

/* A response to a request of that method (`upgrade`: that asked for one), then the server ends. */
void fuzz_read_response(struct fuzz_reading *reading, struct gw_slice bytes, enum fuzz_cut cut,
                        const char *method, bool upgrade);

/* The message as a client session sends it, in reading->answers. */
void fuzz_write_request(struct fuzz_reading *reading, const struct fuzz_message *message);

/* The message as a server session sends it to a request of that method. */
void fuzz_write_response(struct fuzz_reading *reading, const struct fuzz_message *message,
                         const char *method);

/* A message as text. */
void fuzz_describe(struct gw_buf *out, const struct fuzz_message *message);

/* Everything that must hold for bytes a client may send. */
void fuzz_check_requests(struct gw_slice bytes);
