#include "tests/unit/core/store/store_fixture.h"

#include <stdio.h>

enum { STEP = 4096, SEGMENT = 64 << 10 };

static void
begin(struct fixture *f, uint64_t seed)
{
    fixture_init(f, seed);
    f->config.segment_bytes = SEGMENT;
    f->config.cleanup_delete = true;
    f->config.retention_ms = f->config.retention_bytes = -1;
    f->config.file_delete_delay_ms = 0;
    f->shrink_bytes = STEP;
    assert_int_equal(fixture_start(f), ERR_OK);
}

/* A log of several segments, in their files under durable names. */
static struct plog *
filled(struct fixture *f, uint8_t topic)
{
    struct plog *p = fixture_log(f, topic, 0);
    for (int i = 0; i < 80; i++) {
        fixture_append(f, p, 1, 3000, (uint64_t)i, i);
        assert_int_equal(fixture_turns(f, 2), ERR_OK);
    }
    assert_int_equal(fixture_settle(f), ERR_OK);
    assert_int_equal(fixture_checkpoint(f), ERR_OK);
    assert_true(p->segment_count > 3);
    return p;
}

static void
trim(struct fixture *f, struct plog *p, int64_t offset)
{
    struct store_trimmed t;
    assert_int_equal(store_trim(f->store[0], p, offset, &t), KERR_NONE);
    for (int n = 0; t.lsn > store_durable_lsn(f->store[0]); n++) {
        assert_int_equal(fixture_turns(f, 1), ERR_OK);
        assert_true(n < 1000);
    }
}

static bool
there(struct fixture *f, const struct plog *p, int64_t base)
{
    char path[PLOG_PATH_BYTES];
    uint64_t size;
    plog_path_segment(p, base, ".log", path);
    return disk_mem_bytes(f->disk, path, &size) != NULL;
}

static uint64_t
punches(const struct fixture *f)
{
    return disk_mem_count(f->disk, DISK_PUNCH);
}

/* Turns, a tenth of a millisecond each, until no file waits; how long that took. */
static uint64_t
shrunk(struct fixture *f)
{
    uint64_t began = f->now_ns;
    for (int n = 0; f->store[0]->shrink.count || f->store[0]->drop_busy; n++) {
        f->now_ns += CLOCK_NS_PER_MS / 10;
        assert_int_equal(fixture_turns(f, 1), ERR_OK);
        assert_true(n < 100000);
    }
    return f->now_ns - began;
}

static void
a_dropped_segment_goes_in_steps_with_rests_between_them(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, 1);
    struct plog *p = filled(&f, 1);
    assert_true(p->segments[0]->sealed);
    uint64_t steps = (p->segments[0]->bytes + STEP - 1) / STEP;
    assert_true(steps > 8);
    trim(&f, p, p->segments[1]->base);
    for (int n = 0; f.store[0]->shrink.count == 0; n++) {
        assert_int_equal(fixture_turns(&f, 1), ERR_OK);
        assert_true(n < 1000);
    }
    assert_false(there(&f, p, 0)); /* the name goes at once */
    uint64_t took = shrunk(&f);
    assert_int_equal(punches(&f), steps);
    /* A step takes a turn at least, and is followed by four times as long without one. */
    assert_true(took >= steps * 5 * (CLOCK_NS_PER_MS / 10) - CLOCK_NS_PER_MS);
    uint64_t deadline;
    assert_int_equal(store_step(f.store[0], f.now_ns, &deadline), ERR_OK);
    assert_true(deadline > f.now_ns);
    fixture_end(&f);
}

static void
a_turn_is_wanted_when_the_rest_ends(void **state)
{
    (void)state;
    struct fixture f;
    uint64_t deadline;
    begin(&f, 2);
    struct plog *p = filled(&f, 1);
    trim(&f, p, p->segments[1]->base);
    for (int n = 0; punches(&f) == 0 || f.store[0]->shrink.busy; n++) {
        f.now_ns += CLOCK_NS_PER_MS;
        assert_int_equal(fixture_turns(&f, 1), ERR_OK);
        assert_true(n < 1000);
    }
    assert_int_equal(store_step(f.store[0], f.now_ns, &deadline), ERR_OK);
    assert_int_equal(deadline, f.store[0]->shrink.next_ns);
    assert_true(deadline > f.now_ns);
    fixture_end(&f);
}

