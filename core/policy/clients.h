#pragma once
/* How many connections each client has open: an IPv4 address, or an IPv6 network of 64 bits, since
 * one subscriber has all of that. Shared by all workers. An entry leaves with its last connection,
 * so there are never more of them than connections. */
#ifndef GW_CDEF
#include <stddef.h>
#endif

struct gw_client_count;
struct gw_clients;

struct gw_clients *gw_clients_new(void);
void gw_clients_free(struct gw_clients *clients); /* every connection must have left */

/* One connection more of this client (`ip`: 4 or 16 bytes; a v4-mapped address is IPv4). NULL, and
 * nothing counted, when it has `most` of them already. Give it back with gw_clients_leave(). */
struct gw_client_count *gw_clients_enter(struct gw_clients *clients, const unsigned char *ip,
                                         size_t len, unsigned most);
void gw_clients_leave(struct gw_clients *clients, struct gw_client_count *count);

/* How many clients have a connection. */
size_t gw_clients_count(struct gw_clients *clients);
