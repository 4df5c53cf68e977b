#include "server/watchdog.h"

#include "base/alloc.h"
#include "base/fault.h"
#include "base/list.h"
#include "base/log.h"
#include "server/error_log.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#define LOOK_MAX_US 25000 /* how often it looks; a quarter of the bounds where they are short */
#define LOOK_MIN_US 1000
#define REPEAT_LOOKS 4 /* a signal that came at a bad moment is sent again */
#define GIVE_UP_LOOKS 8
#define LAST_WORDS_MS 100
#define LOADER_STUCK 4     /* times its bound: then nothing stops it */
#define LOADER_PATIENCE 10 /* times that, when it waits instead of computing */

struct watched {
    struct gw_list_node node;
    struct gw_guard *guard;
    pthread_t thread;
    clockid_t cpu_clock;  /* the thread's */
    uint64_t serial;      /* what ran when it looked last */
    uint64_t cpu_us;      /* what that clock said when it saw this serial first */
    uint64_t held_us;     /* for how long it has seen it */
    unsigned looks, ends; /* since the order to stop; since the order to end */
    bool stopped;
};

struct gw_watchdog {
    uv_thread_t thread;
    uv_mutex_t lock;
    uv_cond_t woken;
    struct gw_list all; /* struct watched */
    uint64_t budget_us, stuck_us;
    bool leaves;
};

