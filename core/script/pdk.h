#pragma once
/* The C side of what plugins call (lua/moongate/pdk/): plain C that LuaJIT's FFI reads too, so the
 * two cannot drift. Functions are small and total. Strings come as pointer and length and go out
 * through the handle's ptr and len (name) and ptr2 and len2 (value), borrowed until the next call
 * with that handle. None of them enters Lua or yields. */
#ifndef GW_CDEF
#include <stddef.h>
#include <stdint.h>
#endif

struct gw_exchange;
struct gw_regex;
struct gw_script;

/* Which hook runs; a function of the PDK names those it may be called in. */
enum gw_pdk_phase {
    GW_PDK_REWRITE_GLOBAL = 1, /* before routing */
    GW_PDK_REWRITE = 2,        /* scoped: after routing */
    GW_PDK_ACCESS = 4,
    GW_PDK_RESPONSE = 8,
    GW_PDK_LOG = 16,
    GW_PDK_REQUEST_BODY = 32,
    GW_PDK_BODY = 64,
    GW_PDK_APART = 128, /* no hook: a background task, or the function of a request's body */
};

/* One per slot of the pool. While no hook of its request runs `phase` is 0; when the request is
 * over `x` is NULL too and `serial` another: what Lua kept of the request carries the old one. */
struct gw_pdk {
    struct gw_exchange *x;
    double serial;    /* of the request; counts up */
    uint32_t phase;   /* enum gw_pdk_phase, or 0 */
    uint32_t at;      /* place of the running hook in its list */
    uint32_t use;     /* which use of which plugin runs: index in the plan's uses */
    uint32_t replied; /* a hook of this phase answered */
    /* What a runner of lua/moongate/phases.lua is entered with; it looks before any hook runs. */
    uint32_t plan, stage, from;
    const char *ptr;
    size_t len;
    const char *ptr2;
    size_t len2;
    size_t at_byte; /* where gw_pdk_next_arg() goes on */
};

/* Who runs now; Lua reads it to know whom it serves. */
struct gw_pdk_now {
    const struct gw_pdk *pdk; /* NULL: nobody */
};

/* What setters answer; Lua has the words. */
enum gw_pdk_verdict {
    GW_PDK_FINE,
    GW_PDK_BAD_NAME,  /* not a header name */
    GW_PDK_BAD_VALUE, /* control bytes, or not of that kind */
    GW_PDK_FRAMING,   /* the core writes it */
    GW_PDK_UNKNOWN,   /* no such thing in the configuration */
    GW_PDK_TOO_MANY,
    GW_PDK_NOT_A_TRAILER, /* it would come too late */
};

enum gw_pdk_head {
    GW_PDK_OF_REQUEST,
    GW_PDK_OF_RESPONSE, /* what will be sent */
    GW_PDK_OF_SERVICE,  /* what came */
    GW_PDK_TRAILERS,    /* what came behind its body */
};

enum gw_pdk_text {
    GW_PDK_METHOD,
    GW_PDK_SCHEME,
    GW_PDK_HOST,
    GW_PDK_PATH,
    GW_PDK_RAW_TARGET,
    GW_PDK_QUERY,
    GW_PDK_FORWARDED_SCHEME,
    GW_PDK_FORWARDED_HOST,
    GW_PDK_CLIENT_IP,
    GW_PDK_FORWARDED_IP,
    GW_PDK_CORRELATION_ID,
    GW_PDK_OUTGOING_PATH, /* what the service was asked */
    GW_PDK_OUTGOING_QUERY,
};

