/* What /metrics says of certificates and revocation lists: how long they are good. */
#include "base/json.h"
#include "config/config.h"
#include "server/reload.h"
#include "server/server.h"
#include "server/status.h"

#include <inttypes.h>
#include <time.h>

#define EXPIRIES_MAX 1000 /* as many as there are series of another metric */

void gw_status_write_expiry_metrics(struct gw_buf *out, struct gw_server *server)
{
    const char *name = "moongate_certificate_expiry_seconds";
    const struct gw_config *config = gw_reloader_config(server->reloader);
    int64_t now = time(NULL);

    gw_buf_printf(
        out,
        "# HELP %s How long a certificate or a revocation list is good yet; below zero: it "
        "ended.\n# TYPE %s gauge\n",
        name, name);
    for (unsigned i = 0; config && i < config->expiry_count && i < EXPIRIES_MAX; i++) {
        const struct gw_expiry *expiry = &config->expiries[i];

        gw_buf_printf(out, "%s{kind=", name);
        gw_json_string(out, expiry->kind); /* the same escapes */
        gw_buf_printf(out, ",name=");
        gw_json_string(out, expiry->name);
        gw_buf_printf(out, "} %" PRId64 "\n", expiry->at - now);
    }
}
