#pragma once
/* Asks a running gateway's admin listener: one request, one answer, blocking. */
#include "base/buf.h"

struct gw_admin_call {
    const char *config;  /* as named, or NULL */
    const char *address; /* --admin, or NULL: the configuration's */
    const char *token;   /* --token, or NULL: the configuration's */
};

/* Returns the status, the body in `body` (initialised by the caller); or, after a text for the
 * operator was written, an exit code as a negative number: nobody answers, or the configuration
 * that should name the place cannot be read. */
int gw_admin_ask(const struct gw_admin_call *call, const char *method, const char *path,
                 struct gw_buf *body);
