#pragma once
/* Peers of HTTP/2 that make us work for nothing. What is cheap to send and dear to answer fills a
 * bucket that leaks with time; who makes it run over is told to calm down, and the connection ends.
 * What nghttp2 counts itself (CONTINUATION frames, entries of SETTINGS, answers that wait for a
 * peer that does not read) is set to be strict in h2_session.c. */
#ifndef GW_CDEF
#include <stdbool.h>
#include <stdint.h>
#endif

enum gw_h2_nuisance {
    GW_H2_RESET,   /* the peer took a stream back (rapid reset) */
    GW_H2_FAULT,   /* it made us reset one (MadeYouReset) */
    GW_H2_CONTROL, /* SETTINGS, PING: each wants an answer */
    GW_H2_EMPTY,   /* frames that say nothing: empty DATA, PRIORITY, WINDOW_UPDATE, unknown ones */
    GW_H2_NUISANCES,
};

struct gw_h2_guard {
    uint64_t full_us[GW_H2_NUISANCES]; /* when each bucket will have leaked empty */
};

/* One of that kind came at `now_us`. False: too many. */
bool gw_h2_guard_note(struct gw_h2_guard *guard, enum gw_h2_nuisance kind, uint64_t now_us);

/* A request was answered in full, or bytes of a body came: what such a peer does on the way is no
 * flood. */
void gw_h2_guard_forgive(struct gw_h2_guard *guard, enum gw_h2_nuisance kind, unsigned count);
