/* ctx.client.tls: how the client is connected, and the certificate it showed. */
#include "net/tls_certificate.h"
#include "net/tls_facts.h"
#include "script/pdk_common.h"

static struct gw_slice of_certificate(const struct gw_pdk *h, enum gw_tls_certificate_text what)
{
    const X509 *certificate = h->x->tls->certificate;

    return certificate ? gw_tls_certificate_text(certificate, what, h->x->arena) : GW_SLICE_EMPTY;
}

static struct gw_slice text_of(const struct gw_pdk *h, enum gw_pdk_tls_text what)
{
    const struct gw_tls_facts *tls = h->x->tls;

    switch (what) {
    case GW_PDK_TLS_VERSION:
        return gw_slice_from(tls->version);
    case GW_PDK_TLS_CIPHER:
        return gw_slice_from(tls->cipher);
    case GW_PDK_TLS_PROTOCOL:
        return gw_slice_from(tls->protocol);
    case GW_PDK_TLS_SNI:
        return tls->name;
    case GW_PDK_TLS_PROBLEM:
        return tls->shown == GW_TLS_SHOWN_BAD ? gw_slice_from(gw_tls_facts_problem(tls))
                                              : GW_SLICE_EMPTY;
    case GW_PDK_TLS_SUBJECT:
        return of_certificate(h, GW_TLS_CERTIFICATE_SUBJECT);
    case GW_PDK_TLS_ISSUER:
        return of_certificate(h, GW_TLS_CERTIFICATE_ISSUER);
    case GW_PDK_TLS_SERIAL:
        return of_certificate(h, GW_TLS_CERTIFICATE_SERIAL);
    case GW_PDK_TLS_FINGERPRINT:
        return of_certificate(h, GW_TLS_CERTIFICATE_FINGERPRINT);
    case GW_PDK_TLS_SHA1:
        return of_certificate(h, GW_TLS_CERTIFICATE_SHA1);
    case GW_PDK_TLS_PEM:
        return of_certificate(h, GW_TLS_CERTIFICATE_PEM);
    }
    return GW_SLICE_EMPTY;
}

int gw_pdk_tls_text(struct gw_pdk *h, int what)
{
    gw_pdk_put(h, h->x->tls ? text_of(h, (enum gw_pdk_tls_text)what) : GW_SLICE_EMPTY);
    return h->len > 0;
}

double gw_pdk_tls_number(struct gw_pdk *h, int what)
{
    const struct gw_tls_facts *tls = h->x->tls;

    if (!tls)
        return 0;
    switch (what) {
    case GW_PDK_TLS_RESUMED:
        return tls->resumed;
    case GW_PDK_TLS_SHOWN:
        return tls->shown;
    case GW_PDK_TLS_FROM:
        return tls->certificate ? (double)gw_tls_certificate_from(tls->certificate) : 0;
    case GW_PDK_TLS_UNTIL:
        return tls->certificate ? (double)gw_tls_certificate_until(tls->certificate) : 0;
    default:
        return 0;
    }
}

int gw_pdk_tls_name(struct gw_pdk *h, uint32_t n)
{
    const struct gw_tls_facts *tls = h->x->tls;
    const char *kind;
    struct gw_slice name;

    if (!tls || !tls->certificate ||
        !gw_tls_certificate_name(tls->certificate, n, &kind, &name, h->x->arena))
        return 0;
    gw_pdk_put(h, gw_slice_from(kind));
    gw_pdk_put_value(h, name);
    return 1;
}
