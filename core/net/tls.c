/* The engine: an SSL whose BIO reads from the slice of the current call and writes into its room.
 * OpenSSL never waits here: used up and full are ordinary results. */
#include "net/tls.h"

#include "base/alloc.h"
#include "base/check.h"
#include "base/fault.h"
#include "net/tls_failure.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <uv.h>

#define RECORD_ROOM (GW_TLS_RECORD_MAX + 512) /* a record and what may have to go before it */

/* Answers to key updates and the like: what a peer may make us say that it does not read. */
#define UNASKED_MAX (64 * 1024)

struct gw_tls {
    SSL *ssl;
    struct gw_slice *in; /* during a call */
    struct gw_tls_room *room;
    size_t unasked; /* bytes written while reading */
    unsigned long error;
    long verdict; /* on the server's certificate: X509_V_ERR_… */
    enum gw_tls_failure failure;
    bool begun;     /* its first byte came */
    bool keeps;     /* its buffers, until it rests */
    unsigned reads; /* since it rested */
    void (*on_free)(void *owner);
    void *owner;
};

/* ── the BIO ── */

static int bio_read(BIO *bio, char *to, size_t size, size_t *len)
{
    struct gw_tls *tls = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    if (!tls->in || tls->in->len == 0) {
        BIO_set_retry_read(bio);
        return 0;
    }
    *len = size < tls->in->len ? size : tls->in->len;
    memcpy(to, tls->in->ptr, *len);
    *tls->in = gw_slice_skip(*tls->in, *len);
    return 1;
}

static int bio_write(BIO *bio, const char *from, size_t size, size_t *len)
{
    struct gw_tls *tls = BIO_get_data(bio);
    size_t left = sizeof(tls->room->records) - tls->room->records_len;

    BIO_clear_retry_flags(bio);
    if (left == 0) {
        BIO_set_retry_write(bio);
        return 0;
    }
    *len = size < left ? size : left;
    memcpy(tls->room->records + tls->room->records_len, from, *len);
    tls->room->records_len += *len;
    return 1;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *method;

static void make_method(void)
{
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "moongate");
    GW_ASSERT(method);
    BIO_meth_set_read_ex(method, bio_read);
    BIO_meth_set_write_ex(method, bio_write);
    BIO_meth_set_ctrl(method, bio_ctrl);
}

/* ── buffers ── */

/* OpenSSL gives its buffers, twice 17 KiB, back with every record, so that idle connections are
 * cheap; for busy ones these are two large allocations a request. A few servers' engines of a
 * thread that are read from again and again keep theirs until they rest. */
#define KEEPERS_MAX 100
#define BUSY_READS 8

static _Thread_local unsigned keepers;

static void keep_buffers(struct gw_tls *tls)
{
    if (tls->keeps || ++tls->reads < BUSY_READS || keepers == KEEPERS_MAX || gw_tls_is_client(tls))
        return;
    tls->keeps = true;
    keepers++;
    SSL_clear_mode(tls->ssl, SSL_MODE_RELEASE_BUFFERS);
}

void gw_tls_rest(struct gw_tls *tls)
{
    tls->reads = 0;
    if (!tls->keeps)
        return;
    tls->keeps = false;
    keepers--;
    SSL_set_mode(tls->ssl, SSL_MODE_RELEASE_BUFFERS);
    SSL_free_buffers(tls->ssl); /* one that is in use goes with its record */
}

/* ── life ── */

struct gw_tls *gw_tls_new(SSL *ssl)
{
    static uv_once_t once = UV_ONCE_INIT;
    struct gw_tls *tls = gw_alloc_zero(sizeof(*tls));

    uv_once(&once, make_method);
    BIO *bio = BIO_new(method);

    GW_ASSERT(bio);
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl, bio, bio);
    SSL_set_app_data(ssl, tls);
    tls->ssl = ssl;
    return tls;
}

