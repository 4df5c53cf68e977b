/* What a service hears of the certificate its client has shown: as Client-Cert (RFC 9440), or as
 * Envoy says it. Only of one that was verified; what clients say of themselves was taken away. */
#include "base/buf.h"
#include "base/encode.h"
#include "config/config.h"
#include "net/tls_certificate.h"
#include "proxy/flight.h"

#define HEADER_MAX 16384 /* a certificate that does not fit is not told */
#define NAMES_MAX 20

/* A byte sequence of structured fields (RFC 8941 3.3.5). */
static struct gw_slice as_bytes(const X509 *certificate, struct gw_arena *arena)
{
    struct gw_slice der = gw_tls_certificate_text(certificate, GW_TLS_CERTIFICATE_DER, arena);

    if (der.len == 0 || gw_base64_length(der.len) + 2 > HEADER_MAX)
        return GW_SLICE_EMPTY;
    char *text = gw_arena_alloc(arena, gw_base64_length(der.len) + 2);
    size_t len = gw_base64_encode(der, false, text + 1);

    text[0] = text[len + 1] = ':';
    return gw_slice(text, len + 2);
}

static bool can_be_quoted(struct gw_slice text)
{
    return !memchr(text.ptr, '"', text.len) && !memchr(text.ptr, '\\', text.len);
}

/* Hash=…;Subject="…";URI="…";DNS="…" */
static struct gw_slice as_envoy_says(const X509 *certificate, struct gw_arena *arena)
{
    struct gw_slice name, text;
    const char *kind;
    struct gw_buf out;

    gw_buf_init(&out, HEADER_MAX);
    bool fits = gw_buf_printf(
        &out, "Hash=%.*s;Subject=\"%.*s\"",
        GW_SLICE_ARG(gw_tls_certificate_text(certificate, GW_TLS_CERTIFICATE_FINGERPRINT, arena)),
        GW_SLICE_ARG(gw_tls_certificate_text(certificate, GW_TLS_CERTIFICATE_SUBJECT, arena)));

    for (unsigned n = 0;
         fits && n < NAMES_MAX && gw_tls_certificate_name(certificate, n, &kind, &name, arena); n++)
        if (kind[0] != 'e' && can_be_quoted(name)) /* of e-mail addresses Envoy knows nothing */
            fits = gw_buf_printf(&out, ";%s=\"%.*s\"", kind, GW_SLICE_ARG(name));
    text = fits ? gw_arena_copy(arena, gw_buf_slice(&out)) : GW_SLICE_EMPTY;
    gw_buf_deinit(&out);
    return text;
}

void gw_flight_tell_certificate(const struct gw_exchange *x, enum gw_certificate_header header,
                                struct gw_fields *fields)
{
    const struct gw_tls_facts *tls = x->tls;
    struct gw_slice name = GW_SLICE("client-cert"), value;

    if (header == GW_CERTIFICATE_HEADER_NONE || !tls || tls->shown != GW_TLS_SHOWN_GOOD)
        return;
    if (header == GW_CERTIFICATE_HEADER_ENVOY) {
        name = GW_SLICE("x-forwarded-client-cert");
        value = as_envoy_says(tls->certificate, x->arena);
    } else {
        value = as_bytes(tls->certificate, x->arena);
    }
    if (value.len)
        gw_fields_set(fields, x->arena, name, value);
}
