#include "script/guard.h"

#include "script/modules.h"
#include "script/phase_private.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static _Thread_local struct gw_guard *here;

void gw_guard_set(struct gw_guard *guard)
{
    here = guard;
}

struct gw_guard *gw_guard_here(void)
{
    return here;
}

int gw_guard_signal(void)
{
    return SIGRTMIN + 1;
}

/* --- stopping --- */

/* The errors that come after the first one are raised elsewhere, where somebody caught it. */
static void note_place(lua_State *L, lua_Debug *debug)
{
    struct gw_guard_loading *loading = here ? &here->loading : NULL;

    if (loading && loading->loads && !loading->stopped_at[0] && lua_getinfo(L, "Sl", debug))
        snprintf(loading->stopped_at, sizeof(loading->stopped_at), "%s:%d",
                 debug->source + (debug->source[0] == '@'), debug->currentline);
}

/* Called by Lua at every instruction once it is set: a pcall() that catches the error gets no
 * further. */
static void raise_error(lua_State *L, lua_Debug *debug)
{
    note_place(L, debug);
    luaL_error(L, "stopped (lua.budget)");
}

static lua_State *state_of(const struct gw_guard *guard)
{
    return guard->script ? guard->script->L : guard->reads;
}

/* lua_sethook() is what may be called from a signal handler. Taking away what may be there first
 * makes it write the whole dispatch table again: the signal may have come while that was being
 * written. */
static void arm(struct gw_guard *guard)
{
    lua_State *L = state_of(guard);

    guard->armed = 1;
    lua_sethook(L, NULL, 0, 0);
    lua_sethook(L, raise_error, LUA_MASKCOUNT, 1);
}

void gw_guard_disarm(struct gw_guard *guard)
{
    lua_sethook(state_of(guard), NULL, 0, 0);
    guard->armed = 0;
}

int gw_pdk_is_stopping(const struct gw_script *script)
{
    const struct gw_guard *guard = script->guard ? script->guard : here; /* `here`: it loads */

    return guard && guard->armed;
}

/* --- loading --- */

bool gw_guard_enter_loading(struct gw_guard *guard, struct gw_script *script, lua_State *L)
{
    if (!guard)
        return false;
    guard->reads = L;
    guard->loading.what[0] = guard->loading.stopped_at[0] = '\0';
    return gw_guard_enter(guard, script, true);
}

bool gw_guard_leave_loading(struct gw_guard *guard, char *why, size_t why_size)
{
    struct gw_guard_loading *loading = &guard->loading;
    bool stopped = gw_guard_leave(guard, false);

    if (stopped)
        snprintf(why, why_size,
                 "%s: computed for more than %" PRIu64 " ms (lua.load_limit)%s%s: "
                 "look for an endless loop there",
                 loading->what[0] ? loading->what : "the configuration",
                 atomic_load_explicit(&loading->limit_us, memory_order_relaxed) / 1000,
                 loading->stopped_at[0] ? ", at last in " : "", loading->stopped_at);
    return stopped;
}

void gw_pdk_loading(const char *plugin, const char *part)
{
    if (!here)
        return;

    struct gw_guard_loading *loading = &here->loading;

    if (plugin)
        snprintf(loading->what, sizeof(loading->what), "plugin %s, %s", plugin, part);
    else
        loading->what[0] = '\0';
}

/* --- the last line: in a signal handler, so nothing here allocates, locks or formats --- */

struct line {
    char text[1024];
    size_t len;
};

static void add(struct line *line, struct gw_slice text)
{
    for (size_t i = 0; i < text.len && line->len < sizeof(line->text) - 1; i++) {
        unsigned char byte = (unsigned char)text.ptr[i];

        line->text[line->len++] = (char)(byte < ' ' || byte == 127 ? '?' : byte);
    }
}

static void add_text(struct line *line, const char *text)
{
    add(line, gw_slice_from(text));
}

static void add_number(struct line *line, uint64_t number)
{
    char digits[24];
    size_t at = sizeof(digits);

    do
        digits[--at] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    add(line, gw_slice(digits + at, sizeof(digits) - at));
}

static void add_run(struct line *line, const struct gw_script *script, const struct gw_run *run)
{
    const struct gw_exchange *x = run->x;

    add_text(line, "plugin ");
    add_text(line, script->uses[run->pdk->use].plugin);
    if (!x) {
        add_text(line, ", task");
        return;
    }
    add_text(line, ", ");
    add_text(line, gw_phase_name((enum gw_phase)run->hooks));
    if (x->route) {
        add_text(line, ", route ");
        add(line, x->route->name);
    }
    add_text(line, ", request ");
    add(line, x->correlation_id);
}

/* Never waits for a reader: the process is to end. */
static void write_all(int fd, const struct line *line)
{
    struct pollfd room = { .fd = fd, .events = POLLOUT };

    if (poll(&room, 1, 0) == 1 && write(fd, line->text, line->len) < 0)
        return; /* nobody is left to tell */
}

static void add_who(struct line *line, const struct gw_guard *guard)
{
    const struct gw_script *script = guard->script;
    const struct gw_run *run = script && guard->can_stop ? script->current : NULL;

    if (guard->loading.loads)
        add_text(line, guard->loading.what[0] ? guard->loading.what : "loading");
    else if (run && run->pdk)
        add_run(line, script, run);
    else
        add_text(line, "Lua's collector (a finaliser of a plugin's?)");
}

static const char *consequence(const struct gw_guard *guard, bool ends)
{
    if (ends)
        return ". The process ends";
    return guard->loading.loads
               ? ". What serves goes on; reloads wait until it has ended, or until "
                 "the process is started again"
               : "";
}

static void tell(const struct gw_guard *guard, bool ends)
{
    struct line line = { .len = 0 };

    add_text(&line, guard->opening);
    add_who(&line, guard);
    add_text(&line, ": has kept its thread for ");
    add_number(&line, guard->stuck_us / 1000);
    add_text(&line, guard->loading.loads ? " ms (lua.load_limit)" : " ms (lua.stuck_limit)");
    add_text(&line, " and cannot be stopped: an endless loop that is compiled, "
                    "or C code that does not come back");
    add_text(&line, consequence(guard, ends));
    line.text[line.len++] = '\n';
    write_all(STDERR_FILENO, &line);
    if (guard->log_fd > STDERR_FILENO)
        write_all(guard->log_fd, &line);
}

static _Noreturn void end_process(const struct gw_guard *guard)
{
    tell(guard, true);
    _exit(guard->loading.loads ? GW_GUARD_EXIT_CODE_START : GW_GUARD_EXIT_CODE);
}

/* --- orders --- */

static void on_signal(int number)
{
    int saved = errno;
    struct gw_guard *guard = here;
    uint64_t serial = guard ? atomic_load_explicit(&guard->serial, memory_order_relaxed) : 0;

    (void)number;
    if ((serial & 1) && atomic_load_explicit(&guard->ordered, memory_order_acquire) == serial) {
        int order = atomic_load_explicit(&guard->order, memory_order_relaxed);

        if (order == GW_GUARD_END)
            end_process(guard);
        else if (order == GW_GUARD_TELL)
            tell(guard, false);
        else if (guard->can_stop)
            arm(guard);
    }
    errno = saved;
}

void gw_guard_install(void)
{
    struct sigaction action;

    memset(&action, 0, sizeof(action));
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);
    sigaction(gw_guard_signal(), &action, NULL);
}
