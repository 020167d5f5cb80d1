#include "tests/unit/core/store/store_fixture.h"

static uint8_t bytes[1 << 20];

enum { VALUE = 3000, RESERVED = 16 << 20 };

/* Leaves so many bytes free on the disk. */
static void
leave(struct fixture *f, uint64_t free_bytes)
{
    disk_mem_capacity(f->disk, disk_mem_used(f->disk) + free_bytes);
    f->now_ns += CLOCK_NS_PER_S; /* the next turn looks */
    assert_int_equal(fixture_turns(f, 1), ERR_OK);
}

static int
append_once(struct fixture *f, struct plog *p)
{
    struct batch_info info;
    struct store_appended out;
    fixture_batch(f->batch, 1, VALUE, (uint64_t)p->end, p->end, &info);
    int rc;
    while ((rc = store_append(f->store[0], p, &info, view_of(f->batch, info.bytes), 3, p->end,
                              &out)) == ERR_AGAIN)
        assert_int_equal(fixture_turns(f, 1), ERR_OK);
    return rc;
}

/* Every record from 0 to `end` can be read and is what was appended. */
static void
expect_all(struct fixture *f, int64_t end)
{
    struct plog *p = fixture_log(f, 1, 0);
    assert_int_equal(p->hw, end);
    for (int64_t offset = 0; offset < end;) {
        struct store_range range;
        struct batch_info info;
        int64_t got = fixture_read(f, p, offset, sizeof bytes / 2, bytes, &range);
        assert_true(got > 0);
        for (uint32_t at = 0; at < got; at += info.bytes, offset++) {
            assert_int_equal(batch_header(view_of(bytes + at, (uint32_t)got - at), &info), ERR_OK);
            assert_int_equal(info.base_offset, offset);
            assert_true(batch_crc_ok(view_of(bytes + at, info.bytes), &info));
        }
    }
}

static struct plog *
begin(struct fixture *f, uint64_t seed)
{
    fixture_init(f, seed);
    assert_int_equal(fixture_start(f), ERR_OK);
    struct plog *p = fixture_log(f, 1, 0);
    for (int i = 0; i < 20; i++)
        fixture_append(f, p, 1, VALUE, (uint64_t)i, i);
    assert_int_equal(fixture_settle(f), ERR_OK);
    return p;
}

static void
produce_is_refused_before_the_disk_is_full_and_accepted_when_there_is_room(void **state)
{
    (void)state;
    struct fixture f;
    struct plog *p = begin(&f, 1);
    leave(&f, 2 * STORE_STEP_MAX + RESERVED + (1 << 20));
    int64_t before = p->end;
    while (append_once(&f, p) == KERR_NONE)
        assert_true(p->end < 2000); /* 1 MiB and some more are there */
    assert_true(p->end > before + 10);
    assert_true((p->end - before) * VALUE <= 1 << 20); /* not a byte of what is reserved */
    assert_int_equal(fixture_settle(&f), ERR_OK);
    assert_int_equal(p->state, PLOG_ONLINE);
    assert_int_equal(f.store[0]->room_hits, 0);
    expect_all(&f, p->end);
    uint64_t deadline;
    assert_int_equal(store_step(f.store[0], f.now_ns, &deadline), ERR_OK);
    assert_true(deadline <= f.now_ns + CLOCK_NS_PER_S); /* it looks again by itself */
    leave(&f, 256 << 20);
    assert_int_equal(append_once(&f, p), KERR_NONE);
    fixture_end(&f);
}

