#include "core/store/journal_in.h"
#include "tests/unit/core/store/store_fixture.h"

#include <stdio.h>

static uint8_t bytes[1 << 20];

static void
unlinked(struct fixture *f, const char *path)
{
    struct disk *port = disk_mem_port(f->disk, 0);
    assert_int_equal(store_run(port, (struct disk_op){.kind = DISK_UNLINK, .path = path}), ERR_OK);
}

/* Frames of one batch each, to the partitions in turn. */
static void
frames(struct fixture *f, uint32_t partitions, int rounds)
{
    for (int i = 0; i < rounds; i++)
        for (uint32_t k = 0; k < partitions; k++) {
            fixture_append(f, fixture_log(f, 1, (int32_t)k), 1, 700, (uint64_t)i, i);
            assert_int_equal(fixture_settle(f), ERR_OK);
        }
}

/* Idle time, after which a mark says that all of it was acknowledged. */
static void
mark(struct fixture *f)
{
    for (int i = 0; i < 20; i++)
        assert_int_equal(fixture_turns(f, 4), ERR_OK);
}

/* Serves all its records, and takes one more. */
static void
assert_serves(struct fixture *f, int32_t partition, int64_t records)
{
    struct store_range range;
    struct plog *p = fixture_log(f, 1, partition);
    struct plog_facts facts;
    plog_facts(p, &facts);
    assert_int_equal(facts.state, PLOG_ONLINE);
    assert_int_equal(facts.high_watermark, records);
    assert_true(fixture_read(f, p, 0, 30000, bytes, &range) > 0);
    assert_int_equal(fixture_append(f, p, 1, 10, 1, 1), records);
    assert_int_equal(fixture_settle(f), ERR_OK);
}

static void
assert_offline(struct fixture *f, int32_t partition, enum plog_damage damage)
{
    struct batch_info info;
    struct store_appended out;
    struct plog *p = fixture_log(f, 1, partition);
    struct plog_facts facts;
    plog_facts(p, &facts);
    assert_int_equal(facts.state, PLOG_OFFLINE);
    assert_int_equal(facts.damage, damage);
    uint32_t n = fixture_batch(f->batch, 1, 10, 1, 1, &info);
    assert_int_equal(
        store_append(fixture_core(f, 1, partition), p, &info, view_of(f->batch, n), 3, 1, &out),
        KERR_KAFKA_STORAGE_ERROR);
}

/* The bytes of frame n (from 1) of the first journal file, each of one block. */
static uint8_t *
frame(struct fixture *f, uint32_t n)
{
    uint64_t size;
    return disk_mem_bytes(f->disk, "core-0/journal-0000", &size) + n * STORE_BLOCK;
}

/* The frame that holds the batch with a base offset of a partition: ids go up with the first use.
 */
static uint8_t *
frame_of(struct fixture *f, uint64_t id, int64_t base)
{
    for (uint32_t n = 1; n < 16; n++) {
        uint8_t *at = frame(f, n);
        struct frame_header h;
        journal_frame_read(at, &h);
        uint32_t left = h.magic == JOURNAL_FRAME_MAGIC ? h.record_count : 0, kind;
        struct cur c = cur_of(view_of(at + FRAME_HEADER_BYTES, STORE_BLOCK - FRAME_HEADER_BYTES));
        struct view body;
        for (; left && journal_record_read(&c, &kind, &body); left--) {
            struct batch_place x;
            if (kind == STORE_REC_BATCH && store_record_read(kind, body, &x) == ERR_OK &&
                x.log == id && (int64_t)get_u64(x.rest.at) == base)
                return at;
        }
    }
    fail_msg("no frame");
    return NULL;
}

/* Does the first record of a frame create that log? */
static bool
creates(const uint8_t *at, uint64_t id)
{
    struct cur c = cur_of(view_of(at + FRAME_HEADER_BYTES, STORE_BLOCK - FRAME_HEADER_BYTES));
    uint32_t kind;
    struct view body;
    return journal_record_read(&c, &kind, &body) && kind == STORE_REC_CREATE &&
           get_u64(body.at) == id;
}

