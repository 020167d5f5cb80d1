/* After a kill, files may be gone that the last checkpoint knows: the journal says why. */
#include "core/store/check.h"
#include "tests/unit/core/store/clean_store.h"

#include <stdio.h>

static char told[4096];

static void
note(void *user, const struct check_finding *f)
{
    (void)user;
    size_t n = strlen(told);
    snprintf(told + n, sizeof told - n, "%d %s %s\n", f->bad, f->path, f->what);
}

static void
die(struct fixture *f)
{
    fixture_kill(f);
    disk_mem_reopen(f->disk);
}

static void
expect_no_damage(struct fixture *f)
{
    struct check c = {.disk = disk_mem_port(f->disk, 0), .tell = note};
    told[0] = 0;
    assert_int_equal(check_verify(&c), ERR_OK);
    if (c.bad)
        fail_msg("%s", told);
}

static uint32_t
segments_seen(struct fixture *f)
{
    struct check c = {.disk = disk_mem_port(f->disk, 0), .tell = note};
    assert_int_equal(check_verify(&c), ERR_OK);
    return (uint32_t)c.segments;
}

/* Three logs of some segments, in a checkpoint. */
static struct plog *
begin(struct fixture *f, uint64_t seed)
{
    fixture_init(f, seed);
    f->config.cleanup_delete = true;
    f->config.retention_ms = f->config.retention_bytes = -1;
    assert_int_equal(fixture_start(f), ERR_OK);
    for (int i = 0; i < 120; i++)
        for (int32_t k = 0; k < 3; k++)
            fixture_append(f, fixture_log(f, 1, k), 1, 900, (uint64_t)i, i);
    assert_int_equal(fixture_checkpoint(f), ERR_OK);
    return fixture_log(f, 1, 1);
}

static void
a_deleted_log_is_no_damage(void **state)
{
    (void)state;
    struct fixture f;
    struct plog *p = begin(&f, 1);
    uint64_t logs = f.store[0]->log_count, ckpts = f.store[0]->stats.checkpoints;
    store_delete(f.store[0], p);
    for (int n = 0; f.store[0]->log_count == logs; n++) {
        assert_int_equal(fixture_turns(&f, 1), ERR_OK);
        assert_true(n < 1000);
    }
    assert_int_equal(f.store[0]->stats.checkpoints, ckpts);
    die(&f);
    expect_no_damage(&f);
    fixture_end(&f);
}

static void
segments_below_a_later_start_are_no_damage(void **state)
{
    (void)state;
    struct fixture f;
    struct plog *p = begin(&f, 2);
    struct store_trimmed out;
    uint64_t ckpts = f.store[0]->stats.checkpoints;
    assert_true(p->segment_count > 2);
    assert_int_equal(store_trim(f.store[0], p, p->segments[2]->base, &out), KERR_NONE);
    f.store[0]->flushing = true; /* files go at once */
    assert_int_equal(fixture_turns(&f, 200), ERR_OK);
    assert_int_equal(f.store[0]->stats.checkpoints, ckpts);
    char path[PLOG_PATH_BYTES];
    uint64_t size;
    plog_path_segment(p, 0, ".log", path);
    assert_null(disk_mem_bytes(f.disk, path, &size));
    die(&f);
    expect_no_damage(&f);
    fixture_end(&f);
}

static void
segments_that_compaction_replaced_are_no_damage(void **state)
{
    (void)state;
    static struct clean_world w;
    clean_world_init(&w, 3);
    assert_int_equal(clean_world_start(&w), ERR_OK);
    clean_world_append(&w, 60);
    assert_int_equal(fixture_checkpoint(&w.f), ERR_OK);
    uint64_t ckpts = w.f.store[0]->stats.checkpoints;
    assert_true(clean_world_clean(&w, 1000000));
    assert_true(w.log->segments[0]->gaps);
    assert_int_equal(w.f.store[0]->stats.checkpoints, ckpts);
    die(&w.f);
    expect_no_damage(&w.f);
    fixture_end(&w.f);
}

static void
a_log_that_moved_is_looked_at_where_it_is(void **state)
{
    (void)state;
    static const uint8_t two[] = {0, 1};
    struct fixture f;
    fixture_init(&f, 4);
    disk_mem_dirs(f.disk, two, 2);
    assert_int_equal(fixture_start(&f), ERR_OK);
    struct plog *p = fixture_log(&f, 1, 0);
    for (int i = 0; i < 60; i++)
        fixture_append(&f, p, 1, 900, (uint64_t)i, i);
    assert_int_equal(fixture_checkpoint(&f), ERR_OK);
    uint32_t segments = segments_seen(&f);
    uint8_t from = p->dir;
    uint64_t lsn;
    assert_int_equal(store_move(f.store[0], p, 1 - from, &lsn), ERR_OK);
    for (int n = 0; f.store[0]->move.run || !list_empty(&f.store[0]->move.queue); n++) {
        struct store_worker w = {.disk = disk_mem_port(f.disk, CLEAN_PORT)};
        struct store_task *t = store_task_take(f.store[0]);
        if (t) {
            store_task_run(&w, t);
            store_task_done(f.store[0], t);
        }
        assert_int_equal(fixture_turns(&f, 1), ERR_OK);
        assert_true(n < 10000);
    }
    assert_int_equal(p->dir, 1 - from);
    die(&f);
    expect_no_damage(&f);
    assert_int_equal(segments_seen(&f), segments);
    fixture_end(&f);
}

static void
a_file_that_is_missing_for_no_reason_is_damage(void **state)
{
    (void)state;
    struct fixture f;
    struct plog *p = begin(&f, 5);
    char path[PLOG_PATH_BYTES];
    plog_path_segment(p, p->segments[1]->base, ".log", path);
    die(&f);
    struct disk *disk = disk_mem_port(f.disk, 0);
    struct disk_op op = {.kind = DISK_UNLINK, .path = path};
    assert_int_equal(disk->ops->run(disk->self, &op), ERR_OK);
    struct check c = {.disk = disk, .tell = note};
    told[0] = 0;
    assert_int_equal(check_verify(&c), ERR_OK);
    assert_int_equal(c.bad, 1);
    assert_non_null(strstr(told, path));
    fixture_end(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_deleted_log_is_no_damage),
        cmocka_unit_test(segments_below_a_later_start_are_no_damage),
        cmocka_unit_test(segments_that_compaction_replaced_are_no_damage),
        cmocka_unit_test(a_log_that_moved_is_looked_at_where_it_is),
        cmocka_unit_test(a_file_that_is_missing_for_no_reason_is_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
