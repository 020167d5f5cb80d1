#include "tests/unit/core/store/store_fixture.h"

#include <stdio.h>
#include <string.h>

static void
files_of_a_deleted_log_go(void **state)
{
    (void)state;
    struct fixture f;
    char path[PLOG_PATH_BYTES];
    uint64_t size;
    fixture_init(&f, 1);
    assert_int_equal(fixture_start(&f), ERR_OK);
    struct plog *p = fixture_log(&f, 1, 0);
    for (int i = 0; i < 100; i++)
        fixture_append(&f, p, 1, 900, (uint64_t)i, i);
    assert_int_equal(fixture_checkpoint(&f), ERR_OK);
    plog_path_segment(p, 0, ".log", path);
    assert_non_null(disk_mem_bytes(f.disk, path, &size));
    store_delete(f.store[0], p);
    assert_int_equal(fixture_turns(&f, 200), ERR_OK);
    assert_null(disk_mem_bytes(f.disk, path, &size));
    assert_int_equal(f.store[0]->log_count, 0);
    p = fixture_log(&f, 1, 0);
    assert_int_equal(fixture_append(&f, p, 1, 10, 1, 1), 0);
    fixture_end(&f);
}

static void
a_deleted_log_stays_deleted_whenever_the_power_goes(void **state)
{
    (void)state;
    for (uint64_t cut = 0; cut < 60; cut++) {
        struct fixture f;
        uint8_t id[16];
        fixture_init(&f, cut);
        assert_int_equal(fixture_start(&f), ERR_OK);
        struct plog *p = fixture_log(&f, 1, 0), *other = fixture_log(&f, 2, 0);
        for (int i = 0; i < 60; i++)
            fixture_append(&f, i % 2 ? p : other, 1, 900, (uint64_t)i, i);
        assert_int_equal(cut % 2 ? fixture_checkpoint(&f) : fixture_settle(&f), ERR_OK);
        store_delete(f.store[0], p);
        fixture_turns(&f, 1);
        uint64_t lsn = journal_last_lsn(f.store[0]->journal);
        disk_mem_cut_after(f.disk, cut + 1);
        fixture_turns(&f, 100);
        bool durable = store_durable_lsn(f.store[0]) >= lsn;
        disk_mem_cut_after(f.disk, 0);
        fixture_kill(&f);
        disk_mem_restart(f.disk);
        assert_int_equal(fixture_start(&f), ERR_OK);
        fixture_topic(1, id);
        if (durable)
            assert_null(store_find(f.store[0], id, 0));
        assert_int_equal(fixture_log(&f, 2, 0)->hw, 30);
        fixture_end(&f);
    }
}

static void
a_range_of_a_deleted_log_is_not_found(void **state)
{
    (void)state;
    struct fixture f;
    struct store_range range;
    struct store_hold hold;
    fixture_init(&f, 3);
    assert_int_equal(fixture_start(&f), ERR_OK);
    struct plog *p = fixture_log(&f, 1, 0);
    fixture_append(&f, p, 1, 900, 1, 1);
    assert_int_equal(fixture_settle(&f), ERR_OK);
    assert_int_equal(store_locate(f.store[0], p, 0, INT64_MAX, 4000, true, &range), ERR_OK);
    store_delete(f.store[0], p);
    assert_int_equal(store_hold(f.store[0], &range, 1, &hold), ERR_NOT_FOUND);
    assert_int_equal(fixture_turns(&f, 200), ERR_OK);
    p = fixture_log(&f, 1, 0);
    fixture_append(&f, p, 1, 900, 1, 1);
    assert_int_equal(store_hold(f.store[0], &range, 1, &hold), ERR_NOT_FOUND);
    fixture_end(&f);
}

/* What keeps which directory of a deleted log, so that its entries count. */
enum keeps { KEEPS_NONE, KEEPS_TOPIC, KEEPS_OWN, KEEPS_COUNT };

