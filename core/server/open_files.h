#pragma once
/* How many descriptors the process may have, and whether the configuration fits into them. */
#ifndef GW_CDEF
#include <stdint.h>
#endif

struct gw_config;

/* Raises the limit as far as the system lets us without being root (the hard limit); at the start.
 */
void gw_open_files_raise(void);

/* Warns where the connections that the listeners may take, and those to services behind them, are
 * more than the descriptors there are. `judged` remembers what was said, so
 * that a reload does not say it again; 0 at first. */
void gw_open_files_judge(const struct gw_config *config, uint64_t *judged);
