#include "base/alloc.h"
#include "base/arena.h"
#include "cli/commands.h"
#include "cli/refusal.h"
#include "config/cidr.h"
#include "config/router.h"
#include "http/uri.h"
#include "server/home.h"
#include "server/load.h"

#define CANDIDATES_MAX 64

/* A configuration read from its file, for who only looks. */
struct reading {
    char *path, *home;
    struct gw_load load;
};

static bool begin(struct reading *reading, const struct gw_options *options)
{
    *reading = (struct reading){ .path = gw_home_config(options->config) };
    reading->home = reading->path ? gw_home_find() : NULL;
    if (!reading->home)
        return false;
    gw_load_explained(&reading->load, reading->path, reading->home);
    if (reading->load.config)
        return true;
    for (unsigned i = 0; i < reading->load.error_count; i++)
        fprintf(stderr, "%s\n", reading->load.errors[i]);
    gw_complain(reading->path, "the configuration is not good",
                "mend it; 'moongate check' says more");
    return false;
}

static void end(struct reading *reading)
{
    gw_load_deinit(&reading->load);
    gw_free(reading->home);
    gw_free(reading->path);
}

/* --- routes --- */

static struct gw_slice or_any(struct gw_slice text)
{
    return text.len ? text : GW_SLICE("*");
}

int gw_command_routes(const struct gw_options *options)
{
    struct reading reading;
    struct gw_route_candidate rule;
    int code = GW_EXIT_BAD;

    if (begin(&reading, options)) {
        printf("%-4s %-24s %-28s %-24s %-20s %s\n", "#", "ROUTE", "PATH", "HOST", "SERVICE",
               "ASKS FOR");
        for (unsigned at = 0; gw_router_rule_at(reading.load.config->router, at, &rule); at++) {
            struct gw_slice service =
                rule.route->service ? rule.route->service->name : GW_SLICE("-");

            printf("%-4u %-24.*s %-28.*s %-24.*s %-20.*s %s\n", at + 1,
                   GW_SLICE_ARG(rule.route->name), GW_SLICE_ARG(or_any(rule.path)),
                   GW_SLICE_ARG(or_any(rule.host)), GW_SLICE_ARG(service), rule.why);
        }
        code = GW_EXIT_GOOD;
    }
    end(&reading);
    return code;
}

/* --- explain --- */

/* The request of the command line, as the router is asked. */
struct question {
    struct gw_arena *arena;
    struct gw_head head;
    struct gw_route_pair headers[GW_OPTION_HEADERS_MAX];
    struct gw_route_query query;
};

static bool take_headers(struct question *question, const struct gw_options *options)
{
    struct gw_slice host = GW_SLICE_EMPTY;

    for (unsigned i = 0; i < options->header_count; i++) {
        struct gw_slice value = gw_slice_from(options->headers[i]), name;

        if (!memchr(value.ptr, ':', value.len)) {
            gw_complain(options->headers[i], "not a header", "write it as -H 'Name: value'");
            return false;
        }
        gw_slice_next(&value, ':', &name);
        char *lower = gw_arena_alloc(question->arena, name.len + 1);

        for (size_t at = 0; at < name.len; at++)
            lower[at] = gw_lower(name.ptr[at]);
        name.ptr = lower;
        value = gw_slice_trim(value);
        if (gw_slice_equal(name, GW_SLICE("host")))
            host = value;
        question->headers[question->query.header_count++] = (struct gw_route_pair){ name, value };
    }
    if (host.len && gw_uri_parse_authority(host, question->arena, &question->head.authority)) {
        gw_complain("Host", "not a host", NULL);
        return false;
    }
    return true;
}

static bool take_target(struct question *question, const char *url)
{
    enum gw_error error = gw_uri_parse_target(&question->head, gw_slice_from(url), question->arena);

    if (error) {
        gw_complain(url, gw_error_info(error)->text,
                    "write a path such as '/users/7?all=1', or a whole URL: http://host/users/7");
        return false;
    }
    return true;
}

/* A URL says how it is reached; its host is the name of the handshake where --sni says none. */
static void take_connection(struct question *question, const struct gw_options *options)
{
    bool https = strncmp(options->args[1], "https://", 8) == 0;

    question->query.https = question->query.tls = options->sni || https;
    if (https)
        question->query.sni = question->query.host;
    if (options->sni) {
        size_t len = strlen(options->sni);
        char *lower = gw_arena_alloc(question->arena, len + 1);

        for (size_t at = 0; at < len; at++)
            lower[at] = gw_lower(options->sni[at]);
        question->query.sni = gw_slice(lower, len);
    }
}