enum gw_pdk_number {
    GW_PDK_PORT,
    GW_PDK_FORWARDED_PORT,
    GW_PDK_CLIENT_PORT,
    GW_PDK_HTTP_VERSION, /* 10, 11 or 20 */
    GW_PDK_PEER_TRUSTED,
    GW_PDK_START_TIME, /* milliseconds since 1970 */
    GW_PDK_ROUTE,      /* index + 1; 0: none */
    GW_PDK_SERVICE,
    GW_PDK_CONSUMER,
    GW_PDK_STATUS,         /* of what will be sent; 0: no response yet */
    GW_PDK_SERVICE_STATUS, /* of what came; 0: nothing */
    GW_PDK_SOURCE,         /* 0 service, 1 exit, 2 error */
    GW_PDK_BODY_LIMIT,     /* limits.buffer */
    GW_PDK_BODY_LENGTH,    /* of the request; -1: it has none, -2: not told */
    /* In log: body bytes, and microseconds (-1: it did not come to that). */
    GW_PDK_BYTES_IN,
    GW_PDK_BYTES_OUT,
    GW_PDK_DURATION,   /* of the whole */
    GW_PDK_OWN_TIME,   /* until the service was called, or the answer was made */
    GW_PDK_WAIT_TIME,  /* from there to the service's head */
    GW_PDK_REPLY_TIME, /* from the first byte of the answer to the last */
};

/* Of the client's TLS. */
enum gw_pdk_tls_text {
    GW_PDK_TLS_VERSION,
    GW_PDK_TLS_CIPHER,
    GW_PDK_TLS_PROTOCOL, /* ALPN */
    GW_PDK_TLS_SNI,
    GW_PDK_TLS_PROBLEM, /* why its certificate is not accepted */
    GW_PDK_TLS_SUBJECT, /* of its certificate, as what follows */
    GW_PDK_TLS_ISSUER,
    GW_PDK_TLS_SERIAL,
    GW_PDK_TLS_FINGERPRINT, /* SHA-256 */
    GW_PDK_TLS_SHA1,
    GW_PDK_TLS_PEM,
};

enum gw_pdk_tls_number {
    GW_PDK_TLS_RESUMED,
    GW_PDK_TLS_SHOWN, /* 0 no certificate, 1 one that is not accepted, 2 a good one */
    GW_PDK_TLS_FROM,  /* seconds since 1970 */
    GW_PDK_TLS_UNTIL,
};

enum {
    GW_PDK_ID_MAX = 128,
};

enum gw_pdk_edit {
    GW_PDK_SET,
    GW_PDK_ADD,
    GW_PDK_CLEAR,
};

/* --- reading --- */

/* Into ptr and len; 0 when there is none. */
int gw_pdk_text(struct gw_pdk *h, int what);
double gw_pdk_number(struct gw_pdk *h, int what);

/* The client's address behind trusted proxies; of an IPv6 one the network of so many bits. */
void gw_pdk_client_network(struct gw_pdk *h, unsigned bits);

/* The first field of that name (any case, "_" for "-"); Host and Content-Length are told too. 0:
 * none. */
int gw_pdk_field(struct gw_pdk *h, int head, const char *name, size_t len);

/* How many fields have that name, in any spelling. */
uint32_t gw_pdk_count_field(struct gw_pdk *h, int head, const char *name, size_t len);

/* The n-th field, 0 …: name and value. 0: no more. */
int gw_pdk_field_at(struct gw_pdk *h, int head, uint32_t n);

/* An argument of the query, decoded, into ptr2 and len2: 0 none, 1 with a value, 2 a bare name. */
int gw_pdk_arg(struct gw_pdk *h, const char *name, size_t len);

/* The next argument from `at_byte` (set it to 0 to begin), name and value decoded; the same
 * answers. */
int gw_pdk_next_arg(struct gw_pdk *h);

/* What the route's path captured: by place (0 …; name and value) and by name (ptr2, len2). 0:
 * none. */
int gw_pdk_capture_at(struct gw_pdk *h, uint32_t n);
int gw_pdk_capture(struct gw_pdk *h, const char *name, size_t len);

/* In log, the tries at the service, the last one first (n: 0 …): "ip:port", and the error's name or
 * "". Milliseconds since 1970 when it began; 0: no more. */
