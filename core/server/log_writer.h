#pragma once
/* The only thread that writes to what can block: the access log, the error log and the files of log
 * plugins (sink/). Workers put lines into rings of their own (telemetry/ring.h), it empties them; a
 * place that does not keep up costs lines, which are counted, never a request's time. */
#include "config/config.h"

struct gw_access_record;
struct gw_log_writer;
struct gw_sinks;

/* Writes nothing of the access log until the first commit. */
struct gw_log_writer *gw_log_writer_start(unsigned workers, struct gw_sinks *sinks);

/* Opens what the configuration's `log` names. False, with nothing changed and a text for the
 * operator in `why`, when it cannot be opened. The next commit uses it. */
bool gw_log_writer_prepare(struct gw_log_writer *writer, const struct gw_config *config, char *why,
                           size_t why_size);
void gw_log_writer_commit(struct gw_log_writer *writer);

/* One line of a worker; on its thread. Never blocks. */
void gw_log_writer_access(struct gw_log_writer *writer, unsigned worker,
                          const struct gw_access_record *record);

/* Opens the files again under their names: they were rotated. */
void gw_log_writer_reopen(struct gw_log_writer *writer);

/* Lines that found no room. */
uint64_t gw_log_writer_dropped(const struct gw_log_writer *writer);

/* Writes what is there, as far as readers take it within seconds, and ends the thread. No worker
 * may run any more. False: the thread hangs in a write; it is left as it is and the process should
 * go. */
bool gw_log_writer_stop(struct gw_log_writer *writer);
