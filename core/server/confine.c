#include "server/confine.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#if defined(__x86_64__)
#define OUR_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OUR_ARCH AUDIT_ARCH_AARCH64
#endif

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true
#else
#define SANITIZED false
#endif

bool gw_confine_complete(void)
{
    return !SANITIZED;
}

#ifdef OUR_ARCH

#define LOAD(member) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, member))
#define SKIP_UNLESS(test, value, count) BPF_JUMP(BPF_JMP | (test) | BPF_K, (value), 0, (count))
#define ALLOW BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define REFUSE(error) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (error))
#define REFUSE_CALL(number, error) SKIP_UNLESS(BPF_JEQ, number, 1), REFUSE(error)

/* Most calls get the same answer whatever their arguments are, which the kernel remembers: they are
 * not slower than without a filter. */
static struct sock_filter filter[] = {
    LOAD(arch),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OUR_ARCH, 1, 0),
    REFUSE(ENOSYS), /* calls of another architecture have other numbers */
    LOAD(nr),
#ifdef __x86_64__
    SKIP_UNLESS(BPF_JGE, 0x40000000, 1), /* x32 */
    REFUSE(ENOSYS),
    REFUSE_CALL(SYS_fork, EPERM),
    REFUSE_CALL(SYS_vfork, EPERM),
#endif
    REFUSE_CALL(SYS_execve, EPERM),
    REFUSE_CALL(SYS_execveat, EPERM),
    REFUSE_CALL(SYS_clone3, ENOSYS), /* its flags lie in memory; the C library uses clone then */
    SKIP_UNLESS(BPF_JEQ, SYS_clone, 4),
    LOAD(args[0]),
    SKIP_UNLESS(BPF_JSET, CLONE_THREAD, 1),
    ALLOW,
    REFUSE(EPERM),
    ALLOW,
};

static bool refuse_processes(void)
{
    const struct sock_fprog program = { sizeof(filter) / sizeof(filter[0]), filter };

    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0;
}

#else

static bool refuse_processes(void)
{
    errno = ENOSYS;
    return false;
}

#endif

bool gw_confine(bool no_processes)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return false;
    return !no_processes || refuse_processes();
}
