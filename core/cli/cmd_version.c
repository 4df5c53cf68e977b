#include "cli/commands.h"

#include <ares.h>
#include <llhttp.h>
#include <luajit.h>
#include <openssl/crypto.h>
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <uv.h>

int gw_command_version(const struct gw_options *options)
{
    char pcre[64] = "";

    (void)options;
    pcre2_config(PCRE2_CONFIG_VERSION, pcre);
    printf("moongate " GW_VERSION "\n");
    printf("  %s\n", LUAJIT_VERSION);
    printf("  libuv %s\n", uv_version_string());
    printf("  llhttp %d.%d.%d\n", LLHTTP_VERSION_MAJOR, LLHTTP_VERSION_MINOR, LLHTTP_VERSION_PATCH);
    printf("  %s\n", OpenSSL_version(OPENSSL_VERSION));
    printf("  PCRE2 %s\n", pcre);
    printf("  c-ares %s\n", ares_version(NULL));
    return GW_EXIT_GOOD;
}