static void
either_boot_checkpoint_is_enough(void **state)
{
    (void)state;
    static const char *const paths[] = {"boot-checkpoint", "boot-checkpoint.copy"};
    for (int i = 0; i < 4; i++) {
        struct fixture f;
        uint64_t size;
        fixture_init(&f, 1);
        assert_int_equal(fixture_start(&f), ERR_OK);
        frames(&f, 2, 2);
        if (i < 2)
            fixture_power_cut(&f);
        else
            assert_int_equal(fixture_stop(&f), ERR_OK);
        if (i % 2)
            unlinked(&f, paths[i / 2]);
        else
            disk_mem_bytes(f.disk, paths[i / 2], &size)[30] ^= 1;
        assert_int_equal(fixture_start(&f), ERR_OK);
        assert_int_equal(f.boot.offline, 0);
        assert_serves(&f, 0, 2);
        fixture_power_cut(&f);
        assert_int_equal(fixture_start(&f), ERR_OK); /* both are there again */
        unlinked(&f, paths[1 - i / 2]);
        fixture_power_cut(&f);
        assert_int_equal(fixture_start(&f), ERR_OK);
        assert_serves(&f, 1, 2);
        fixture_end(&f);
    }
}

static void
without_any_boot_checkpoint_the_start_is_refused(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 1);
    assert_int_equal(fixture_start(&f), ERR_OK);
    frames(&f, 2, 2);
    assert_int_equal(fixture_stop(&f), ERR_OK);
    unlinked(&f, "boot-checkpoint");
    unlinked(&f, "boot-checkpoint.copy");
    assert_int_equal(fixture_start(&f), ERR_CORRUPT);
    fixture_end(&f);
}

static void
the_log_of_a_segment_that_is_gone_is_offline_and_the_others_serve(void **state)
{
    (void)state;
    for (int clean = 0; clean < 2; clean++) {
        struct fixture f;
        char path[PLOG_PATH_BYTES];
        fixture_init(&f, 5);
        assert_int_equal(fixture_start(&f), ERR_OK);
        frames(&f, 3, 4);
        assert_int_equal(fixture_checkpoint(&f), ERR_OK);
        plog_path_segment(fixture_log(&f, 1, 1), 0, ".log", path);
        if (clean)
            assert_int_equal(fixture_stop(&f), ERR_OK);
        else
            fixture_power_cut(&f);
        unlinked(&f, path);
        for (int again = 0; again < 3; again++) {
            assert_int_equal(fixture_start(&f), ERR_OK);
            assert_int_equal(f.boot.offline, 1);
            assert_offline(&f, 1, PLOG_DAMAGE_MISSING);
            assert_serves(&f, 0, 4 + again);
            assert_serves(&f, 2, 4 + again);
            if (again == 0)
                fixture_power_cut(&f);
            else
                assert_int_equal(fixture_stop(&f), ERR_OK);
        }
        fixture_end(&f);
    }
}

static void
the_log_of_a_segment_that_lost_its_end_is_offline_and_keeps_the_rest(void **state)
{
    (void)state;
    struct fixture f;
    char path[PLOG_PATH_BYTES];
    uint64_t size;
    fixture_init(&f, 6);
    assert_int_equal(fixture_start(&f), ERR_OK);
    frames(&f, 2, 8);
    plog_path_segment(fixture_log(&f, 1, 0), 0, ".log", path);
    assert_int_equal(fixture_stop(&f), ERR_OK);
    struct disk *port = disk_mem_port(f.disk, 0);
    disk_mem_bytes(f.disk, path, &size);
    int64_t file =
        store_run(port, (struct disk_op){.kind = DISK_OPEN, .path = path, .flags = DISK_WRITABLE});
    assert_int_equal(store_run(port, (struct disk_op){.kind = DISK_TRUNCATE,
                                                      .file = (int32_t)file,
                                                      .offset = size - 1}),
                     ERR_OK);
    assert_int_equal(fixture_start(&f), ERR_OK);
    assert_offline(&f, 0, PLOG_DAMAGE_SHORT);
    assert_serves(&f, 1, 8);
    uint64_t now;
    assert_non_null(disk_mem_bytes(f.disk, path, &now));
    assert_int_equal(now, size - 1);
    fixture_end(&f);
}

static void
a_segment_that_cannot_be_opened_takes_its_log_offline_until_it_can(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 6);
    assert_int_equal(fixture_start(&f), ERR_OK);
    frames(&f, 2, 3);
    assert_int_equal(fixture_stop(&f), ERR_OK);
    disk_mem_fail(f.disk, "/1/", DISK_OPEN, ERR_IO);
    for (int again = 0; again < 2; again++) {
        assert_int_equal(fixture_start(&f), ERR_OK);
        assert_offline(&f, 1, PLOG_DAMAGE_UNREADABLE);
        assert_serves(&f, 0, 3 + again);
        assert_int_equal(fixture_stop(&f), ERR_OK);
    }
    disk_mem_fail(f.disk, NULL, DISK_OPEN, ERR_IO);
    assert_int_equal(fixture_start(&f), ERR_OK);
    assert_serves(&f, 1, 3);
    fixture_end(&f);
}

