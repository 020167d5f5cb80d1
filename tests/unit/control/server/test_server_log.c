#include "control/server/server_log.h"
#include "tests/unit/control/server/disk_fake.h"

struct fixture {
    struct disk_fake *disk;
    struct meta_image image;
    struct server_log *log;
};

static struct server_log_config
config_of(struct fixture *f)
{
    return (struct server_log_config){.disk = disk_fake_port(f->disk),
                                      .clock = disk_fake_clock(f->disk),
                                      .file_bytes = 2 << 20,
                                      .arena_bytes = 4 << 20};
}

static int
reopen(struct fixture *f)
{
    struct server_log_config config = config_of(f);
    if (f->log)
        server_log_close(f->log);
    f->log = NULL;
    meta_image_free(&f->image);
    meta_image_init(&f->image, 64, 256);
    return server_log_open(&config, &f->image, &f->log);
}

static void
setup(struct fixture *f)
{
    *f = (struct fixture){.disk = calloc(1, sizeof *f->disk)};
    assert_non_null(f->disk);
    assert_int_equal(reopen(f), ERR_OK);
}

static void
teardown(struct fixture *f)
{
    if (f->log)
        server_log_close(f->log);
    meta_image_free(&f->image);
    disk_fake_free(f->disk);
}

static int
append_ids(struct fixture *f)
{
    uint8_t at[64];
    struct put w = put_of(at, sizeof at);
    meta_put_producer_ids(&w, f->image.producer_id_next + 1000);
    return server_log_append(f->log, view_of(at, put_len(&w)));
}

static void
commit(struct fixture *f)
{
    for (uint32_t i = 0; i < 100 && server_log_committed(f->log) < f->image.index; i++)
        assert_int_equal(server_log_step(f->log, f->disk->now_ns += CLOCK_NS_PER_MS), ERR_OK);
    assert_int_equal(server_log_committed(f->log), f->image.index);
}

static void
what_was_committed_is_there_after_a_power_cut(void **state)
{
    struct fixture f;
    setup(&f);
    for (uint32_t i = 0; i < 10; i++)
        assert_int_equal(append_ids(&f), ERR_OK);
    commit(&f);
    disk_fake_cut(f.disk);
    assert_int_equal(reopen(&f), ERR_OK);
    assert_int_equal(f.image.producer_id_next, 10000);
    assert_int_equal(f.image.index, 10);
    assert_int_equal(server_log_committed(f.log), 10);
    teardown(&f);
}

static void
nothing_is_committed_while_the_disk_is_silent(void **state)
{
    struct fixture f;
    setup(&f);
    f.disk->hold = true;
    assert_int_equal(append_ids(&f), ERR_OK);
    for (uint32_t i = 0; i < 10; i++)
        assert_int_equal(server_log_step(f.log, f.disk->now_ns += CLOCK_NS_PER_MS), ERR_OK);
    assert_int_equal(server_log_committed(f.log), 0);
    assert_int_equal(f.image.index, 1); /* the image is ahead */
    f.disk->hold = false;
    commit(&f);
    teardown(&f);
}

static void
a_disk_error_is_final(void **state)
{
    struct fixture f;
    setup(&f);
    f.disk->fail_from = f.disk->ops + 1;
    assert_int_equal(append_ids(&f), ERR_OK);
    for (uint32_t i = 0; i < 10; i++)
        (void)server_log_step(f.log, f.disk->now_ns += CLOCK_NS_PER_MS);
    assert_int_equal(server_log_error(f.log), ERR_IO);
    assert_int_equal(server_log_committed(f.log), 0);
    assert_int_equal(append_ids(&f), ERR_IO);
    teardown(&f);
}

static void
a_snapshot_leaves_one_file_and_the_same_image(void **state)
{
    struct fixture f;
    setup(&f);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(append_ids(&f), ERR_OK);
        assert_int_equal(server_log_snapshot(f.log), ERR_OK);
    }
    assert_non_null(fake_find(f.disk, "control/snapshot-3"));
    assert_null(fake_find(f.disk, "control/snapshot-2"));
    assert_null(fake_find(f.disk, "control/snapshot.new"));
    assert_int_equal(append_ids(&f), ERR_OK); /* behind the snapshot, in the same generation */
    commit(&f);
    disk_fake_cut(f.disk);
    assert_int_equal(reopen(&f), ERR_OK);
    assert_int_equal(f.image.producer_id_next, 4000);
    teardown(&f);
}

static void
a_rotten_snapshot_stops_the_start(void **state)
{
    struct fixture f;
    setup(&f);
    assert_int_equal(append_ids(&f), ERR_OK);
    assert_int_equal(server_log_snapshot(f.log), ERR_OK);
    struct fake_file *file = fake_find(f.disk, "control/snapshot-1");
    file->bytes[file->size - 1] ^= 1;
    assert_int_equal(reopen(&f), ERR_CORRUPT);
    assert_null(f.log);
    teardown(&f);
}

