#include "core/store/store_replay_in.h"
#include "tests/unit/core/store/store_fixture.h"

#include <stdlib.h>

enum { LARGE = 20000, LATE_POLLS = 5000 };

struct life {
    struct fixture f;
    char path[PLOG_PATH_BYTES]; /* of the segment */
    uint32_t pos;               /* of the extent */
};

/* Ends with an extent whose record and bytes are durable, and the power gone. */
static void
live(struct life *l, uint64_t seed, uint32_t turns_after)
{
    struct fixture *f = &l->f;
    fixture_init(f, seed);
    f->cache_bytes = f->journal_bytes = 1 << 20;
    f->extent_bytes = 2 * STORE_BLOCK;
    f->config.segment_bytes = 512 << 10;
    assert_int_equal(fixture_start(f), ERR_OK);
    struct plog *p = fixture_log(f, 1, 0);
    fixture_append(f, p, 1, LARGE, 1, 1);
    for (int i = 0; i < 300; i++)
        assert_int_equal(fixture_turns(f, 1), ERR_OK);
    assert_true(plog_last(p)->named);
    plog_path_segment(p, 0, ".log", l->path);
    l->pos = plog_last(p)->bytes;
    fixture_append(f, p, 1, LARGE, 2, 2);
    assert_int_equal(f->store[0]->stats.extents, 1);
    assert_int_equal(fixture_settle(f), ERR_OK);
    assert_int_equal(fixture_turns(f, turns_after), ERR_OK);
    disk_mem_cut_after(f->disk, 0);
    fixture_kill(f);
    disk_mem_restart(f->disk);
}

static void
damage(struct life *l)
{
    uint64_t size;
    uint8_t *bytes = disk_mem_bytes(l->f.disk, l->path, &size);
    assert_non_null(bytes);
    bytes[store_extent_first(l->pos) + 5000] ^= 1;
}

static void
an_extent_comes_back(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed < 20; seed++) {
        struct life l;
        live(&l, seed, 0);
        assert_int_equal(fixture_start(&l.f), ERR_OK);
        assert_int_equal(fixture_log(&l.f, 1, 0)->hw, 2);
        fixture_end(&l.f);
    }
}

static void
a_torn_extent_that_nothing_proves_acknowledged_ends_the_log(void **state)
{
    (void)state;
    struct life l;
    live(&l, 1, 0);
    damage(&l);
    assert_int_equal(fixture_start(&l.f), ERR_OK);
    assert_int_equal(fixture_log(&l.f, 1, 0)->hw, 1);
    fixture_end(&l.f);
}

static void
damage_in_an_extent_that_was_acknowledged_takes_its_log_offline(void **state)
{
    (void)state;
    struct life l;
    live(&l, 2, 60); /* the mark that follows silence */
    damage(&l);
    for (int again = 0; again < 2; again++) {
        assert_int_equal(fixture_start(&l.f), ERR_OK);
        assert_int_equal(l.f.boot.offline, 1);
        assert_int_equal(fixture_log(&l.f, 1, 0)->damage, PLOG_DAMAGE_EXTENT);
        assert_int_equal(fixture_log(&l.f, 1, 0)->hw, 2); /* what it is known to have had */
        assert_int_equal(fixture_stop(&l.f), ERR_OK);
    }
    fixture_end(&l.f);
}

/* Two logs; the first ends with a small batch, a large one that is being written, and a small one
 * again, the other with a small one behind all these.  The frames are written, and the power
 * goes. */
static void
live_torn(struct life *l, uint64_t seed)
{
    struct fixture *f = &l->f;
    fixture_init(f, seed);
    f->cache_bytes = f->journal_bytes = 1 << 20;
    f->extent_bytes = 2 * STORE_BLOCK;
    f->config.segment_bytes = 512 << 10;
    assert_int_equal(fixture_start(f), ERR_OK);
    struct plog *p = fixture_log(f, 1, 0), *other = fixture_log(f, 1, 1);
    fixture_append(f, p, 1, LARGE, 1, 1);
    for (int i = 0; i < 300; i++)
        assert_int_equal(fixture_turns(f, 1), ERR_OK);
    fixture_append(f, p, 1, 100, 2, 2);
    plog_path_segment(p, 0, ".log", l->path);
    l->pos = plog_last(p)->bytes;
    disk_mem_late(f->disk, "log/", LATE_POLLS);
    fixture_append(f, p, 1, LARGE, 3, 3);
    fixture_append(f, p, 1, 100, 4, 4);
    fixture_append(f, other, 1, 100, 5, 5);
    assert_int_equal(fixture_turns(f, 60), ERR_OK);
    assert_int_equal(p->hw, 2);
    assert_int_equal(other->hw, 1);
    disk_mem_late(f->disk, "log/", 0);
    disk_mem_cut_after(f->disk, 0);
    fixture_kill(f);
    disk_mem_restart(f->disk);
    damage(l); /* whatever of it was written */
}

