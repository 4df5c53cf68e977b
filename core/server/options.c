#include "server/options.h"

#include "base/check.h"

#include <string.h>

struct option {
    char letter; /* 0: none */
    const char *name;
    const char *value; /* what it takes, for --help; NULL: nothing */
    const char *about;
    unsigned bit;
};

static const struct option options_known[] = {
    { 'c', "config", "FILE",
      "the configuration (./moongate.yaml, else /etc/moongate/moongate.yaml)", GW_TAKES_CONFIG },
    { 0, "watch", NULL, "reload when the configuration or a plugin's file changes",
      GW_TAKES_WATCH },
    { 0, "no-supervisor", NULL, "run as one process, which nobody starts again", GW_TAKES_PROCESS },
    { 0, "user", "USER[:GROUP]", "run the worker process as that user; needs root",
      GW_TAKES_PROCESS },
    { 0, "admin", "ADDRESS", "the admin listener, instead of the configuration's", GW_TAKES_ADMIN },
    { 0, "token", "TOKEN", "its token, instead of the configuration's", GW_TAKES_ADMIN },
    { 'H', "header", "'NAME: VALUE'", "a header of the request; may be repeated",
      GW_TAKES_HEADERS },
    { 0, "sni", "NAME",
      "the name asked for in the TLS handshake; a URL with https:// names its host",
      GW_TAKES_HEADERS },
    { 0, "client", "ADDRESS", "the client's address, for routes with sources; unix: is one, too",
      GW_TAKES_HEADERS },
    { 0, "hooks", "HOOK,HOOK", "the hooks it gets (access,response)", GW_TAKES_SCAFFOLD },
    { 0, "dir", "FOLDER", "where plugins stand (./plugins)", GW_TAKES_SCAFFOLD },
    { 0, "from", "FOLDER", "a plugin written for Kong, to be moved", GW_TAKES_SCAFFOLD },
    { 'h', "help", NULL, "this text", 0 },
};

void gw_complain(const char *what, const char *why, const char *remedy)
{
    if (remedy)
        fprintf(stderr, "moongate: %s: %s (%s)\n", what, why, remedy);
    else
        fprintf(stderr, "moongate: %s: %s\n", what, why);
}

/* --- did you mean --- */

#define WORD_MAX 32

static unsigned smallest(unsigned a, unsigned b, unsigned c)
{
    unsigned least = a < b ? a : b;

    return least < c ? least : c;
}

/* How many letters must be changed, put in, left out or swapped with their neighbour. */
static unsigned distance(const char *a, const char *b)
{
    unsigned rows[3][WORD_MAX + 1];
    size_t a_len = strlen(a), b_len = strlen(b);

    if (a_len > WORD_MAX || b_len > WORD_MAX)
        return WORD_MAX;
    unsigned *before = rows[0], *last = rows[1], *row = rows[2];

    for (size_t j = 0; j <= b_len; j++)
        last[j] = (unsigned)j;
    for (size_t i = 1; i <= a_len; i++) {
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b_len; j++) {
            row[j] = smallest(last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                before[j - 2] + 1 < row[j])
                row[j] = before[j - 2] + 1;
        }
        unsigned *spare = before;

        before = last;
        last = row;
        row = spare;
    }
    return last[b_len];
}

struct guess {
    const char *word; /* NULL: nothing is near */
    unsigned distance;
};

static void consider(struct guess *guess, const char *written, const char *word)
{
    unsigned found = distance(written, word);
    unsigned allowed = strlen(word) <= 3 ? 1 : 2;

    if (found <= allowed && (!guess->word || found < guess->distance))
        *guess = (struct guess){ word, found };
}

/* --- --help --- */

static void print_overview(FILE *out, const struct gw_command *commands)
{
    fprintf(
        out,
        "Moongate, an API gateway you program in Lua.\n\nusage: moongate COMMAND [OPTIONS]\n\n");
    for (const struct gw_command *command = commands; command->name; command++)
        fprintf(out, "  %-38s %s\n", command->usage, command->about);
    fprintf(out, "\n'moongate COMMAND --help' says more.\n");
}

static void print_help(const struct gw_command *command)
{
    printf("usage: moongate %s\n\n%s\n\noptions:\n", command->usage, command->help);
    for (size_t i = 0; i < GW_ARRAY_LEN(options_known); i++) {
        const struct option *option = &options_known[i];
        char name[64];

        if (option->bit && !(command->takes & option->bit))
            continue;
        snprintf(name, sizeof(name), "%c%c%s--%s%s%s", option->letter ? '-' : ' ',
                 option->letter ? option->letter : ' ', option->letter ? ", " : "  ", option->name,
                 option->value ? " " : "", option->value ? option->value : "");
        printf("  %-30s %s\n", name, option->about);
    }
}

/* --- parsing --- */

struct parser {
    const struct gw_command *command;
    struct gw_options *options;
    int argc;
    char **argv;
    int at;
    bool wants_help;
};

static int complain_of_option(const struct parser *parser, const char *written)
{
    char what[96], remedy[160];
    struct guess guess = { NULL, 0 };

    for (size_t i = 0; i < GW_ARRAY_LEN(options_known); i++)
        if (strncmp(written, "--", 2) == 0 &&
            (!options_known[i].bit || (parser->command->takes & options_known[i].bit)))
            consider(&guess, written + 2, options_known[i].name);
    snprintf(what, sizeof(what), "%s: %.60s", parser->command->name, written);
    if (guess.word)
        snprintf(remedy, sizeof(remedy), "did you mean --%s?", guess.word);
    else
        snprintf(remedy, sizeof(remedy), "'moongate %s --help' lists them", parser->command->name);
    gw_complain(what, "no such option", remedy);
    return GW_EXIT_USAGE;
}

