/* The sockets that outlive worker processes. An address has one socket per worker (SO_REUSEPORT), a
 * unix address one for all. Who wants an address is a set of children; it is closed when the set is
 * empty: a kept socket that nobody accepts on swallows its share of the connections. */
#include "base/alloc.h"
#include "base/log.h"
#include "supervisor/supervisor_private.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
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
    bool given;    /* not bound by us */
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

static void drop(struct gw_keep *keep, struct kept_address *kept)
{
    close_sockets(kept, 0);
    if (kept->bound.len && !kept->given)
        gw_socket_source_release(keep->source, &kept->bound);
    gw_list_remove(&kept->node);
    gw_free(kept->fds);
    gw_free(kept);
}

static void forget(struct gw_keep *keep, struct kept_address *kept)
{
    if (!kept->given)
        drop(keep, kept);
}

void gw_keep_deinit(struct gw_keep *keep)
{
    GW_LIST_EACH(&keep->addresses, node)
        drop(keep, container_of(node, struct kept_address, node));
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

static void add_fd(struct kept_address *kept, int fd)
{
    kept->fds = gw_realloc(kept->fds, (kept->count + 1) * sizeof(kept->fds[0]));
    kept->fds[kept->count++] = fd;
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
    add_fd(kept, fd);
    return fd;
}

/* Workers share what was given, as far as it goes. */
static int take_socket(struct gw_keep *keep, struct kept_address *kept, unsigned index, char *why,
                       size_t why_size)
{
    if (kept->given)
        return kept->fds[index % kept->count];
    if (index < kept->count)
        return kept->fds[index];
    return add_socket(keep, kept, index, why, why_size);
}

static struct kept_address *add_address(struct gw_keep *keep, const struct gw_addr *asked)
{
    struct kept_address *kept = gw_alloc_zero(sizeof(*kept));

    kept->asked = *asked;
    gw_list_append(&keep->addresses, &kept->node);
    return kept;
}

/* The worker process waits for it: where the socket does not pass, the reason does. */
static void send_answer(int channel, struct gw_channel_message *answer, int fd)
{
    if (gw_channel_send(channel, answer, fd))
        return;
    snprintf(answer->text, sizeof(answer->text), "the supervisor cannot send the answer: %s",
             strerror(errno));
    if (!gw_channel_send(channel, answer, -1))
        gw_error("an answer could not be sent to the worker process: %s", strerror(errno));
}

void gw_keep_get(struct gw_keep *keep, unsigned child, const struct gw_channel_message *question,
                 int channel)
{
    struct gw_channel_message answer = { .kind = GW_CHANNEL_SOCKET, .serial = question->serial };
    uint32_t bit = 1u << child;
    unsigned index = question->index;
    bool only_kept = question->kind == GW_CHANNEL_GET_KEPT;
    struct kept_address *kept = find(keep, bit, &question->addr, index);

    if (only_kept && (!kept || index >= kept->count)) {
        send_answer(channel, &answer, -1);
        return;
    }
    if (!kept)
        kept = add_address(keep, &question->addr);
    int fd = take_socket(keep, kept, index, answer.text, sizeof(answer.text));

    if (kept->count == 0) {
        forget(keep, kept);
    } else if (fd >= 0) {
        kept->wanted_by |= bit;
        kept->used = index + 1;
        answer.addr = kept->bound;
    }
    send_answer(channel, &answer, fd);
}

void gw_keep_access(struct gw_keep *keep, const struct gw_channel_message *question, int channel)
{
    struct gw_channel_message answer = { .kind = GW_CHANNEL_SOCKET, .serial = question->serial };
    struct gw_socket_access access = { .mode = 0 };

    if (sscanf(question->text, "%o %d", &access.mode, &access.group) == 2)
        gw_socket_source_set_access(keep->source, &question->addr, &access, answer.text,
                                    sizeof(answer.text));
    else
        snprintf(answer.text, sizeof(answer.text), "the supervisor is of another version");
    send_answer(channel, &answer, -1);
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

/* Whoever connects there waits in vain, but the socket is not ours to close. */
static void say_unused(const struct kept_address *kept)
{
    char text[GW_ADDR_TEXT_MAX];

    gw_addr_format(&kept->bound, text);
    gw_warn("%s was passed by socket activation, but no listener of the configuration has that "
            "address: nobody answers there",
            text);
}

void gw_keep_settle(struct gw_keep *keep, unsigned child)
{
    uint32_t bit = 1u << child;

    GW_LIST_EACH(&keep->addresses, node) {
        struct kept_address *kept = container_of(node, struct kept_address, node);

        kept->wanted_by &= bit;
        if (kept->given && !kept->wanted_by)
            say_unused(kept);
        else if (!kept->wanted_by)
            forget(keep, kept);
        else if (!kept->given)
            close_sockets(kept, kept->used);
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

void gw_keep_give(struct gw_keep *keep, const struct gw_addr *addr, int fd)
{
    struct kept_address *kept = NULL;

    GW_LIST_EACH(&keep->addresses, node) {
        struct kept_address *other = container_of(node, struct kept_address, node);

        if (other->given && gw_addr_equal(&other->bound, addr))
            kept = other;
    }
    if (!kept)
        kept = add_address(keep, addr);
    kept->given = true;
    kept->bound = *addr;
    add_fd(kept, fd);
}

/* --- for an upgrade --- */

static void save_addr(const struct gw_addr *addr, struct gw_buf *out)
{
    const unsigned char *bytes = (const unsigned char *)&addr->sa;

    gw_buf_append_char(out, ' ');
    for (socklen_t i = 0; i < addr->len; i++)
        gw_buf_printf(out, "%02x", bytes[i]);
}

void gw_keep_save(const struct gw_keep *keep, struct gw_buf *out)
{
    GW_LIST_EACH(&keep->addresses, node) {
        const struct kept_address *kept = container_of(node, struct kept_address, node);

        gw_buf_printf(out, "address %u %u %d", kept->wanted_by, kept->used, kept->given);
        save_addr(&kept->asked, out);
        save_addr(&kept->bound, out);
        for (unsigned i = 0; i < kept->count; i++)
            gw_buf_printf(out, " %d", kept->fds[i]);
        gw_buf_append_char(out, '\n');
    }
}

/* Returns where the text goes on, NULL when it is no address. */
static const char *load_addr(struct gw_addr *addr, const char *text)
{
    unsigned char *bytes = (unsigned char *)&addr->sa;
    unsigned value;

    *addr = (struct gw_addr){ .len = 0 };
    while (*text == ' ')
        text++;
    while (addr->len < sizeof(addr->sa) && *text != ' ' && sscanf(text, "%2x", &value) == 1) {
        bytes[addr->len++] = (unsigned char)value;
        text += 2;
    }
    return addr->len >= sizeof(sa_family_t) ? text : NULL;
}

bool gw_keep_load(struct gw_keep *keep, const char *line)
{
    struct gw_addr asked, bound;
    uint32_t wanted_by;
    unsigned used;
    int given, fd, read = 0;

    if (sscanf(line, "address %u %u %d%n", &wanted_by, &used, &given, &read) != 3)
        return false;
    const char *at = load_addr(&asked, line + read);

    at = at ? load_addr(&bound, at) : NULL;
    if (!at)
        return false;
    struct kept_address *kept = add_address(keep, &asked);

    kept->bound = bound;
    kept->wanted_by = wanted_by;
    kept->used = used;
    kept->given = given != 0;
    for (; sscanf(at, " %d%n", &fd, &read) == 1; at += read)
        add_fd(kept, fd);
    if (!kept->given && kept->count)
        gw_socket_source_adopt(keep->source, &asked, &bound, kept->fds[0]);
    return kept->count > 0;
}

void gw_keep_inherit(const struct gw_keep *keep, bool inherit)
{
    GW_LIST_EACH(&keep->addresses, node) {
        const struct kept_address *kept = container_of(node, struct kept_address, node);

        for (unsigned i = 0; i < kept->count; i++)
            gw_supervisor_inherit(kept->fds[i], inherit);
    }
}