static void
a_torn_extent_cuts_its_own_log_and_no_other(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed < 8; seed++) {
        struct life l;
        live_torn(&l, seed);
        assert_int_equal(fixture_start(&l.f), ERR_OK);
        assert_int_equal(l.f.boot.cut, 1);
        assert_int_equal(l.f.boot.cut_records, 2);
        assert_int_equal(l.f.boot.offline, 0);
        struct plog *p = fixture_log(&l.f, 1, 0);
        assert_int_equal(p->end, 2);
        assert_int_equal(p->hw, 2);
        assert_int_equal(fixture_log(&l.f, 1, 1)->hw, 1);
        fixture_end(&l.f);
    }
}

/* The recovery is cut off after ever more operations; then the producer sends the same again. */
static void
a_recovery_that_is_cut_off_cuts_the_log_at_the_same_place(void **state)
{
    (void)state;
    for (uint64_t ops = 1;; ops++) {
        struct life l;
        live_torn(&l, 3);
        disk_mem_cut_after(l.f.disk, ops);
        bool whole = fixture_start(&l.f) == ERR_OK && !disk_mem_is_cut(l.f.disk);
        fixture_kill(&l.f);
        disk_mem_restart(l.f.disk);
        assert_int_equal(fixture_start(&l.f), ERR_OK);
        struct plog *p = fixture_log(&l.f, 1, 0);
        assert_int_equal(p->end, 2);
        assert_int_equal(fixture_log(&l.f, 1, 1)->hw, 1);
        fixture_append(&l.f, p, 1, LARGE, 3, 3);
        assert_int_equal(fixture_settle(&l.f), ERR_OK);
        disk_mem_cut_after(l.f.disk, 0);
        fixture_kill(&l.f);
        disk_mem_restart(l.f.disk);
        assert_int_equal(fixture_start(&l.f), ERR_OK);
        assert_int_equal(l.f.boot.cut, 0);
        assert_int_equal(fixture_log(&l.f, 1, 0)->hw, 3);
        fixture_end(&l.f);
        if (whole)
            break;
        assert_true(ops < 1000);
    }
}

/* A process dies with an extent in flight, and a log start behind it; the bytes are in the page
 * cache, or not. */
static void
live_trimmed(struct fixture *f, uint64_t seed)
{
    fixture_init(f, seed);
    f->cache_bytes = f->journal_bytes = 1 << 20;
    f->extent_bytes = 2 * STORE_BLOCK;
    f->config.segment_bytes = 64 << 10;
    assert_int_equal(fixture_start(f), ERR_OK);
    struct plog *p = fixture_log(f, 1, 0);
    for (uint64_t i = 1; p->segment_count < 2; i++)
        fixture_append(f, p, 1, LARGE, i, (int64_t)i);
    for (int i = 0; i < 300; i++)
        assert_int_equal(fixture_turns(f, 1), ERR_OK);
    assert_int_equal(fixture_checkpoint(f), ERR_OK);
    uint64_t extents = f->store[0]->stats.extents;
    disk_mem_late(f->disk, "log/", LATE_POLLS);
    fixture_append(f, p, 1, LARGE, 77, 77);
    assert_int_equal(f->store[0]->stats.extents, extents + 1);
    struct store_trimmed out;
    assert_int_equal(store_trim(f->store[0], p, plog_last(p)->base, &out), KERR_NONE);
    assert_int_equal(fixture_turns(f, 60), ERR_OK);
    assert_int_equal(f->store[0]->extents, 1);
    disk_mem_late(f->disk, "log/", 0);
    disk_mem_kill(f->disk);
    fixture_kill(f);
    disk_mem_reopen(f->disk);
}

static void
a_recovery_takes_nothing_back_of_what_another_one_has_judged_by(void **state)
{
    (void)state;
    uint32_t cuts[2] = {0};
    for (uint64_t seed = 1; seed <= 6; seed++)
        for (uint64_t ops = 1;; ops++) {
            struct fixture f;
            live_trimmed(&f, seed);
            disk_mem_cut_after(f.disk, ops);
            bool whole = fixture_start(&f) == ERR_OK && !disk_mem_is_cut(f.disk);
            fixture_kill(&f);
            disk_mem_restart(f.disk);
            assert_int_equal(fixture_start(&f), ERR_OK);
            assert_int_equal(f.boot.offline, 0);
            struct plog_facts facts;
            plog_facts(fixture_log(&f, 1, 0), &facts);
            assert_int_equal(facts.state, PLOG_ONLINE);
            assert_true(facts.high_watermark >= facts.log_start_offset);
            cuts[f.boot.cut > 0]++;
            fixture_end(&f);
            if (whole)
                break;
            assert_true(ops < 1000);
        }
    assert_true(cuts[0] && cuts[1]);
}

