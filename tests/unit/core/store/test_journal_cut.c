#include "tests/unit/core/store/journal_left.h"

/* A journal of `count` frames of one record each, and then a kill, at once: no mark behind the last
 * one says that it was acknowledged.  All files are made. */
static struct disk_mem *
written(uint64_t generation, uint32_t count, struct disk_mem *d)
{
    d = d ? d : disk_mem_new(5);
    struct disk *port = disk_mem_port(d, 0);
    struct journal *j;
    assert_int_equal(journal_init(port, &small, generation, &j), ERR_OK);
    uint64_t now = CLOCK_NS_PER_S;
    for (int i = 0; i < 2000 && journal_missing(j); i++)
        turn(j, port, now += CLOCK_NS_PER_MS);
    assert_int_equal(journal_missing(j), 0);
    for (uint32_t i = 0; i < count; i++) {
        struct journal_slot slot;
        assert_int_equal(journal_append(j, 7, BODY, &slot), ERR_OK);
        memset(slot.body, (int)i, BODY);
        if (slot.lsn > 40)
            journal_release(j, slot.lsn - 40);
        until_durable(j, port, &now);
    }
    left(d, j);
    return d;
}

static void
cut(struct disk_mem *d, uint32_t index, uint64_t bytes)
{
    char path[JOURNAL_PATH_BYTES];
    struct disk *port = disk_mem_port(d, 0);
    journal_path(&small, index, path);
    struct disk_op open = {.kind = DISK_OPEN, .path = path, .flags = DISK_WRITABLE};
    int64_t file = disk_do(port, open);
    assert_true(file >= 0);
    struct disk_op op = {.kind = DISK_TRUNCATE, .file = (int32_t)file, .offset = bytes};
    assert_int_equal(disk_do(port, op), ERR_OK);
    disk_do(port, (struct disk_op){.kind = DISK_CLOSE, .file = (int32_t)file});
}

