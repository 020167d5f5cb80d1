#include "core/store/sidecar.h"
#include "tests/unit/core/store/store_fixture.h"

static uint8_t bytes[64 << 10];

/* Segments of about 100 KiB; all but the last are sealed. */
static struct plog *
sealed_log(struct fixture *f, uint64_t seed)
{
    fixture_init(f, seed);
    f->config.segment_bytes = 100 << 10;
    assert_int_equal(fixture_start(f), ERR_OK);
    struct plog *p = fixture_log(f, 1, 0);
    for (int i = 0; i < 300; i++)
        fixture_append(f, p, 1, 900, (uint64_t)i, i);
    assert_int_equal(fixture_checkpoint(f), ERR_OK);
    assert_int_equal(fixture_turns(f, 50), ERR_OK);
    return p;
}

static struct plog *
again(struct fixture *f)
{
    assert_int_equal(fixture_stop(f), ERR_OK);
    assert_int_equal(fixture_start(f), ERR_OK);
    return fixture_log(f, 1, 0);
}

static uint8_t *
sidecar_of(struct fixture *f, struct plog *p, uint32_t i, uint64_t *size)
{
    char path[PLOG_PATH_BYTES];
    plog_path_segment(p, p->segments[i]->base, ".idx", path);
    return disk_mem_bytes(f->disk, path, size);
}

static void
read_all(struct fixture *f, struct plog *p)
{
    struct store_range range;
    for (int64_t offset = p->start; offset < p->hw; offset = range.offset_limit) {
        assert_true(fixture_read(f, p, offset, 20000, bytes, &range) > 0);
        assert_int_equal(get_i64(bytes), offset);
    }
}

static void
a_sealed_segment_has_a_sidecar_and_the_active_one_has_none(void **state)
{
    (void)state;
    struct fixture f;
    uint64_t size;
    struct plog *p = sealed_log(&f, 1);
    assert_true(p->segment_count > 2);
    for (uint32_t i = 0; i + 1 < p->segment_count; i++)
        assert_non_null(sidecar_of(&f, p, i, &size));
    assert_null(sidecar_of(&f, p, p->segment_count - 1, &size));
    assert_int_equal(f.store[0]->stats.sidecars, p->segment_count - 1);
    fixture_end(&f);
}

static void
a_sidecar_saves_the_walk_through_its_segment(void **state)
{
    (void)state;
    struct fixture f;
    struct store_range range;
    sealed_log(&f, 2);
    struct plog *p = again(&f);
    uint64_t reads = disk_mem_count(f.disk, DISK_READ);
    assert_true(fixture_read(&f, p, 50, 1, bytes, &range) > 0);
    assert_true(disk_mem_count(f.disk, DISK_READ) - reads <= 2);
    assert_int_equal(p->segments[0]->indexed_from, 0);
    assert_int_equal(sums_covered(&p->segments[0]->sums), p->segments[0]->bytes);
    read_all(&f, p);
    fixture_end(&f);
}

/* A log whose only segment is active, before and after a clean stop; it has `more` batches then. */
static struct plog *
active_log(struct fixture *f, uint64_t seed, int more)
{
    fixture_init(f, seed);
    f->sidecar_bytes = 1;
    f->config.segment_bytes = 4 << 20;
    assert_int_equal(fixture_start(f), ERR_OK);
    for (int i = 0; i < 2000; i++)
        fixture_append(f, fixture_log(f, 1, 0), 1, 900, (uint64_t)i, i);
    struct plog *p = again(f);
    for (int i = 0; i < more; i++)
        fixture_append(f, p, 1, 900, 5000 + (uint64_t)i, 5000 + i);
    if (more) {
        assert_int_equal(fixture_checkpoint(f), ERR_OK);
        assert_int_equal(fixture_turns(f, 50), ERR_OK);
    }
    return p;
}

static void
a_clean_stop_saves_the_walk_through_the_active_segment(void **state)
{
    (void)state;
    struct fixture f;
    struct store_range range;
    uint64_t size;
    struct plog *p = active_log(&f, 12, 0);
    assert_non_null(sidecar_of(&f, p, 0, &size));
    uint64_t reads = disk_mem_count(f.disk, DISK_READ);
    assert_true(fixture_read(&f, p, 1500, 1, bytes, &range) > 0);
    assert_true(disk_mem_count(f.disk, DISK_READ) - reads <= 2);
    assert_int_equal(sums_covered(&p->segments[0]->sums), p->segments[0]->bytes);
    read_all(&f, p);
    p = again(&f); /* it is written anew, and good again */
    read_all(&f, p);
    assert_int_equal(f.store[0]->stats.sidecars_bad, 0);
    fixture_end(&f);
}

