#pragma once
/* Real HTTP/2 sessions on a memory pair, fed with frames cut in different places, and owners that
 * check what they are told. */
#include "fuzz.h"

#include "http/h2.h"

/* Frames as a client sends them behind its preface: every request is answered. */
void fuzz_h2_requests(struct gw_slice frames);

/* Frames as a server sends them: three requests were asked, one of them with a body. */
void fuzz_h2_answers(struct gw_slice frames);
