#include "core/base/crc32c.h"
#include "tests/unit/core/store/journal_left.h"

/* Writes `count` frames of one record each and stops; `mark`: after a pause. */
static struct disk_mem *
written(uint64_t generation, uint32_t count, bool mark, struct disk_mem *d)
{
    if (!d)
        d = disk_mem_new(5);
    struct disk *port = disk_mem_port(d, 0);
    struct journal *j;
    assert_int_equal(journal_init(port, &small, generation, &j), ERR_OK);
    uint64_t now = CLOCK_NS_PER_S;
    for (uint32_t i = 0; i < count + (mark ? 20 : 0); i++) {
        struct journal_slot slot;
        if (i < count) {
            assert_int_equal(journal_append(j, 7, 64, &slot), ERR_OK);
            memset(slot.body, (int)i, 64);
        }
        until_durable(j, port, &now);
    }
    left(d, j);
    return d;
}

static int
count_each(void *user, uint64_t lsn, uint32_t kind, struct view body)
{
    (void)lsn;
    (void)kind;
    (void)body;
    ++*(uint32_t *)user;
    return ERR_OK;
}

static int
recover(struct disk_mem *d, uint64_t generation, uint64_t after, uint32_t *count,
        struct journal_end *last)
{
    *count = 0;
    return journal_recover(disk_mem_port(d, 0), &small, generation, after, count_each, count, last);
}

static uint8_t *
frame(struct disk_mem *d, uint32_t n)
{
    uint64_t size;
    uint32_t per_file = (64 << 10) / JOURNAL_BLOCK - 1;
    char path[JOURNAL_PATH_BYTES];
    journal_path(&small, n / per_file, path);
    uint8_t *at = disk_mem_bytes(d, path, &size);
    assert_non_null(at);
    return at + (1 + n % per_file) * JOURNAL_BLOCK;
}

static void
files_of_another_version_are_refused_and_left_alone(void **state)
{
    (void)state;
    struct disk_mem *d = written(1, 5, true, NULL);
    uint64_t size;
    uint32_t count;
    struct journal_end last;
    uint8_t *at = disk_mem_bytes(d, "j/journal-0000", &size);
    for (uint32_t i = 0; i < 2; i++) {
        set_u32(at + 4, i ? JOURNAL_VERSION + 1 : JOURNAL_VERSION_FIRST - 1);
        set_u32(at + 24, crc32c(0, at, 24));
        assert_int_equal(recover(d, 1, 0, &count, &last), ERR_VERSION);
        assert_int_equal(count, 0);
    }
    assert_non_null(disk_mem_bytes(d, "j/journal-0000", &size));
    disk_mem_free(d);
}

static void
files_of_the_version_before_are_read(void **state)
{
    (void)state;
    struct disk_mem *d = written(1, 5, true, NULL);
    uint64_t size;
    uint32_t count;
    struct journal_end last;
    uint8_t *at = disk_mem_bytes(d, "j/journal-0000", &size);
    set_u32(at + 4, JOURNAL_VERSION_FIRST);
    set_u32(at + 24, crc32c(0, at, 24));
    for (uint32_t n = 0; n < 6; n++)
        assert_int_equal(get_u32(frame(d, n) + 56), 0); /* as that version wrote it */
    assert_int_equal(recover(d, 1, 0, &count, &last), ERR_OK);
    assert_int_equal(count, 5);
    assert_int_equal(last.lsn_acked, 5);
    disk_mem_free(d);
}

static void
an_empty_directory_holds_nothing(void **state)
{
    (void)state;
    struct disk_mem *d = disk_mem_new(1);
    uint32_t count;
    struct journal_end last = {9, 9};
    assert_int_equal(recover(d, 1, 0, &count, &last), ERR_OK);
    assert_int_equal(count, 0);
    assert_int_equal(last.lsn_last, 0);
    disk_mem_free(d);
}

static void
frames_of_other_generations_do_not_count(void **state)
{
    (void)state;
    struct disk_mem *d = written(3, 10, false, NULL);
    uint32_t count;
    struct journal_end last;
    written(4, 4, false, d);
    assert_int_equal(recover(d, 4, 0, &count, &last), ERR_OK);
    assert_int_equal(count, 4);
    disk_mem_free(d);
}

static void
records_up_to_the_checkpoint_are_passed_over(void **state)
{
    (void)state;
    struct disk_mem *d = written(1, 20, false, NULL);
    uint32_t count;
    struct journal_end last;
    assert_int_equal(recover(d, 1, 17, &count, &last), ERR_OK);
    assert_int_equal(count, 3);
    assert_int_equal(last.lsn_last, 20);
    disk_mem_free(d);
}

static void
a_torn_last_frame_is_cut(void **state)
{
    (void)state;
    struct disk_mem *d = written(1, 10, false, NULL);
    uint32_t count;
    struct journal_end last;
    frame(d, 9)[600] ^= 1;
    assert_int_equal(recover(d, 1, 0, &count, &last), ERR_OK);
    assert_int_equal(count, 9);
    assert_int_equal(last.lsn_last, 9);
    disk_mem_free(d);
}

