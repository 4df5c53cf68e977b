/* Answers of name servers with SRV records: whatever came, what is taken from it are host names in
 * one spelling, of ports that there are, within the number asked for. */
#include "fuzz.h"

#include "base/alloc.h"
#include "net/dns_srv.h"

static void check(const struct gw_srv_list *list, unsigned max)
{
    FUZZ_CHECK(list->count <= max, "%u of %u", list->count, max);
    for (unsigned i = 0; i < list->count; i++) {
        char again[GW_HOST_NAME_MAX + 1];
        size_t len;

        FUZZ_CHECK(list->items[i].port != 0, "port 0");
        FUZZ_CHECK(gw_host_name_normalise(gw_slice_from(list->items[i].host), again, &len), "%s",
                   list->items[i].host);
        fuzz_check_same("host", gw_slice(again, len), gw_slice_from(list->items[i].host));
    }
}

GW_FUZZ_TARGET(dns_srv)
{
    char *owned;
    struct gw_slice packet = fuzz_copy(data, size, &owned);
    struct gw_srv_list many, few;
    bool good = gw_srv_read(packet, 1024, &many);

    FUZZ_CHECK(gw_srv_read(packet, 2, &few) == good, "depends on the number");
    if (good) {
        check(&many, 1024);
        check(&few, 2);
        FUZZ_CHECK(few.count == (many.count < 2 ? many.count : 2), "%u of %u", few.count,
                   many.count);
        FUZZ_CHECK(few.ttl_s == many.ttl_s, "%u, %u", few.ttl_s, many.ttl_s);
    }
    gw_free(many.items);
    gw_free(few.items);
    free(owned);
    return 0;
}