static void
what_an_active_segment_got_since_the_stop_is_walked_alone(void **state)
{
    (void)state;
    struct fixture f;
    struct store_range range;
    struct plog *p = active_log(&f, 13, 1000);
    const struct segment *seg = p->segments[0];
    assert_true(seg->written == seg->bytes && seg->indexed_from < seg->bytes / 4 * 3);
    uint64_t reads = disk_mem_count(f.disk, DISK_READ);
    assert_true(fixture_read(&f, p, 10, 1, bytes, &range) > 0);
    uint64_t walk = (seg->bytes - seg->bytes / 3 * 2) / STORE_READ_BYTES + 1;
    assert_true(disk_mem_count(f.disk, DISK_READ) - reads <= 2 + walk);
    assert_int_equal(sums_covered(&seg->sums), seg->bytes);
    read_all(&f, p);
    fixture_end(&f);
}

static void
a_sidecar_of_the_stop_that_is_damaged_or_of_another_length_is_not_used(void **state)
{
    (void)state;
    for (int crash = 0; crash < 2; crash++) {
        struct fixture f;
        uint64_t size;
        struct plog *p = active_log(&f, 14, crash ? 200 : 0);
        uint8_t *at = sidecar_of(&f, p, 0, &size);
        if (crash) {
            fixture_kill(&f);
            assert_int_equal(fixture_start(&f), ERR_OK);
            p = fixture_log(&f, 1, 0);
        } else {
            at[3] ^= 1;
        }
        read_all(&f, p);
        assert_int_equal(sums_covered(&p->segments[0]->sums), p->segments[0]->bytes);
        assert_int_equal(p->state, PLOG_ONLINE);
        assert_int_equal(f.store[0]->stats.damaged, 0);
        fixture_end(&f);
    }
}

/* kill -9: what is on its way to the disk gets there. */
static struct plog *
killed(struct fixture *f)
{
    assert_int_equal(fixture_settle(f), ERR_OK);
    while (f->store[0]->jobs_used)
        assert_int_equal(fixture_turns(f, 1), ERR_OK);
    fixture_kill(f);
    disk_mem_drop(f->disk, 0);
    assert_int_equal(fixture_start(f), ERR_OK);
    return fixture_log(f, 1, 0);
}

/* A log whose active segment has grown to about 2 MB, and has a sidecar of its own making; killed.
 * 64 KiB at most may not be in that. */
static struct plog *
killed_log(struct fixture *f, uint64_t seed, uint32_t value_bytes)
{
    fixture_init(f, seed);
    f->sidecar_bytes = 16 << 10;
    f->config.segment_bytes = 4 << 20;
    assert_int_equal(fixture_start(f), ERR_OK);
    for (int i = 0; i < 2000; i++)
        fixture_append(f, fixture_log(f, 1, 0), 1, value_bytes, (uint64_t)i, i);
    return killed(f);
}

static void
a_kill_leaves_no_more_of_an_active_segment_to_walk_than_it_grew_lately(void **state)
{
    (void)state;
    struct fixture f;
    struct store_range range;
    struct plog *p = killed_log(&f, 15, 900);
    f.now_ns += CLOCK_NS_PER_S;
    uint64_t reads = disk_mem_count(f.disk, DISK_READ);
    assert_true(fixture_read(&f, p, 50, 1, bytes, &range) > 0);
    /* Of the sidecar, of what it does not have, which the journal had, and of the batch. */
    assert_true(disk_mem_count(f.disk, DISK_READ) - reads <= 4);
    assert_int_equal(sums_covered(&p->segments[0]->sums), p->segments[0]->bytes);
    read_all(&f, p);
    assert_int_equal(f.store[0]->stats.sidecars_bad, 0);
    int64_t offset, time_ms;
    assert_int_equal(store_find_time(f.store[0], p, 1990, 77, &offset, &time_ms), ERR_OK);
    assert_int_equal(offset, 1990);
    fixture_end(&f);
}