/* Or a byte more and a byte less would make it go to and fro. */
static void
after_a_refusal_there_must_be_more_room_than_just_enough(void **state)
{
    (void)state;
    struct fixture f;
    struct plog *p = begin(&f, 9);
    for (uint32_t round = 0; round < 2; round++) {
        leave(&f, 2 * STORE_STEP_MAX + RESERVED);
        assert_int_equal(append_once(&f, p), KERR_KAFKA_STORAGE_ERROR);
        leave(&f, 2 * STORE_STEP_MAX + RESERVED + (7 << 20));
        assert_int_equal(append_once(&f, p), KERR_KAFKA_STORAGE_ERROR);
        leave(&f, 2 * STORE_STEP_MAX + RESERVED + (10 << 20));
        assert_int_equal(append_once(&f, p), KERR_NONE);
        leave(&f, 2 * STORE_STEP_MAX + RESERVED + (7 << 20));
        assert_int_equal(append_once(&f, p), KERR_NONE);
    }
    fixture_end(&f);
}

/* Whatever log it is for, a record goes to the journal first, and checkpoints tell of it. */
static void
the_first_directory_without_room_refuses_for_all_and_another_for_itself(void **state)
{
    (void)state;
    static const uint8_t two[] = {0, 1};
    struct fixture f;
    struct plog *logs[2] = {NULL, NULL};
    fixture_init(&f, 10);
    disk_mem_dirs(f.disk, two, 2);
    assert_int_equal(fixture_start(&f), ERR_OK);
    for (uint32_t topic = 0; !logs[0] || !logs[1]; topic++) {
        struct plog *p = fixture_log(&f, topic, 0);
        assert_true(topic < 8);
        logs[p->dir] = p;
        fixture_append(&f, p, 1, VALUE, 1, 1);
    }
    assert_int_equal(fixture_settle(&f), ERR_OK);
    for (uint32_t low = 0; low < 2; low++) {
        for (uint32_t dir = 0; dir < 2; dir++) {
            f.store[0]->rooms[low].low = true;
            assert_int_equal(append_once(&f, logs[dir]),
                             low == 0 || dir == 1 ? KERR_KAFKA_STORAGE_ERROR : KERR_NONE);
            f.store[0]->rooms[low].low = false;
            assert_int_equal(append_once(&f, logs[dir]), KERR_NONE);
        }
    }
    fixture_end(&f);
}

static void
a_log_is_not_created_on_a_full_disk_but_later(void **state)
{
    (void)state;
    struct fixture f;
    struct plog *p;
    uint8_t id[16];
    begin(&f, 2);
    leave(&f, 1 << 20);
    fixture_topic(9, id);
    assert_int_equal(store_create(f.store[0], id, 0, &f.config, &p), ERR_AGAIN);
    f.config.segment_bytes = 16 << 10;
    assert_int_equal(store_find(f.store[0], id, 0), NULL);
    leave(&f, 256 << 20);
    assert_int_equal(store_create(f.store[0], id, 0, &f.config, &p), ERR_OK);
    fixture_end(&f);
}

static void
write_back_on_a_full_disk_takes_no_partition_offline_and_goes_on_later(void **state)
{
    (void)state;
    struct fixture f;
    struct plog *p = begin(&f, 3);
    int64_t end = p->end;
    disk_mem_capacity(f.disk, disk_mem_used(f.disk) + 10000); /* a part of one write fits */
    f.store[0]->flushing = true;
    for (int i = 0; i < 20; i++) {
        f.now_ns += CLOCK_NS_PER_S;
        assert_int_equal(fixture_turns(&f, 20), ERR_OK);
    }
    assert_true(f.store[0]->room_hits > 1);
    assert_int_equal(p->state, PLOG_ONLINE);
    assert_int_equal(append_once(&f, p), KERR_KAFKA_STORAGE_ERROR);
    assert_true(p->dirty_first != 0);
    expect_all(&f, end);
    leave(&f, 256 << 20);
    assert_int_equal(append_once(&f, p), KERR_NONE);
    assert_int_equal(fixture_checkpoint(&f), ERR_OK);
    assert_int_equal(fixture_stop(&f), ERR_OK);
    assert_int_equal(fixture_start(&f), ERR_OK);
    assert_true(f.boot.clean);
    expect_all(&f, end + 1);
    fixture_end(&f);
}

