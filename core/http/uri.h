#pragma once
/* Request targets: parsed and normalised once, so that router, policy, scripts, log and upstream
 * judge the same bytes.
 *
 * Normalising a path: percent-escapes of unreserved characters are decoded, the others get
 * upper-case hex; "." and ".." segments are resolved (never above the root: that is an error); "//"
 * becomes "/". Refused with GW_E_BAD_TARGET: a NUL, control byte, space, backslash, bytes from
 * 0x80, "%00", "%2f", "%5c", a broken escape, "#". ";" stays as it is (attacks.md 2.1: never
 * stripped, so the policy sees what the upstream sees). */
#include "base/error.h"
#include "http/head.h"

/* Fills path, query, has_query, and for the absolute form authority (RFC 9112 3.2.2: it overrides
 * Host). `target` is what stood in the request line. CONNECT's authority form and "*" (OPTIONS
 * only) are handled by method. */
enum gw_error gw_uri_parse_target(struct gw_head *head, struct gw_slice target,
                                  struct gw_arena *arena);

/* Checks and normalises "host[:port]": lower case, no trailing dot, no userinfo, port 1-65535, IPv6
 * in brackets without zone. */
enum gw_error gw_uri_parse_authority(struct gw_slice text, struct gw_arena *arena,
                                     struct gw_slice *authority);

/* A path of our own or of a plugin, by the same rules. */
enum gw_error gw_uri_normalise_path(struct gw_slice path, struct gw_arena *arena,
                                    struct gw_slice *normalised);

/* The host of an authority, without port and brackets; borrowed from it. *port is 0 when there is
 * none. */
struct gw_slice gw_uri_host(struct gw_slice authority, uint16_t *port);

/* Percent-decodes (`plus`: "+" is a space). A broken escape stays as it is. */
struct gw_slice gw_uri_decode(struct gw_slice text, bool plus, struct gw_arena *arena);

/* Cuts the next "name=value" off a query; neither is decoded. `has_value` is false for a bare
 * name. */
bool gw_uri_next_arg(struct gw_slice *query, struct gw_slice *name, struct gw_slice *value,
                     bool *has_value);
