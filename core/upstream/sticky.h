#pragma once
/* Sessions that stay at their target: a cookie names it. Its value is a *tag*: what HMAC-SHA256
 * makes of upstream and target under a key, so it says nothing about them to who reads it, and
 * nobody without the key can make one. Who brings a tag is compared with those of all targets. */
#include "base/slice.h"

#define GW_STICKY_TAG_LEN 24 /* characters: 18 bytes as base64url */

struct gw_target;
struct gw_target_set;

/* An upstream without a cookie's name has none. */
struct gw_sticky {
    struct gw_slice cookie;     /* its name */
    struct gw_slice attributes; /* "; Path=/; HttpOnly": what stands behind its value */
    struct gw_slice key;
};

void gw_sticky_tag(const struct gw_sticky *sticky, struct gw_slice upstream,
                   const struct gw_target *target, char tag[GW_STICKY_TAG_LEN]);

/* The index of the target that a cookie's value names, -1: none of these. Takes as long whatever
 * the value is. */
int gw_sticky_find(const struct gw_target_set *set, struct gw_slice value);
