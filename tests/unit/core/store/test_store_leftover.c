#include "tests/unit/core/store/store_fixture.h"

#include <stdio.h>

static void
file_make(struct fixture *f, const struct plog *p, const char *name)
{
    char path[2 * PLOG_PATH_BYTES], dir[PLOG_PATH_BYTES];
    struct disk *disk = disk_mem_port(f->disk, 0);
    plog_path_topic(p, dir);
    store_run(disk, (struct disk_op){.kind = DISK_MKDIR, .path = "log"});
    store_run(disk, (struct disk_op){.kind = DISK_MKDIR, .path = dir});
    plog_path_dir(p, dir);
    store_run(disk, (struct disk_op){.kind = DISK_MKDIR, .path = dir});
    snprintf(path, sizeof path, "%s/%s", dir, name);
    int64_t file = store_run(
        disk,
        (struct disk_op){.kind = DISK_OPEN, .path = path, .flags = DISK_CREATE | DISK_WRITABLE});
    assert_true(file >= 0);
    store_run(disk, (struct disk_op){.kind = DISK_CLOSE, .file = (int32_t)file});
}

static bool
there(struct fixture *f, const struct plog *p, const char *name)
{
    char path[2 * PLOG_PATH_BYTES], dir[PLOG_PATH_BYTES];
    struct disk *disk = disk_mem_port(f->disk, 0);
    plog_path_dir(p, dir);
    snprintf(path, sizeof path, "%s/%s", dir, name);
    int64_t file =
        store_run(disk, (struct disk_op){.kind = DISK_OPEN, .path = path, .flags = DISK_WRITABLE});
    if (file >= 0)
        store_run(disk, (struct disk_op){.kind = DISK_CLOSE, .file = (int32_t)file});
    return file >= 0;
}

static const char *const below[] = {"00000000000000000007.log", "00000000000000000007.idx",
                                    "00000000000000000009.log.deleted"};
static const char *const others[] = {"00000000000000000010.log", "00000000000000000011.log.deleted",
                                     "00000000000000000007.txt", "7.log", "notes"};
enum { BELOW = sizeof below / sizeof *below, OTHERS = sizeof others / sizeof *others };

static void
files_make(struct fixture *f, struct plog *p)
{
    fixture_init(f, 1);
    plog_init(p);
    p->end = 20;
    assert_non_null(plog_roll(p, 10));
    for (size_t i = 0; i < BELOW; i++)
        file_make(f, p, below[i]);
    for (size_t i = 0; i < OTHERS; i++)
        file_make(f, p, others[i]);
}

static void
a_file_made_ahead_of_the_end_is_removed_unless_a_segment_has_it(void **state)
{
    (void)state;
    struct fixture f;
    struct plog p;
    files_make(&f, &p);
    static const char *const ahead[] = {"00000000000000000020.log", "00000000000000000021.log",
                                        "00000000000000000020.txt"};
    for (int i = 0; i < 3; i++)
        file_make(&f, &p, ahead[i]);
    assert_non_null(plog_roll(&p, 20));
    assert_int_equal(store_leftover_clean(disk_mem_port(f.disk, 0), &p), ERR_OK);
    assert_true(there(&f, &p, ahead[0]));
    assert_false(there(&f, &p, ahead[1]));
    assert_true(there(&f, &p, ahead[2]));
    plog_free(&p);
    fixture_end(&f);
}

static void
only_files_below_the_first_segment_are_removed(void **state)
{
    (void)state;
    struct fixture f;
    struct plog p;
    files_make(&f, &p);
    assert_int_equal(store_leftover_clean(disk_mem_port(f.disk, 0), &p), ERR_OK);
    for (size_t i = 0; i < BELOW; i++)
        assert_false(there(&f, &p, below[i]));
    for (size_t i = 0; i < OTHERS; i++)
        assert_true(there(&f, &p, others[i]));
    plog_free(&p);
    fixture_end(&f);
}

static void
a_deleted_log_keeps_no_file(void **state)
{
    (void)state;
    struct fixture f;
    struct plog p;
    files_make(&f, &p);
    assert_int_equal(store_leftover_all(disk_mem_port(f.disk, 0), &p, NULL), ERR_OK);
    for (size_t i = 0; i < BELOW; i++)
        assert_false(there(&f, &p, below[i]));
    for (size_t i = 0; i < OTHERS; i++)
        assert_false(there(&f, &p, others[i]));
    plog_free(&p);
    fixture_end(&f);
}

static void
a_log_without_a_directory_is_no_error(void **state)
{
    (void)state;
    struct fixture f;
    struct plog p;
    fixture_init(&f, 1);
    plog_init(&p);
    assert_int_equal(store_leftover_clean(disk_mem_port(f.disk, 0), &p), ERR_OK);
    plog_free(&p);
    fixture_end(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_made_ahead_of_the_end_is_removed_unless_a_segment_has_it),
        cmocka_unit_test(only_files_below_the_first_segment_are_removed),
        cmocka_unit_test(a_deleted_log_keeps_no_file),
        cmocka_unit_test(a_log_without_a_directory_is_no_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
