#pragma once
/* The process that stays: it keeps the listening sockets, starts the worker process, and starts
 * another when that dies. It knows no configuration, runs no Lua and has no threads, so that there
 * is nothing in it that could go wrong. */
#ifndef GW_CDEF
#include <stdbool.h>
#endif

struct gw_supervisor_options {
    char **argv;      /* the command line, for the worker process and for an upgrade; borrowed */
    const char *user; /* USER or USER:GROUP the worker process runs as; NULL: as who started us */
};

/* Runs until it is told to stop or the first worker process cannot start. Returns the exit code:
 * the worker process's. */
int gw_supervisor_run(const struct gw_supervisor_options *options);