static void
a_checkpoint_that_finds_no_room_leaves_the_last_one_valid(void **state)
{
    (void)state;
    struct fixture f;
    struct plog *p = begin(&f, 3);
    assert_int_equal(fixture_checkpoint(&f), ERR_OK);
    uint64_t seq = f.store[0]->ckpt.seq, released = f.store[0]->ckpt.lsn_released;
    fixture_append(&f, p, 1, VALUE, 20, 20);
    assert_int_equal(fixture_settle(&f), ERR_OK);
    for (int i = 0; i < 3; i++) {
        disk_mem_fail(f.disk, "ckpt-", DISK_WRITE, ERR_NO_SPACE);
        f.now_ns += CLOCK_NS_PER_S;
        assert_int_equal(fixture_turns(&f, 1), ERR_OK);
        store_ckpt_begin(f.store[0], false);
        for (int n = 0; f.store[0]->ckpt.phase != CKPT_IDLE; n++) {
            f.now_ns += CLOCK_NS_PER_S;
            assert_int_equal(fixture_turns(&f, 1), ERR_OK);
            assert_true(n < 10000);
        }
        assert_int_equal(f.store[0]->ckpt.seq, seq);
        assert_int_equal(f.store[0]->ckpt.lsn_released, released);
    }
    disk_mem_cut_after(f.disk, 0);
    fixture_kill(&f);
    disk_mem_restart(f.disk);
    disk_mem_fail(f.disk, NULL, DISK_WRITE, 0);
    assert_int_equal(fixture_start(&f), ERR_OK);
    assert_int_equal(f.boot.frames_replayed, 1);
    expect_all(&f, 21);
    fixture_end(&f);
}

static void
a_stop_on_a_full_disk_is_good_and_the_next_start_replays(void **state)
{
    (void)state;
    struct fixture f;
    struct plog *p = begin(&f, 5);
    int64_t end = p->end;
    disk_mem_capacity(f.disk, disk_mem_used(f.disk));
    assert_int_equal(fixture_stop(&f), ERR_OK);
    assert_int_equal(fixture_start(&f), ERR_NO_SPACE); /* nowhere to put what it would replay */
    disk_mem_capacity(f.disk, disk_mem_used(f.disk) + (1 << 20));
    assert_int_equal(fixture_start(&f), ERR_OK);
    assert_false(f.boot.clean);
    expect_all(&f, end);
    assert_int_equal(append_once(&f, fixture_log(&f, 1, 0)), KERR_KAFKA_STORAGE_ERROR);
    leave(&f, 256 << 20);
    assert_int_equal(append_once(&f, fixture_log(&f, 1, 0)), KERR_NONE);
    assert_int_equal(fixture_stop(&f), ERR_OK);
    fixture_end(&f);
}

/* The file is whole from the first write on; a disk without that room is used step by step. */
static void
preallocate_takes_a_whole_segment_where_there_is_room(void **state)
{
    (void)state;
    for (int short_of = 0; short_of < 2; short_of++) {
        struct fixture f;
        char path[PLOG_PATH_BYTES];
        uint64_t size;
        fixture_init(&f, 7);
        f.config.segment_bytes = 64 << 20;
        f.config.preallocate = true;
        assert_int_equal(fixture_start(&f), ERR_OK);
        struct plog *p = fixture_log(&f, 1, 0);
        leave(&f, 2 * STORE_STEP_MAX + RESERVED + (short_of ? 100 << 20 : 300 << 20));
        fixture_append(&f, p, 1, 900, 1, 1);
        assert_int_equal(fixture_checkpoint(&f), ERR_OK);
        plog_path_segment(p, 0, ".log", path);
        assert_non_null(disk_mem_bytes(f.disk, path, &size));
        assert_int_equal(size, short_of ? 1 << 20 : 64 << 20);
        uint64_t used = p->bytes;
        assert_int_equal(fixture_stop(&f), ERR_OK);
        assert_int_equal(fixture_start(&f), ERR_OK); /* no byte of it is taken for a record */
        assert_int_equal(fixture_log(&f, 1, 0)->bytes, used);
        fixture_end(&f);
    }
}