double gw_pdk_try(struct gw_pdk *h, uint32_t n);

/* The same of the client's TLS, or nothing without. */
int gw_pdk_tls_text(struct gw_pdk *h, int what);
double gw_pdk_tls_number(struct gw_pdk *h, int what);
/* The n-th name (0 …) of its certificate: kind and name. 0: no more. */
int gw_pdk_tls_name(struct gw_pdk *h, uint32_t n);

/* A body that is here as a whole, into ptr and len; 0 when it is not, 2 when it never will be: a
 * function makes it while it is sent. */
int gw_pdk_body(struct gw_pdk *h, int head);

/* --- changing; enum gw_pdk_verdict --- */

/* Request: what the service gets. Response: before the response phase it waits until there is a
 * head. */
int gw_pdk_edit(struct gw_pdk *h, int head, int edit, const char *name, size_t name_len,
                const char *value, size_t value_len);

/* METHOD, PATH, QUERY of the request itself (before routing). */
int gw_pdk_set_request(struct gw_pdk *h, int what, const char *text, size_t len);

/* 1 … GW_PDK_ID_MAX bytes of visible ASCII without quotes and backslashes: it goes into logs and
 * headers. */
int gw_pdk_set_id(struct gw_pdk *h, const char *id, size_t len);

/* A smaller limits.body for this request. 0: it is known already that the body is larger. */
int gw_pdk_limit_body(struct gw_pdk *h, double max);

/* METHOD, PATH, QUERY, HOST of what goes to the service. */
int gw_pdk_set_outgoing(struct gw_pdk *h, int what, const char *text, size_t len);
/* Takes every argument of that name out of the query, for the service and for later plugins. */
int gw_pdk_clear_arg(struct gw_pdk *h, const char *name, size_t len);
int gw_pdk_set_outgoing_body(struct gw_pdk *h, const char *body, size_t len);
int gw_pdk_set_upstream(struct gw_pdk *h, const char *name, size_t len);
int gw_pdk_set_target(struct gw_pdk *h, const char *host, size_t len, int port);
int gw_pdk_set_retries(struct gw_pdk *h, int retries);
int gw_pdk_set_timeouts(struct gw_pdk *h, double connect_ms, double write_ms, double read_ms);

/* A limit as clients are told of it: texts that are always the same, and what is left now. */
struct gw_pdk_told {
    const char *lead, *quota;                /* `"minute";r=`, `100` */
    const char *limit_name, *remaining_name; /* x-ratelimit-limit-minute … */
    uint32_t lead_len, quota_len, limit_name_len, remaining_name_len;
    double remaining, reset; /* reset: seconds until all of it is there */
};

/* Puts RateLimit-Policy and RateLimit of the IETF's draft on the response, before there is one. */
void gw_pdk_tell_limits(struct gw_pdk *h, const char *policy, size_t policy_len,
                        const struct gw_pdk_told *told, uint32_t count);
/* Puts RateLimit-Limit, -Remaining and -Reset of the limit that is nearest there, and X-RateLimit-…
 * of each. */
void gw_pdk_tell_limits_legacy(struct gw_pdk *h, const struct gw_pdk_told *told, uint32_t count);

int gw_pdk_set_status(struct gw_pdk *h, int status);
int gw_pdk_set_trailer(struct gw_pdk *h, const char *name, size_t name_len, const char *value,
                       size_t value_len);
int gw_pdk_set_response_body(struct gw_pdk *h, const char *body, size_t len);

/* 1 …: index in the configuration plus one; 0: nobody. */
int gw_pdk_set_consumer(struct gw_pdk *h, uint32_t consumer);

/* --- answering --- */

/* A draft that nobody sees before gw_pdk_reply_send(); a new one forgets it. */
int gw_pdk_reply_new(struct gw_pdk *h, int status);
int gw_pdk_reply_header(struct gw_pdk *h, const char *name, size_t name_len, const char *value,
                        size_t value_len);