static void
a_start_that_cannot_write_what_only_the_journal_has_fails_and_loses_nothing(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 6);
    assert_int_equal(fixture_start(&f), ERR_OK);
    frames(&f, 2, 3);
    fixture_power_cut(&f);
    disk_mem_fail(f.disk, "/1/", DISK_OPEN, ERR_IO);
    assert_int_equal(fixture_start(&f), ERR_IO);
    disk_mem_fail(f.disk, NULL, DISK_OPEN, ERR_IO);
    assert_int_equal(fixture_start(&f), ERR_OK);
    assert_int_equal(f.boot.offline, 0);
    assert_serves(&f, 0, 3);
    assert_serves(&f, 1, 3);
    fixture_end(&f);
}

static void
damage_within_a_batch_of_the_journal_concerns_the_log_that_it_names(void **state)
{
    (void)state;
    struct fixture f;
    uint64_t size;
    fixture_init(&f, 4);
    assert_int_equal(fixture_start(&f), ERR_OK);
    frames(&f, 3, 3);
    mark(&f);
    fixture_power_cut(&f);
    uint64_t id = 2; /* of partition 1 */
    frame_of(&f, id, 1)[300] ^= 2;
    assert_int_equal(fixture_start(&f), ERR_OK);
    assert_int_equal(f.boot.offline, 1);
    assert_offline(&f, 1, PLOG_DAMAGE_JOURNAL);
    struct plog_facts facts;
    plog_facts(fixture_log(&f, 1, 1), &facts);
    assert_int_equal(facts.good_end, 1);
    assert_serves(&f, 0, 3);
    assert_serves(&f, 2, 3);
    assert_non_null(disk_mem_bytes(f.disk, "damaged/1-core-0/journal-0000", &size));
    /* It stays so, also through checkpoints, and does not stand in the way of the journal. */
    assert_int_equal(fixture_checkpoint(&f), ERR_OK);
    fixture_power_cut(&f);
    assert_int_equal(fixture_start(&f), ERR_OK);
    assert_offline(&f, 1, PLOG_DAMAGE_JOURNAL);
    assert_int_equal(fixture_stop(&f), ERR_OK);
    assert_int_equal(fixture_start(&f), ERR_OK);
    assert_true(f.boot.clean);
    assert_offline(&f, 1, PLOG_DAMAGE_JOURNAL);
    assert_serves(&f, 0, 4);
    fixture_end(&f);
}

static void
damage_of_a_frame_s_structure_concerns_every_log_that_nothing_proves(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 4);
    assert_int_equal(fixture_start(&f), ERR_OK);
    frames(&f, 3, 2);
    frames(&f, 2, 1); /* partition 2 is silent from here on */
    mark(&f);
    fixture_power_cut(&f);
    /* The last frame of partition 2; 0 and 1 go on exactly where they were. */
    memset(frame_of(&f, 3, 1), 0, STORE_BLOCK);
    assert_int_equal(fixture_start(&f), ERR_OK);
    assert_int_equal(f.boot.offline, 1);
    assert_offline(&f, 2, PLOG_DAMAGE_UNPROVEN);
    assert_serves(&f, 0, 3);
    assert_serves(&f, 1, 3);
    fixture_end(&f);
}

static void
a_later_record_that_does_not_continue_shows_the_loss(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 4);
    assert_int_equal(fixture_start(&f), ERR_OK);
    frames(&f, 2, 3);
    mark(&f);
    fixture_power_cut(&f);
    memset(frame_of(&f, 1, 1), 0, STORE_BLOCK);
    assert_int_equal(fixture_start(&f), ERR_OK);
    assert_int_equal(f.boot.offline, 1);
    assert_offline(&f, 0, PLOG_DAMAGE_JOURNAL);
    assert_serves(&f, 1, 3);
    fixture_end(&f);
}

