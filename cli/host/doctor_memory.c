#include "cli/host/doctor.h"

#include <string.h>

enum { MEMLOCK_WANTED = 64 << 20 };

static char text[DOCTOR_FILE_BYTES];

void
doctor_memory_huge(const struct doctor *d, struct doctor_finding *out)
{
    if (!doctor_read(d, text, "proc/meminfo"))
        return;
    int64_t total = doctor_read_number(text, "HugePages_Total");
    int64_t left = doctor_read_number(text, "HugePages_Free");
    int64_t size = doctor_read_number(text, "Hugepagesize");
    if (total < 0)
        return;
    out->verdict = total > 0 ? DOCTOR_OK : d->dpdk ? DOCTOR_WARN : DOCTOR_NOTE;
    snprintf(out->seen, sizeof out->seen, "%lld of %lld kB, %lld free", (long long)total,
             (long long)size, (long long)left);
    if (total == 0)
        snprintf(out->mend, sizeof out->mend, "sysctl -w vm.nr_hugepages=1024");
}

void
doctor_memory_transparent(const struct doctor *d, struct doctor_finding *out)
{
    if (!doctor_read(d, text, "sys/kernel/mm/transparent_hugepage/enabled"))
        return;
    doctor_read_choice(text, out->seen);
    bool never = strcmp(out->seen, "never") == 0;
    out->verdict = never ? DOCTOR_WARN : DOCTOR_OK;
    if (never)
        snprintf(out->mend, sizeof out->mend,
                 "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled");
}

void
doctor_memory_lock(const struct doctor *d, struct doctor_finding *out)
{
    static const char key[] = "Max locked memory";
    if (!doctor_read(d, text, "proc/self/limits") || !strstr(text, key))
        return;
    int64_t bytes = doctor_read_number(text, key); /* -1: "unlimited" */
    bool small = bytes >= 0 && bytes < MEMLOCK_WANTED;
    out->verdict = small ? DOCTOR_WARN : DOCTOR_OK;
    if (bytes < 0)
        snprintf(out->seen, sizeof out->seen, "unlimited");
    else
        snprintf(out->seen, sizeof out->seen, "%lld KiB", (long long)(bytes >> 10));
    if (small)
        snprintf(out->mend, sizeof out->mend,
                 "LimitMEMLOCK=infinity in the unit, or 'ulimit -l unlimited'");
}

void
doctor_memory_swap(const struct doctor *d, struct doctor_finding *out)
{
    if (!doctor_read(d, text, "proc/meminfo"))
        return;
    int64_t total = doctor_read_number(text, "SwapTotal");
    if (total < 0)
        return;
    out->verdict = total ? DOCTOR_NOTE : DOCTOR_OK;
    snprintf(out->seen, sizeof out->seen, "%lld MiB", (long long)(total >> 10));
    if (total)
        snprintf(out->mend, sizeof out->mend, "swapoff -a, or sysctl -w vm.swappiness=1");
}
