#include "core/base/err.h"
#include "core/store/journal_in.h"
#include "tests/sim/disk_mem.h"
#include "tests/unit/unit.h"

static const struct journal_config small = {.dir = "j", .file_bytes = 64 << 10, .file_count = 3};
static int32_t numbers[3];

static void
make_all(struct disk_mem *d, struct journal_files *f)
{
    struct disk *port = disk_mem_port(d, 0);
    journal_files_make(f, 0);
    for (int i = 0; i < 1000; i++) {
        struct disk_op *done[8];
        uint32_t n = port->ops->poll(port->self, done, 8);
        for (uint32_t k = 0; k < n; k++) {
            int error;
            assert_true(journal_files_take(f, done[k], &error));
            assert_int_equal(error, ERR_OK);
        }
    }
}

static void
the_first_file_is_there_at_once_and_the_others_later(void **state)
{
    (void)state;
    struct disk_mem *d = disk_mem_new(1);
    struct journal_files f;
    assert_int_equal(journal_files_open(&f, disk_mem_port(d, 0), &small, numbers), ERR_OK);
    assert_true(f.file[0] >= 0);
    assert_int_equal(f.file[1], -1);
    make_all(d, &f);
    for (int i = 0; i < 3; i++)
        assert_true(f.file[i] >= 0);
    journal_files_close(&f);
    disk_mem_free(d);
}

static void
whole_files_are_used_again_and_not_written(void **state)
{
    (void)state;
    struct disk_mem *d = disk_mem_new(2);
    struct journal_files f;
    assert_int_equal(journal_files_open(&f, disk_mem_port(d, 0), &small, numbers), ERR_OK);
    make_all(d, &f);
    journal_files_close(&f);
    uint64_t writes = disk_mem_count(d, DISK_WRITE);
    assert_int_equal(journal_files_open(&f, disk_mem_port(d, 0), &small, numbers), ERR_OK);
    make_all(d, &f);
    assert_int_equal(disk_mem_count(d, DISK_WRITE), writes);
    journal_files_close(&f);
    disk_mem_free(d);
}

static void
a_file_that_is_used_again_has_a_durable_name(void **state)
{
    (void)state;
    for (uint64_t ops = 1; ops < 120; ops++) {
        struct disk_mem *d = disk_mem_new(ops);
        struct disk *port = disk_mem_port(d, 0);
        struct journal_files f;
        assert_int_equal(journal_files_open(&f, port, &small, numbers), ERR_OK);
        disk_mem_cut_after(d, ops);
        make_all(d, &f);
        disk_mem_reopen(d); /* the process died, the machine did not */
        journal_files_close(&f);
        assert_int_equal(journal_files_open(&f, port, &small, numbers), ERR_OK);
        bool used[3];
        for (int i = 0; i < 3; i++)
            used[i] = numbers[i] >= 0;
        disk_mem_cut_after(d, 0);
        journal_files_close(&f);
        disk_mem_restart(d);
        for (uint32_t i = 0; i < 3; i++) {
            char path[JOURNAL_PATH_BYTES];
            uint64_t size;
            journal_path(&small, i, path);
            assert_true(!used[i] || disk_mem_bytes(d, path, &size));
        }
        disk_mem_free(d);
    }
}

static void
a_file_of_another_geometry_is_made_again(void **state)
{
    (void)state;
    struct disk_mem *d = disk_mem_new(3);
    struct journal_files f;
    struct journal_config other = small;
    other.file_bytes = 128 << 10;
    assert_int_equal(journal_files_open(&f, disk_mem_port(d, 0), &small, numbers), ERR_OK);
    make_all(d, &f);
    journal_files_close(&f);
    assert_int_equal(journal_files_open(&f, disk_mem_port(d, 0), &other, numbers), ERR_OK);
    make_all(d, &f);
    for (uint32_t i = 0; i < 3; i++) {
        char path[JOURNAL_PATH_BYTES];
        uint64_t size;
        journal_path(&other, i, path);
        assert_true(journal_file_header_ok(&other, i, disk_mem_bytes(d, path, &size)));
        assert_int_equal(size, 128 << 10);
    }
    journal_files_close(&f);
    disk_mem_free(d);
}

static void
a_file_half_made_at_a_power_cut_is_made_again(void **state)
{
    (void)state;
    for (uint64_t cut = 1; cut < 60; cut++) {
        struct disk_mem *d = disk_mem_new(cut);
        struct journal_files f;
        disk_mem_cut_after(d, cut);
        int rc = journal_files_open(&f, disk_mem_port(d, 0), &small, numbers);
        if (rc == ERR_OK) {
            struct disk *port = disk_mem_port(d, 0);
            struct disk_op *done[8];
            int error;
            journal_files_make(&f, 0);
            while (!disk_mem_is_cut(d) && f.file[2] < 0)
                for (uint32_t n = port->ops->poll(port->self, done, 8); n > 0; n--)
                    assert_true(journal_files_take(&f, done[n - 1], &error));
        }
        disk_mem_cut_after(d, 0);
        journal_files_close(&f);
        disk_mem_restart(d);
        assert_int_equal(journal_files_open(&f, disk_mem_port(d, 0), &small, numbers), ERR_OK);
        make_all(d, &f);
        assert_true(f.file[2] >= 0);
        journal_files_close(&f);
        disk_mem_free(d);
    }
}

