#include "core/base/err.h"
#include "drivers/os/os.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { STAT_BYTES = 1024, UTIME_FIELD = 14, RSS_FIELD = 24 };

int
os_usage(int pid, struct os_usage *out)
{
    char path[64], text[STAT_BYTES];
    (void)snprintf(path, sizeof path, "/proc/%d/stat", pid);
    int n = os_file_read(path, text, sizeof text);
    if (n < 0)
        return n;
    /* The name, in brackets, may hold anything; field 3 follows the last bracket. */
    char *p = strrchr(text, ')');
    if (pid <= 0 || !p || p[1] != ' ')
        return ERR_CORRUPT;
    if (p[2] == 'Z' || p[2] == 'X')
        return ERR_NOT_FOUND;
    unsigned long long ticks = 0, pages = 0;
    p += 2;
    for (int field = 3; field <= RSS_FIELD && *p; field++) {
        unsigned long long v = strtoull(p, NULL, 10);
        if (field == UTIME_FIELD || field == UTIME_FIELD + 1)
            ticks += v;
        if (field == RSS_FIELD)
            pages = v;
        p += strcspn(p, " ");
        p += *p == ' ';
    }
    const uint64_t ns_per_s = 1000000000;
    out->cpu_ns = ticks * (ns_per_s / (uint64_t)sysconf(_SC_CLK_TCK));
    out->resident_bytes = pages * (uint64_t)sysconf(_SC_PAGESIZE);
    return ERR_OK;
}

int
os_space(const char *path, uint64_t *free_bytes, uint64_t *total_bytes)
{
    struct statvfs fs;
    if (statvfs(path, &fs))
        return os_error_of(errno);
    *free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
    *total_bytes = (uint64_t)fs.f_blocks * fs.f_frsize;
    return ERR_OK;
}
