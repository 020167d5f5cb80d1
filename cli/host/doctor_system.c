#include "cli/host/doctor.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FILES_WANTED = 65536, BACKLOG_WANTED = 4096, CARDS_MAX = 16 };

static char text[DOCTOR_FILE_BYTES];

void
doctor_system_uring(const struct doctor *d, struct doctor_finding *out)
{
    int major = 0, minor = 0;
    if (!doctor_read(d, text, "proc/sys/kernel/osrelease") ||
        sscanf(text, "%d.%d", &major, &minor) != 2)
        return;
    snprintf(out->seen, sizeof out->seen, "Linux %.100s", text);
    out->verdict = major > 6 || (major == 6 && minor >= 1) ? DOCTOR_OK : DOCTOR_WARN;
    if (out->verdict == DOCTOR_WARN)
        snprintf(out->mend, sizeof out->mend, "Linux 6.1 or newer");
    /* Kernels before 6.6 do not have the switch. */
    if (!doctor_read(d, text, "proc/sys/kernel/io_uring_disabled") || strcmp(text, "0") == 0)
        return;
    bool root_only = strcmp(text, "1") == 0;
    out->verdict = DOCTOR_WARN;
    snprintf(out->seen, sizeof out->seen, "%s (kernel.io_uring_disabled=%.8s)",
             root_only ? "only for members of a group" : "switched off", text);
    snprintf(out->mend, sizeof out->mend, "sysctl -w kernel.io_uring_disabled=0");
}

void
doctor_system_files(const struct doctor *d, struct doctor_finding *out)
{
    static const char key[] = "Max open files";
    long long soft = 0, hard = 0;
    const char *line = doctor_read(d, text, "proc/self/limits") ? strstr(text, key) : NULL;
    if (!line)
        return;
    int n = sscanf(line + sizeof key - 1, "%lld %lld", &soft, &hard);
    bool few = n == 2 && hard < FILES_WANTED; /* the broker raises the soft limit itself */
    out->verdict = few ? DOCTOR_WARN : DOCTOR_OK;
    if (n == 2)
        snprintf(out->seen, sizeof out->seen, "%lld, at most %lld", soft, hard);
    else
        snprintf(out->seen, sizeof out->seen, "unlimited");
    if (few)
        snprintf(out->mend, sizeof out->mend, "LimitNOFILE=%d in the unit, or 'ulimit -Hn %d'",
                 FILES_WANTED, FILES_WANTED);
}

void
doctor_system_backlog(const struct doctor *d, struct doctor_finding *out)
{
    if (!doctor_read(d, text, "proc/sys/net/core/somaxconn"))
        return;
    long n = strtol(text, NULL, 10);
    out->verdict = n >= BACKLOG_WANTED ? DOCTOR_OK : DOCTOR_NOTE;
    snprintf(out->seen, sizeof out->seen, "%ld", n);
    if (n < BACKLOG_WANTED)
        snprintf(out->mend, sizeof out->mend, "sysctl -w net.core.somaxconn=%d", BACKLOG_WANTED);
}

struct cards {
    const struct doctor *d;
    size_t used;
    uint32_t count, known;
    char names[DOCTOR_TEXT_BYTES / 2];
};

static void
card_look(void *user, const char *name)
{
    static const char *const drivers[] = {"mlx5_core", "ice", "i40e",   "ixgbe",
                                          "igb",       "igc", "ena",    "virtio_net",
                                          "bnxt_en",   "gve", "vmxnet3"};
    struct cards *c = user;
    char path[DOCTOR_PATH_BYTES], target[DOCTOR_TEXT_BYTES];
    snprintf(path, sizeof path, "%s/sys/class/net/%.60s/device/driver", c->d->root, name);
    ssize_t n = readlink(path, target, sizeof target - 1);
    if (n <= 0 || c->used >= sizeof c->names)
        return;
    target[n] = 0;
    const char *driver = strrchr(target, '/') ? strrchr(target, '/') + 1 : target;
    c->count++;
    for (size_t i = 0; i < sizeof drivers / sizeof drivers[0]; i++)
        c->known += strcmp(driver, drivers[i]) == 0;
    c->used += (size_t)snprintf(c->names + c->used, sizeof c->names - c->used, "%s%.30s (%.40s)",
                                c->count > 1 ? ", " : "", name, driver);
}

void
doctor_system_nic(const struct doctor *d, struct doctor_finding *out)
{
    struct cards c = {.d = d};
    if (!doctor_read_folder(d, "sys/class/net", card_look, &c))
        return;
    bool bad = d->dpdk && c.known == 0;
    out->verdict = bad ? DOCTOR_WARN : c.known ? DOCTOR_OK : DOCTOR_NOTE;
    snprintf(out->seen, sizeof out->seen, "%s", c.count ? c.names : "no card of its own");
    if (c.known == 0)
        snprintf(out->mend, sizeof out->mend,
                 "for net=dpdk: a card that DPDK has a driver for, or AF_XDP, which works on any");
}

static void
count(void *user, const char *name)
{
    ++*(uint32_t *)user;
}

void
doctor_system_iommu(const struct doctor *d, struct doctor_finding *out)
{
    uint32_t groups = 0;
    if (!doctor_read_folder(d, "sys/kernel/iommu_groups", count, &groups))
        return;
    out->verdict = groups ? DOCTOR_OK : d->dpdk ? DOCTOR_WARN : DOCTOR_NOTE;
    snprintf(out->seen, sizeof out->seen, "%u groups", groups);
    if (!groups)
        snprintf(out->mend, sizeof out->mend,
                 "switch it on in the firmware, and boot with intel_iommu=on or amd_iommu=on "
                 "iommu=pt; without net=dpdk it is not needed");
}