static void
a_file_that_was_found_whole_outlives_a_power_cut(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed < 200; seed++) {
        struct disk_mem *d = disk_mem_new(seed);
        struct disk *port = disk_mem_port(d, 0);
        struct journal_files f;
        assert_int_equal(journal_files_open(&f, port, &small, numbers), ERR_OK);
        journal_files_make(&f, 0);
        for (uint64_t i = 0; i < seed % 20; i++) { /* then the process dies */
            struct disk_op *done[8];
            int error;
            for (uint32_t n = port->ops->poll(port->self, done, 8); n > 0; n--)
                assert_true(journal_files_take(&f, done[n - 1], &error));
        }
        disk_mem_drop(d, 0);
        journal_files_close(&f);
        disk_mem_reopen(d);
        assert_int_equal(journal_files_open(&f, port, &small, numbers), ERR_OK);
        bool there[3];
        for (int i = 0; i < 3; i++)
            there[i] = f.file[i] >= 0;
        journal_files_close(&f);
        disk_mem_cut_after(d, 0);
        disk_mem_restart(d);
        assert_int_equal(journal_files_open(&f, port, &small, numbers), ERR_OK);
        for (int i = 0; i < 3; i++)
            assert_true(f.file[i] >= 0 || !there[i]);
        journal_files_close(&f);
        disk_mem_free(d);
    }
}

static void
an_error_of_the_disk_is_told(void **state)
{
    (void)state;
    struct disk_mem *d = disk_mem_new(4);
    struct journal_files f;
    disk_mem_fail(d, "journal-0000", DISK_WRITE, ERR_NO_SPACE);
    assert_int_equal(journal_files_open(&f, disk_mem_port(d, 0), &small, numbers), ERR_NO_SPACE);
    disk_mem_cut_after(d, 0);
    journal_files_close(&f);
    disk_mem_free(d);
}

static void
a_file_for_which_there_is_no_space_is_made_when_there_is(void **state)
{
    (void)state;
    struct journal_config large = small;
    large.file_bytes = 4 << 20; /* several writes in flight */
    for (uint64_t seed = 1; seed < 30; seed++) {
        struct disk_mem *d = disk_mem_new(seed);
        struct disk *port = disk_mem_port(d, 0);
        struct journal_files f;
        assert_int_equal(journal_files_open(&f, port, &large, numbers), ERR_OK);
        assert_int_equal(journal_files_missing(&f), 2 * large.file_bytes);
        uint64_t used = disk_mem_used(d);
        disk_mem_capacity(d, used + seed % 4 * (1 << 20) + 8192);
        journal_files_make(&f, 0);
        uint32_t refused = 0;
        for (int i = 0; i < 1000; i++) {
            struct disk_op *done[8];
            uint32_t n = port->ops->poll(port->self, done, 8);
            for (uint32_t k = 0; k < n; k++) {
                int error;
                assert_true(journal_files_take(&f, done[k], &error));
                refused += error == ERR_NO_SPACE;
            }
        }
        assert_true(refused > 0);
        assert_int_equal(f.file[1], -1);
        assert_int_equal(disk_mem_used(d), used); /* others need it */
        assert_int_equal(journal_files_missing(&f), 2 * large.file_bytes);
        disk_mem_capacity(d, UINT64_MAX);
        make_all(d, &f);
        assert_true(f.file[1] >= 0 && f.file[2] >= 0);
        assert_int_equal(journal_files_missing(&f), 0);
        uint64_t size;
        char path[JOURNAL_PATH_BYTES];
        journal_path(&large, 1, path);
        const uint8_t *at = disk_mem_bytes(d, path, &size);
        assert_int_equal(size, large.file_bytes);
        assert_int_equal(at[JOURNAL_BLOCK], 0);
        assert_memory_equal(at + JOURNAL_BLOCK, at + JOURNAL_BLOCK + 1, size - JOURNAL_BLOCK - 1);
        journal_files_close(&f);
        assert_int_equal(disk_mem_open_files(d), 0);
        disk_mem_free(d);
    }
}

static void
a_stop_leaves_the_file_that_is_being_made_and_nothing_open(void **state)
{
    (void)state;
    struct journal_config large = small;
    large.file_bytes = 2 << 20; /* two writes in flight */
    for (uint64_t seed = 1; seed < 16; seed++) {
        struct disk_mem *d = disk_mem_new(seed);
        struct disk *port = disk_mem_port(d, 0);
        struct journal_files f;
        assert_int_equal(journal_files_open(&f, port, &large, numbers), ERR_OK);
        journal_files_make(&f, 0);
        for (uint64_t i = 0; i < 1000; i++) {
            if (i >= seed && journal_files_stop(&f))
                break;
            struct disk_op *done[8];
            uint32_t n = port->ops->poll(port->self, done, 8);
            for (uint32_t k = 0; k < n; k++) {
                int error;
                assert_true(journal_files_take(&f, done[k], &error));
                assert_int_equal(error, ERR_OK);
            }
        }
        assert_true(journal_files_stop(&f));
        journal_files_close(&f);
        assert_int_equal(disk_mem_open_files(d), 0);
        assert_int_equal(journal_files_open(&f, port, &large, numbers), ERR_OK);
        make_all(d, &f);
        assert_true(f.file[1] >= 0 && f.file[2] >= 0);
        journal_files_close(&f);
        disk_mem_free(d);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_file_is_there_at_once_and_the_others_later),
        cmocka_unit_test(whole_files_are_used_again_and_not_written),
        cmocka_unit_test(a_file_that_is_used_again_has_a_durable_name),
        cmocka_unit_test(a_file_of_another_geometry_is_made_again),
        cmocka_unit_test(a_file_half_made_at_a_power_cut_is_made_again),
        cmocka_unit_test(a_file_that_was_found_whole_outlives_a_power_cut),
        cmocka_unit_test(an_error_of_the_disk_is_told),
        cmocka_unit_test(a_file_for_which_there_is_no_space_is_made_when_there_is),
        cmocka_unit_test(a_stop_leaves_the_file_that_is_being_made_and_nothing_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