static void
a_log_whose_creation_is_lost_is_offline_and_not_empty(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 4);
    assert_int_equal(fixture_start(&f), ERR_OK);
    frames(&f, 1, 2);
    fixture_log(&f, 1, 1);
    assert_int_equal(fixture_settle(&f), ERR_OK);
    frames(&f, 2, 2);
    /* Write-back makes its directory; the checkpoint that would name it is not reached. */
    for (int i = 0; i < 50; i++) {
        f.now_ns += CLOCK_NS_PER_S / 10;
        assert_int_equal(fixture_turns(&f, 1), ERR_OK);
    }
    char path[PLOG_PATH_BYTES];
    uint64_t size;
    plog_path_segment(fixture_log(&f, 1, 1), 0, ".log", path);
    disk_mem_cut_after(f.disk, 0);
    fixture_kill(&f);
    disk_mem_reopen(f.disk);
    disk_mem_cut_after(f.disk, UINT64_MAX);
    assert_non_null(disk_mem_bytes(f.disk, path, &size));
    for (uint32_t n = 1; n < 16; n++)
        if (creates(frame(&f, n), 2))
            memset(frame(&f, n), 0, STORE_BLOCK);
    assert_int_equal(fixture_start(&f), ERR_OK);
    assert_offline(&f, 1, PLOG_DAMAGE_UNKNOWN);
    assert_serves(&f, 0, 4);
    assert_non_null(disk_mem_bytes(f.disk, path, &size));
    fixture_end(&f);
}

static void
a_log_whose_creation_is_lost_is_not_made_empty_by_a_new_configuration(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 4);
    assert_int_equal(fixture_start(&f), ERR_OK);
    frames(&f, 1, 2);
    fixture_log(&f, 1, 1);
    assert_int_equal(fixture_settle(&f), ERR_OK);
    frames(&f, 2, 2);
    for (int i = 0; i < 50; i++) { /* write-back makes its file */
        f.now_ns += CLOCK_NS_PER_S / 10;
        assert_int_equal(fixture_turns(&f, 1), ERR_OK);
    }
    char path[PLOG_PATH_BYTES];
    uint64_t size;
    uint8_t id[16];
    plog_path_segment(fixture_log(&f, 1, 1), 0, ".log", path);
    struct plog_config config = f.config;
    struct plog *p;
    config.retention_ms = 12345;
    fixture_topic(1, id);
    assert_int_equal(store_create(fixture_core(&f, 1, 1), id, 1, &config, &p), ERR_OK);
    assert_int_equal(fixture_settle(&f), ERR_OK);
    mark(&f);
    disk_mem_cut_after(f.disk, 0);
    fixture_kill(&f);
    disk_mem_reopen(f.disk);
    disk_mem_cut_after(f.disk, UINT64_MAX);
    uint32_t n = 1;
    while (!creates(frame(&f, n), 2))
        assert_true(++n < 16);
    memset(frame(&f, n), 0, STORE_BLOCK);
    assert_int_equal(fixture_start(&f), ERR_OK);
    assert_offline(&f, 1, PLOG_DAMAGE_UNPROVEN);
    assert_non_null(disk_mem_bytes(f.disk, path, &size));
    assert_true(size > 0);
    fixture_end(&f);
}

static void
what_a_file_holds_behind_the_damage_is_not_cut(void **state)
{
    (void)state;
    struct fixture f;
    char path[PLOG_PATH_BYTES];
    fixture_init(&f, 4);
    assert_int_equal(fixture_start(&f), ERR_OK);
    frames(&f, 1, 6);
    for (int i = 0; i < 50; i++) {
        f.now_ns += CLOCK_NS_PER_S / 10;
        assert_int_equal(fixture_turns(&f, 1), ERR_OK);
    }
    plog_path_segment(fixture_log(&f, 1, 0), 0, ".log", path);
    disk_mem_cut_after(f.disk, 0);
    fixture_kill(&f);
    disk_mem_reopen(f.disk);
    disk_mem_cut_after(f.disk, UINT64_MAX);
    uint64_t size, now;
    assert_non_null(disk_mem_bytes(f.disk, path, &size));
    frame_of(&f, 1, 3)[300] ^= 1;
    assert_int_equal(fixture_start(&f), ERR_OK);
    assert_offline(&f, 0, PLOG_DAMAGE_JOURNAL);
    assert_non_null(disk_mem_bytes(f.disk, path, &now));
    assert_int_equal(now, size);
    fixture_end(&f);
}

