#include "tests/unit/core/store/journal_left.h"

/* What a salvage told: lsn of each record, and gaps as pairs behind them. */
struct told {
    uint64_t lsn[128], gap_first[16], gap_limit[16], gap_after[16];
    struct journal_gap last;
    uint32_t count, gaps;
};

/* Frames of one record each; a pause at the end leaves marks that prove them all. */
static struct disk_mem *
written(uint32_t count)
{
    struct disk_mem *d = disk_mem_new(5);
    struct disk *port = disk_mem_port(d, 0);
    struct journal *j;
    assert_int_equal(journal_init(port, &small, 1, &j), ERR_OK);
    uint64_t now = CLOCK_NS_PER_S;
    for (uint32_t i = 0; i < count + 20; i++) {
        struct journal_slot slot;
        if (i < count) {
            assert_int_equal(journal_append(j, 7, BODY, &slot), ERR_OK);
            memset(slot.body, (int)i + 1, BODY);
            if (slot.lsn > 40)
                journal_release(j, slot.lsn - 40);
        }
        until_durable(j, port, &now);
    }
    left(d, j);
    return d;
}

static int
record_told(void *user, uint64_t lsn, uint32_t kind, struct view body)
{
    struct told *t = user;
    assert_int_equal(kind, 7);
    assert_int_equal(body.len, BODY);
    assert_int_equal(body.at[BODY - 1], (uint8_t)lsn);
    t->lsn[t->count++] = lsn;
    return ERR_OK;
}

static int
gap_told(void *user, const struct journal_gap *gap)
{
    struct told *t = user;
    t->gap_after[t->gaps] = t->count;
    t->gap_first[t->gaps] = gap->lsn_first;
    t->gap_limit[t->gaps++] = gap->lsn_limit;
    t->last = *gap;
    return ERR_OK;
}

static void
salvage(struct disk_mem *d, uint64_t after, struct told *t)
{
    *t = (struct told){0};
    assert_int_equal(
        journal_salvage(disk_mem_port(d, 0), &small, 1, after, record_told, gap_told, t), ERR_OK);
}

static uint8_t *
frame(struct disk_mem *d, uint32_t n)
{
    uint64_t size;
    char path[JOURNAL_PATH_BYTES];
    journal_path(&small, n / PER_FILE % small.file_count, path);
    uint8_t *at = disk_mem_bytes(d, path, &size);
    assert_non_null(at);
    return at + (1 + n % PER_FILE) * JOURNAL_BLOCK;
}

static void
a_whole_journal_has_all_records_and_no_gap(void **state)
{
    (void)state;
    struct disk_mem *d = written(40);
    struct told t;
    salvage(d, 0, &t);
    assert_int_equal(t.count, 40);
    assert_int_equal(t.gaps, 0);
    salvage(d, 33, &t);
    assert_int_equal(t.count, 7);
    assert_int_equal(t.lsn[0], 34);
    disk_mem_free(d);
}

static void
every_damaged_frame_is_one_gap_between_its_neighbours(void **state)
{
    (void)state;
    for (uint32_t n = 1; n < 39; n++) {
        struct disk_mem *d = written(40);
        struct told t;
        frame(d, n)[FRAME_HEADER_BYTES + RECORD_HEADER_MAX] ^= 4;
        salvage(d, 0, &t);
        assert_int_equal(t.count, 39);
        assert_int_equal(t.gaps, 1);
        assert_int_equal(t.gap_after[0], n);
        assert_int_equal(t.gap_first[0], n + 1);
        assert_int_equal(t.gap_limit[0], n + 2);
        char path[JOURNAL_PATH_BYTES];
        journal_path(&small, n / PER_FILE, path);
        assert_string_equal(t.last.path, path);
        assert_int_equal(t.last.offset, (1 + n % PER_FILE) * JOURNAL_BLOCK);
        assert_int_equal(t.last.seq_first + 1, t.last.seq_limit);
        disk_mem_free(d);
    }
}

