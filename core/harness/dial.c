/* Names and dials: the network as a harness has it. Every name gets an address of its own when it
 * is first asked for; every connection is asked of Lua. */
#include "base/alloc.h"
#include "harness/harness.h"
#include "net/memory_pair.h"

#include <arpa/inet.h>
#include <string.h>

#define NAMES_MAX 65536
#define FIRST_ADDRESS 0xc6120001u /* 198.18.0.1, of the network for benchmarks (RFC 2544) */

struct dial {
    struct gw_list_node node;
    struct gw_dial *dial;
    struct gw_addr addr;
    unsigned id;
};

/* --- names --- */

static struct gw_addr address_of(unsigned name)
{
    struct gw_addr addr = { .len = sizeof(addr.sa.v4) };

    addr.sa.v4.sin_family = AF_INET;
    addr.sa.v4.sin_addr.s_addr = htonl(FIRST_ADDRESS + name);
    return addr;
}

static bool find(struct gw_outside *outside, const char *name, struct gw_addr *addr)
{
    struct gw_harness *harness = container_of(outside, struct gw_harness, outside);
    unsigned i = 0;

    if (harness->network)
        return false;
    while (i < harness->name_count && strcmp(harness->names[i], name) != 0)
        i++;
    if (i == NAMES_MAX)
        return false;
    if (i == harness->name_count) {
        harness->names = gw_realloc(harness->names, (i + 1) * sizeof(harness->names[0]));
        harness->names[harness->name_count++] = gw_strndup(name, strlen(name));
    }
    *addr = address_of(i);
    return true;
}

/* "name:port" of the address: what was asked for when it was found, or as it stands there. */
static size_t name_target(const struct gw_harness *harness, const struct gw_addr *addr, char *out,
                          size_t size)
{
    uint32_t ip = addr->sa.any.sa_family == AF_INET ? ntohl(addr->sa.v4.sin_addr.s_addr) : 0;
    uint32_t name = ip - FIRST_ADDRESS;

    if (ip >= FIRST_ADDRESS && name < harness->name_count) {
        int len = snprintf(out, size, "%s:%u", harness->names[name], gw_addr_port(addr));

        return len > 0 && (size_t)len < size ? (size_t)len : 0;
    }
    return gw_addr_format(addr, out);
}

/* --- dials --- */

static bool dial(struct gw_outside *outside, struct gw_dial *gw_dial, const struct gw_addr *addr)
{
    struct gw_harness *harness = container_of(outside, struct gw_harness, outside);
    char text[GW_ADDR_TEXT_MAX + 256];
    size_t len;

    if (harness->network)
        return false;
    struct dial *dial = gw_alloc_zero(sizeof(*dial));

    dial->dial = gw_dial;
    dial->addr = *addr;
    dial->id = ++harness->last_id;
    gw_list_append(&harness->dials, &dial->node);
    len = name_target(harness, addr, text, sizeof(text));
    gw_harness_tell(harness, GW_HARNESS_DIAL, dial->id, 0, gw_slice(text, len));
    return true;
}

static void drop_dial(struct dial *dial)
{
    gw_list_remove(&dial->node);
    gw_free(dial);
}

static void dial_gone(struct gw_outside *outside, struct gw_dial *gw_dial)
{
    struct gw_harness *harness = container_of(outside, struct gw_harness, outside);

    GW_LIST_EACH(&harness->dials, node) {
        struct dial *dial = container_of(node, struct dial, node);

        if (dial->dial != gw_dial)
            continue;
        gw_harness_tell(harness, GW_HARNESS_DIAL_GONE, dial->id, 0, GW_SLICE_EMPTY);
        drop_dial(dial);
        return;
    }
}

static struct dial *find_dial(const struct gw_harness *harness, unsigned id)
{
    GW_LIST_EACH(&harness->dials, node) {
        struct dial *dial = container_of(node, struct dial, node);

        if (dial->id == id)
            return dial;
    }
    return NULL;
}

unsigned gw_harness_accept(struct gw_harness *harness, unsigned id)
{
    struct dial *dial = find_dial(harness, id);
    struct gw_conn *inside, *ours;
    unsigned wire;

    if (!dial)
        return 0;
    gw_memory_pair_new(harness->loop, &dial->addr, NULL, &inside, &ours);
    wire = gw_harness_add_wire(harness, ours);
    struct gw_dial *waiting = dial->dial;

    drop_dial(dial);
    gw_dial_settle(waiting, inside, GW_OK);
    return wire;
}

void gw_harness_refuse(struct gw_harness *harness, unsigned id)
{
    struct dial *dial = find_dial(harness, id);

    if (!dial)
        return;
    struct gw_dial *waiting = dial->dial;

    drop_dial(dial);
    gw_dial_settle(waiting, NULL, GW_E_CONNECT);
}

/* --- life --- */

void gw_harness_dials_init(struct gw_harness *harness)
{
    gw_list_init(&harness->dials);
    harness->outside = (struct gw_outside){ find, dial, dial_gone };
}

void gw_harness_dials_deinit(struct gw_harness *harness)
{
    for (unsigned i = 0; i < harness->name_count; i++)
        gw_free(harness->names[i]);
    gw_free(harness->names);
}