static bool take_client(struct question *question, const char *text)
{
    struct gw_addr_bytes *client = &question->query.client;
    const char *wrong = NULL;

    if (text && strcmp(text, "unix:") == 0)
        client->len = GW_ADDR_BYTES_UNIX;
    else if (text)
        wrong = gw_addr_bytes_parse(client, text, strlen(text));
    if (wrong)
        gw_complain(text, wrong, "write an address such as --client 10.0.0.7");
    return !wrong;
}

static bool ask(struct question *question, const struct gw_options *options)
{
    uint16_t port;

    question->query.method = question->head.method_name = gw_slice_from(options->args[0]);
    question->head.method = gw_method_parse(question->query.method);
    if (!take_headers(question, options) || !take_target(question, options->args[1]) ||
        !take_client(question, options->client))
        return false;
    question->query.host = gw_uri_host(question->head.authority, &port);
    question->query.path = question->head.path;
    question->query.query = question->head.query;
    question->query.headers = question->headers;
    take_connection(question, options);
    return true;
}

static void print_route(const char *before, const struct gw_route_candidate *candidate)
{
    printf("%s%.*s", before, GW_SLICE_ARG(candidate->route->name));
    if (candidate->path.len)
        printf("  path %.*s", GW_SLICE_ARG(candidate->path));
    if (candidate->host.len)
        printf("  host %.*s", GW_SLICE_ARG(candidate->host));
    printf("\n");
}

static void print_plan(const char *plan)
{
    struct gw_slice rest = gw_slice_from(plan), line;
    unsigned count = 0;

    while (gw_slice_next(&rest, '\n', &line)) {
        if (!line.len)
            continue;
        printf("%s%u. %.*s\n", count ? "           " : "plugins    ", count + 1,
               GW_SLICE_ARG(line));
        count++;
    }
    if (count == 0)
        printf("plugins    none\n");
}

static void print_winner(const struct gw_load *load, const struct gw_route_candidate *winner,
                         const struct gw_route_query *query)
{
    const struct gw_service *service = winner->route->service;
    struct gw_route_match match;

    print_route("route      ", winner);
    if (service && service->port)
        printf("service    %.*s  %.*s://%.*s:%u\n", GW_SLICE_ARG(service->name),
               GW_SLICE_ARG(service->scheme), GW_SLICE_ARG(service->host), (unsigned)service->port);
    else if (service) /* a unix socket */
        printf("service    %.*s  %.*s://%.*s\n", GW_SLICE_ARG(service->name),
               GW_SLICE_ARG(service->scheme), GW_SLICE_ARG(service->host));
    else
        printf("service    none: a plugin must answer\n");
    gw_router_match(load->config->router, query, &match);
    for (unsigned i = 0; i < match.capture_count; i++)
        printf("parameter  %.*s = %.*s\n", GW_SLICE_ARG(match.captures[i].name),
               GW_SLICE_ARG(match.captures[i].value));
    print_plan(load->plans[winner->route->index]);
}

static int explain(const struct gw_load *load, const struct gw_route_query *query)
{
    struct gw_route_candidate candidates[CANDIDATES_MAX];
    size_t count = gw_router_explain(load->config->router, query, candidates, CANDIDATES_MAX);
    bool refused = gw_refusal_print(load->config, count ? candidates[0].route : NULL, query);
    char allowed[256];

    if (count == 0 && refused)
        return GW_EXIT_BAD; /* it is not looked for */
    if (count == 0) {
        size_t len =
            gw_router_allowed_methods(load->config->router, query, allowed, sizeof(allowed));

        if (len)
            printf("route      none for this method: 405, Allow: %.*s\n", (int)len, allowed);
        else
            printf("route      none: 404\n");
        print_plan(load->global_plan);
        return GW_EXIT_BAD;
    }
    print_winner(load, &candidates[0], query);
    for (size_t i = 1; i < count && i < CANDIDATES_MAX; i++) {
        print_route(i == 1 ? "before     " : "           ", &candidates[i]);
        printf("             %s\n", candidates[i].why);
    }
    return refused ? GW_EXIT_BAD : GW_EXIT_GOOD;
}

int gw_command_explain(const struct gw_options *options)
{
    struct question question = { .arena = gw_arena_new() };
    struct reading reading;
    int code = GW_EXIT_USAGE;

    if (ask(&question, options)) {
        code = begin(&reading, options) ? explain(&reading.load, &question.query) : GW_EXIT_BAD;
        end(&reading);
    }
    gw_arena_free(question.arena);
    gw_arena_trim();
    return code;
}
