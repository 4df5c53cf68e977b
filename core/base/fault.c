#include "base/fault.h"

#ifdef GW_FAULTS

#include "base/check.h"
#include "base/slice.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

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
static struct board {
    pthread_mutex_t lock;
    struct rule rules[RULES_MAX];
    unsigned rule_count;
    uint64_t seed;
    bool said[GW_FAULT_COUNT];
    atomic_bool armed; /* there are rules */
    atomic_uint_fast64_t passed[GW_FAULT_COUNT];
    atomic_uint_fast64_t fired;
} own = { .lock = PTHREAD_MUTEX_INITIALIZER };

static struct board *board = &own; /* or one that processes share */
static bool says;

/* Who had the lock may have been killed: nothing in here is wrong half written. */
static void lock_board(void)
{
    if (pthread_mutex_lock(&board->lock) == EOWNERDEAD)
        pthread_mutex_consistent(&board->lock);
}

/* ── passing a point ── */

/* The same for the same seed, point and time: a run can be repeated. */
static unsigned draw_percent(enum gw_fault point, uint64_t nth)
{
    uint64_t mixed =
        board->seed + nth * 0x9e3779b97f4a7c15u + (uint64_t)point * 0xd1b54a32d192ed03u;

    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
    return (unsigned)((mixed ^ (mixed >> 31)) % 100);
}

static const struct rule *find_rule(enum gw_fault point, uint64_t nth)
{
    for (unsigned i = 0; i < board->rule_count; i++) {
        const struct rule *rule = &board->rules[i];

        if (rule->point == point && nth >= rule->from && nth <= rule->to &&
            draw_percent(point, nth) < rule->percent)
            return rule;
    }
    return NULL;
}

static void say(enum gw_fault point, uint64_t nth, int error)
{
    if (!says || board->said[point])
        return;
    board->said[point] = true;
    fprintf(stderr, "moongate: fault %s:%llu (%s)\n", points[point].name, (unsigned long long)nth,
            strerrorname_np(error));
}

bool gw_fault_hit(enum gw_fault point)
{
    uint64_t nth = atomic_fetch_add_explicit(&board->passed[point], 1, memory_order_relaxed) + 1;
    int error = 0;

    if (!atomic_load_explicit(&board->armed, memory_order_relaxed))
        return false;
    lock_board();
    const struct rule *rule = find_rule(point, nth);

    if (rule) {
        error = rule->error;
        atomic_fetch_add_explicit(&board->fired, 1, memory_order_relaxed);
        say(point, nth, error);
    }
    pthread_mutex_unlock(&board->lock);
    if (error)
        errno = error;
    return error != 0;
}

uint64_t gw_fault_fired(void)
{
    return atomic_load(&board->fired);
}

uint64_t gw_fault_passed(enum gw_fault point)
{
    return atomic_load(&board->passed[point]);
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
        take_number(reader, &board->seed))
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
    if (board->rule_count == RULES_MAX)
        return refuse(reader, "too many points at", name);
    board->rules[board->rule_count++] = rule;
    return true;
}

static bool read_plan(struct reader *reader)
{
    board->rule_count = 0;
    board->seed = 1;
    do {
        if (*reader->at && !read_rule(reader)) {
            board->rule_count = 0;
            return false;
        }
    } while (take_mark(reader, ','));
    return true;
}

bool gw_fault_set(const char *plan, char *why, size_t why_size)
{
    struct reader reader = { plan ? plan : "", why, why_size };

    lock_board();
    bool good = read_plan(&reader);

    for (int i = 0; i < GW_FAULT_COUNT; i++) {
        atomic_store(&board->passed[i], 0);
        board->said[i] = false;
    }
    atomic_store(&board->fired, 0);
    atomic_store(&board->armed, board->rule_count > 0);
    pthread_mutex_unlock(&board->lock);
    return good;
}

static void init_lock(pthread_mutex_t *lock)
{
    pthread_mutexattr_t shared;

    pthread_mutexattr_init(&shared);
    pthread_mutexattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&shared, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(lock, &shared);
    pthread_mutexattr_destroy(&shared);
}

static struct board *map_board(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
    bool fresh = size == 0 && ftruncate(fd, sizeof(struct board)) == 0;
    bool good = fresh || size == (off_t)sizeof(struct board);
    void *memory = good
                       ? mmap(NULL, sizeof(struct board), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
                       : MAP_FAILED;

    if (fd >= 0)
        close(fd);
    if (memory == MAP_FAILED)
        return NULL;
    if (fresh)
        init_lock(&((struct board *)memory)->lock);
    return memory;
}

bool gw_fault_share(const char *path)
{
    struct board *next = path ? map_board(path) : &own;

    if (!next)
        return false;
    if (board != &own)
        munmap(board, sizeof(*board));
    board = next;
    return true;
}

bool gw_fault_set_from_environment(void)
{
    const char *shared = getenv("GW_FAULT_FILE");
    char why[2048] = "";

    says = true;
    if (shared) {
        if (gw_fault_share(shared))
            return true;
        fprintf(stderr, "moongate: GW_FAULT_FILE: %s is none of this build\n", shared);
        return false;
    }
    if (!gw_fault_set(getenv("GW_FAULT"), why, sizeof(why))) {
        fprintf(stderr, "moongate: GW_FAULT: %s\n", why);
        return false;
    }
    return true;
}

#endif
