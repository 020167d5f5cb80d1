#include "core/base/crc32c.h"
#include "core/store/journal_in.h"
#include "tests/unit/core/store/journal_rig.h"

#include <stdlib.h>

enum { EXTENTS = 16 };

/* A journal in the middle of something, chosen by chance. */
struct life {
    struct rig r;
    uint64_t extents[EXTENTS]; /* their numbers, those that have not ended */
    uint32_t extent_count;
    unsigned seed;
};

static uint32_t
below(struct life *l, uint32_t n)
{
    return (uint32_t)rand_r(&l->seed) % n;
}

static int
append_record(struct life *l, uint8_t byte)
{
    struct journal_slot slot;
    uint32_t bytes = below(l, 2) ? below(l, 200) : below(l, 9000);
    int rc = journal_append(l->r.j, 7, bytes, &slot);
    if (rc == ERR_OK)
        memset(slot.body, byte ? byte : (int)(slot.lsn & 0xff), bytes);
    return rc;
}

static int
append_extent(struct life *l, uint8_t byte, uint64_t *number)
{
    struct journal_extent x = {.bytes = 1 + below(l, 9000), .phase = below(l, JOURNAL_BLOCK)};
    int rc = journal_extent_append(l->r.j, 7, 16, &x);
    if (rc != ERR_OK)
        return rc;
    memset(x.slot.body, byte ? byte : (int)(x.slot.lsn & 0xff), 16);
    memset(x.at, byte, x.bytes);
    *number = x.number;
    return rc;
}

static void
go_on(struct life *l)
{
    uint64_t number;
    switch (below(l, 4)) {
    case 0:
    case 1:
        (void)append_record(l, 0);
        break;
    case 2:
        if (l->extent_count < EXTENTS && append_extent(l, 0, &number) == ERR_OK)
            l->extents[l->extent_count++] = number;
        break;
    default:
        turn(&l->r, 100000);
        if (l->extent_count && below(l, 2))
            journal_extent_end(l->r.j, l->extents[--l->extent_count]);
    }
}

/* All that decides what the journal does next, the open frame's bytes with it. */
static uint32_t
state_of(const struct journal *j)
{
    uint64_t facts[] = {j->open,
                        j->open_any,
                        j->place_next,
                        j->ring_next,
                        j->lsn_next,
                        j->submit,
                        j->extent_bytes,
                        j->file_newest,
                        j->file_oldest,
                        j->written,
                        j->seq_submitted,
                        j->open_since_ns,
                        j->lsn_durable,
                        j->lsn_written,
                        j->durable_noted,
                        j->pace.bytes,
                        j->durable_data,
                        j->rescuing,
                        j->lsn_last[j->file_newest % 3]};
    uint32_t crc = crc32c(0, facts, sizeof facts);
    if (!j->open_any)
        return crc;
    const struct frame *f = journal_frame_of(j, j->open);
    crc = crc32c(crc, f, sizeof *f);
    return crc32c(crc, j->arena + f->place % j->config.arena_bytes + FRAME_HEADER_BYTES,
                  f->used - FRAME_HEADER_BYTES);
}

static bool
attempt(struct life *l)
{
    uint64_t number;
    uint32_t before = state_of(l->r.j);
    journal_mark(l->r.j);
    int rc = below(l, 2) ? append_record(l, 0xee) : append_extent(l, 0xee, &number);
    if (rc != ERR_OK)
        return false;
    if (below(l, 4) == 0)
        (void)append_record(l, 0xee);
    journal_take_back(l->r.j);
    assert_int_equal(state_of(l->r.j), before);
    return true;
}

static void
live(unsigned seed, uint32_t *undone)
{
    struct life l = {.seed = seed};
    rig_start(&l.r, seed);
    for (int i = 0; i < 400; i++) {
        go_on(&l);
        if (below(&l, 2))
            *undone += attempt(&l);
        journal_release(l.r.j, journal_durable_lsn(l.r.j));
    }
    while (l.extent_count)
        journal_extent_end(l.r.j, l.extents[--l.extent_count]);
    settle(&l.r);
    uint64_t last = journal_last_lsn(l.r.j);
    rig_end(&l.r);
    assert_true(last > 100);
}

static void
what_is_taken_back_leaves_the_journal_as_it_was(void **state)
{
    (void)state;
    uint32_t undone = 0;
    for (unsigned seed = 1; seed <= 100; seed++) {
        print_message("# seed %u\n", seed);
        live(seed, &undone);
    }
    assert_true(undone > 5000);
}

static void
recovery_finds_the_others_only(void **state)
{
    (void)state;
    uint32_t undone = 0;
    for (unsigned seed = 1; seed <= 50; seed++) {
        print_message("# seed %u\n", seed);
        struct life l = {.seed = seed};
        rig_start(&l.r, seed);
        for (int i = 0; i < 12; i++) { /* fewer than the ring holds */
            struct journal_slot slot;
            (void)attempt(&l);
            assert_int_equal(put_record(&l.r, below(&l, 3000), &slot), ERR_OK);
            undone += attempt(&l);
            if (below(&l, 2))
                turn(&l.r, 100000);
        }
        settle(&l.r);
        uint64_t next = 0, last = journal_last_lsn(l.r.j);
        struct journal_end end;
        journal_free(l.r.j);
        l.r.j = NULL;
        assert_int_equal(
            journal_recover(disk_mem_port(l.r.disk, 0), &small, 1, 0, check_each, &next, &end),
            ERR_OK);
        assert_int_equal(next, last);
        rig_end(&l.r);
    }
    assert_true(undone > 100);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_taken_back_leaves_the_journal_as_it_was),
        cmocka_unit_test(recovery_finds_the_others_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
