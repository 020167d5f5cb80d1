/* journal_rig.h: a small journal on a fake disk, shared by the tests of the journal. */
#ifndef SLUICE_TESTS_JOURNAL_RIG_H
#define SLUICE_TESTS_JOURNAL_RIG_H

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/store/journal.h"
#include "tests/sim/disk_mem.h"
#include "tests/unit/unit.h"

static const struct journal_config small = {.dir = "j",
                                            .file_bytes = 64 << 10,
                                            .file_count = 3,
                                            .arena_bytes = 128 << 10,
                                            .record_bytes_max = 16 << 10,
                                            .frames_in_flight = 2};

struct rig {
    struct disk_mem *disk;
    struct journal *j;
    uint64_t now_ns;
};

static inline void
rig_start(struct rig *r, uint64_t seed)
{
    *r = (struct rig){.disk = disk_mem_new(seed), .now_ns = CLOCK_NS_PER_S};
    assert_int_equal(journal_init(disk_mem_port(r->disk, 0), &small, 1, &r->j), ERR_OK);
}

static inline void
rig_end(struct rig *r)
{
    journal_free(r->j);
    disk_mem_free(r->disk);
}

static inline void
turn(struct rig *r, uint64_t ns)
{
    struct disk_op *done[16];
    struct disk *port = disk_mem_port(r->disk, 0);
    uint32_t n = port->ops->poll(port->self, done, 16);
    r->now_ns += ns;
    for (uint32_t i = 0; i < n; i++)
        assert_true(journal_take(r->j, done[i]));
    journal_step(r->j, r->now_ns);
}

static inline void
settle(struct rig *r)
{
    for (int i = 0; journal_durable_lsn(r->j) < journal_last_lsn(r->j); i++) {
        turn(r, 100000);
        assert_true(i < 1000);
    }
}

static inline int
put_record(struct rig *r, uint32_t bytes, struct journal_slot *slot)
{
    int rc = journal_append(r->j, 7, bytes, slot);
    if (rc == ERR_OK)
        memset(slot->body, (int)(slot->lsn & 0xff), bytes);
    return rc;
}

static inline int
check_each(void *user, uint64_t lsn, uint32_t kind, struct view body)
{
    uint64_t *next = user;
    assert_int_equal(lsn, ++*next);
    assert_int_equal(kind, 7);
    for (uint32_t i = 0; i < body.len; i++)
        assert_int_equal(body.at[i], lsn & 0xff);
    return ERR_OK;
}

#endif