static void
a_short_file_goes_in_one(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, 3);
    f.store[0]->config.shrink_bytes = SEGMENT;
    struct plog *p = filled(&f, 1);
    trim(&f, p, p->segments[1]->base);
    assert_int_equal(fixture_turns(&f, 100), ERR_OK);
    assert_false(there(&f, p, 0));
    assert_int_equal(punches(&f), 0);
    fixture_end(&f);
}

static void
a_deleted_log_goes_in_steps_too_however_many_its_segments_are(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, 4);
    struct plog *p = filled(&f, 1);
    /* Fewer places than segments. */
    f.store[0]->shrink.taken = STORE_SHRINKS_MAX - 2;
    uint32_t segments = p->segment_count;
    store_delete(f.store[0], p);
    for (int n = 0; !list_empty(&f.store[0]->dying) || f.store[0]->shrink.count; n++) {
        f.now_ns += CLOCK_NS_PER_MS;
        assert_int_equal(fixture_turns(&f, 5), ERR_OK);
        assert_true(n < 100000);
    }
    assert_true(punches(&f) > segments * 8);
    f.store[0]->shrink.taken = 0;
    assert_int_equal(fixture_stop(&f), ERR_OK);
    assert_int_equal(disk_mem_open_files(f.disk), 0);
    fixture_end(&f);
}

static void
where_blocks_cannot_be_given_back_the_close_does_it(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, 5);
    struct plog *p = filled(&f, 1);
    disk_mem_fail(f.disk, "log/", DISK_PUNCH, ERR_UNSUPPORTED);
    trim(&f, p, p->segments[2]->base);
    assert_int_equal(fixture_turns(&f, 100), ERR_OK);
    shrunk(&f);
    assert_int_equal(punches(&f), 2); /* one refusal a file */
    assert_int_equal(p->state, PLOG_ONLINE);
    assert_int_equal(fixture_stop(&f), ERR_OK);
    assert_int_equal(disk_mem_open_files(f.disk), 0);
    fixture_end(&f);
}

static void
a_file_that_cannot_be_opened_is_removed_all_the_same(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, 6);
    struct plog *p = filled(&f, 1);
    int64_t second = p->segments[1]->base;
    char path[PLOG_PATH_BYTES];
    plog_path_segment(p, 0, ".log", path);
    fixture_stop(&f);
    assert_int_equal(fixture_start(&f), ERR_OK);
    p = fixture_log(&f, 1, 0);
    disk_mem_fail(f.disk, path, DISK_OPEN, ERR_IO);
    trim(&f, p, second);
    assert_int_equal(fixture_turns(&f, 100), ERR_OK);
    assert_false(there(&f, p, 0));
    assert_int_equal(punches(&f), 0);
    assert_int_equal(f.store[0]->shrink.taken, 0);
    fixture_end(&f);
}

static void
a_stop_waits_for_no_rest(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, 7);
    struct plog *p = filled(&f, 1);
    trim(&f, p, p->segments[3]->base);
    for (int n = 0; f.store[0]->shrink.count < 2; n++) {
        assert_int_equal(fixture_turns(&f, 1), ERR_OK);
        assert_true(n < 1000);
    }
    uint64_t before = punches(&f);
    assert_int_equal(fixture_stop(&f), ERR_OK);
    assert_true(punches(&f) <= before + 1);
    assert_int_equal(disk_mem_open_files(f.disk), 0);
    fixture_end(&f);
}

/* What a move leaves goes so too, outside of the loop. */
static void
a_long_file_is_removed_in_steps_at_the_given_pace(void **state)
{
    (void)state;
    enum { CHUNK = 1 << 20, BYTES = 3 * CHUNK + 5 * STEP };
    for (int paced = 0; paced < 2; paced++) {
        struct disk_mem *disk = disk_mem_new(9);
        struct disk *port = disk_mem_port(disk, 0);
        struct pace pace = {0}; /* no limit */
        uint64_t size;
        struct disk_op open = {
            .kind = DISK_OPEN, .path = "long", .flags = DISK_CREATE | DISK_WRITABLE};
        int32_t file = (int32_t)store_run(port, open);
        struct disk_op grow = {.kind = DISK_ALLOCATE, .file = file, .length = BYTES};
        assert_int_equal(store_run(port, grow), ERR_OK);
        store_run(port, (struct disk_op){.kind = DISK_CLOSE, .file = file});
        assert_int_equal(store_shrink_unlink(port, 0, "long", paced ? &pace : NULL), ERR_OK);
        assert_null(disk_mem_bytes(disk, "long", &size));
        assert_int_equal(disk_mem_count(disk, DISK_PUNCH), paced ? 3 : 0);
        assert_int_equal(disk_mem_open_files(disk), 0);
        assert_int_equal(store_shrink_unlink(port, 0, "long", &pace), ERR_NOT_FOUND);
        disk_mem_free(disk);
    }
}

