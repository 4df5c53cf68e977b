#pragma once
/* The chunked half of h1_parse.h: chunk lines, their extensions, trailers (RFC 9112 7.1). llhttp
 * reads them; bounds and line ends are kept here. */
#include "http/h1_parse.h"

/* bytes of chunk extensions in a message: nobody uses them, and they cost (CVE-2024-22019) */
#define GW_H1_EXTENSION_MAX 1024

/* The head was read with parse->http, which stands behind it. */
void gw_h1_chunks_begin(struct gw_h1_parse *parse);

/* One step. Errors: GW_E_BAD_BODY, GW_E_HEAD_TOO_LARGE (trailers). */
enum gw_error gw_h1_chunks_next(struct gw_h1_parse *parse, struct gw_slice *input,
                                struct gw_slice *body);
