#pragma once
/* Where lines of base/log.h go: standard error, or a file that a reload or a rotation may change
 * while threads write. */
#include "base/slice.h"

/* Before threads start. On a terminal lines are short, and coloured unless $NO_COLOR is set. */
void gw_error_log_install(void);

/* "stderr" or a path. False, with a text for the operator in `why`, when it cannot be opened. */
bool gw_error_log_prepare(struct gw_slice name, char *why, size_t why_size);
void gw_error_log_commit(void);

/* What it writes to now; from any thread. */
int gw_error_log_fd(void);

/* Opens the file again under its name: it was rotated. */
void gw_error_log_reopen(void);

/* Back to standard error; closes the file. No other thread may log any more. */
void gw_error_log_close(void);
