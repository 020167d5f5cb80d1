#include "core/store/store_replay_in.h"
#include "tests/unit/core/store/store_fixture.h"

#include <stdio.h>

static int64_t
run(struct fixture *f, struct disk_op op)
{
    struct disk *disk = disk_mem_port(f->disk, 0);
    return disk->ops->run(disk->self, &op);
}

/* A file below a directory of the topic, durable. */
static void
file_make(struct fixture *f, const char *topic, const char *partition)
{
    char path[256];
    run(f, (struct disk_op){.kind = DISK_MKDIR, .path = "log"});
    snprintf(path, sizeof path, "log/%s", topic);
    run(f, (struct disk_op){.kind = DISK_MKDIR, .path = path});
    snprintf(path, sizeof path, "log/%s/%s", topic, partition);
    assert_int_equal(run(f, (struct disk_op){.kind = DISK_MKDIR, .path = path}), ERR_OK);
    snprintf(path, sizeof path, "log/%s/%s/00000000000000000000.log", topic, partition);
    int64_t file = run(
        f, (struct disk_op){.kind = DISK_OPEN, .path = path, .flags = DISK_CREATE | DISK_WRITABLE});
    assert_true(file >= 0);
    assert_int_equal(run(f, (struct disk_op){.kind = DISK_CLOSE, .file = (int32_t)file}), ERR_OK);
}

static void
a_log_that_nobody_knows_is_moved_away_with_its_files(void **state)
{
    (void)state;
    struct fixture f;
    uint64_t size;
    char path[PLOG_PATH_BYTES];
    fixture_init(&f, 1);
    assert_int_equal(fixture_start(&f), ERR_OK);
    struct plog *p = fixture_log(&f, 1, 0);
    fixture_append(&f, p, 3, 100, 1, 1);
    assert_int_equal(fixture_checkpoint(&f), ERR_OK);
    plog_path_segment(p, 0, ".log", path);
    fixture_kill(&f);
    disk_mem_reopen(f.disk);
    file_make(&f, "nobodysTopic", "7");
    assert_int_equal(fixture_start(&f), ERR_OK);
    assert_int_equal(fixture_log(&f, 1, 0)->end, 3);
    assert_non_null(disk_mem_bytes(f.disk, path, &size));
    assert_null(disk_mem_bytes(f.disk, "log/nobodysTopic/7/00000000000000000000.log", &size));
    assert_non_null(
        disk_mem_bytes(f.disk, "stray/nobodysTopic-7-1/00000000000000000000.log", &size));
    fixture_end(&f);
}

static void
with_records_missing_it_becomes_a_damaged_log(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 2);
    file_make(&f, "q83t3gAAAAAAAAAAAAAAAQ", "4");
    struct replay r = {.disk = disk_mem_port(f.disk, 0), .gaps = true};
    r.dirs.count = 1;
    r.dirs.dirs[0].online = true;
    assert_int_equal(store_strays(&r, 0), ERR_OK);
    assert_int_equal(r.count, 1);
    const struct replay_log *l = r.logs[0];
    assert_int_equal(l->log.partition, 4);
    assert_int_equal(l->log.damage, PLOG_DAMAGE_UNKNOWN);
    store_replay_free(&r);
    fixture_end(&f);
}

static void
an_error_of_the_disk_is_told(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 3);
    file_make(&f, "nobodysTopic", "7");
    struct replay r = {.disk = disk_mem_port(f.disk, 0)};
    r.dirs.count = 1;
    r.dirs.dirs[0].online = true;
    disk_mem_fail(f.disk, "log/", DISK_RENAME, ERR_IO);
    assert_int_equal(store_strays(&r, 0), ERR_IO);
    store_replay_free(&r);
    fixture_end(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_log_that_nobody_knows_is_moved_away_with_its_files),
        cmocka_unit_test(with_records_missing_it_becomes_a_damaged_log),
        cmocka_unit_test(an_error_of_the_disk_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