static void
a_snapshot_that_is_gone_beside_a_journal_stops_the_start(void **state)
{
    struct fixture f;
    setup(&f);
    assert_int_equal(append_ids(&f), ERR_OK);
    commit(&f);
    disk_fake_cut(f.disk);
    struct disk_op unlink = {.kind = DISK_UNLINK, .path = "control/snapshot-0"};
    struct disk port = disk_fake_port(f.disk);
    assert_int_equal(port.ops->run(port.self, &unlink), 0);
    assert_int_equal(reopen(&f), ERR_CORRUPT);
    teardown(&f);
}

static void
a_journal_file_that_was_cut_or_is_gone_stops_the_start(void **state)
{
    for (int gone = 0; gone < 2; gone++) {
        struct fixture f;
        setup(&f);
        for (uint32_t i = 0; i < 2000; i++) /* all files are made meanwhile */
            assert_int_equal(server_log_step(f.log, f.disk->now_ns += CLOCK_NS_PER_MS), ERR_OK);
        for (uint32_t i = 0; i < 10; i++) {
            assert_int_equal(append_ids(&f), ERR_OK);
            commit(&f);
        }
        disk_fake_cut(f.disk);
        struct disk port = disk_fake_port(f.disk);
        struct disk_op op = {.kind = DISK_UNLINK, .path = "control/journal-0000"};
        if (!gone) {
            op = (struct disk_op){.kind = DISK_OPEN, .path = "control/journal-0000"};
            int64_t file = port.ops->run(port.self, &op);
            op = (struct disk_op){.kind = DISK_TRUNCATE, .file = (int32_t)file, .offset = 4096 * 6};
        }
        assert_true(port.ops->run(port.self, &op) >= 0);
        assert_int_equal(reopen(&f), ERR_CORRUPT);
        teardown(&f);
    }
}

static void
a_half_written_snapshot_does_not_count(void **state)
{
    struct fixture f;
    setup(&f);
    assert_int_equal(append_ids(&f), ERR_OK);
    commit(&f);
    int64_t file = fake_open(
        f.disk,
        &(struct disk_op){.kind = DISK_OPEN, .path = "control/snapshot.new", .flags = DISK_CREATE});
    fake_resize(&f.disk->files[file], 20);
    assert_int_equal(reopen(&f), ERR_OK);
    assert_int_equal(f.image.index, 1);
    assert_null(fake_find(f.disk, "control/snapshot.new"));
    teardown(&f);
}

static void
the_ring_of_the_journal_never_runs_full(void **state)
{
    struct fixture f;
    setup(&f);
    uint32_t bytes = 0;
    for (uint32_t i = 0; i < 60; i++) { /* 60 entries of 300 KiB are twice the ring */
        uint8_t *at = malloc(META_ENTRY_BYTES_MAX);
        assert_non_null(at);
        struct put w = put_of(at, 300 << 10);
        while (!w.bad) {
            bytes = put_len(&w);
            meta_put_producer_ids(&w, f.image.producer_id_next + 1);
        }
        assert_int_equal(server_log_append(f.log, view_of(at, bytes)), ERR_OK);
        assert_int_equal(server_log_step(f.log, f.disk->now_ns += CLOCK_NS_PER_MS), ERR_OK);
        free(at);
    }
    commit(&f);
    disk_fake_cut(f.disk);
    assert_int_equal(reopen(&f), ERR_OK);
    assert_int_equal(f.image.index, 60);
    teardown(&f);
}

/* A failure at every single operation of a small life: what was committed before is there after. */
static void
a_failure_anywhere_loses_nothing_committed(void **state)
{
    struct fixture f;
    setup(&f);
    for (uint32_t at = 1; at < 60; at++) {
        uint64_t promised = f.image.index;
        f.disk->fail_from = f.disk->ops + at;
        for (uint32_t i = 0; i < 4; i++) {
            if (append_ids(&f) != ERR_OK)
                break;
            (void)server_log_step(f.log, f.disk->now_ns += CLOCK_NS_PER_MS);
            if (i == 2 && server_log_snapshot(f.log) != ERR_OK)
                break;
        }
        promised = server_log_committed(f.log);
        disk_fake_cut(f.disk);
        assert_int_equal(reopen(&f), ERR_OK);
        assert_true(f.image.index >= promised);
        assert_int_equal(f.image.producer_id_next, 1000 * (int64_t)f.image.index);
    }
    teardown(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_committed_is_there_after_a_power_cut),
        cmocka_unit_test(nothing_is_committed_while_the_disk_is_silent),
        cmocka_unit_test(a_disk_error_is_final),
        cmocka_unit_test(a_snapshot_leaves_one_file_and_the_same_image),
        cmocka_unit_test(a_rotten_snapshot_stops_the_start),
        cmocka_unit_test(a_snapshot_that_is_gone_beside_a_journal_stops_the_start),
        cmocka_unit_test(a_journal_file_that_was_cut_or_is_gone_stops_the_start),
        cmocka_unit_test(a_half_written_snapshot_does_not_count),
        cmocka_unit_test(the_ring_of_the_journal_never_runs_full),
        cmocka_unit_test(a_failure_anywhere_loses_nothing_committed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
