#include "base/fault.h"
#include "cli/commands.h"

static const struct gw_command commands[] = {
    { "run", "run [-c FILE] [--watch]", "serve",
      "Serves what the configuration says until SIGTERM or SIGINT. Two processes: a supervisor "
      "that\n"
      "keeps the sockets, and the worker process, which it starts again if it dies. SIGHUP: read "
      "the\n"
      "configuration again; SIGUSR1: open log files again; SIGUSR2: put the program that lies on "
      "the\n"
      "disk now in place, without losing a request.",
      GW_TAKES_CONFIG | GW_TAKES_WATCH | GW_TAKES_PROCESS, 0, gw_command_run },
    { "check", "check [-c FILE]", "say whether the configuration is good",
      "Reads the configuration and loads every plugin, as a start would, and says what is wrong "
      "with\n"
      "them, all at once. Exit code 0: good, 1: not.",
      GW_TAKES_CONFIG, 0, gw_command_check },
    { "audit", "audit [-c FILE]", "say what the configuration leaves open",
      "Lists who may use each route, what bounds its requests, and what travels without "
      "protection.\n"
      "Works from the file; no gateway needs to run. Exit code 0: there are no gaps, 1: there are, "
      "or\n"
      "the configuration is not good.",
      GW_TAKES_CONFIG, 0, gw_command_audit },
    { "reload", "reload [-c FILE]", "make a running gateway take its configuration anew",
      "Asks the running gateway to read its configuration and plugins again, and waits until "
      "every\n"
      "worker serves them or something was found wrong. Exit code 0: it serves them, 1: something "
      "is\n"
      "wrong and the old ones go on, 3: no gateway answers.",
      GW_TAKES_CONFIG | GW_TAKES_ADMIN, 0, gw_command_reload },
    { "status", "status [-c FILE]", "say how a running gateway is",
      "Exit code 0: it serves, 1: the last reload failed, 3: no gateway answers.",
      GW_TAKES_CONFIG | GW_TAKES_ADMIN, 0, gw_command_status },
    { "routes", "routes [-c FILE]", "list the routes in the order they are tried",
      "Works from the file; no gateway needs to run.", GW_TAKES_CONFIG, 0, gw_command_routes },
    { "explain", "explain METHOD URL [-H 'NAME: VALUE']",
      "say which route a request takes, and why",
      "Says which route wins, which others matched, and which plugins run in which order. Works "
      "from the\n"
      "file; no gateway needs to run. Exit code 1: no route matches.\n\n"
      "  moongate explain GET http://api.example.com/users/7 -H 'x-version: 2'\n"
      "  moongate explain GET https://api.example.com/users/7 --sni other.example.com",
      GW_TAKES_CONFIG | GW_TAKES_HEADERS, 2, gw_command_explain },
    { "new", "new plugin NAME [--hooks A,B]", "make the files of a new plugin",
      "Makes FOLDER/NAME with handler.lua, schema.lua, README.md and a spec that passes, and a\n"
      ".luarc.json for editors where there is none. Hooks: init, rewrite, access, request_body,\n"
      "response, body, log. With --from the handler and the schema of a plugin that was written "
      "for\n"
      "Kong are moved, and what is left to do by hand is said.\n\n"
      "  moongate new plugin tenant-header --hooks access,response && moongate test",
      GW_TAKES_SCAFFOLD, 2, gw_command_new },
    { "test", "test [PATH ...]", "run the specs of plugins", "", GW_TAKES_REST, 0,
      gw_command_test },
    { "version", "version", "say what this is and what it is made of", "Names the libraries, too.",
      0, 0, gw_command_version },
    { 0 },
};

int main(int argc, char **argv)
{
#ifdef GW_FAULTS
    if (!gw_fault_set_from_environment())
        return GW_EXIT_USAGE;
#endif
    return gw_options_dispatch(commands, argc, argv);
}
