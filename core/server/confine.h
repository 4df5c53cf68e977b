#pragma once
/* What the worker process gives up for good before it reads anything. */
#ifndef GW_CDEF
#include <stdbool.h>
#endif

/* No program that is started gets more rights than we have; with `no_processes` none is started at
 * all: fork and exec fail with EPERM from here on, threads go on working. Before other threads are
 * started. False, with errno, when the system knows no such filter: then nothing was refused. */
bool gw_confine(bool no_processes);

/* Whether this build can live without starting processes; the leak checker of a sanitizer
 * cannot. */
bool gw_confine_complete(void);
