/* journal_probe.c: which of two ways to make a frame durable is the faster one here.
 *
 * Up to 64 single blocks are written each way, in turn, so that whatever else the disk does hits
 * both, to a file of the ring, which is written with zeros and not in use yet; the median counts.
 * Devices and file systems differ; where the two cost about the same the durable write is taken,
 * since a sync goes through a kernel thread and costs more CPU. */
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/store/journal_in.h"

#include <stdlib.h>

enum { PROBE_WRITES = 64, PROBE_WRITES_LEAST = 8 };
#define PROBE_NS (200 * CLOCK_NS_PER_MS) /* a slow disk is asked less often */

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

int
journal_probe(struct journal *j)
{
    if (j->config.sync != JOURNAL_SYNC_AUTO)
        return ERR_OK;
    j->config.sync = JOURNAL_SYNC_DSYNC;
    if (!j->config.clock)
        return ERR_OK;
    uint64_t ns[2][PROBE_WRITES], total = 0;
    uint32_t count = 0;
    for (uint32_t i = 0; i < PROBE_WRITES; i++) {
        if (i >= PROBE_WRITES_LEAST && total > PROBE_NS)
            break;
        count++;
        for (uint32_t way = 0; way < 2; way++) {
            int64_t got = probe_one(j, 2 * i + way, way == 0);
            if (got < 0)
                return (int)got;
            ns[way][i] = (uint64_t)got;
            total += (uint64_t)got;
        }
    }
    qsort(ns[0], count, sizeof ns[0][0], time_order);
    qsort(ns[1], count, sizeof ns[1][0], time_order);
    uint64_t dsync = ns[0][count / 2], fdatasync = ns[1][count / 2];
    if (3 * fdatasync < 2 * dsync)
        j->config.sync = JOURNAL_SYNC_FDATASYNC;
    log_info("journal", "frames are made durable by %s dir=%s dsync_us=%llu fdatasync_us=%llu",
             j->config.sync == JOURNAL_SYNC_DSYNC ? "RWF_DSYNC" : "fdatasync", j->config.dir,
             (unsigned long long)(dsync / 1000), (unsigned long long)(fdatasync / 1000));
    return ERR_OK;
}