static void
damage_before_the_checkpoint_is_no_gap(void **state)
{
    (void)state;
    struct disk_mem *d = written(40);
    struct told t;
    frame(d, 3)[100] ^= 4;
    salvage(d, 4, &t);
    assert_int_equal(t.gaps, 0);
    assert_int_equal(t.count, 36);
    salvage(d, 3, &t);
    assert_int_equal(t.gaps, 1);
    assert_int_equal(t.gap_first[0], 4);
    disk_mem_free(d);
}

static void
an_acknowledged_last_frame_is_a_gap_too(void **state)
{
    (void)state;
    struct disk_mem *d = written(10);
    struct told t;
    frame(d, 9)[80] ^= 4;
    salvage(d, 0, &t);
    assert_int_equal(t.count, 9);
    assert_int_equal(t.gaps, 1);
    assert_int_equal(t.gap_first[0], 10);
    assert_int_equal(t.gap_limit[0], 11);
    assert_true(t.last.raw.len >= JOURNAL_BLOCK);
    disk_mem_free(d);
}

static void
a_lost_mark_is_no_gap(void **state)
{
    (void)state;
    struct disk_mem *d = written(10);
    struct told t;
    frame(d, 10)[8] ^= 4;
    salvage(d, 0, &t);
    assert_int_equal(t.count, 10);
    assert_int_equal(t.gaps, 0);
    disk_mem_free(d);
}

static void
a_torn_tail_is_cut_and_is_no_gap(void **state)
{
    (void)state;
    struct disk_mem *d = written(20);
    struct told t;
    uint64_t size;
    /* Nothing behind frame 15 is left, and the frame itself is torn. */
    char path[JOURNAL_PATH_BYTES];
    journal_path(&small, 1, path);
    uint8_t *at = disk_mem_bytes(d, path, &size);
    memset(at + JOURNAL_BLOCK * 2, 0, size - JOURNAL_BLOCK * 2);
    at[JOURNAL_BLOCK + 70] ^= 1;
    salvage(d, 0, &t);
    assert_int_equal(t.count, 15);
    assert_int_equal(t.gaps, 0);
    disk_mem_free(d);
}

static void
a_ring_that_went_on_past_the_checkpoint_begins_with_a_gap(void **state)
{
    (void)state;
    struct disk_mem *d = written(100);
    struct told t;
    salvage(d, 0, &t);
    assert_int_equal(t.gaps, 1);
    assert_int_equal(t.gap_after[0], 0);
    assert_int_equal(t.gap_first[0], 1);
    assert_int_equal(t.gap_limit[0], t.lsn[0]);
    assert_int_equal(t.lsn[t.count - 1], 100);
    assert_true(t.count >= 40);
    disk_mem_free(d);
}

static void
a_file_that_is_gone_or_unreadable_is_a_gap(void **state)
{
    (void)state;
    struct disk_mem *d = written(40);
    struct told t;
    struct disk *port = disk_mem_port(d, 0);
    disk_mem_fail(d, "journal-0001", DISK_READ, ERR_IO);
    salvage(d, 0, &t);
    assert_int_equal(t.gaps, 1);
    assert_int_equal(t.gap_first[0], PER_FILE + 1);
    assert_int_equal(t.gap_limit[0], 2 * PER_FILE + 1);
    disk_mem_fail(d, NULL, DISK_READ, ERR_IO);
    struct disk_op op = {.kind = DISK_UNLINK, .path = "j/journal-0001"};
    assert_int_equal(port->ops->run(port->self, &op), ERR_OK);
    salvage(d, 0, &t);
    assert_int_equal(t.gaps, 1);
    assert_int_equal(t.count, 40 - PER_FILE);
    disk_mem_free(d);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_journal_has_all_records_and_no_gap),
        cmocka_unit_test(every_damaged_frame_is_one_gap_between_its_neighbours),
        cmocka_unit_test(damage_before_the_checkpoint_is_no_gap),
        cmocka_unit_test(an_acknowledged_last_frame_is_a_gap_too),
        cmocka_unit_test(a_lost_mark_is_no_gap),
        cmocka_unit_test(a_torn_tail_is_cut_and_is_no_gap),
        cmocka_unit_test(a_ring_that_went_on_past_the_checkpoint_begins_with_a_gap),
        cmocka_unit_test(a_file_that_is_gone_or_unreadable_is_a_gap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