static uint64_t read_us(clockid_t clock)
{
    struct timespec ts;

    if (clock_gettime(clock, &ts) != 0)
        return 0;
    return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* Time and level as the error log has them. */
static void write_opening(char *out, size_t size)
{
    struct timespec ts;
    struct tm tm;
    size_t len;

    clock_gettime(CLOCK_REALTIME, &ts);
    gmtime_r(&ts.tv_sec, &tm);
    len = strftime(out, size, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out + len, size - len, ".%03ldZ error ", ts.tv_nsec / 1000000);
}

struct bounds {
    uint64_t budget_us, stuck_us;
};

static struct bounds bounds_of(const struct watched *watched, const struct gw_watchdog *dog)
{
    const struct gw_guard_loading *loading = &watched->guard->loading;

    if (!loading->loads)
        return (struct bounds){ dog->budget_us, dog->stuck_us };

    uint64_t limit = atomic_load_explicit(&loading->limit_us, memory_order_relaxed);

    return (struct bounds){ limit, LOADER_STUCK * limit };
}

static uint64_t computed_us(const struct watched *watched)
{
    return read_us(watched->cpu_clock) - watched->cpu_us;
}

/* Nobody waits for a loader, so a busy machine takes nothing from it either; but what it does may
 * also be to wait for ever. */
static bool is_stuck(const struct watched *watched, const struct bounds *bounds)
{
    if (!bounds->stuck_us || watched->held_us < bounds->stuck_us)
        return false;
    return !watched->guard->loading.loads || computed_us(watched) >= bounds->stuck_us ||
           watched->held_us >= LOADER_PATIENCE * bounds->stuck_us;
}

static void order(struct watched *watched, enum gw_guard_order what, uint64_t stuck_us)
{
    struct gw_guard *guard = watched->guard;

    if (what != GW_GUARD_STOP) {
        write_opening(guard->opening, sizeof(guard->opening));
        guard->log_fd = gw_error_log_fd();
        guard->stuck_us = stuck_us;
    }
    atomic_store_explicit(&guard->order, (int)what, memory_order_relaxed);
    atomic_store_explicit(&guard->ordered, watched->serial, memory_order_release);
    pthread_kill(watched->thread, gw_guard_signal());
}

/* Not even a signal reaches it: names cannot be read from here, but it must end. */
static _Noreturn void give_up(void)
{
    static const char text[] = "error a thread that runs Lua answers no signal (lua.stuck_limit). "
                               "The process ends\n";

    struct pollfd room = { .fd = STDERR_FILENO, .events = POLLOUT };

    if (poll(&room, 1, 0) == 1 && write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
        _exit(GW_GUARD_EXIT_CODE);
    _exit(GW_GUARD_EXIT_CODE);
}

/* A worker's requests wait, so the process ends. A loader keeps nobody from being served: a plugin
 * that cannot be loaded must not take those away that are. True: something was ordered. */
static bool on_stuck(struct watched *watched, const struct bounds *bounds)
{
    const struct gw_guard_loading *loading = &watched->guard->loading;
    bool ends = !loading->loads || atomic_load_explicit(&loading->alone, memory_order_relaxed);

    if (!ends && watched->ends > 0)
        return false; /* what is told; it is still to be stopped when that should be possible */
    if (watched->ends++ > GIVE_UP_LOOKS)
        give_up();
    if (watched->ends == 1)
        gw_log_flush(LAST_WORDS_MS); /* what was logged before it */
    order(watched, ends ? GW_GUARD_END : GW_GUARD_TELL,
          loading->loads ? watched->held_us : bounds->stuck_us);
    return true;
}

/* The budget is counted in the thread's own computing: a machine that is busy with others takes
 * nothing from it. Being stuck is counted in looks, so that a process that was halted as a whole
 * finds nobody guilty. */
static void look_at(struct watched *watched, const struct gw_watchdog *dog, uint64_t passed_us)
{
    uint64_t serial = atomic_load_explicit(&watched->guard->serial, memory_order_relaxed);
    struct bounds bounds = bounds_of(watched, dog);

    if (!(serial & 1) || serial != watched->serial) {
        watched->serial = serial;
        watched->held_us = 0;
        watched->stopped = false;
        watched->ends = 0;
        if (serial & 1)
            watched->cpu_us = read_us(watched->cpu_clock);
        return;
    }
    watched->held_us += passed_us;
    if (is_stuck(watched, &bounds) && on_stuck(watched, &bounds))
        return;
    if (!bounds.budget_us || watched->held_us < bounds.budget_us / 2) {
        return;
    } else if (!watched->stopped ? computed_us(watched) >= bounds.budget_us
                                 : ++watched->looks % REPEAT_LOOKS == 0) {
        watched->stopped = true;
        order(watched, GW_GUARD_STOP, 0);
    }
}

static uint64_t interval_us(const struct gw_watchdog *dog)
{
    uint64_t least = dog->budget_us ? dog->budget_us : dog->stuck_us;

    if (dog->stuck_us && dog->stuck_us < least)
        least = dog->stuck_us;
    if (least == 0 || least / 4 > LOOK_MAX_US)
        return LOOK_MAX_US;
    return least / 4 < LOOK_MIN_US ? LOOK_MIN_US : least / 4;
}

static void run_thread(void *arg)
{
    struct gw_watchdog *dog = arg;
    uint64_t last = read_us(CLOCK_MONOTONIC);

    uv_mutex_lock(&dog->lock);
    while (!dog->leaves) {
        uint64_t wait = interval_us(dog);

        uv_cond_timedwait(&dog->woken, &dog->lock, wait * 1000);

        uint64_t now = read_us(CLOCK_MONOTONIC);
        uint64_t passed = now - last < 2 * wait ? now - last : 2 * wait;

        last = now;
        GW_LIST_EACH(&dog->all, node)
            look_at(container_of(node, struct watched, node), dog, passed);
    }
    uv_mutex_unlock(&dog->lock);
}

struct gw_watchdog *gw_watchdog_start(void)
{
    struct gw_watchdog *dog = gw_alloc_zero(sizeof(*dog));

    gw_list_init(&dog->all);
    uv_mutex_init(&dog->lock);
    uv_cond_init(&dog->woken);
    gw_guard_install();
    int error = GW_FAULT_UV(THREAD, uv_thread_create(&dog->thread, run_thread, dog));

    if (error)
        gw_fatal("cannot start a thread: %s", uv_strerror(error));
    return dog;
}

void gw_watchdog_stop(struct gw_watchdog *dog)
{
    uv_mutex_lock(&dog->lock);
    dog->leaves = true;
    uv_cond_signal(&dog->woken);
    uv_mutex_unlock(&dog->lock);
    uv_thread_join(&dog->thread);
    GW_ASSERT(gw_list_empty(&dog->all));
    uv_cond_destroy(&dog->woken);
    uv_mutex_destroy(&dog->lock);
    gw_free(dog);
}

void gw_watchdog_set_limits(struct gw_watchdog *dog, uint64_t budget_us, uint64_t stuck_us)
{
    uv_mutex_lock(&dog->lock);
    dog->budget_us = budget_us;
    dog->stuck_us = stuck_us;
    uv_mutex_unlock(&dog->lock);
}

void gw_watchdog_watch(struct gw_watchdog *dog, struct gw_guard *guard)
{
    struct watched *watched = gw_alloc_zero(sizeof(*watched));

    watched->guard = guard;
    watched->thread = pthread_self();
    if (pthread_getcpuclockid(watched->thread, &watched->cpu_clock) != 0)
        watched->cpu_clock = CLOCK_MONOTONIC;
    gw_guard_set(guard);
    uv_mutex_lock(&dog->lock);
    gw_list_append(&dog->all, &watched->node);
    uv_mutex_unlock(&dog->lock);
}

void gw_watchdog_forget(struct gw_watchdog *dog, struct gw_guard *guard)
{
    uv_mutex_lock(&dog->lock);
    GW_LIST_EACH(&dog->all, node) {
        struct watched *watched = container_of(node, struct watched, node);

        if (watched->guard != guard)
            continue;
        gw_list_remove(node);
        gw_free(watched);
        break;
    }
    uv_mutex_unlock(&dog->lock);
    gw_guard_set(NULL);
}
