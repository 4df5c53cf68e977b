#include "cli/admin_client.h"

#include "base/alloc.h"
#include "net/addr.h"
#include "server/home.h"
#include "server/lua_call.h"
#include "server/options.h"
#include "server/runtime_dir.h"

#include <errno.h>
#include <stdio.h>
#include <sys/time.h>
#include <unistd.h>

#define ANSWER_SECONDS 120 /* a reload may load for long */

/* Where to ask, found out from the command line and the configuration. */
struct place {
    char address[256];
    char token[512];
};

/* --- where --- */

/* What the configuration says of admin, even when the rest of it is wrong: asking for a reload of
 * it must work. */
static bool read_config(struct place *place, const char *config)
{
    char *home = gw_home_find();

    if (!home)
        return false;
    lua_State *L = gw_lua_open(home);

    if (!L) {
        gw_free(home);
        return false;
    }
    lua_pushstring(L, config);
    lua_pushstring(L, home);
    if (gw_lua_call(L, "moongate.loader", "admin", 2)) {
        const char *address = lua_tostring(L, -2), *token = lua_tostring(L, -1);

        snprintf(place->address, sizeof(place->address), "%s", address ? address : "");
        snprintf(place->token, sizeof(place->token), "%s", token ? token : "");
    }
    lua_close(L);
    gw_free(home);
    return true;
}

/* A gateway goes on when its file is gone, and its usual socket is named after the path. */
static bool is_served(const char *path)
{
    struct place usual;
    char why[512];

    return path && access(path, F_OK) < 0 && errno == ENOENT &&
           gw_runtime_socket(path, false, usual.address, sizeof(usual.address), why, sizeof(why)) &&
           access(usual.address + strlen("unix:"), F_OK) == 0;
}

static bool find_place(struct place *place, const struct gw_admin_call *call)
{
    char why[512];

    if (!call->address || !call->token) {
        bool gone = !call->address && is_served(call->config);
        char *config = call->address ? NULL
                       : gone        ? gw_strndup(call->config, strlen(call->config))
                                     : gw_home_config(call->config);

        if (!config && !call->address)
            return false;
        if (config && !gone && !read_config(place, config)) {
            gw_free(config);
            return false;
        }
        if (config && !place->address[0] &&
            !gw_runtime_socket(config, false, place->address, sizeof(place->address), why,
                               sizeof(why))) {
            gw_complain("admin", why, "name the listener with --admin");
            gw_free(config);
            return false;
        }
        gw_free(config);
    }
    if (call->address)
        snprintf(place->address, sizeof(place->address), "%s", call->address);
    if (call->token)
        snprintf(place->token, sizeof(place->token), "%s", call->token);
    return true;
}

/* --- asking --- */

static int connect_to(const struct gw_addr *addr)
{
    struct timeval patience = { .tv_sec = ANSWER_SECONDS };
    int fd = socket(addr->sa.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    if (connect(fd, &addr->sa.any, addr->len) == 0)
        return fd;
    int error = errno;

    close(fd);
    errno = error;
    return -1;
}

static bool send_all(int fd, struct gw_slice bytes)
{
    while (bytes.len) {
        ssize_t sent = send(fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return false;
        bytes = gw_slice_skip(bytes, (size_t)sent);
    }
    return true;
}

/* Until the peer ends: the request said Connection: close. */
static bool read_all(int fd, struct gw_buf *answer)
{
    for (;;) {
        char *room = gw_buf_reserve(answer, 16384);
        ssize_t got = room ? recv(fd, room, 16384, 0) : -1;

        if (got < 0 && room && errno == EINTR)
            continue;
        if (got < 0)
            return false;
        if (got == 0)
            return true;
        answer->len += (size_t)got;
    }
}

/* The status; the head is taken away. 0: that is no HTTP. */
static int take_head(struct gw_buf *answer)
{
    char *end = answer->len ? memmem(answer->data, answer->len, "\r\n\r\n", 4) : NULL;
    int64_t status;

    if (!end || answer->len < 12 || memcmp(answer->data, "HTTP/1.1 ", 9) != 0 ||
        !gw_slice_to_int64(gw_slice(answer->data + 9, 3), &status))
        return 0;
    gw_buf_consume(answer, (size_t)(end - answer->data) + 4);
    return (int)status;
}

static int ask(int fd, const struct place *place, const char *method, const char *path,
               struct gw_buf *body)
{
    struct gw_buf request;

    gw_buf_init(&request, 4096);
    gw_buf_printf(&request,
                  "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                  "Content-Length: 0\r\n",
                  method, path);
    if (place->token[0])
        gw_buf_printf(&request, "Authorization: Bearer %s\r\n", place->token);
    gw_buf_append(&request, GW_SLICE("\r\n"));
    bool good = send_all(fd, gw_buf_slice(&request)) && read_all(fd, body);

    gw_buf_deinit(&request);
    return good ? take_head(body) : 0;
}

static void complain_of_silence(const struct place *place, const char *why)
{
    char what[300];

    snprintf(what, sizeof(what), "no gateway answers on %s", place->address);
    gw_complain(what, why,
                "is it running with this configuration? 'moongate run' starts one, --admin "
                "names another");
}

int gw_admin_ask(const struct gw_admin_call *call, const char *method, const char *path,
                 struct gw_buf *body)
{
    struct place place = { "", "" };
    struct gw_addr addr;

    if (!find_place(&place, call))
        return -GW_EXIT_BAD;
    if (!gw_addr_parse(&addr, gw_slice_from(place.address))) {
        gw_complain(place.address, "not an address",
                    "write 127.0.0.1:9001 or unix:/path/to/socket");
        return -GW_EXIT_USAGE;
    }
    int fd = connect_to(&addr);

    if (fd < 0) {
        complain_of_silence(&place, strerror(errno));
        return -GW_EXIT_UNREACHABLE;
    }
    int status = ask(fd, &place, method, path, body);

    close(fd);
    if (status)
        return status;
    complain_of_silence(&place, "it closed the connection without an answer");
    return -GW_EXIT_UNREACHABLE;
}
