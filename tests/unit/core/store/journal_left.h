/* journal_left.h: a journal of four small files as a process that ended left it, shared by the
 * tests of what a start makes of that. */
#ifndef SLUICE_TESTS_JOURNAL_LEFT_H
#define SLUICE_TESTS_JOURNAL_LEFT_H

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/store/journal_in.h"
#include "tests/sim/disk_mem.h"
#include "tests/unit/unit.h"

enum { FILE_BYTES = 64 << 10, PER_FILE = FILE_BYTES / JOURNAL_BLOCK - 1, BODY = 64 };

static const struct journal_config small = {.dir = "j",
                                            .file_bytes = FILE_BYTES,
                                            .file_count = 4,
                                            .arena_bytes = 128 << 10,
                                            .record_bytes_max = 16 << 10,
                                            .frames_in_flight = 2};

static inline void
turn(struct journal *j, struct disk *port, uint64_t now)
{
    struct disk_op *done[16];
    journal_step(j, now);
    uint32_t n = port->ops->poll(port->self, done, 16);
    for (uint32_t k = 0; k < n; k++)
        assert_true(journal_take(j, done[k]));
}

/* A turn at least, and as many as it takes. */
static inline void
until_durable(struct journal *j, struct disk *port, uint64_t *now)
{
    do {
        turn(j, port, *now += CLOCK_NS_PER_MS);
    } while (journal_durable_lsn(j) < journal_last_lsn(j));
}

/* The power goes, and comes back. */
static inline void
left(struct disk_mem *d, struct journal *j)
{
    disk_mem_cut_after(d, 0);
    disk_mem_restart(d);
    /* journal_free would close files that are not open any more. */
    disk_mem_cut_after(d, 0);
    journal_free(j);
    disk_mem_reopen(d);
}

#endif
