#pragma once
/* Quotas with their file: the table that decides (quotas.h), and a thread that is the only one to
 * touch the database (ledger_file.h). Every flush interval it writes what changed, so an end by
 * force loses at most that; nobody who decides ever waits for the disk. While the file cannot be
 * written, everything goes on in memory and is written later.
 *
 * During an upgrade two processes share the file: each adds what it counted, reads what the other
 * did, and looks every GW_LEDGER_SHARED_US. By so much, both may let pass more than is left.
 *
 * There is one ledger a process. Without a file it counts in memory alone. */
#include "store/quotas.h"
#ifndef GW_CDEF
#include <sys/types.h>
#endif

struct gw_ledger;
struct gw_loop;

#define GW_LEDGER_SHARED_US 50000
#define GW_LEDGER_DEFAULT_BYTES ((size_t)32 * 1024 * 1024)

struct gw_ledger_options {
    const char *path;
    uint64_t flush_us;
    size_t max_bytes;
    pid_t gateway; /* see ledger_lock.h */
};

struct gw_ledger *gw_ledger_new(void);

/* Opens the file and reads it, or takes another flush interval where it is open; blocks. False,
 * with a text for the operator and nothing changed, when that is not possible: path and size are
 * for good. Before anything was counted. */
bool gw_ledger_open(struct gw_ledger *ledger, const struct gw_ledger_options *options, char *why,
                    size_t why_size);

/* The thread. After gw_ledger_open(), once; without a file it does nothing. */
void gw_ledger_start(struct gw_ledger *ledger);

/* Somebody else takes over: writes at once, and often. */
void gw_ledger_hand_over(struct gw_ledger *ledger);

/* Writes what is left and ends the thread. False: it hangs in the disk; then the process should go.
 */
bool gw_ledger_stop(struct gw_ledger *ledger);
void gw_ledger_free(struct gw_ledger *ledger); /* stopped */

/* --- deciding: any thread --- */

struct gw_ledger_ask {
    uint64_t counter; /* keys of different counters have nothing to do with one another */
    struct gw_slice key;
    const struct gw_limit_rule *rule;
    double cost;
};

/* As gw_quotas_take() and its neighbours do. */
enum gw_quotas_outcome gw_ledger_take(struct gw_ledger *ledger, const struct gw_ledger_ask *asks,
                                      size_t count, uint64_t now_us,
                                      struct gw_limit_answer *answers);
enum gw_quotas_outcome gw_ledger_look(struct gw_ledger *ledger, const struct gw_ledger_ask *asks,
                                      size_t count, uint64_t now_us,
                                      struct gw_limit_answer *answers);
bool gw_ledger_adjust(struct gw_ledger *ledger, const struct gw_ledger_ask *ask, uint64_t now_us,
                      struct gw_limit_answer *answer);

/* Has keys loaded that were unknown. Ends once: by `done` on the loop's thread, or by cancel on the
 * same. */
struct gw_ledger_load;
struct gw_ledger_load *gw_ledger_load(struct gw_ledger *ledger, const struct gw_ledger_ask *asks,
                                      size_t count, struct gw_loop *loop,
                                      void (*done)(void *ctx, bool loaded), void *ctx);
void gw_ledger_load_cancel(struct gw_ledger_load *load);

/* --- seen from outside --- */

struct gw_ledger_stats {
    struct gw_quotas_stats quotas;
    bool has_file, shared;
    char path[512];
    uint64_t flushes, failures; /* transactions that were written, and that were not */
    uint64_t written;           /* changes in them */
    uint64_t loads;             /* keys that were looked up in the file */
    uint64_t flushed_us;        /* wall time of the last good flush; 0: none yet */
    char problem[256];          /* why the last one failed; empty: it did not */
};
void gw_ledger_stats(struct gw_ledger *ledger, struct gw_ledger_stats *stats);

/* For specs without a thread: what it does in one turn. */
void gw_ledger_turn(struct gw_ledger *ledger, uint64_t now_us);
