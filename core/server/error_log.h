#pragma once
/* Where lines of base/log.h go: standard error, or a file that a reload or a rotation may change.
 *
 * While a log writer is attached, whoever logs puts its line into a queue and goes on; the log
 * writer's thread writes it. Before and after that lines are written at once, by whoever logs. */
#include "telemetry/outlet.h"

/* Before threads start. On a terminal lines are short, and coloured unless $NO_COLOR is set. */
void gw_error_log_install(void);

/* "stderr" or a path. False, with a text for the operator in `why`, when it cannot be opened. */
bool gw_error_log_prepare(struct gw_slice name, char *why, size_t why_size);
void gw_error_log_commit(void);

/* The file it writes to now, -1 for standard error; from any thread. */
int gw_error_log_fd(void);

/* Opens the file again under its name: it was rotated. */
void gw_error_log_reopen(void);

/* Back to standard error; closes the file. No other thread may log any more. */
void gw_error_log_close(void);

/* ── the log writer's ── */

/* From now on lines wait for gw_error_log_write(); `wake` may be called from any thread. */
void gw_error_log_attach(void (*wake)(void *ctx), void *ctx);

/* Writes what waits. True when there was something, or still is. `last`: nothing is held back for
 * later. `*outlet`: what lines still wait for, or NULL; borrowed until the next call. */
bool gw_error_log_write(bool last, const struct gw_outlet **outlet);

/* The log writer has ended: what it left is dropped and counted, later lines are written at once.
 */
void gw_error_log_detach(void);

/* The log writer hangs and the process ends without it: this goes to standard error, if that takes
 * it at once. */
void gw_error_log_abandon(const char *text);

/* Lines that found no room. */
uint64_t gw_error_log_dropped(void);
