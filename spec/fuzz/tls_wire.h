#pragma once
/* Real TLS on memory pairs, with somebody between the two ends who alters what passes, or with
 * nobody at the other end but the input. */
#include "fuzz.h"

/* The two ends shake hands and send each other a text; the bytes of one of them are altered on
 * their way as the input says. Whatever is done to them: an end hears nothing but the beginning of
 * the other's text, and that it has ended only behind all of it. */
void fuzz_tls_between(struct gw_slice input, bool from_client);

/* One end alone, and the input for the bytes of the other. */
void fuzz_tls_alone(struct gw_slice input, bool is_server);
