#include "core/base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static _Atomic int level_min = LOG_INFO;
static char process_name[16];

static const char *const level_names[] = {"debug", "info", "warn", "error"};

void
log_level_set(enum log_level level)
{
    atomic_store_explicit(&level_min, (int)level, memory_order_relaxed);
}

void
log_process_set(const char *name)
{
    snprintf(process_name, sizeof process_name, "%s/", name);
}

/* True when this place may write now; *suppressed is what it had to swallow before. */
static int
place_admits(struct log_place *place, uint64_t second, uint32_t *suppressed)
{
    *suppressed = 0;
    if (atomic_load_explicit(&place->second, memory_order_relaxed) != second) {
        atomic_store_explicit(&place->second, second, memory_order_relaxed);
        atomic_store_explicit(&place->count, 0, memory_order_relaxed);
        *suppressed = atomic_exchange_explicit(&place->suppressed, 0, memory_order_relaxed);
    }
    if (atomic_fetch_add_explicit(&place->count, 1, memory_order_relaxed) < LOG_BURST)
        return 1;
    atomic_fetch_add_explicit(&place->suppressed, *suppressed + 1, memory_order_relaxed);
    return 0;
}

void
log_line(struct log_place *place, enum log_level level, const char *area, const char *fmt, ...)
{
    if ((int)level < atomic_load_explicit(&level_min, memory_order_relaxed))
        return;
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    uint32_t suppressed;
    if (!place_admits(place, (uint64_t)ts.tv_sec, &suppressed))
        return;
    struct tm tm;
    gmtime_r(&ts.tv_sec, &tm);
    char line[LOG_LINE_BYTES_MAX];
    size_t n = strftime(line, sizeof line, "%Y-%m-%dT%H:%M:%S", &tm);
    n += (size_t)snprintf(line + n, sizeof line - n, ".%03ldZ %s %s%s: ", ts.tv_nsec / 1000000,
                          level_names[level], process_name, area);
    va_list ap;
    va_start(ap, fmt);
    int m = vsnprintf(line + n, sizeof line - n - 32, fmt, ap);
    va_end(ap);
    if (m > 0)
        n += (size_t)m < sizeof line - n - 32 ? (size_t)m : sizeof line - n - 33;
    if (suppressed)
        n += (size_t)snprintf(line + n, sizeof line - n, " suppressed=%u", suppressed);
    line[n++] = '\n';
    if (write(STDERR_FILENO, line, n) < 0)
        return; /* nobody to tell */
}
