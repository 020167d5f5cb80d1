/* journal_probe.c: which of two ways to make a frame durable is the faster one here.
 *
 * Up to 64 single blocks are written each way, to a file of the ring, which is written with zeros
 * and not in use yet.  Whatever else the disk does (another core makes its journal) only adds time,
 * and a sync also pays for what others left to be synced: so each way goes first in every other
 * pair, and the lower quartile counts. Devices and file systems differ; where the two cost about
 * the same the durable write is taken, since a sync goes through a kernel thread and costs more
 * CPU.
 *
 * What was found is kept in <dir>/probe, one block, big endian, and holds for PROBE_KEEP_MS on the
 * same file system, so that a start behind a crash does not ask a disk that is still busy with the
 * rest of it:
 *    0 u32 magic "SLPB"   4 u32 crc-32c of bytes 8..63   8 u64 wall clock, ms
 *   16 u64 size of the file system   24 its name (16)   40 u32 volatile cache (0, 1)
 *   44 u32 zero   48 u64 ns of a durable write   56 u64 ns of a write and a sync
 * It is not synced: one that is missing or torn is made anew. */
#include "core/base/crc32c.h"
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/store/journal_in.h"

#include <stdio.h>
#include <stdlib.h>

enum { PROBE_WRITES = 64, PROBE_WRITES_LEAST = 8, PROBE_BYTES = 64, PROBE_FS_AT = 24 };
#define PROBE_MAGIC   UINT32_C(0x534c5042)
#define PROBE_NS      (200 * CLOCK_NS_PER_MS) /* and the pair of writes that is under way then */
#define PROBE_KEEP_MS (INT64_C(7) * 24 * 3600 * 1000)

/* What a probe found: the lower quartiles. */
struct found {
    uint64_t dsync_ns, fdatasync_ns;
};

