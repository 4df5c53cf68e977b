#include "base/fault.h"

#ifdef GW_FAULTS

#include "base/check.h"
#include "base/slice.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RULES_MAX 32
#define ERRNO_MAX 134

struct rule {
    enum gw_fault point;
    int error;
    uint64_t from; /* from … to: which times, counted from 1 */
    uint64_t to;
    unsigned percent; /* of those; 100: all */
};

static const struct {
    const char *name;
    const char *about;
    int error;
} points[] = {
#define X(point, name, error, about) [GW_FAULT_##point] = { name, about, error },
    GW_FAULTS_ALL(X)
#undef X
};

/* All threads pass points; a plan is set before they start, or by a spec while they run. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct rule rules[RULES_MAX];
static unsigned rule_count;
static uint64_t seed;
static bool said[GW_FAULT_COUNT];
static bool says;

static atomic_bool armed; /* there are rules */
static atomic_uint_fast64_t passed[GW_FAULT_COUNT];
static atomic_uint_fast64_t fired;

/* ── passing a point ── */

/* The same for the same seed, point and time: a run can be repeated. */
static unsigned draw_percent(enum gw_fault point, uint64_t nth)
{
    uint64_t mixed = seed + nth * 0x9e3779b97f4a7c15u + (uint64_t)point * 0xd1b54a32d192ed03u;

    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
    return (unsigned)((mixed ^ (mixed >> 31)) % 100);
}

static const struct rule *find_rule(enum gw_fault point, uint64_t nth)
{
    for (unsigned i = 0; i < rule_count; i++) {
        const struct rule *rule = &rules[i];

        if (rule->point == point && nth >= rule->from && nth <= rule->to &&
            draw_percent(point, nth) < rule->percent)
            return rule;
    }
    return NULL;
}

static void say(enum gw_fault point, uint64_t nth, int error)
{
    if (!says || said[point])
        return;
    said[point] = true;
    fprintf(stderr, "moongate: fault %s:%llu (%s)\n", points[point].name, (unsigned long long)nth,
            strerrorname_np(error));
}

bool gw_fault_hit(enum gw_fault point)
{
    uint64_t nth = atomic_fetch_add_explicit(&passed[point], 1, memory_order_relaxed) + 1;
    int error = 0;

    if (!atomic_load_explicit(&armed, memory_order_relaxed))
        return false;
    pthread_mutex_lock(&lock);
    const struct rule *rule = find_rule(point, nth);

    if (rule) {
        error = rule->error;
        atomic_fetch_add_explicit(&fired, 1, memory_order_relaxed);
        say(point, nth, error);
    }
    pthread_mutex_unlock(&lock);
    if (error)
        errno = error;
    return error != 0;
}

uint64_t gw_fault_fired(void)
{
    return atomic_load(&fired);
}

uint64_t gw_fault_passed(enum gw_fault point)
{
    return atomic_load(&passed[point]);
}

/* ── reading a plan ── */

struct reader {
    const char *at;
    char *why;
    size_t why_size;
};

static bool refuse(struct reader *reader, const char *what, struct gw_slice text)
{
    snprintf(reader->why, reader->why_size, "%s '%.*s'", what, (int)text.len, text.ptr);
    return false;
}

/* Says which points there are. */
static bool refuse_point(struct reader *reader, struct gw_slice name)
{
    size_t used = 0;

    refuse(reader, "no fault point", name);
    used = strlen(reader->why);
    for (int i = 0; i < GW_FAULT_COUNT && used < reader->why_size; i++)
        used += (size_t)snprintf(reader->why + used, reader->why_size - used, "%s%s",
                                 i ? ", " : " (known: ", points[i].name);
    if (used < reader->why_size)
        snprintf(reader->why + used, reader->why_size - used, ")");
    return false;
}

static struct gw_slice take_until(struct reader *reader, const char *ends)
{
    struct gw_slice text = gw_slice(reader->at, strcspn(reader->at, ends));

