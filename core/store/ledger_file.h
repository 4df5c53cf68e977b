#pragma once
/* The file of the ledger: SQLite with a row for each key and window. Used by one thread at a time;
 * everything here may block. Built without SQLite, nothing can be opened. */
#include "base/siphash.h"
#ifndef GW_CDEF
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#endif

struct gw_ledger_file;
struct gw_quota_change;
struct gw_quota_fact;

/* Opens or makes it (mode 0600). NULL, with a text for the operator in `why`, when it cannot be
 * had, is damaged, or is something else: nothing in it was changed then. */
struct gw_ledger_file *gw_ledger_file_open(const char *path, char *why, size_t why_size);
void gw_ledger_file_close(struct gw_ledger_file *file); /* NULL is fine */

/* The secret under which keys are hashed; it was made with the file. */
struct gw_siphash_key gw_ledger_file_secret(const struct gw_ledger_file *file);

/* The functions below are NULL when they went well, else say what the system said. */

/* Calls `visit` for each window that has not ended. */
const char *gw_ledger_file_each(struct gw_ledger_file *file, uint64_t now_us,
                                void (*visit)(void *ctx, const struct gw_quota_fact *fact),
                                void *ctx);

/* What it says of fact->key. */
const char *gw_ledger_file_get(struct gw_ledger_file *file, uint64_t now_us,
                               struct gw_quota_fact *fact);

/* Adds them all, or none; each gets its total. */
const char *gw_ledger_file_add(struct gw_ledger_file *file, struct gw_quota_change *changes,
                               size_t count);

/* Removes some of what ended; *more: there is more of it. */
const char *gw_ledger_file_clean(struct gw_ledger_file *file, uint64_t now_us, bool *more);

/* Whether somebody else wrote since this was asked last. */
bool gw_ledger_file_has_changed(struct gw_ledger_file *file);

/* Whether it was moved or removed under us. */
bool gw_ledger_file_has_moved(struct gw_ledger_file *file);
