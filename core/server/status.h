#pragma once
/* What the process says about itself: /status and /metrics. */
#include "base/buf.h"

struct gw_server;

void gw_status_write(struct gw_buf *out, struct gw_server *server);
void gw_status_write_metrics(struct gw_buf *out, struct gw_server *server);

/* /breakers: an array of every service's circuit breaker; and their part of /metrics. */
/* Three fields of /status. */
void gw_status_write_failing(struct gw_buf *out, struct gw_server *server);
void gw_status_write_breakers(struct gw_buf *out, struct gw_server *server);
void gw_status_write_breaker_metrics(struct gw_buf *out, struct gw_server *server);

/* /upstreams: an array of upstreams with their targets' health; and their part of /metrics. */
void gw_status_write_upstreams(struct gw_buf *out, struct gw_server *server);
void gw_status_write_upstream_metrics(struct gw_buf *out, struct gw_server *server);
void gw_status_write_line_metrics(struct gw_buf *out, struct gw_server *server);

/* When certificates and revocation lists end, in /metrics. */
void gw_status_write_expiry_metrics(struct gw_buf *out, struct gw_server *server);
/* The names of upstreams, in /metrics. */
void gw_status_write_name_metrics(struct gw_buf *out, struct gw_server *server);

/* A JSON array of strings. */
void gw_status_write_texts(struct gw_buf *out, char *const *texts, unsigned count);

/* "2026-01-31T12:00:00.123Z" in quotes; null for 0. */
void gw_status_write_time(struct gw_buf *out, int64_t wall_us);