    reader->at += text.len;
    return text;
}

static bool take_mark(struct reader *reader, char mark)
{
    if (*reader->at != mark)
        return false;
    reader->at++;
    return true;
}

static bool find_point(struct gw_slice name, enum gw_fault *point)
{
    for (int i = 0; i < GW_FAULT_COUNT; i++)
        if (gw_slice_equal(name, gw_slice(points[i].name, strlen(points[i].name)))) {
            *point = (enum gw_fault)i;
            return true;
        }
    return false;
}

static bool find_errno(struct gw_slice name, int *error)
{
    for (int i = 1; i < ERRNO_MAX; i++) {
        const char *known = strerrorname_np(i);

        if (known && gw_slice_equal(name, gw_slice(known, strlen(known)))) {
            *error = i;
            return true;
        }
    }
    return false;
}

/* Digits only: strtoull() would take signs and spaces. */
static bool take_number(struct reader *reader, uint64_t *number)
{
    char *end;

    if (*reader->at < '0' || *reader->at > '9')
        return false;
    *number = strtoull(reader->at, &end, 10);
    reader->at = end;
    return true;
}

/* "7", "3-5", "3-", "*" or "10%". */
static bool read_when(struct reader *reader, struct rule *rule)
{
    uint64_t number;

    rule->to = UINT64_MAX;
    rule->from = 1;
    rule->percent = 100;
    if (take_mark(reader, '*'))
        return true;
    if (!take_number(reader, &number))
        return false;
    if (take_mark(reader, '%')) {
        rule->percent = (unsigned)number;
        return number <= 100;
    }
    rule->from = number;
    if (!take_mark(reader, '-'))
        rule->to = number;
    else if (take_number(reader, &number))
        rule->to = number;
    return rule->from >= 1 && rule->to >= rule->from;
}

static bool read_rule(struct reader *reader)
{
    const char *start = reader->at;
    struct gw_slice name = take_until(reader, "=:,");
    struct rule rule = { 0 };

    if (gw_slice_equal(name, GW_SLICE("seed")) && take_mark(reader, ':') &&
        take_number(reader, &seed))
        return true;
    if (!find_point(name, &rule.point))
        return refuse_point(reader, name);
    rule.error = points[rule.point].error;
    if (take_mark(reader, '=')) {
        struct gw_slice error = take_until(reader, ":,");

        if (!find_errno(error, &rule.error))
            return refuse(reader, "no errno", error);
    }
    bool good = take_mark(reader, ':') && read_when(reader, &rule) && strchr(",", *reader->at);

    if (!good) {
        reader->at = start;
        return refuse(reader, "not POINT[=ERRNO]:WHEN, as in conn.write:7, :3-5, :* or :10%:",
                      take_until(reader, ","));
    }
    if (rule_count == RULES_MAX)
        return refuse(reader, "too many points at", name);
    rules[rule_count++] = rule;
    return true;
}

static bool read_plan(struct reader *reader)
{
    rule_count = 0;
    seed = 1;
    do {
        if (*reader->at && !read_rule(reader)) {
            rule_count = 0;
            return false;
        }
    } while (take_mark(reader, ','));
    return true;
}

bool gw_fault_set(const char *plan, char *why, size_t why_size)
{
    struct reader reader = { plan ? plan : "", why, why_size };

    pthread_mutex_lock(&lock);
    bool good = read_plan(&reader);

    for (int i = 0; i < GW_FAULT_COUNT; i++) {
        atomic_store(&passed[i], 0);
        said[i] = false;
    }
    atomic_store(&fired, 0);
    atomic_store(&armed, rule_count > 0);
    pthread_mutex_unlock(&lock);
    return good;
}

bool gw_fault_set_from_environment(void)
{
    char why[2048] = "";

    if (!gw_fault_set(getenv("GW_FAULT"), why, sizeof(why))) {
        fprintf(stderr, "moongate: GW_FAULT: %s\n", why);
        return false;
    }
    says = true;
    return true;
}

#endif
