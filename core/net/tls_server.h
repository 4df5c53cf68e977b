#pragma once
/* What a listener shows and asks for: certificates by name, who may come with which certificate,
 * versions, application protocols. Made on the loader thread, counted, never changed: a reload
 * makes another one, and connections keep theirs. */
#include "base/refs.h"
#include "net/tls.h"

struct gw_tls_tickets;
struct gw_tls_server;

/* PEM. */
struct gw_tls_pair {
    struct gw_slice cert, key;
};

/* What answers to some names. */
struct gw_tls_identity {
    struct gw_slice label;       /* for messages */
    struct gw_tls_pair pairs[2]; /* of different kinds: RSA and ECDSA */
    unsigned pair_count;
    struct gw_slice ocsp;         /* DER, for the first pair; empty: none */
    const struct gw_slice *names; /* "example.com", "*.example.com" (one label), "*" (the rest) */
    unsigned name_count;
};

enum gw_tls_client_mode {
    GW_TLS_CLIENT_NONE,      /* not asked */
    GW_TLS_CLIENT_REQUESTED, /* asked; whoever needs it decides what it is worth */
    GW_TLS_CLIENT_OPTIONAL,  /* one that is shown must be good */
    GW_TLS_CLIENT_REQUIRED,
};

/* Who may come. */
struct gw_tls_clients {
    enum gw_tls_client_mode mode;
    struct gw_slice ca;           /* PEM, several */
    struct gw_slice crl;          /* PEM; empty: not looked for */
    unsigned depth;               /* certificates between the client's and the CA's */
    const struct gw_slice *names; /* where it holds; none: for the rest */
    unsigned name_count;
};

#define GW_TLS_TRUST_SIZE 32

/* What makes two of them trust the same certificates: CA, CRL and depth. */
void gw_tls_trust(const struct gw_tls_clients *clients, unsigned char trust[GW_TLS_TRUST_SIZE]);

struct gw_tls_server_options {
    const struct gw_tls_identity *identities; /* the first one where nothing answers to a name */
    unsigned identity_count;
    const struct gw_tls_clients *clients; /* the first one holds where no other does */
    unsigned client_count;                /* 0: nobody is asked */
    bool tls13_only;
    bool strict; /* refuse names that nothing answers to, and those that say none */
    bool http2;  /* offer it */
    struct gw_tls_tickets *tickets; /* outlives it */
};

/* The caller owns one reference. NULL, and why in words for the operator. */
struct gw_tls_server *gw_tls_server_new(const struct gw_tls_server_options *options, char *why,
                                        size_t why_size);
struct gw_tls_server *gw_tls_server_ref(struct gw_tls_server *server);
void gw_tls_server_unref(struct gw_tls_server *server); /* NULL is fine */

/* An engine for one connection of a client; it keeps a reference. NULL: there is no memory. */
struct gw_tls *gw_tls_server_accept(struct gw_tls_server *server);