void gw_tls_free(struct gw_tls *tls)
{
    if (!tls)
        return;
    gw_tls_rest(tls);
    /* A session is still good when its connection just ended; only where TLS itself failed it is
     * given up. */
    if (!tls->failure)
        SSL_set_shutdown(tls->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(tls->ssl);
    if (tls->on_free)
        tls->on_free(tls->owner);
    gw_free(tls);
}

void gw_tls_on_free(struct gw_tls *tls, void (*on_free)(void *owner), void *owner)
{
    tls->on_free = on_free;
    tls->owner = owner;
}

void *gw_tls_owner(const struct gw_tls *tls)
{
    return tls->owner;
}

/* ── what went wrong ── */

static enum gw_tls_result fail(struct gw_tls *tls)
{
    tls->error = ERR_peek_error();
    if (!tls->failure)
        tls->failure = gw_tls_failure_of(tls->error);
    if (tls->failure == GW_TLS_FAILURE_CERTIFICATE && gw_tls_is_client(tls)) {
        tls->verdict = SSL_get_verify_result(tls->ssl);
        tls->failure = gw_tls_failure_of_verify(tls->verdict);
    }
    ERR_clear_error();
    return GW_TLS_FAILED;
}

enum gw_tls_failure gw_tls_failure(const struct gw_tls *tls)
{
    return tls->failure;
}

const char *gw_tls_detail(const struct gw_tls *tls)
{
    const char *text = tls->verdict ? X509_verify_cert_error_string(tls->verdict)
                       : tls->error ? ERR_reason_error_string(tls->error)
                                    : NULL;

    return text ? text : "";
}

void gw_tls_fail(struct gw_tls *tls, enum gw_tls_failure failure)
{
    tls->failure = failure;
}

/* ── calls ── */

static void begin(struct gw_tls *tls, struct gw_tls_room *room, struct gw_slice *in)
{
    tls->room = room;
    tls->in = in;
}

/* What somebody left there would be taken for ours by judge(). Clearing is not cheap. */
static void forget_errors(void)
{
    if (ERR_peek_error())
        ERR_clear_error();
}

static enum gw_tls_result judge(struct gw_tls *tls, int result)
{
    switch (SSL_get_error(tls->ssl, result)) {
    case SSL_ERROR_NONE:
        return GW_TLS_DONE;
    case SSL_ERROR_WANT_READ:
        return GW_TLS_MORE;
    case SSL_ERROR_WANT_WRITE:
        return GW_TLS_FULL;
    case SSL_ERROR_ZERO_RETURN:
        return GW_TLS_ENDED;
    default:
        return fail(tls);
    }
}

enum gw_tls_result gw_tls_handshake(struct gw_tls *tls, struct gw_tls_room *room,
                                    struct gw_slice *in)
{
    if (tls->failure)
        return GW_TLS_FAILED;
    /* Records begin with a small number, a request with its method. */
    if (!tls->begun && in->len && SSL_is_server(tls->ssl) && in->ptr[0] >= 'A' &&
        in->ptr[0] <= 'Z') {
        tls->failure = GW_TLS_FAILURE_PLAIN_HTTP;
        return GW_TLS_FAILED;
    }
    tls->begun = tls->begun || in->len;
    begin(tls, room, in);
    forget_errors();

    enum gw_tls_result result = GW_FAULT(TLS) ? fail(tls) : judge(tls, SSL_do_handshake(tls->ssl));

    if (result != GW_TLS_ENDED)
        return result;
    /* A close_notify in the clear: anybody on the way can send one. */
    tls->failure = GW_TLS_FAILURE_CLOSED;
    return GW_TLS_FAILED;
}

enum gw_tls_result gw_tls_read(struct gw_tls *tls, struct gw_tls_room *room, struct gw_slice *in)
{
    size_t before = room->records_len;
    enum gw_tls_result result = GW_TLS_DONE;

    if (tls->failure)
        return GW_TLS_FAILED;
    begin(tls, room, in);
    keep_buffers(tls);
    forget_errors();
    while (room->plain_len < sizeof(room->plain)) {
        size_t len = 0;

        if (!SSL_read_ex(tls->ssl, room->plain + room->plain_len,
                         sizeof(room->plain) - room->plain_len, &len)) {
            result = judge(tls, 0);
            break;
        }
        room->plain_len += len;
        if (in->len == 0 && SSL_pending(tls->ssl) == 0) { /* asking again would find that, too */
            result = GW_TLS_MORE;
            break;
        }
    }
    tls->unasked += room->records_len - before;
    if (tls->unasked <= UNASKED_MAX)
        return result;
    tls->failure = GW_TLS_FAILURE_FLOOD;
    return GW_TLS_FAILED;
}

/* The bytes of the next record: a part of a slice where that fills one or nothing follows, else
 * several parts put together. */
static struct gw_slice next_record(struct gw_tls_room *room, const struct gw_slice *slices,
                                   unsigned count, size_t from)
{
    struct gw_slice first = GW_SLICE_EMPTY;
    size_t len = 0;

    for (unsigned i = 0; i < count && len < GW_TLS_RECORD_MAX; i++) {
        struct gw_slice part = gw_slice_skip(slices[i], from);

        from -= slices[i].len - part.len;
        if (part.len > GW_TLS_RECORD_MAX - len)
            part.len = GW_TLS_RECORD_MAX - len;
        if (part.len == 0)
            continue;
        if (len == 0) {
            first = part;
        } else {
            if (first.len == len)
                memcpy(room->joined, first.ptr, len);
            memcpy(room->joined + len, part.ptr, part.len);
        }
        len += part.len;
    }
    return len == first.len ? first : gw_slice(room->joined, len);
}

enum gw_tls_result gw_tls_write(struct gw_tls *tls, struct gw_tls_room *room,
                                const struct gw_slice *slices, unsigned count, size_t *taken)
{
    struct gw_slice part;

    if (tls->failure)
        return GW_TLS_FAILED;
    begin(tls, room, NULL);
    while ((part = next_record(room, slices, count, *taken)).len) {
        size_t len = 0;

        if (sizeof(room->records) - room->records_len < RECORD_ROOM)
            return GW_TLS_FULL;
        if (!SSL_write_ex(tls->ssl, part.ptr, part.len, &len)) /* there was room: it is broken */
            return judge(tls, 0);
        *taken += len;
    }
    return GW_TLS_DONE;
}

void gw_tls_shutdown(struct gw_tls *tls, struct gw_tls_room *room)
{
    if (tls->failure || !gw_tls_established(tls))
        return;
    begin(tls, room, NULL);
    SSL_shutdown(tls->ssl);
    ERR_clear_error();
}

bool gw_tls_established(const struct gw_tls *tls)
{
    return SSL_is_init_finished(tls->ssl);
}

struct gw_slice gw_tls_protocol(const struct gw_tls *tls)
{
    const unsigned char *name = NULL;
    unsigned len = 0;

    SSL_get0_alpn_selected(tls->ssl, &name, &len);
    return gw_slice((const char *)name, len);
}

SSL *gw_tls_ssl(const struct gw_tls *tls)
{
    return tls->ssl;
}

struct gw_tls *gw_tls_of_ssl(const SSL *ssl)
{
    return SSL_get_app_data(ssl);
}

bool gw_tls_is_client(const struct gw_tls *tls)
{
    return !SSL_is_server(tls->ssl);
}
