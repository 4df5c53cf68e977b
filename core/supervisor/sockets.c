/* The sockets that outlive worker processes. An address has one socket per worker (SO_REUSEPORT), a
 * unix address one for all. Who wants an address is a set of children; it is closed when the set is
 * empty: a kept socket that nobody accepts on swallows its share of the connections. */
#include "base/alloc.h"
#include "base/log.h"
#include "supervisor/supervisor_private.h"

#include <assert.h>
#include <stdio.h>
#include <unistd.h>

/* As many as a process has workers at most, and then some. */
#define SOCKETS_MAX 1024

/* In the set beside the children: the one that served is gone, the next one is awaited. */
#define WAITS_FOR_NEXT (1u << 31)

static_assert(GW_CHILDREN_MAX < 31, "one bit each");

struct kept_address {
    struct gw_list_node node;
    struct gw_addr asked; /* perhaps with port 0 */
    struct gw_addr bound;
    uint32_t wanted_by; /* bit n: the child in place n */
    unsigned count;
    unsigned used; /* so many the child that asked last took */
    int *fds;      /* fds[i] is worker i's; owned */
};

void gw_keep_init(struct gw_keep *keep)
{
    gw_list_init(&keep->addresses);
    keep->source = gw_socket_source_new();
}

static void close_sockets(struct kept_address *kept, unsigned from)
{
    for (unsigned i = from; i < kept->count; i++)
        close(kept->fds[i]);
    kept->count = from < kept->count ? from : kept->count;
}

static void forget(struct gw_keep *keep, struct kept_address *kept)
{
    close_sockets(kept, 0);
    if (kept->bound.len)
        gw_socket_source_release(keep->source, &kept->bound);
    gw_list_remove(&kept->node);
    gw_free(kept->fds);
    gw_free(kept);
}

void gw_keep_deinit(struct gw_keep *keep)
{
    GW_LIST_EACH(&keep->addresses, node)
        forget(keep, container_of(node, struct kept_address, node));
    gw_socket_source_free(keep->source);
    keep->source = NULL;
}

void gw_keep_close(struct gw_keep *keep)
{
    GW_LIST_EACH(&keep->addresses, node)
        close_sockets(container_of(node, struct kept_address, node), 0);
}

/* The first socket of an address is asked for by what is written, which may stand there twice
 * ("127.0.0.1:0"); the others by where the first is bound. */
static struct kept_address *find(struct gw_keep *keep, uint32_t bit, const struct gw_addr *addr,
                                 unsigned index)
{
    GW_LIST_EACH(&keep->addresses, node) {
        struct kept_address *kept = container_of(node, struct kept_address, node);
        bool has = (kept->wanted_by & bit) != 0;

        if (index == 0 && !has &&
            (gw_addr_equal(&kept->asked, addr) || gw_addr_equal(&kept->bound, addr)))
            return kept;
        if (index > 0 && has && gw_addr_equal(&kept->bound, addr))
            return kept;
    }
    return NULL;
}

/* Returns the socket, or -1 with `why`. */
static int add_socket(struct gw_keep *keep, struct kept_address *kept, unsigned index, char *why,
                      size_t why_size)
{
    struct gw_addr addr = kept->count ? kept->bound : kept->asked;

    if (index != kept->count || index >= SOCKETS_MAX) {
        snprintf(why, why_size, "the supervisor has no socket %u of that address", index);
        return -1;
    }
    int fd = gw_socket_source_get(keep->source, &addr, index, why, why_size);

    if (fd < 0)
        return -1;
    kept->bound = addr;
    kept->fds = gw_realloc(kept->fds, (index + 1) * sizeof(kept->fds[0]));
    kept->fds[index] = fd;
    kept->count = index + 1;
    return fd;
}

static struct kept_address *add_address(struct gw_keep *keep, const struct gw_addr *asked)
{
    struct kept_address *kept = gw_alloc_zero(sizeof(*kept));

    kept->asked = *asked;
    gw_list_append(&keep->addresses, &kept->node);
    return kept;
}

void gw_keep_get(struct gw_keep *keep, unsigned child, const struct gw_channel_message *question,
                 int channel)
{
    struct gw_channel_message answer = { .kind = GW_CHANNEL_SOCKET, .serial = question->serial };
    uint32_t bit = 1u << child;
    unsigned index = question->index;
    struct kept_address *kept = find(keep, bit, &question->addr, index);

    if (!kept)
        kept = add_address(keep, &question->addr);
    int fd = index < kept->count ? kept->fds[index]
                                 : add_socket(keep, kept, index, answer.text, sizeof(answer.text));

    if (kept->count == 0) {
        forget(keep, kept);
    } else if (fd >= 0) {
        kept->wanted_by |= bit;
        kept->used = index + 1;
        answer.addr = kept->bound;
    }
    if (!gw_channel_send(channel, &answer, fd))
        gw_error("a socket could not be sent to the worker process");
}

void gw_keep_release(struct gw_keep *keep, unsigned child, const struct gw_addr *addr)
{
    uint32_t bit = 1u << child;

    GW_LIST_EACH(&keep->addresses, node) {
        struct kept_address *kept = container_of(node, struct kept_address, node);

        if (!(kept->wanted_by & bit) || !gw_addr_equal(&kept->bound, addr))
            continue;
        kept->wanted_by &= ~bit;
        if (!kept->wanted_by)
            forget(keep, kept);
        return;
    }
}

void gw_keep_settle(struct gw_keep *keep, unsigned child)
{
    uint32_t bit = 1u << child;

    GW_LIST_EACH(&keep->addresses, node) {
        struct kept_address *kept = container_of(node, struct kept_address, node);

        kept->wanted_by &= bit;
        if (kept->wanted_by)
            close_sockets(kept, kept->used);
        else
            forget(keep, kept);
    }
}

void gw_keep_leave(struct gw_keep *keep, unsigned child, bool served)
{
    uint32_t bit = 1u << child;

    GW_LIST_EACH(&keep->addresses, node) {
        struct kept_address *kept = container_of(node, struct kept_address, node);

        if (!(kept->wanted_by & bit))
            continue;
        kept->wanted_by &= ~bit;
        if (served)
            kept->wanted_by |= WAITS_FOR_NEXT;
        if (!kept->wanted_by)
            forget(keep, kept);
    }
}