static void
damage_in_the_middle_is_reported(void **state)
{
    (void)state;
    for (uint32_t n = 0; n < 9; n++) {
        struct disk_mem *d = written(1, 10, false, NULL);
        uint32_t count;
        struct journal_end last;
        frame(d, n)[100 + n * 300] ^= 16;
        assert_int_equal(recover(d, 1, 0, &count, &last), ERR_CORRUPT);
        disk_mem_free(d);
    }
}

static void
damage_in_the_last_frame_is_reported_when_a_mark_followed(void **state)
{
    (void)state;
    struct disk_mem *d = written(1, 10, true, NULL);
    uint32_t count;
    struct journal_end last;
    assert_int_equal(recover(d, 1, 0, &count, &last), ERR_OK);
    assert_int_equal(count, 10);
    frame(d, 9)[600] ^= 1;
    assert_int_equal(recover(d, 1, 0, &count, &last), ERR_CORRUPT);
    disk_mem_free(d);
}

static void
damage_is_seen_across_the_end_of_a_file(void **state)
{
    (void)state;
    struct disk_mem *d = written(1, 20, false, NULL);
    uint32_t count;
    struct journal_end last;
    frame(d, 14)[50] ^= 1; /* the last frame of the first file */
    assert_int_equal(recover(d, 1, 0, &count, &last), ERR_CORRUPT);
    frame(d, 14)[50] ^= 1;
    frame(d, 15)[50] ^= 1; /* the first of the second */
    assert_int_equal(recover(d, 1, 0, &count, &last), ERR_CORRUPT);
    disk_mem_free(d);
}

static int
refuse_each(void *user, uint64_t lsn, uint32_t kind, struct view body)
{
    (void)user;
    (void)kind;
    (void)body;
    return lsn == 3 ? ERR_LIMIT : ERR_OK;
}

static void
an_error_of_the_caller_ends_the_walk(void **state)
{
    (void)state;
    struct disk_mem *d = written(1, 10, false, NULL);
    struct journal_end last;
    assert_int_equal(journal_recover(disk_mem_port(d, 0), &small, 1, 0, refuse_each, NULL, &last),
                     ERR_LIMIT);
    disk_mem_free(d);
}

/* The first frame fills the first file, so that the second begins the second file. */
static void
frames_that_nobody_was_told_of_are_no_damage_whichever_survived(void **state)
{
    (void)state;
    static const struct journal_config tight = {.dir = "j",
                                                .file_bytes = 32 << 10,
                                                .file_count = 2,
                                                .arena_bytes = 128 << 10,
                                                .record_bytes_max = 16 << 10,
                                                .frames_in_flight = 2};
    uint32_t seen = 0;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct disk_mem *d = disk_mem_new(seed);
        struct disk *port = disk_mem_port(d, 0);
        struct journal *j;
        uint64_t now = CLOCK_NS_PER_S;
        struct journal_end end;
        assert_int_equal(journal_init(port, &tight, 7, &j), ERR_OK);
        for (int i = 0; i < 100; i++) { /* the second file is made meanwhile */
            struct disk_op *done[16];
            journal_step(j, now += CLOCK_NS_PER_MS);
            uint32_t n = port->ops->poll(port->self, done, 16);
            for (uint32_t k = 0; k < n; k++)
                assert_true(journal_take(j, done[k]));
        }
        assert_int_equal(journal_missing(j), 0);
        for (int i = 0; i < 2; i++) {
            struct journal_slot slot;
            assert_int_equal(journal_append(j, 7, 14 << 10, &slot), ERR_OK);
            memset(slot.body, i, 14 << 10);
            journal_step(j, now += CLOCK_NS_PER_MS);
            journal_step(j, now += CLOCK_NS_PER_MS); /* it has waited long enough now */
        }
        disk_mem_cut_after(d, 0);
        journal_free(j);
        disk_mem_restart(d);
        uint32_t count = 0;
        assert_int_equal(journal_recover(port, &tight, 7, 0, count_each, &count, &end), ERR_OK);
        seen |= 1u << count;
        disk_mem_free(d);
    }
    assert_int_equal(seen, 7); /* none, the first, both: the second alone is none */
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_of_another_version_are_refused_and_left_alone),
        cmocka_unit_test(files_of_the_version_before_are_read),
        cmocka_unit_test(an_empty_directory_holds_nothing),
        cmocka_unit_test(frames_of_other_generations_do_not_count),
        cmocka_unit_test(records_up_to_the_checkpoint_are_passed_over),
        cmocka_unit_test(a_torn_last_frame_is_cut),
        cmocka_unit_test(damage_in_the_middle_is_reported),
        cmocka_unit_test(damage_in_the_last_frame_is_reported_when_a_mark_followed),
        cmocka_unit_test(damage_is_seen_across_the_end_of_a_file),
        cmocka_unit_test(frames_that_nobody_was_told_of_are_no_damage_whichever_survived),
        cmocka_unit_test(an_error_of_the_caller_ends_the_walk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