/* Matches "-c", "-cFILE", "--config", "--config=FILE"; *value is what stands behind in the same
 * word, or NULL. */
static const struct option *find_option(const struct parser *parser, const char *written,
                                        const char **value)
{
    for (size_t i = 0; i < GW_ARRAY_LEN(options_known); i++) {
        const struct option *option = &options_known[i];
        size_t len = strlen(option->name);

        *value = NULL;
        if (option->bit && !(parser->command->takes & option->bit))
            continue;
        if (option->letter && written[0] == '-' && written[1] == option->letter) {
            *value = written[2] ? written + 2 : NULL;
            return option->value || !written[2] ? option : NULL;
        }
        if (strncmp(written, "--", 2) != 0 || strncmp(written + 2, option->name, len) != 0)
            continue;
        if (written[2 + len] == '=' && option->value) {
            *value = written + 3 + len;
            return option;
        }
        if (written[2 + len] == '\0')
            return option;
    }
    return NULL;
}

static int store_option(struct parser *parser, const struct option *option, const char *value)
{
    struct gw_options *options = parser->options;

    switch (option->bit) {
    case GW_TAKES_CONFIG:
        options->config = value;
        break;
    case GW_TAKES_WATCH:
        options->watch = true;
        break;
    case GW_TAKES_PROCESS:
        if (option->value)
            options->user = value;
        else
            options->alone = true;
        break;
    case GW_TAKES_ADMIN:
        *(option->name[0] == 'a' ? &options->admin : &options->token) = value;
        break;
    case GW_TAKES_SCAFFOLD:
        *(option->name[0] == 'h'   ? &options->hooks
          : option->name[0] == 'f' ? &options->from
                                   : &options->dir) = value;
        break;
    case GW_TAKES_HEADERS:
        if (option->name[0] == 's' || option->name[0] == 'c') {
            *(option->name[0] == 's' ? &options->sni : &options->client) = value;
            break;
        }
        if (options->header_count == GW_OPTION_HEADERS_MAX) {
            gw_complain("explain", "more than 64 headers", NULL);
            return GW_EXIT_USAGE;
        }
        options->headers[options->header_count++] = value;
        break;
    case 0:
        parser->wants_help = true;
        break;
    }
    return 0;
}

static int parse_option(struct parser *parser)
{
    const char *written = parser->argv[parser->at];
    const char *value;
    const struct option *option = find_option(parser, written, &value);

    if (!option)
        return complain_of_option(parser, written);
    if (option->value && !value) {
        if (parser->at + 1 >= parser->argc) {
            char what[64], why[64];

            snprintf(what, sizeof(what), "%s: %.20s", parser->command->name, written);
            snprintf(why, sizeof(why), "needs a value: %s", option->value);
            gw_complain(what, why, NULL);
            return GW_EXIT_USAGE;
        }
        value = parser->argv[++parser->at];
    }
    return store_option(parser, option, value);
}

static int complain_of_args(const struct gw_command *command, const char *why)
{
    char remedy[160];

    snprintf(remedy, sizeof(remedy), "usage: moongate %s", command->usage);
    gw_complain(command->name, why, remedy);
    return GW_EXIT_USAGE;
}

static int parse(struct parser *parser)
{
    const struct gw_command *command = parser->command;
    struct gw_options *options = parser->options;
    bool only_args = false;

    for (parser->at = 2; parser->at < parser->argc; parser->at++) {
        const char *word = parser->argv[parser->at];

        if (!only_args && strcmp(word, "--") == 0) {
            only_args = true;
            continue;
        }
        if (!only_args && word[0] == '-' && word[1]) {
            int code = parse_option(parser);

            if (code)
                return code;
            continue;
        }
        if (options->arg_count == command->args) {
            char why[96];

            snprintf(why, sizeof(why), "does not know what to do with '%.40s'", word);
            return complain_of_args(command, why);
        }
        options->args[options->arg_count++] = word;
    }
    if (!parser->wants_help && options->arg_count < command->args)
        return complain_of_args(command, "something is missing");
    return 0;
}

static int complain_of_command(const struct gw_command *commands, const char *written)
{
    char what[64], remedy[96];
    struct guess guess = { NULL, 0 };

    for (const struct gw_command *command = commands; command->name; command++)
        consider(&guess, written, command->name);
    snprintf(what, sizeof(what), "%.40s", written);
    if (written[0] == '-')
        snprintf(remedy, sizeof(remedy), "options stand behind the command");
    else if (guess.word)
        snprintf(remedy, sizeof(remedy), "did you mean '%s'?", guess.word);
    else
        snprintf(remedy, sizeof(remedy), "'moongate --help' lists them");
    gw_complain(what, "no such command", remedy);
    return GW_EXIT_USAGE;
}

int gw_options_dispatch(const struct gw_command *commands, int argc, char **argv)
{
    if (argc < 2) {
        print_overview(stderr, commands);
        return GW_EXIT_USAGE;
    }
    const char *name = argv[1];

    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        print_overview(stdout, commands);
        return GW_EXIT_GOOD;
    }
    if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0)
        name = "version";
    for (const struct gw_command *command = commands; command->name; command++) {
        if (strcmp(command->name, name) != 0)
            continue;
        struct gw_options options = { .argv = argv };
        struct parser parser = {
            .command = command, .options = &options, .argc = argc, .argv = argv
        };

        if (command->takes & GW_TAKES_REST) {
            options.rest = argv + 2;
            options.rest_count = argc - 2;
            return command->run(&options);
        }
        int code = parse(&parser);

        if (code)
            return code;
        if (parser.wants_help) {
            print_help(command);
            return GW_EXIT_GOOD;
        }
        return command->run(&options);
    }
    return complain_of_command(commands, argv[1]);
}
