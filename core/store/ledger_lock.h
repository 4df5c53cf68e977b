#pragma once
/* Who may use a ledger's file: the processes of one gateway, and nobody else. An upgrade has two of
 * them for a while; they share. The lock is a file of its own beside the ledger's, because SQLite
 * loses its locks when anybody in the process closes the database. */
#ifndef GW_CDEF
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#endif

/* `gateway`: the process that stands for the gateway, its supervisor or the only one. The
 * descriptor that holds the lock until it is closed, or -1 with a text in `why`. *shared: another
 * process has it, too. */
int gw_ledger_lock(const char *path, pid_t gateway, bool *shared, char *why, size_t why_size);
