#pragma once
/* The keys of session tickets: one set for all workers and contexts of a process, kept over
 * reloads, drawn anew every hour; a ticket is good for two. From any thread. */
#include "base/slice.h"

#define GW_TLS_TICKET_SECONDS 7200 /* how long a session may be taken up again */

struct gw_tls_tickets;

struct gw_tls_tickets *gw_tls_tickets_new(void);
void gw_tls_tickets_free(struct gw_tls_tickets *tickets); /* NULL is fine */

struct gw_tls_ticket_key {
    unsigned char name[16];
    unsigned char cipher[32];
    unsigned char mac[32];
    int64_t since; /* seconds; 0: none */
};

/* The key for new tickets; drawn when it is time. False: the system gave no random bytes. */
bool gw_tls_tickets_current(struct gw_tls_tickets *tickets, int64_t now,
                            struct gw_tls_ticket_key *key);

/* The key of that name. False: there is none any more. */
bool gw_tls_tickets_find(struct gw_tls_tickets *tickets, int64_t now, const unsigned char name[16],
                         struct gw_tls_ticket_key *key);
