#pragma once
/* TLS as an engine: one side of one connection, ciphertext in and plain bytes out, plain bytes in
 * and records out. It knows no socket and no loop; conn_tls.c puts it into a connection.
 *
 * Every function works in a room that is lent for the call: what it made stands in there and is to
 * be taken out before the next call with it. */
#include "base/slice.h"

typedef struct ssl_st SSL; /* of OpenSSL */

struct gw_tls;

#define GW_TLS_RECORD_MAX 16384                 /* plain bytes of a record (RFC 8446 5.1) */
#define GW_TLS_READ_MAX (256 * 1024)            /* ciphertext given to one gw_tls_read() */
#define GW_TLS_RECORDS_SIZE (8 * (16384 + 512)) /* so much of the answer goes out at once */

/* Working memory of a thread, for all its connections. */
struct gw_tls_room {
    size_t plain_len;   /* what gw_tls_read() gave */
    size_t records_len; /* what is to be sent to the peer */
    char plain[GW_TLS_READ_MAX + 2 * GW_TLS_RECORD_MAX];
    char records[GW_TLS_RECORDS_SIZE];
    char joined[GW_TLS_RECORD_MAX]; /* small pieces on their way into one record */
};

enum gw_tls_result {
    GW_TLS_DONE,   /* what was asked for is done */
    GW_TLS_MORE,   /* the ciphertext is used up */
    GW_TLS_FULL,   /* the room is full: empty it and call again */
    GW_TLS_ENDED,  /* the peer ended its side (close_notify) */
    GW_TLS_FAILED, /* broken for good: gw_tls_failure(); an alert may stand in the room */
};

/* clang-format off */
/*    failure            for machines      for people */
#define GW_TLS_FAILURES(X)                                                                         \
    X(NONE,            "none",             "nothing failed")                                       \
    X(PLAIN_HTTP,      "plain_http",       "plain HTTP was sent to a port that speaks TLS")        \
    X(MALFORMED,       "malformed",        "what came is not TLS, or broken")                      \
    X(VERSION,         "version",          "no version of TLS in common")                          \
    X(CIPHER,          "cipher",           "no cipher suite or group in common")                   \
    X(PROTOCOL,        "protocol",         "no application protocol in common")                    \
    X(NAME,            "name",             "no certificate for the name that was asked for")       \
    X(NO_CERTIFICATE,  "no_certificate",   "the peer showed no certificate")                       \
    X(CERTIFICATE,     "certificate",      "the peer's certificate is not accepted")               \
    X(EXPIRED,         "expired",          "the peer's certificate has expired, or is not valid yet") \
    X(UNTRUSTED,       "untrusted",        "the peer's certificate is signed by nobody who is trusted") \
    X(HOST,            "host",             "the peer's certificate is for another name")           \
    X(ALERT,           "alert",            "the peer did not accept what it saw")                  \
    X(FLOOD,           "flood",            "the peer asks for too many new keys")                  \
    X(CLOSED,          "closed",           "the peer went away in the handshake")                  \
    X(SLOW,            "timeout",          "the handshake took too long")                          \
    X(INTERNAL,        "internal",         "the handshake could not be made")
/* clang-format on */

enum gw_tls_failure {
#define X(name, reason, text) GW_TLS_FAILURE_##name,
    GW_TLS_FAILURES(X)
#undef X
    GW_TLS_FAILURE_COUNT
};

const char *gw_tls_failure_reason(enum gw_tls_failure failure);
const char *gw_tls_failure_text(enum gw_tls_failure failure);

/* Takes `ssl` over, which knows its role, contexts and names. */
struct gw_tls *gw_tls_new(SSL *ssl);
void gw_tls_free(struct gw_tls *tls); /* NULL is fine */

/* What is kept alive with it: given back when it is freed. */
void gw_tls_on_free(struct gw_tls *tls, void (*on_free)(void *owner), void *owner);
void *gw_tls_owner(const struct gw_tls *tls);

/* Ciphertext that came is taken off the front of *in, as far as it was used; the engine keeps a
 * record that is not whole. */
enum gw_tls_result gw_tls_handshake(struct gw_tls *tls, struct gw_tls_room *room,
                                    struct gw_slice *in);

/* After the handshake. GW_TLS_DONE: the room's plain part is full. */
enum gw_tls_result gw_tls_read(struct gw_tls *tls, struct gw_tls_room *room, struct gw_slice *in);

/* After the handshake: makes records of the slices, from the byte *taken of them on, which it
 * moves. Small slices share a record. GW_TLS_DONE, GW_TLS_FULL or GW_TLS_FAILED. */
enum gw_tls_result gw_tls_write(struct gw_tls *tls, struct gw_tls_room *room,
                                const struct gw_slice *slices, unsigned count, size_t *taken);

/* Says that our side ends (close_notify); nothing is written after it. */
void gw_tls_shutdown(struct gw_tls *tls, struct gw_tls_room *room);

/* Nothing will come or go for a while: gives back what only busy engines need. */
void gw_tls_rest(struct gw_tls *tls);

bool gw_tls_is_client(const struct gw_tls *tls);
bool gw_tls_established(const struct gw_tls *tls); /* the handshake is done */
enum gw_tls_failure gw_tls_failure(const struct gw_tls *tls);

/* What OpenSSL said of the failure, for logs; static text, "" without one. */
const char *gw_tls_detail(const struct gw_tls *tls);

/* Tells why it is to fail; for callbacks of OpenSSL, which know no better word for it. */
void gw_tls_fail(struct gw_tls *tls, enum gw_tls_failure failure);

/* What both sides agreed to speak (ALPN), such as "h2"; empty: nothing. Lives as long as the
 * engine. */
struct gw_slice gw_tls_protocol(const struct gw_tls *tls);

SSL *gw_tls_ssl(const struct gw_tls *tls);
struct gw_tls *gw_tls_of_ssl(const SSL *ssl);
