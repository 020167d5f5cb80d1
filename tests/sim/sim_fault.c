/* sim_fault.c: the fault atlas: what the device may do, and which answers that excuses.
 *
 *   an operation ends with an error   the store may end, logs may go offline; after the next start
 *                                     all that was acknowledged is there
 *   no space                          appends may be refused; nothing is lost
 *   bytes spoiled (rot, lost and      there is one copy: recovery may refuse, a read may fail; but
 *   stray writes)                     what is given is right, and nothing acknowledged is left out
 *                                     in silence.  Only once the journal is idle and marked: before
 *                                     that its last frames cannot be told from torn ones.  With a
 *                                     record of a configuration an earlier one of the log is back.
 *   a sidecar is spoiled              nothing is excused: it is made anew from its segment
 * Not promised: the leader epoch in a batch (no checksum covers it in a segment). */
#include "core/base/err.h"
#include "tests/sim/sim.h"

#include <stdio.h>
#include <string.h>

enum { FAULT_PATHS_MAX = 256, FAULT_SIDECAR_FRONT = 256 };

void
sim_fault_choose(struct sim *s)
{
    uint32_t kind = sim_below(s, 100);
    s->faults = kind < 60   ? SIM_FAULT_NONE
                : kind < 75 ? SIM_FAULT_ERROR
                : kind < 80 ? SIM_FAULT_SPACE
                            : SIM_FAULT_REST;
}

static void
arm(struct sim *s, const struct disk_fault *f)
{
    sim_say(s, "fault what=%d kind=%d part=%s skip=%llu count=%llu error=%s", (int)f->what,
            (int)f->kind, f->part, (unsigned long long)f->skip, (unsigned long long)f->count,
            err_name(f->error));
    disk_mem_fault(s->disk, f);
}

static void
arm_error(struct sim *s)
{
    static const struct {
        const char *part;
        enum disk_kind kind;
    } places[] = {
        {"log/", DISK_WRITE},    {"log/", DISK_SYNC},     {"log/", DISK_READ},
        {"log/", DISK_OPEN},     {"log/", DISK_ALLOCATE}, {"log", DISK_SYNC_DIR},
        {"journal", DISK_WRITE}, {"journal", DISK_SYNC},  {"journal", DISK_READ},
        {"ckpt", DISK_WRITE},    {"ckpt", DISK_SYNC},     {"ckpt", DISK_READ},
        {"boot", DISK_WRITE},    {"boot", DISK_SYNC},     {"", DISK_SYNC_DIR},
        {"log/", DISK_TRUNCATE}, {"log/", DISK_PUNCH},
    };
    uint32_t i = sim_chance(s, 3) ? 1 : sim_below(s, sizeof places / sizeof *places);
    struct disk_fault f = {.kind = places[i].kind,
                           .skip = sim_below(s, sim_chance(s, 2) ? 6 : 40),
                           .count = 1 + sim_below(s, 3),
                           .error = ERR_IO};
    snprintf(f.part, sizeof f.part, "%s", places[i].part);
    arm(s, &f);
    s->excused = true;
}

static void
arm_space(struct sim *s)
{
    static const enum disk_kind kinds[] = {DISK_ALLOCATE, DISK_WRITE, DISK_OPEN};
    static const char *const parts[] = {"log/", "ckpt", "boot"};
    struct disk_fault f = {.kind = kinds[sim_below(s, 3)],
                           .skip = sim_below(s, 30),
                           .count = 1 + sim_below(s, 5),
                           .error = ERR_NO_SPACE};
    snprintf(f.part, sizeof f.part, "%s", parts[sim_below(s, 3)]);
    arm(s, &f);
    s->excused = true;
}

/* A write that is lost or goes astray while the stores run. */
static void
arm_spoil(struct sim *s)
{
    static const char *const parts[] = {"log/", "journal", "ckpt"};
    struct disk_fault f = {.what = sim_chance(s, 2) ? DISK_FAULT_LOST : DISK_FAULT_ASTRAY,
                           .kind = DISK_WRITE,
                           .skip = sim_below(s, 60),
                           .count = 1,
                           .shift = (1 + sim_below(s, 16)) * UINT64_C(4096)};
    snprintf(f.part, sizeof f.part, "%s", parts[sim_below(s, 3)]);
    arm(s, &f);
}

void
sim_fault_arm(struct sim *s)
{
    if (s->faults == SIM_FAULT_ERROR)
        arm_error(s);
    else if (s->faults == SIM_FAULT_SPACE)
        arm_space(s);
    else if (s->faults == SIM_FAULT_REST && sim_chance(s, 2))
        arm_spoil(s);
}