static void
little_is_allocated_ahead_when_space_is_short(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 6);
    f.config.segment_bytes = 1 << 30;
    assert_int_equal(fixture_start(&f), ERR_OK);
    struct plog *p = fixture_log(&f, 1, 0);
    leave(&f, 2 * STORE_STEP_MAX + RESERVED + (1 << 20));
    fixture_append(&f, p, 1, 900, 1, 1);
    assert_int_equal(fixture_checkpoint(&f), ERR_OK);
    assert_true(p->segments[0]->allocated >= p->bytes);
    assert_true(p->segments[0]->allocated <= 128 << 10);
    fixture_end(&f);
}

/* Space comes and goes while records are appended, the power too; what was acknowledged stays. */
static void
life(uint64_t seed)
{
    struct fixture f;
    uint64_t r = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    fixture_init(&f, seed);
    int64_t acked = 0;
    for (int round = 0; round < 6; round++) {
        int rc = fixture_start(&f);
        if (rc == ERR_NO_SPACE) {
            disk_mem_capacity(f.disk, disk_mem_used(f.disk) + (60 << 20));
            rc = fixture_start(&f);
        }
        assert_int_equal(rc, ERR_OK);
        struct plog *p;
        uint8_t id[16];
        fixture_topic(1, id);
        disk_mem_capacity(f.disk, disk_mem_used(f.disk) + (60 << 20));
        f.now_ns += CLOCK_NS_PER_S;
        assert_int_equal(fixture_turns(&f, 1), ERR_OK);
        p = fixture_log(&f, 1, 0);
        assert_true(p->hw >= acked);
        expect_all(&f, p->hw);
        for (int i = 0; i < 150; i++) {
            r ^= r << 13;
            r ^= r >> 7;
            r ^= r << 17;
            if (r % 16 == 0)
                disk_mem_capacity(f.disk, disk_mem_used(f.disk) + (r >> 8) % (1 << 16));
            else if (r % 16 == 1)
                disk_mem_capacity(f.disk, disk_mem_used(f.disk) + (60 << 20));
            f.now_ns += (r >> 32) % (CLOCK_NS_PER_S / 2);
            rc = append_once(&f, p);
            assert_true(rc == KERR_NONE || rc == KERR_KAFKA_STORAGE_ERROR);
            assert_int_equal(fixture_turns(&f, (uint32_t)(r >> 20) % 20), ERR_OK);
            assert_int_equal(p->state, PLOG_ONLINE);
            acked = p->hw;
        }
        expect_all(&f, p->hw);
        if (r >> 40 & 1) {
            acked = p->end;
            assert_int_equal(fixture_stop(&f), ERR_OK);
        } else {
            disk_mem_cut_after(f.disk, 0);
            fixture_kill(&f);
            disk_mem_restart(f.disk);
        }
    }
    fixture_end(&f);
}

static void
whatever_space_does_nothing_acknowledged_is_lost(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        print_message("seed %llu\n", (unsigned long long)seed);
        life(seed);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            produce_is_refused_before_the_disk_is_full_and_accepted_when_there_is_room),
        cmocka_unit_test(after_a_refusal_there_must_be_more_room_than_just_enough),
        cmocka_unit_test(the_first_directory_without_room_refuses_for_all_and_another_for_itself),
        cmocka_unit_test(a_log_is_not_created_on_a_full_disk_but_later),
        cmocka_unit_test(write_back_on_a_full_disk_takes_no_partition_offline_and_goes_on_later),
        cmocka_unit_test(a_checkpoint_that_finds_no_room_leaves_the_last_one_valid),
        cmocka_unit_test(a_stop_on_a_full_disk_is_good_and_the_next_start_replays),
        cmocka_unit_test(preallocate_takes_a_whole_segment_where_there_is_room),
        cmocka_unit_test(little_is_allocated_ahead_when_space_is_short),
        cmocka_unit_test(whatever_space_does_nothing_acknowledged_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
