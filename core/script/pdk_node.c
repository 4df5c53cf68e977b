/* ctx.node, ctx.ip and moongate.version: who we are, and whom we trust. */
#include "base/random.h"
#include "config/cidr.h"
#include "config/config.h"
#include "script/pdk_common.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

/* The one of this process: every script of every generation tells the same. */
static struct {
    pthread_once_t once;
    char id[37];
} node = { PTHREAD_ONCE_INIT, "" };

static void make_id(void)
{
    struct gw_random random;

    gw_random_init(&random);
    gw_uuid_v4(&random, node.id);
}

const char *gw_pdk_node_id(void)
{
    pthread_once(&node.once, make_id);
    return node.id;
}

int gw_pdk_hostname(char *out, size_t size)
{
    if (size == 0 || gethostname(out, size))
        return 0;
    out[size - 1] = '\0';
    return 1;
}

int gw_pdk_process(void)
{
    return (int)getpid();
}

const char *gw_pdk_version(void)
{
    return GW_VERSION;
}

int gw_pdk_trusts(struct gw_pdk *h, const char *ip, size_t len)
{
    struct gw_addr_bytes addr;

    if (gw_slice_equal(gw_slice(ip, len), GW_SLICE("unix:")))
        addr.len = GW_ADDR_BYTES_UNIX;
    else if (gw_addr_bytes_parse(&addr, ip, len))
        return -1;
    return gw_config_trusts(h->x->config, &addr);
}