/* The answer in a line, for those who get no body: calls of gRPC. */
int gw_pdk_reply_message(struct gw_pdk *h, const char *text, size_t len);
/* `type`: content-type unless a header said it. Replaces an earlier answer. */
void gw_pdk_reply_send(struct gw_pdk *h, const char *body, size_t len, const char *type,
                       size_t type_len);
/* The draft as an answer whose body the slot's function makes. */
void gw_pdk_reply_stream(struct gw_pdk *h);
/* A problem as the answer; the draft's headers come too. */
void gw_pdk_reply_problem(struct gw_pdk *h, const char *detail, size_t len);
/* The same of a type of its own; what is empty is as it would be. `more`: further members, as JSON
 * that begins with a comma. */
void gw_pdk_reply_problem_of(struct gw_pdk *h, const char *detail, size_t len, const char *type,
                             size_t type_len, const char *title, size_t title_len,
                             const char *reason, size_t reason_len, const char *more,
                             size_t more_len);

/* There is work for behind the log hooks: the log phase runs even where no plugin has one. */
void gw_pdk_after(struct gw_pdk *h);

/* --- log, clock, ids --- */

int gw_pdk_log_level(void);
/* With the name of the plugin that runs and the correlation id; h NULL: of nobody. */
void gw_pdk_log(struct gw_script *script, struct gw_pdk *h, int level, const char *text,
                size_t len);

/* Of an enum gw_error that a wait answered: the words for people, and whether it is about a body
 * beyond the limit. */
const char *gw_pdk_error_text(int code);
int gw_pdk_too_large(int code);

/* Seconds: since 1970, or of a clock that only moves forward. */
double gw_pdk_time(struct gw_script *script);
double gw_pdk_monotonic(struct gw_script *script);
void gw_pdk_uuid(struct gw_script *script, int version, char *out);

/* --- who we are --- */

/* A UUID, made when it is first asked for and the same until the process ends. */
const char *gw_pdk_node_id(void);
/* 0 when the system does not say; else with a NUL. */
int gw_pdk_hostname(char *out, size_t size);
int gw_pdk_process(void);
const char *gw_pdk_version(void);

/* Whether trusted_proxies names the address; -1: it is none. */
int gw_pdk_trusts(struct gw_pdk *h, const char *ip, size_t len);

/* --- sinks: opened by core.sink_open, moongate.sink --- */

enum gw_pdk_sink_put {
    GW_PDK_SINK_CLOSED = -1,
    GW_PDK_SINK_FULL = 0,
    GW_PDK_SINK_PUT = 1,
};

/* Copies the line; never waits. */
int gw_pdk_sink_put(struct gw_script *script, uint32_t sink, const char *line, size_t len);

/* --- regular expressions: made and freed by gw_regex_new() and gw_regex_free() --- */

/* 1 when it matches somewhere, 0 when not, -1 when a limit was hit and nobody knows. */
int gw_pdk_regex_test(const struct gw_regex *regex, const char *text, size_t len);

/* The same from a byte of the text on. */
int gw_pdk_regex_test_from(const struct gw_regex *regex, const char *text, size_t len, size_t from);

/* What group `n` (0: the whole) took in the thread's last match, of the same text; 0: nothing. */
int gw_pdk_regex_group(const struct gw_regex *regex, const char *text, size_t len, uint32_t n,
                       const char **found, size_t *found_len);

/* How many groups there are, and what the n-th named one (0 …) is called: its number; 0: no
 * more. */
uint32_t gw_pdk_regex_groups(const struct gw_regex *regex);
uint32_t gw_pdk_regex_name(const struct gw_regex *regex, uint32_t n, const char **name,
                           size_t *name_len);

/* Redis (pdk_redis.c): whether the program was built with what speaks to it, and an enum
 * gw_redis_end in words. */
int gw_pdk_redis_available(void);
const char *gw_pdk_redis_reason(int end);
