/* The bounds of a plugin: what it has under way is counted by its name, for all its uses together.
 */
#include "base/log.h"
#include "script/run.h"
#include "script/state.h"
#include "telemetry/metrics.h"

static const struct {
    const char *name, *help;
} breaches[] = {
    [GW_BREACH_BUDGET] = { "moongate_lua_budget_exceeded_total",
                           "Hooks and tasks that were stopped because they computed for too "
                           "long." },
    [GW_BREACH_FETCHES] = { "moongate_lua_fetches_refused_total",
                            "Requests of plugins that had too many under way." },
    [GW_BREACH_BODIES] = { "moongate_lua_bodies_refused_total",
                           "Bodies that were not collected for plugins that held too much." },
    [GW_BREACH_LOG_LINES] = { "moongate_lua_log_lines_dropped_total",
                              "Lines that plugins logged beyond their bound." },
};

struct gw_account *gw_script_account(struct gw_script *script)
{
    const struct gw_run *run = script->current;

    return script->uses[run && run->pdk ? run->pdk->use : 0].account;
}

void gw_script_count_breach(struct gw_script *script, struct gw_account *account,
                            enum gw_breach breach)
{
    if (account->breaches[breach] == GW_METRIC_NONE) {
        struct gw_slice plugin = gw_slice_from(account->plugin);
        struct gw_metric_family *family = gw_metrics_family(
            script->metrics, &(struct gw_metric_def){ .name = breaches[breach].name,
                                                      .help = breaches[breach].help,
                                                      .kind = GW_METRIC_COUNTER,
                                                      .labels = { "plugin" } });

        if (!family)
            return;
        account->breaches[breach] = gw_metric_series(family, &plugin);
    }
    gw_metric_add(script->metrics, account->breaches[breach], script->worker, 1);
}

bool gw_script_may_log(struct gw_script *script, struct gw_account *account)
{
    uint32_t max = script->config->lua_log_lines;
    uint64_t second = gw_script_clock(script).now_us / 1000000;

    if (second != account->log_second) {
        if (account->log_dropped)
            gw_warn("plugin %s: %u lines dropped, because it logged more than %u a second "
                    "(lua.log_lines)",
                    account->plugin, account->log_dropped, max);
        account->log_second = second;
        account->log_lines = account->log_dropped = 0;
    }
    if (max == 0 || account->log_lines < max) {
        account->log_lines++;
        return true;
    }
    account->log_dropped++;
    gw_script_count_breach(script, account, GW_BREACH_LOG_LINES);
    return false;
}
