#include "core/base/err.h"
#include "drivers/os/os.h"

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

must_printf(2, 3) static int refuse(char error[OS_ERROR_BYTES], const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(error, OS_ERROR_BYTES, fmt, ap);
    va_end(ap);
    return ERR_INVALID;
}

/* Decimal digits at *p, which it passes; -1 when there are none or too many. */
static int
number_read(const char **p)
{
    int v = 0, digits = 0;
    for (; **p >= '0' && **p <= '9'; (*p)++, digits++)
        v = digits < 6 ? v * 10 + (**p - '0') : v;
    return digits > 0 && digits <= 6 ? v : -1;
}

/* The first `wanted` processors of the set. */
static int
cpus_first(const cpu_set_t *allowed, int wanted, int cpus[OS_CPUS_MAX])
{
    int n = 0;
    for (int i = 0; i < CPU_SETSIZE && n < wanted; i++)
        if (CPU_ISSET(i, allowed))
            cpus[n++] = i;
    return n;
}

static int
cpus_list(const char *text, const cpu_set_t *allowed, int cpus[OS_CPUS_MAX], char *error)
{
    cpu_set_t taken;
    int n = 0;
    CPU_ZERO(&taken);
    for (const char *p = text;; p++) {
        int first = number_read(&p), last = first;
        if (*p == '-') {
            p++;
            last = number_read(&p);
        }
        if (first < 0 || last < first || (*p && *p != ','))
            return refuse(error, "cores=%.100s is no list: give numbers such as 2,3 or 2-5", text);
        for (int cpu = first; cpu <= last; cpu++) {
            if (cpu >= CPU_SETSIZE || !CPU_ISSET(cpu, allowed))
                return refuse(error, "cores=%.100s: processor %d is not ours to use", text, cpu);
            if (CPU_ISSET(cpu, &taken))
                return refuse(error, "cores=%.100s names processor %d twice", text, cpu);
            if (n == OS_CPUS_MAX)
                return refuse(error, "cores=%.100s: more than %d", text, OS_CPUS_MAX);
            CPU_SET(cpu, &taken);
            cpus[n++] = cpu;
        }
        if (!*p)
            return n;
    }
}

int
os_cpus(const char *text, int cpus[OS_CPUS_MAX], char error[OS_ERROR_BYTES])
{
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed))
        return refuse(error, "the kernel does not tell which processors are ours: %s",
                      strerror(errno));
    if (strcmp(text, "auto") == 0)
        return cpus_first(&allowed, OS_CPUS_MAX, cpus);
    if (strpbrk(text, ",-"))
        return cpus_list(text, &allowed, cpus, error);
    const char *p = text;
    int count = number_read(&p), most = CPU_COUNT(&allowed);
    most = most < OS_CPUS_MAX ? most : OS_CPUS_MAX;
    if (count < 0 || *p)
        return refuse(error, "cores=%.100s: give auto, a count, or a list such as 2,3 or 2-5",
                      text);
    if (count < 1 || count > most)
        return refuse(error, "cores=%d is out of range: give 1 to %d", count, most);
    return cpus_first(&allowed, count, cpus);
}

void
os_cpus_print(const int *cpus, int count, char *out, size_t room)
{
    size_t at = 0;
    must(room > 0);
    out[0] = 0;
    for (int i = 0; i < count; i++) {
        int n = snprintf(out + at, room - at, "%s%d-%d", i ? "," : "", cpus[i], cpus[i]);
        must(n > 0 && (size_t)n < room - at);
        at += (size_t)n;
    }
}

/* What the calling thread may use, but these; false: nothing is left, or it cannot be asked. */
static bool
others_of(const int *avoid, int count, cpu_set_t *set)
{
    if (sched_getaffinity(0, sizeof *set, set))
        return false;
    for (int i = 0; i < count; i++)
        if (avoid[i] >= 0 && avoid[i] < CPU_SETSIZE)
            CPU_CLR(avoid[i], set);
    return CPU_COUNT(set) > 0;
}

int
os_cpus_others(const int *avoid, int count, int cpus[OS_CPUS_MAX])
{
    cpu_set_t set;
    return others_of(avoid, count, &set) ? cpus_first(&set, OS_CPUS_MAX, cpus) : 0;
}

int
os_pin(int cpu)
{
    cpu_set_t set;
    if (cpu < 0 || cpu >= CPU_SETSIZE)
        return ERR_INVALID;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    return sched_setaffinity(0, sizeof set, &set) ? os_error_of(errno) : ERR_OK;
}

/* linux/sched/types.h; glibc has none.  For ordinary threads `runtime` is the slice that is asked
 * for (Linux 6.12; older kernels do not look at it). */
struct sched_attr_v0 {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
};
enum { SCHED_ATTR_RESET_ON_FORK = 1, FOREGROUND_NICE = -15, FOREGROUND_SLICE_NS = 100000 };

void
os_thread_name(const char *name)
{
    (void)prctl(PR_SET_NAME, name);
}

void
os_foreground(void)
{
    struct sched_attr_v0 a = {.size = sizeof a,
                              .policy = SCHED_OTHER,
                              .flags = SCHED_ATTR_RESET_ON_FORK,
                              .nice = FOREGROUND_NICE,
                              .runtime = FOREGROUND_SLICE_NS};
    _Static_assert(sizeof a == 48, "SCHED_ATTR_SIZE_VER0");
    if (syscall(SYS_sched_setattr, 0, &a, 0) == 0)
        return;
    a.nice = 0; /* without CAP_SYS_NICE */
    (void)syscall(SYS_sched_setattr, 0, &a, 0);
}

/* linux/ioprio.h: the best-effort class, its lowest level. */
enum { IOPRIO_WHO_PROCESS = 1, IOPRIO_LOWEST = 2 << 13 | 7 };

void
os_background(const int *avoid, int count)
{
    cpu_set_t set;
    struct sched_param none = {0};
    (void)sched_setscheduler(0, SCHED_BATCH, &none);
    (void)setpriority(PRIO_PROCESS, 0, 19);
    (void)syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_LOWEST);
    if (others_of(avoid, count, &set))
        (void)sched_setaffinity(0, sizeof set, &set);
}