static void
removed(struct disk_mem *d, uint32_t index)
{
    char path[JOURNAL_PATH_BYTES];
    journal_path(&small, index, path);
    assert_int_equal(
        disk_do(disk_mem_port(d, 0), (struct disk_op){.kind = DISK_UNLINK, .path = path}), ERR_OK);
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
gap_noted(void *user, const struct journal_gap *gap)
{
    (void)gap;
    *(uint32_t *)user += 1000;
    return ERR_OK;
}

/* What a start makes of it: records, and 1000 for each gap. */
static uint32_t
found(struct disk_mem *d, uint64_t generation, uint64_t after)
{
    uint32_t count = 0;
    struct journal_end end;
    struct disk *port = disk_mem_port(d, 0);
    int rc = journal_recover(port, &small, generation, after, count_each, &count, &end);
    if (rc == ERR_OK)
        return count;
    assert_int_equal(rc, ERR_CORRUPT);
    count = 0;
    assert_int_equal(
        journal_salvage(port, &small, generation, after, count_each, gap_noted, &count), ERR_OK);
    return count;
}

static void
a_file_that_was_cut_among_its_last_frames_is_a_loss(void **state)
{
    (void)state;
    for (uint32_t kept = 0; kept <= 10; kept++)
        for (uint32_t part = 0; part < JOURNAL_BLOCK; part += 100) {
            struct disk_mem *d = written(1, 10, NULL);
            cut(d, 0, (uint64_t)(kept + 1) * JOURNAL_BLOCK + part);
            /* Behind the tenth was none that anybody was told of; but who knows. */
            assert_int_equal(found(d, 1, 0), kept + 1000);
            assert_int_equal(disk_mem_open_files(d), 0);
            disk_mem_free(d);
        }
}

static void
a_file_that_ends_behind_its_last_frame_is_none(void **state)
{
    (void)state;
    struct disk_mem *d = written(1, 10, NULL);
    cut(d, 0, 13 * JOURNAL_BLOCK);
    assert_int_equal(found(d, 1, 0), 10);
    disk_mem_free(d);
}

static void
a_first_file_that_is_gone_or_empty_beside_whole_ones_is_a_loss(void **state)
{
    (void)state;
    for (int how = 0; how < 3; how++) {
        struct disk_mem *d = written(1, 5, NULL);
        if (how == 0)
            removed(d, 0);
        else
            cut(d, 0, how == 1 ? 0 : 100);
        assert_int_equal(found(d, 1, 0), 1000);
        disk_mem_free(d);
    }
}

static void
the_next_file_tells_of_the_loss_too(void **state)
{
    (void)state;
    struct disk_mem *d = written(1, PER_FILE + 3, NULL);
    cut(d, 1, JOURNAL_BLOCK + 100);
    assert_int_equal(found(d, 1, 0), PER_FILE + 1000);
    disk_mem_free(d);
    /* It was not reached yet: nothing was in what is missing, but who knows. */
    d = written(1, PER_FILE, NULL);
    cut(d, 1, 3 * JOURNAL_BLOCK);
    assert_int_equal(found(d, 1, 0), PER_FILE);
    disk_mem_free(d);
}

static void
a_file_that_is_cut_elsewhere_in_the_ring_is_no_loss(void **state)
{
    (void)state;
    uint32_t count = 4 * PER_FILE + 3; /* round the ring, and in its first file again */
    struct disk_mem *d = written(1, count, NULL);
    cut(d, 2, 5 * JOURNAL_BLOCK);
    assert_int_equal(found(d, 1, count - 5), 5);
    cut(d, 1, 5 * JOURNAL_BLOCK); /* the next one: frames of the last round are in front */
    assert_int_equal(found(d, 1, count - 5), 5);
    disk_mem_free(d);
}

static void
files_that_are_being_made_are_no_loss(void **state)
{
    (void)state;
    struct disk_mem *d = disk_mem_new(5);
    assert_int_equal(found(d, 1, 0), 0); /* nothing was begun */
    struct journal *j;
    assert_int_equal(journal_init(disk_mem_port(d, 0), &small, 1, &j), ERR_OK);
    journal_free(j); /* the first is whole, the others are not there */
    disk_mem_reopen(d);
    assert_int_equal(found(d, 1, 0), 0);
    disk_mem_free(d);
    /* All are to be made anew in another size: files that are left have another geometry. */
    d = written(1, 5, NULL);
    struct journal_config larger = small;
    larger.file_bytes *= 2;
    removed(d, 0);
    uint32_t count = 0;
    struct journal_end end;
    assert_int_equal(journal_recover(disk_mem_port(d, 0), &larger, 2, 0, count_each, &count, &end),
                     ERR_OK);
    assert_int_equal(count, 0);
    disk_mem_free(d);
}

static void
whenever_the_power_goes_while_files_are_made_nothing_seems_lost(void **state)
{
    (void)state;
    for (uint64_t cut_at = 1; cut_at < 150; cut_at++) {
        struct disk_mem *d = disk_mem_new(cut_at);
        struct disk *port = disk_mem_port(d, 0);
        struct journal *j = NULL;
        disk_mem_cut_after(d, cut_at);
        int rc = journal_init(port, &small, 1, &j);
        for (int i = 0; rc == ERR_OK && i < 300; i++)
            turn(j, port, CLOCK_NS_PER_S + (uint64_t)i * CLOCK_NS_PER_MS);
        disk_mem_cut_after(d, 0);
        if (rc == ERR_OK)
            journal_free(j);
        disk_mem_restart(d);
        assert_int_equal(found(d, 1, 0), 0);
        disk_mem_free(d);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_that_was_cut_among_its_last_frames_is_a_loss),
        cmocka_unit_test(a_file_that_ends_behind_its_last_frame_is_none),
        cmocka_unit_test(a_first_file_that_is_gone_or_empty_beside_whole_ones_is_a_loss),
        cmocka_unit_test(the_next_file_tells_of_the_loss_too),
        cmocka_unit_test(a_file_that_is_cut_elsewhere_in_the_ring_is_no_loss),
        cmocka_unit_test(files_that_are_being_made_are_no_loss),
        cmocka_unit_test(whenever_the_power_goes_while_files_are_made_nothing_seems_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
