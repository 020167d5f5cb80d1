#include "core/store/store_replay_in.h"
#include "tests/unit/core/store/store_fixture.h"

enum { LARGE = 20000 };

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
        cmocka_unit_test(a_segment_that_is_gone_is_damage_too),
        cmocka_unit_test(a_record_that_contradicts_itself_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