static void
alien_make(struct fixture *f, const struct plog *p)
{
    char path[PLOG_PATH_BYTES + 8];
    struct disk *disk = disk_mem_port(f->disk, DISK_MEM_PORTS - 1);
    plog_path_dir(p, path);
    snprintf(path + strlen(path), 8, "/alien");
    int64_t file = store_run(
        disk,
        (struct disk_op){.kind = DISK_OPEN, .dir = p->dir, .path = path, .flags = DISK_CREATE});
    assert_true(file >= 0);
    store_run(disk, (struct disk_op){.kind = DISK_CLOSE, .file = (int32_t)file});
    plog_path_dir(p, path);
    assert_int_equal(
        store_run(disk, (struct disk_op){.kind = DISK_SYNC_DIR, .dir = p->dir, .path = path}), 0);
}

/* A log of one batch, in a checkpoint, in the second directory. */
static struct plog *
log_second(struct fixture *f, enum keeps keeps, char *path)
{
    struct plog *p = NULL;
    char own[PLOG_PATH_BYTES];
    for (int32_t i = 0; i < (keeps == KEEPS_TOPIC ? 6 : 1) || !p; i++) {
        struct plog *one = fixture_log(f, 1, i);
        fixture_append(f, one, 1, 900, 1, 1);
        p = one->dir == 1 ? one : p;
        if (!p)
            store_delete(f->store[0], one);
    }
    assert_int_equal(fixture_checkpoint(f), ERR_OK);
    plog_path_segment(p, 0, ".log", own);
    snprintf(path, PLOG_PATH_BYTES + 8, "@1/%s", own);
    if (keeps == KEEPS_OWN)
        alien_make(f, p);
    return p;
}

static void
files_of_a_deleted_log_do_not_come_back_after_a_clean_stop(void **state)
{
    (void)state;
    static const uint8_t two[] = {0, 1};
    for (uint64_t seed = 1; seed <= 120; seed++) {
        struct fixture f;
        char path[PLOG_PATH_BYTES + 8];
        uint64_t size;
        fixture_init(&f, seed);
        disk_mem_dirs(f.disk, two, 2);
        assert_int_equal(fixture_start(&f), ERR_OK);
        struct plog *p = log_second(&f, (enum keeps)(seed / 2 % KEEPS_COUNT), path);
        assert_non_null(disk_mem_bytes(f.disk, path, &size));
        store_delete(f.store[0], p);
        if (seed % 2) { /* or recovery removes them */
            assert_int_equal(fixture_stop(&f), ERR_OK);
        } else {
            assert_int_equal(fixture_turns(&f, 1), ERR_OK);
            assert_int_equal(fixture_settle(&f), ERR_OK);
            fixture_kill(&f);
            disk_mem_reopen(f.disk);
            assert_int_equal(fixture_start(&f), ERR_OK);
        }
        fixture_kill(&f);
        disk_mem_restart(f.disk);
        assert_null(disk_mem_bytes(f.disk, path, &size));
        fixture_end(&f);
    }
}

static void
a_log_deleted_while_its_file_is_made_is_in_no_list(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 5);
    assert_int_equal(fixture_start(&f), ERR_OK);
    struct plog *p = fixture_log(&f, 1, 0);
    fixture_append(&f, p, 1, 900, 1, 1);
    assert_int_equal(fixture_settle(&f), ERR_OK);
    f.store[0]->flushing = true;
    for (int n = 0; !p->jobs; n++) {
        assert_true(n < 100);
        assert_int_equal(fixture_turns(&f, 1), ERR_OK);
    }
    store_delete(f.store[0], p); /* its file is being made just now */
    for (int n = 0; p->jobs; n++) {
        assert_true(n < 100);
        assert_true(list_empty(&p->dir_node));
        assert_int_equal(fixture_turns(&f, 1), ERR_OK);
    }
    assert_true(list_empty(&f.store[0]->dirs_unsynced));
    fixture_end(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_of_a_deleted_log_go),
        cmocka_unit_test(a_deleted_log_stays_deleted_whenever_the_power_goes),
        cmocka_unit_test(files_of_a_deleted_log_do_not_come_back_after_a_clean_stop),
        cmocka_unit_test(a_log_deleted_while_its_file_is_made_is_in_no_list),
        cmocka_unit_test(a_range_of_a_deleted_log_is_not_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