/* A move goes on with copies that are there (store_copied.c, C2). */
static void
a_file_whose_removal_the_power_took_back_has_its_bytes(void **state)
{
    (void)state;
    enum { BYTES = 3 << 20 };
    static uint8_t bytes[BYTES] __attribute__((aligned(4096)));
    uint32_t back = 0;
    memset(bytes, 7, sizeof bytes);
    for (uint32_t seed = 1; seed <= 60; seed++) {
        struct disk_mem *disk = disk_mem_new(seed);
        struct disk *port = disk_mem_port(disk, 0);
        struct pace pace = {0}; /* no limit */
        struct disk_op op = {
            .kind = DISK_OPEN, .path = "long", .flags = DISK_CREATE | DISK_WRITABLE};
        op.file = (int32_t)store_run(port, op);
        op = (struct disk_op){.kind = DISK_WRITE, .file = op.file, .at = bytes, .len = BYTES};
        assert_int_equal(store_run(port, op), BYTES);
        op.kind = DISK_SYNC;
        assert_int_equal(store_run(port, op), ERR_OK);
        op.kind = DISK_CLOSE;
        store_run(port, op);
        store_run(port, (struct disk_op){.kind = DISK_SYNC_DIR, .path = "."});
        disk_mem_cut_after(disk, 2 + seed % 6);
        (void)store_shrink_unlink(port, 0, "long", &pace);
        disk_mem_cut_after(disk, 0);
        store_run(port, (struct disk_op){.kind = DISK_SYNC_DIR, .path = "."});
        disk_mem_restart(disk);
        uint64_t size;
        const uint8_t *at = disk_mem_bytes(disk, "long", &size);
        back += at != NULL;
        assert_true(!at || (size == BYTES && memcmp(at, bytes, BYTES) == 0));
        disk_mem_free(disk);
    }
    assert_in_range(back, 5, 55);
}

/* The name may come back with any part of the file punched: nobody reads it. */
static void
whenever_the_power_goes_the_rest_of_the_log_is_whole(void **state)
{
    (void)state;
    for (uint64_t cut = 1; cut < 120; cut++) {
        struct fixture f;
        begin(&f, cut);
        struct plog *p = filled(&f, 1);
        int64_t second = p->segments[1]->base, end = p->end;
        struct store_trimmed t;
        assert_int_equal(store_trim(f.store[0], p, second, &t), KERR_NONE);
        disk_mem_cut_after(f.disk, cut);
        bool durable = false;
        for (int n = 0; n < 300 && !disk_mem_is_cut(f.disk); n++) {
            f.now_ns += CLOCK_NS_PER_MS;
            if (fixture_turns(&f, 1) != ERR_OK)
                break;
            durable = store_durable_lsn(f.store[0]) >= t.lsn;
        }
        disk_mem_cut_after(f.disk, 0);
        fixture_kill(&f);
        disk_mem_restart(f.disk);
        assert_int_equal(fixture_start(&f), ERR_OK);
        p = fixture_log(&f, 1, 0);
        assert_int_equal(p->state, PLOG_ONLINE);
        assert_int_equal(p->end, end);
        assert_true(p->start == second || (!durable && p->start == 0));
        static uint8_t out[4 * SEGMENT];
        for (int64_t at = p->start; at < end;) {
            struct store_range range;
            assert_true(fixture_read(&f, p, at, sizeof out, out, &range) > 0);
            at = range.offset_limit;
        }
        fixture_end(&f);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dropped_segment_goes_in_steps_with_rests_between_them),
        cmocka_unit_test(a_turn_is_wanted_when_the_rest_ends),
        cmocka_unit_test(a_short_file_goes_in_one),
        cmocka_unit_test(a_deleted_log_goes_in_steps_too_however_many_its_segments_are),
        cmocka_unit_test(where_blocks_cannot_be_given_back_the_close_does_it),
        cmocka_unit_test(a_file_that_cannot_be_opened_is_removed_all_the_same),
        cmocka_unit_test(a_stop_waits_for_no_rest),
        cmocka_unit_test(a_long_file_is_removed_in_steps_at_the_given_pace),
        cmocka_unit_test(a_file_whose_removal_the_power_took_back_has_its_bytes),
        cmocka_unit_test(whenever_the_power_goes_the_rest_of_the_log_is_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