static void
kills_in_a_row_leave_no_more_to_walk(void **state)
{
    (void)state;
    struct fixture f;
    struct store_range range;
    struct plog *p = killed_log(&f, 16, 900);
    for (int life = 0; life < 4; life++) {
        for (int i = 0; i < 40; i++) /* less than what a sidecar is written for */
            fixture_append(&f, p, 1, 900, (uint64_t)i, 3000);
        assert_int_equal(fixture_checkpoint(&f), ERR_OK);
        fixture_append(&f, p, 1, 900, 40, 3000);
        f.now_ns += 2 * CLOCK_NS_PER_S;
        assert_int_equal(fixture_turns(&f, 50), ERR_OK);
        p = killed(&f);
    }
    f.now_ns += CLOCK_NS_PER_S;
    uint64_t reads = disk_mem_count(f.disk, DISK_READ);
    assert_true(fixture_read(&f, p, 50, 1, bytes, &range) > 0);
    assert_true(disk_mem_count(f.disk, DISK_READ) - reads <= 4);
    read_all(&f, p);
    fixture_end(&f);
}

static void
a_sidecar_of_other_bytes_than_the_segment_has_is_not_used(void **state)
{
    (void)state;
    struct fixture f;
    uint64_t size;
    uint8_t other[SIDECAR_BLOCK];
    struct plog *p = killed_log(&f, 17, 700);
    uint8_t *at = sidecar_of(&f, p, 0, &size);
    assert_int_equal(size, sizeof other);
    memcpy(other, at, sizeof other);
    fixture_end(&f);

    p = killed_log(&f, 18, 900);
    at = sidecar_of(&f, p, 0, &size);
    assert_int_equal(size, sizeof other);
    memcpy(at, other, sizeof other);
    read_all(&f, p);
    assert_int_equal(p->state, PLOG_ONLINE);
    assert_int_equal(f.store[0]->stats.damaged, 0);
    assert_int_equal(f.store[0]->stats.sidecars_bad, 1);
    assert_int_equal(sums_covered(&p->segments[0]->sums), p->segments[0]->bytes);
    fixture_end(&f);
}

static void
walks_take_turns_and_all_have_one(void **state)
{
    (void)state;
    enum { LOGS = 12 };
    struct fixture f;
    struct store_range range;
    fixture_init(&f, 19);
    f.config.segment_bytes = 4 << 20;
    assert_int_equal(fixture_start(&f), ERR_OK);
    for (int i = 0; i < LOGS * 600; i++)
        fixture_append(&f, fixture_log(&f, 1, i % LOGS), 1, 900, (uint64_t)i, i);
    killed(&f);
    for (int i = 0; i < LOGS; i++)
        assert_int_equal(
            store_locate(f.store[0], fixture_log(&f, 1, i), 5, INT64_MAX, 1, true, &range),
            ERR_AGAIN);
    struct store *s = f.store[0];
    uint32_t most = 0, found = 0;
    for (int n = 0; found < (1U << LOGS) - 1; n++) {
        assert_true(n < 10000);
        most = s->walks > most ? s->walks : most;
        for (struct plog *p; (p = store_take_changed(s));)
            if (store_locate(s, p, 5, INT64_MAX, 1, true, &range) == ERR_OK)
                found |= 1U << p->partition;
        assert_int_equal(fixture_turns(&f, 1), ERR_OK);
    }
    assert_int_equal(s->walks, 0);
    assert_in_range(most, 1, STORE_WALKS_MAX);
    fixture_end(&f);
}

static void
a_damaged_sidecar_is_written_again(void **state)
{
    (void)state;
    struct fixture f;
    uint64_t size, sizes;
    sealed_log(&f, 3);
    struct plog *p = again(&f);
    uint8_t copy[SIDECAR_BLOCK];
    uint8_t *at = sidecar_of(&f, p, 0, &size);
    assert_int_equal(size, sizeof copy);
    memcpy(copy, at, size);
    at[3] ^= 1;
    read_all(&f, p);
    assert_int_equal(f.store[0]->stats.sidecars_bad, 1);
    assert_int_equal(fixture_turns(&f, 50), ERR_OK);
    at = sidecar_of(&f, p, 0, &sizes);
    assert_int_equal(get_u32(at + size - 4), get_u32(copy + size - 4));
    p = again(&f);
    read_all(&f, p);
    assert_int_equal(f.store[0]->stats.sidecars_bad, 0);
    fixture_end(&f);
}

