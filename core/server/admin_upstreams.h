#pragma once
/* The admin listener's word about targets. */
#include "server/admin_http.h"

struct gw_server;

/* GET /upstreams */
void gw_admin_show_upstreams(struct gw_server *server, struct gw_admin_request *request);

/* POST /upstreams/NAME/targets/TARGET/healthy and …/unhealthy */
void gw_admin_order_target(struct gw_server *server, struct gw_admin_request *request);
void gw_admin_close_breaker(struct gw_server *server, struct gw_admin_request *request);
