/* log.h: log lines on stderr, one a call:
 *   2026-11-22T17:20:01.123Z info store: recovered core=0 frames=12 ms=3
 * (time, level, area, what, key=value).  Rate-limited per place in the source: at most LOG_BURST
 * lines a second from one place; the next line that passes carries suppressed=N.  Never called
 * once per request.  Safe from every thread; one write(2) a line.  The one place in core/ that
 * touches a file descriptor. */
#ifndef SLUICE_BASE_LOG_H
#define SLUICE_BASE_LOG_H

#include "core/base/must.h"

#include <stdatomic.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum { LOG_BURST = 10, LOG_LINE_BYTES_MAX = 1024 };

struct log_place {
    _Atomic uint64_t second; /* the second that `count` belongs to */
    _Atomic uint32_t count;
    _Atomic uint32_t suppressed;
};

/* Lines below this level are dropped.  Default LOG_INFO. */
void log_level_set(enum log_level level);

/* The name in front of the area when more than one process shares a stderr ("data", "control"). */
void log_process_set(const char *name);

void log_line(struct log_place *place, enum log_level level, const char *area, const char *fmt, ...)
    must_printf(4, 5);

#define log_at(level, area, ...)                                                                   \
    do {                                                                                           \
        static struct log_place log_place_here;                                                    \
        log_line(&log_place_here, level, area, __VA_ARGS__);                                       \
    } while (0)
#define log_debug(area, ...) log_at(LOG_DEBUG, area, __VA_ARGS__)
#define log_info(area, ...)  log_at(LOG_INFO, area, __VA_ARGS__)
#define log_warn(area, ...)  log_at(LOG_WARN, area, __VA_ARGS__)
#define log_error(area, ...) log_at(LOG_ERROR, area, __VA_ARGS__)

#endif
