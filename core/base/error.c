#include "base/error.h"

#include "base/check.h"

/* The reason is the constant's name in lower case, made once before main(). */
static char reasons[GW_E_COUNT][32];

static struct gw_error_info infos[] = {
#define X(name, text, status, side, retry)                                                         \
    [GW_E_##name] = { #name, text, status, GW_SIDE_##side, GW_RETRY_##retry },
    GW_ERRORS(X)
#undef X
};

__attribute__((constructor)) static void lower_reasons(void)
{
    for (int i = 0; i < GW_E_COUNT; i++) {
        const char *name = infos[i].reason;
        size_t len = 0;

        for (; name[len] && len < sizeof(reasons[i]) - 1; len++)
            reasons[i][len] =
                name[len] >= 'A' && name[len] <= 'Z' ? (char)(name[len] + 32) : name[len];
        infos[i].reason = reasons[i];
    }
}

const struct gw_error_info *gw_error_info(enum gw_error error)
{
    GW_ASSERT((unsigned)error < GW_E_COUNT);
    return &infos[error];
}