void
sim_fault_clear(struct sim *s)
{
    disk_mem_fault_clear(s->disk);
}

/* ---- spoiled bytes -----------------------------------------------------------------------------
 */

struct paths {
    char path[FAULT_PATHS_MAX][128];
    uint64_t size[FAULT_PATHS_MAX];
    uint32_t count;
};

static void
paths_add(void *user, const char *path, uint64_t size)
{
    struct paths *p = user;
    if (size == 0 || p->count == FAULT_PATHS_MAX)
        return;
    snprintf(p->path[p->count], sizeof p->path[0], "%s", path);
    p->size[p->count++] = size;
}

static bool
is_sidecar(const char *path)
{
    size_t len = strlen(path);
    return len > 4 && strcmp(path + len - 4, ".idx") == 0;
}

/* Notes that a segment file was spoiled: reads of its log may fail now. */
static void
damaged_note(struct sim *s, const char *image)
{
    uint8_t dir;
    const char *path = sim_dirs_path(image, &dir);
    if (is_sidecar(path))
        return;
    for (uint32_t i = 0; i < s->log_count; i++) {
        struct plog p = {.partition = s->logs[i].partition};
        char own[PLOG_PATH_BYTES];
        sim_topic(&s->logs[i], p.topic);
        plog_path_dir(&p, own);
        if (strncmp(own, path, strlen(own)) == 0 && path[strlen(own)] == '/')
            s->logs[i].damaged = true;
    }
    s->rotten = true;
    s->records_rotten = s->records_rotten || strncmp(path, "log/", 4) != 0;
}

/* True when a byte of a segment is a leader epoch. */
static bool
is_epoch(struct sim *s, const char *path, uint64_t at)
{
    uint64_t size, pos = 0;
    const uint8_t *bytes = strstr(path, "log/") ? disk_mem_bytes(s->disk, path, &size) : NULL;
    while (bytes && pos + BATCH_HEADER_BYTES <= size) {
        uint64_t len = (uint64_t)get_u32(bytes + pos + BATCH_AT_LENGTH) + BATCH_OVERHEAD;
        if (at < pos + len)
            return at >= pos + BATCH_AT_EPOCH && at < pos + BATCH_AT_MAGIC;
        pos += len;
    }
    return false;
}

bool
sim_fault_at_rest(struct sim *s)
{
    struct disk_hit hit;
    disk_mem_hit(s->disk, &hit);
    if (hit.count) {
        sim_say(s, "spoiled %s at %llu len %u", hit.path, (unsigned long long)hit.offset, hit.len);
        damaged_note(s, hit.path);
        return true;
    }
    if (sim_chance(s, 4))
        return false;
    static struct paths all;
    all.count = 0;
    disk_mem_each(s->disk, paths_add, &all);
    static const char *const parts[] = {"log/", "journal", "ckpt", "boot"};
    const char *part = parts[sim_below(s, 4)];
    uint32_t skip = sim_below(s, all.count + 1);
    for (uint32_t n = 0; n < all.count; n++) {
        uint32_t i = (n + skip) % all.count;
        if (!strstr(all.path[i], part))
            continue;
        uint64_t at = sim_random(s) % all.size[i];
        if (is_epoch(s, all.path[i], at))
            continue;
        disk_mem_rot(s->disk, all.path[i], at, (uint8_t)(1u << sim_below(s, 8)));
        sim_say(s, "rot %s at %llu", all.path[i], (unsigned long long)at);
        damaged_note(s, all.path[i]);
        return true;
    }
    return false;
}

void
sim_fault_sidecar(struct sim *s)
{
    static struct paths all;
    all.count = 0;
    disk_mem_each(s->disk, paths_add, &all);
    uint32_t skip = sim_below(s, all.count + 1);
    for (uint32_t n = 0; n < all.count; n++) {
        uint32_t i = (n + skip) % all.count;
        if (!is_sidecar(all.path[i]))
            continue;
        uint64_t at = sim_random(s) % all.size[i],
                 len = 1 + sim_below(s, sim_chance(s, 2) ? 1 : 600);
        if (at % 2) /* most of a small one are zeros: its front says something */
            at %= FAULT_SIDECAR_FRONT;
        for (uint64_t k = at; k < at + len && k < all.size[i]; k++)
            disk_mem_rot(s->disk, all.path[i], k, (uint8_t)(1u << sim_below(s, 8)));
        sim_say(s, "rot %s at %llu", all.path[i], (unsigned long long)at);
        return;
    }
}