static void
a_batch_that_was_journaled_after_all_behind_a_torn_one_keeps_its_place_before_it(void **state)
{
    (void)state;
    struct life l;
    struct fixture *f = &l.f;
    fixture_init(f, 4);
    f->cache_bytes = f->journal_bytes = 1 << 20;
    f->extent_bytes = 2 * STORE_BLOCK;
    f->config.segment_bytes = 512 << 10;
    assert_int_equal(fixture_start(f), ERR_OK);
    struct plog *p = fixture_log(f, 1, 0);
    fixture_append(f, p, 1, LARGE, 1, 1);
    for (int i = 0; i < 300; i++)
        assert_int_equal(fixture_turns(f, 1), ERR_OK);
    plog_path_segment(p, 0, ".log", l.path);
    struct disk_fault fault = {.kind = DISK_WRITE, .part = ".log", .count = 1, .error = ERR_IO};
    disk_mem_fault(f->disk, &fault);
    fixture_append(f, p, 1, LARGE, 2, 2);
    disk_mem_late(f->disk, "log/", LATE_POLLS);
    l.pos = plog_last(p)->bytes;
    fixture_append(f, p, 1, LARGE, 3, 3);
    assert_int_equal(fixture_turns(f, 60), ERR_OK);
    assert_int_equal(p->hw, 2); /* the record with its bytes is behind that of the third */
    disk_mem_late(f->disk, "log/", 0);
    disk_mem_cut_after(f->disk, 0);
    fixture_kill(f);
    disk_mem_restart(f->disk);
    damage(&l);
    assert_int_equal(fixture_start(f), ERR_OK);
    assert_int_equal(f->boot.cut, 1);
    p = fixture_log(f, 1, 0);
    assert_int_equal(p->hw, 2);
    struct store_range range;
    struct batch_info info;
    uint8_t *bytes = malloc(2 * LARGE);
    uint32_t n = fixture_batch(f->batch, 1, LARGE, 2, 2, &info);
    batch_stamp(f->batch, 1, 3);
    assert_int_equal(fixture_read(f, p, 1, n, bytes, &range), n);
    assert_memory_equal(bytes, f->batch, n);
    free(bytes);
    fixture_end(f);
}

static void
a_segment_that_is_gone_is_damage_too(void **state)
{
    (void)state;
    struct life l;
    live(&l, 3, 60);
    struct disk *port = disk_mem_port(l.f.disk, 0);
    assert_int_equal(store_run(port, (struct disk_op){.kind = DISK_UNLINK, .path = l.path}),
                     ERR_OK);
    assert_int_equal(fixture_start(&l.f), ERR_OK);
    assert_int_equal(l.f.boot.offline, 1);
    fixture_end(&l.f);
}

static void
a_record_that_contradicts_itself_is_refused(void **state)
{
    (void)state;
    struct replay r = {.dry = true};
    uint8_t body[STORE_EXTENT_PREFIX] = {0};
    for (uint32_t len = 0; len <= sizeof body; len++)
        assert_int_equal(store_replay_extent(&r, 1, view_of(body, len)), ERR_CORRUPT);
    set_u32(body + 16, UINT32_MAX);
    set_u32(body + 20, UINT32_MAX);
    assert_int_equal(store_replay_extent(&r, 1, view_of(body, sizeof body)), ERR_CORRUPT);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_extent_comes_back),
        cmocka_unit_test(a_torn_extent_that_nothing_proves_acknowledged_ends_the_log),
        cmocka_unit_test(damage_in_an_extent_that_was_acknowledged_takes_its_log_offline),
        cmocka_unit_test(a_torn_extent_cuts_its_own_log_and_no_other),
        cmocka_unit_test(a_recovery_that_is_cut_off_cuts_the_log_at_the_same_place),
        cmocka_unit_test(a_recovery_takes_nothing_back_of_what_another_one_has_judged_by),
        cmocka_unit_test(
            a_batch_that_was_journaled_after_all_behind_a_torn_one_keeps_its_place_before_it),
        cmocka_unit_test(a_segment_that_is_gone_is_damage_too),
        cmocka_unit_test(a_record_that_contradicts_itself_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
