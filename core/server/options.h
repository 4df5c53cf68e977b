#pragma once
/* The command line: `moongate COMMAND [OPTIONS] [ARGUMENTS]`. */
#ifndef GW_CDEF
#include <stdbool.h>
#include <stdio.h>
#endif

/* Exit codes. */
#define GW_EXIT_GOOD 0
#define GW_EXIT_BAD 1 /* the configuration, or what was asked, is not good */
#define GW_EXIT_USAGE 2
#define GW_EXIT_UNREACHABLE 3 /* no running gateway answers */
/* The worker process alone: Lua could not be stopped (script/guard.h, GW_GUARD_EXIT_CODE). */
#define GW_EXIT_STUCK 70

#define GW_OPTION_HEADERS_MAX 64

/* What was written; all texts are borrowed from argv. */
struct gw_options {
    const char *config; /* -c; NULL: the usual places */
    const char *admin;  /* --admin; NULL: what the configuration says */
    const char *token;  /* --token */
    bool watch;
    bool alone;                                 /* --no-supervisor */
    const char *user;                           /* --user; NULL: who started us */
    const char *hooks;                          /* --hooks; NULL: the usual ones */
    const char *dir;                            /* --dir; NULL: ./plugins */
    const char *from;                           /* --from; NULL: a new plugin */
    const char *headers[GW_OPTION_HEADERS_MAX]; /* -H "Name: value" */
    unsigned header_count;
    const char *sni;     /* --sni; NULL: none */
    const char *client;  /* --client; NULL: none */
    const char *args[2]; /* METHOD URL of explain, plugin NAME of new */
    unsigned arg_count;
    char **argv; /* the whole command line, for who starts the program again */
    char **rest; /* GW_TAKES_REST: everything behind the command, as it was written */
    int rest_count;
};

/* Which options a command takes. */
#define GW_TAKES_CONFIG 1u
#define GW_TAKES_WATCH 2u
#define GW_TAKES_ADMIN 4u
#define GW_TAKES_HEADERS 8u
#define GW_TAKES_SCAFFOLD 16u
#define GW_TAKES_PROCESS 64u
#define GW_TAKES_REST 32u /* none: who runs reads them, --help too */

struct gw_command {
    const char *name;
    const char *usage; /* behind "moongate " */
    const char *about; /* one line */
    const char *help;  /* what --help says below usage */
    unsigned takes;
    unsigned args;                                /* how many, exactly */
    int (*run)(const struct gw_options *options); /* returns the exit code */
};

/* Finds the command, parses its options, runs it; answers --help. Returns the exit code. `commands`
 * ends with a nameless one. */
int gw_options_dispatch(const struct gw_command *commands, int argc, char **argv);

/* "moongate: what: why (what to do)" on standard error; `remedy` may be NULL. */
void gw_complain(const char *what, const char *why, const char *remedy);