static void
a_damaged_newest_checkpoint_costs_nothing_while_the_journal_has_what_follows(void **state)
{
    (void)state;
    struct fixture f;
    uint64_t size;
    fixture_init(&f, 3);
    assert_int_equal(fixture_start(&f), ERR_OK);
    frames(&f, 2, 3);
    assert_int_equal(fixture_checkpoint(&f), ERR_OK);
    frames(&f, 2, 3);
    fixture_power_cut(&f);
    for (char c = 'a'; c <= 'b'; c++) {
        char path[32];
        snprintf(path, sizeof path, "core-0/ckpt-%c", c);
        uint8_t *at = disk_mem_bytes(f.disk, path, &size);
        if (at)
            at[70] ^= 1;
    }
    assert_int_equal(fixture_start(&f), ERR_OK);
    assert_int_equal(f.boot.offline, 0);
    assert_serves(&f, 0, 6);
    assert_serves(&f, 1, 6);
    fixture_end(&f);
}

static void
a_power_cut_while_damage_is_handled_loses_nothing_of_it(void **state)
{
    (void)state;
    for (uint64_t ops = 1; ops < 120; ops += 3) {
        struct fixture f;
        uint64_t size;
        fixture_init(&f, ops);
        assert_int_equal(fixture_start(&f), ERR_OK);
        frames(&f, 2, 3);
        mark(&f);
        fixture_power_cut(&f);
        frame_of(&f, 1, 1)[300] ^= 1;
        disk_mem_cut_after(f.disk, ops);
        int rc = fixture_start(&f);
        if (rc == ERR_OK)
            fixture_kill(&f);
        disk_mem_restart(f.disk);
        disk_mem_cut_after(f.disk, UINT64_MAX);
        assert_int_equal(fixture_start(&f), ERR_OK);
        assert_offline(&f, 0, PLOG_DAMAGE_JOURNAL);
        assert_serves(&f, 1, 3);
        assert_non_null(disk_mem_bytes(f.disk, "damaged/1-core-0/journal-0000", &size));
        fixture_end(&f);
    }
}

static void
a_damaged_log_can_be_deleted(void **state)
{
    (void)state;
    struct fixture f;
    char path[PLOG_PATH_BYTES];
    fixture_init(&f, 5);
    assert_int_equal(fixture_start(&f), ERR_OK);
    frames(&f, 2, 4);
    plog_path_segment(fixture_log(&f, 1, 1), 0, ".log", path);
    assert_int_equal(fixture_stop(&f), ERR_OK);
    unlinked(&f, path);
    assert_int_equal(fixture_start(&f), ERR_OK);
    store_delete(fixture_core(&f, 1, 1), fixture_log(&f, 1, 1));
    assert_int_equal(fixture_checkpoint(&f), ERR_OK);
    assert_int_equal(fixture_stop(&f), ERR_OK);
    assert_int_equal(fixture_start(&f), ERR_OK);
    assert_int_equal(f.boot.offline, 0);
    assert_int_equal(f.boot.logs, 1);
    fixture_end(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(either_boot_checkpoint_is_enough),
        cmocka_unit_test(without_any_boot_checkpoint_the_start_is_refused),
        cmocka_unit_test(the_log_of_a_segment_that_is_gone_is_offline_and_the_others_serve),
        cmocka_unit_test(the_log_of_a_segment_that_lost_its_end_is_offline_and_keeps_the_rest),
        cmocka_unit_test(a_segment_that_cannot_be_opened_takes_its_log_offline_until_it_can),
        cmocka_unit_test(
            a_start_that_cannot_write_what_only_the_journal_has_fails_and_loses_nothing),
        cmocka_unit_test(damage_within_a_batch_of_the_journal_concerns_the_log_that_it_names),
        cmocka_unit_test(damage_of_a_frame_s_structure_concerns_every_log_that_nothing_proves),
        cmocka_unit_test(a_later_record_that_does_not_continue_shows_the_loss),
        cmocka_unit_test(a_log_whose_creation_is_lost_is_offline_and_not_empty),
        cmocka_unit_test(a_log_whose_creation_is_lost_is_not_made_empty_by_a_new_configuration),
        cmocka_unit_test(what_a_file_holds_behind_the_damage_is_not_cut),
        cmocka_unit_test(
            a_damaged_newest_checkpoint_costs_nothing_while_the_journal_has_what_follows),
        cmocka_unit_test(a_power_cut_while_damage_is_handled_loses_nothing_of_it),
        cmocka_unit_test(a_damaged_log_can_be_deleted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