static void
a_missing_sidecar_is_written_again(void **state)
{
    (void)state;
    struct fixture f;
    uint64_t size;
    char path[PLOG_PATH_BYTES];
    sealed_log(&f, 4);
    struct plog *p = again(&f);
    plog_path_segment(p, 0, ".idx", path);
    assert_int_equal(
        store_run(disk_mem_port(f.disk, 0), (struct disk_op){.kind = DISK_UNLINK, .path = path}),
        0);
    read_all(&f, p);
    assert_int_equal(fixture_turns(&f, 50), ERR_OK);
    assert_non_null(sidecar_of(&f, p, 0, &size));
    assert_int_equal(f.store[0]->stats.sidecars_bad, 0);
    fixture_end(&f);
}

static void
a_sidecar_that_cannot_be_written_harms_nothing(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 5);
    f.config.segment_bytes = 100 << 10;
    assert_int_equal(fixture_start(&f), ERR_OK);
    disk_mem_fail(f.disk, ".idx", DISK_WRITE, ERR_IO);
    struct plog *p = fixture_log(&f, 1, 0);
    for (int i = 0; i < 300; i++)
        fixture_append(&f, p, 1, 900, (uint64_t)i, i);
    assert_int_equal(fixture_checkpoint(&f), ERR_OK);
    assert_int_equal(fixture_turns(&f, 50), ERR_OK);
    assert_int_equal(p->state, PLOG_ONLINE);
    p = again(&f);
    read_all(&f, p);
    assert_int_equal(p->state, PLOG_ONLINE);
    fixture_end(&f);
}

static void
a_torn_sidecar_is_never_believed(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 120; seed++) {
        struct fixture f;
        fixture_init(&f, seed);
        f.config.segment_bytes = 20 << 10;
        assert_int_equal(fixture_start(&f), ERR_OK);
        struct plog *p = fixture_log(&f, 1, 0);
        disk_mem_cut_after(f.disk, 20 + seed);
        for (int i = 0; i < 60 && !disk_mem_is_cut(f.disk); i++) {
            struct store_appended out;
            struct batch_info info;
            uint32_t n = fixture_batch(f.batch, 1, 900, (uint64_t)i, i, &info);
            int rc = store_append(f.store[0], p, &info, view_of(f.batch, n), 3, i, &out);
            assert_true(rc == KERR_NONE || rc == ERR_AGAIN);
            f.now_ns += CLOCK_NS_PER_S / 4;
            fixture_turns(&f, 4);
        }
        disk_mem_cut_after(f.disk, 0);
        fixture_kill(&f);
        disk_mem_restart(f.disk);
        disk_mem_cut_after(f.disk, UINT64_MAX);
        assert_int_equal(fixture_start(&f), ERR_OK);
        read_all(&f, fixture_log(&f, 1, 0));
        fixture_end(&f);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sealed_segment_has_a_sidecar_and_the_active_one_has_none),
        cmocka_unit_test(a_sidecar_saves_the_walk_through_its_segment),
        cmocka_unit_test(a_clean_stop_saves_the_walk_through_the_active_segment),
        cmocka_unit_test(what_an_active_segment_got_since_the_stop_is_walked_alone),
        cmocka_unit_test(a_sidecar_of_the_stop_that_is_damaged_or_of_another_length_is_not_used),
        cmocka_unit_test(a_kill_leaves_no_more_of_an_active_segment_to_walk_than_it_grew_lately),
        cmocka_unit_test(kills_in_a_row_leave_no_more_to_walk),
        cmocka_unit_test(a_sidecar_of_other_bytes_than_the_segment_has_is_not_used),
        cmocka_unit_test(walks_take_turns_and_all_have_one),
        cmocka_unit_test(a_damaged_sidecar_is_written_again),
        cmocka_unit_test(a_missing_sidecar_is_written_again),
        cmocka_unit_test(a_sidecar_that_cannot_be_written_harms_nothing),
        cmocka_unit_test(a_torn_sidecar_is_never_believed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