static int
time_order(const void *a, const void *b)
{
    uint64_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

/* One block made durable; nanoseconds, or an error. */
static int64_t
probe_one(struct journal *j, uint32_t number, bool dsync)
{
    const struct clock *clock = j->config.clock;
    uint64_t blocks = j->config.file_bytes / JOURNAL_BLOCK - 1;
    struct disk_op op = {.kind = DISK_WRITE,
                         .flags = dsync ? DISK_DURABLE : 0,
                         .file = j->files.file[0],
                         .at = j->arena,
                         .len = JOURNAL_BLOCK,
                         .offset = (1 + number % blocks) * JOURNAL_BLOCK};
    uint64_t begin = clock->ops->now_ns(clock->self);
    int64_t got = j->disk->ops->run(j->disk->self, &op);
    if (got >= 0 && !dsync) {
        op = (struct disk_op){.kind = DISK_SYNC, .file = op.file};
        got = j->disk->ops->run(j->disk->self, &op);
    }
    return got < 0 ? got : (int64_t)(clock->ops->now_ns(clock->self) - begin);
}

/* ---- what was found is kept --------------------------------------------------------------------
 */

static void
found_write(const struct journal *j, const struct found *f, uint8_t *at)
{
    struct disk_facts facts;
    j->disk->ops->facts(j->disk->self, 0, &facts);
    memset(at, 0, JOURNAL_BLOCK);
    set_u32(at, PROBE_MAGIC);
    set_u64(at + 8, (uint64_t)j->config.clock->ops->wall_ms(j->config.clock->self));
    set_u64(at + 16, facts.total_bytes);
    memcpy(at + PROBE_FS_AT, facts.file_system, sizeof facts.file_system);
    set_u32(at + 40, facts.volatile_cache);
    set_u64(at + 48, f->dsync_ns);
    set_u64(at + 56, f->fdatasync_ns);
    set_u32(at + 4, crc32c(0, at + 8, PROBE_BYTES - 8));
}

/* True when `old` is of this file system, and young. */
static bool
found_read(const struct journal *j, const uint8_t *old, struct found *f)
{
    uint8_t now[JOURNAL_BLOCK];
    *f = (struct found){get_u64(old + 48), get_u64(old + 56)};
    found_write(j, f, now);
    int64_t age_ms = (int64_t)(get_u64(now + 8) - get_u64(old + 8));
    return get_u32(old) == PROBE_MAGIC && get_u32(old + 4) == crc32c(0, old + 8, PROBE_BYTES - 8) &&
           memcmp(now + 16, old + 16, PROBE_BYTES - 16) == 0 && age_ms >= 0 &&
           age_ms <= PROBE_KEEP_MS;
}

/* Opens the file, reads or writes its one block in the arena, closes it. */
static int64_t
found_file(struct journal *j, enum disk_kind kind)
{
    char path[JOURNAL_PATH_BYTES];
    snprintf(path, sizeof path, "%s/probe", j->config.dir);
    uint32_t flags = DISK_DIRECT | (kind == DISK_WRITE ? DISK_WRITABLE | DISK_CREATE : 0);
    int64_t got =
        disk_do(j->disk, (struct disk_op){.kind = DISK_OPEN, .path = path, .flags = flags});
    if (got < 0)
        return got;
    int32_t file = (int32_t)got;
    got =
        disk_do(j->disk,
                (struct disk_op){.kind = kind, .file = file, .at = j->arena, .len = JOURNAL_BLOCK});
    (void)disk_do(j->disk, (struct disk_op){.kind = DISK_CLOSE, .file = file});
    return got;
}

/* ---- the probe ---------------------------------------------------------------------------------
 */

/* Pairs of writes that there was time for; or an error. */
static int64_t
measure(struct journal *j, struct found *f)
{
    uint64_t ns[2][PROBE_WRITES], total = 0;
    uint32_t count = 0;
    for (; count < PROBE_WRITES && total <= PROBE_NS; count++) {
        for (uint32_t i = 0; i < 2; i++) {
            uint32_t way = (count + i) % 2;
            int64_t got = probe_one(j, 2 * count + i, way == 0);
            if (got < 0)
                return got;
            ns[way][count] = (uint64_t)got;
            total += (uint64_t)got;
        }
    }
    qsort(ns[0], count, sizeof ns[0][0], time_order);
    qsort(ns[1], count, sizeof ns[1][0], time_order);
    *f = (struct found){ns[0][count / 4], ns[1][count / 4]};
    return count;
}

int
journal_probe(struct journal *j)
{
    if (j->config.sync != JOURNAL_SYNC_AUTO)
        return ERR_OK;
    j->config.sync = JOURNAL_SYNC_DSYNC;
    if (!j->config.clock)
        return ERR_OK;
    struct found f;
    int64_t pairs = PROBE_WRITES;
    bool kept = found_file(j, DISK_READ) == JOURNAL_BLOCK && found_read(j, j->arena, &f);
    if (!kept)
        pairs = measure(j, &f);
    if (pairs < 0)
        return (int)pairs;
    if (!kept && pairs >= PROBE_WRITES_LEAST) {
        found_write(j, &f, j->arena);
        (void)found_file(j, DISK_WRITE); /* without it the next start measures again */
    }
    if (pairs >= PROBE_WRITES_LEAST && 3 * f.fdatasync_ns < 2 * f.dsync_ns)
        j->config.sync = JOURNAL_SYNC_FDATASYNC;
    log_info("journal", "frames are made durable by %s dir=%s dsync_us=%llu fdatasync_us=%llu%s",
             j->config.sync == JOURNAL_SYNC_DSYNC ? "RWF_DSYNC" : "fdatasync", j->config.dir,
             (unsigned long long)(f.dsync_ns / 1000), (unsigned long long)(f.fdatasync_ns / 1000),
             kept                         ? " (measured at an earlier start)"
             : pairs < PROBE_WRITES_LEAST ? " (the disk is too slow now to compare them)"
                                          : "");
    return ERR_OK;
}
