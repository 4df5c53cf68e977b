#pragma once
/* How we speak TLS to servers: whom we believe, what we show, what we offer. A *client* is one such
 * set of settings, made on the loader thread, counted, never changed: a reload makes others, and
 * connections keep theirs.
 *
 * Verified is the chain, up to a certificate that is trusted, and the name, against the subject's
 * alternative names alone (RFC 9110 4.3.4); an IP address against addresses there. */
#include "net/tls.h"

struct gw_arena;
struct gw_tls_client;
struct gw_tls_client_set;
struct gw_tls_sessions;

/* PEM. */
struct gw_tls_client_options {
    struct gw_slice label;     /* for messages */
    bool verify;               /* false: whoever answers is believed */
    unsigned depth;            /* certificates between the server's and a trusted one */
    struct gw_slice ca;        /* who is trusted; empty: whom the system trusts */
    struct gw_slice cert, key; /* for servers that ask for one; empty: none */
    bool http2;                /* what is offered (ALPN), and must be taken; else HTTP/1.1 */
};

/* Those of one configuration: equal settings are one client, and what the system trusts is read
 * once. */
struct gw_tls_client_set *gw_tls_client_set_new(void);
void gw_tls_client_set_free(struct gw_tls_client_set *set); /* NULL is fine */

/* The client with these settings; one reference, the caller's. NULL, and why in words for the
 * operator. */
struct gw_tls_client *gw_tls_client_set_get(struct gw_tls_client_set *set,
                                            const struct gw_tls_client_options *options, char *why,
                                            size_t why_size);

struct gw_tls_client *gw_tls_client_ref(struct gw_tls_client *client);
void gw_tls_client_unref(struct gw_tls_client *client); /* NULL is fine */

/* What must be equal for a connection to that address, or a session with it, to serve another
 * request: address, name, and everything that is verified, shown and offered. In the arena. */
struct gw_slice gw_tls_client_key(const struct gw_tls_client *client, struct gw_slice address,
                                  struct gw_slice name, struct gw_arena *arena);

/* An engine for a connection to the server of that name (or IP address); it keeps a reference. A
 * session that `sessions` hold under `key` is taken up again, and new ones go there; NULL: none is
 * kept. NULL: the name is none, or there is no memory. */
struct gw_tls *gw_tls_client_connect(struct gw_tls_client *client, struct gw_slice name,
                                     struct gw_tls_sessions *sessions, struct gw_slice key);

/* What the server agreed to is what was offered. */
bool gw_tls_client_agrees(const struct gw_tls *tls);
