#include "net/host_name.h"

#define LABEL_LEN_MAX 63

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* "127.1", "0x7f.1": their last label is a number. */
static bool is_number(struct gw_slice label)
{
    bool hex = label.len >= 2 && label.ptr[0] == '0' && label.ptr[1] == 'x';

    for (size_t i = hex ? 2 : 0; i < label.len; i++) {
        char c = label.ptr[i];

        if (!(c >= '0' && c <= '9') && !(hex && c >= 'a' && c <= 'f'))
            return false;
    }
    return true;
}

bool gw_host_name_normalise(struct gw_slice name, char out[GW_HOST_NAME_MAX + 1], size_t *len)
{
    size_t label = 0; /* where it begins */

    if (name.len > 0 && name.ptr[name.len - 1] == '.')
        name.len--;
    if (name.len == 0 || name.len > GW_HOST_NAME_MAX)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        out[i] = gw_lower(name.ptr[i]);
        if (out[i] == '.') {
            if (i == label)
                return false;
            label = i + 1;
        } else if (!is_name_char(out[i]) || i - label >= LABEL_LEN_MAX) {
            return false;
        }
    }
    out[name.len] = '\0';
    *len = name.len;
    return label < name.len && !is_number(gw_slice(out + label, name.len - label));
}
