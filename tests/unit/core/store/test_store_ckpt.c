#include "tests/unit/core/store/store_fixture.h"
#include <stdio.h>

static void
a_header_is_read_back_and_damage_is_seen(void **state)
{
    (void)state;
    static uint8_t mem[CKPT_HEADER_BYTES + 100];
    struct ckpt_header h = {.generation = 4,
                            .seq = 5,
                            .lsn = 6,
                            .next_id = 7,
                            .core_count = 2,
                            .flags = 1,
                            .log_count = 3},
                       got;
    memset(mem + CKPT_HEADER_BYTES, 0x5a, 100);
    store_ckpt_header_write(&h, mem, view_of(mem + CKPT_HEADER_BYTES, 100));
    assert_int_equal(store_ckpt_header_read(mem, sizeof mem, &got), ERR_OK);
    assert_int_equal(got.generation, 4);
    assert_int_equal(got.lsn, 6);
    assert_int_equal(got.bytes, 100);
    assert_int_equal(store_ckpt_header_read(mem, sizeof mem - 1, &got), ERR_CORRUPT);
    for (uint32_t i = 0; i < sizeof mem; i++) {
        mem[i] ^= 8;
        assert_int_equal(store_ckpt_header_read(mem, sizeof mem, &got), ERR_CORRUPT);
        mem[i] ^= 8;
    }
}

static void
checkpoints_let_the_journal_go_round_for_ever(void **state)
{
    (void)state;
    struct fixture f;
    struct store_stats stats;
    fixture_init(&f, 1);
    assert_int_equal(fixture_start(&f), ERR_OK);
    for (int i = 0; i < 1500; i++)
        fixture_append(&f, fixture_log(&f, 1, i % 5), 2, 900, (uint64_t)i, i);
    assert_int_equal(fixture_settle(&f), ERR_OK);
    store_stats(f.store[0], &stats);
    assert_true(stats.batch_bytes > 8 * f.journal_bytes);
    assert_true(stats.checkpoints > 5);
    assert_true(stats.journal_used_bytes <= f.journal_bytes);
    fixture_end(&f);
}

static void
what_a_checkpoint_covers_is_not_replayed(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 2);
    assert_int_equal(fixture_start(&f), ERR_OK);
    struct plog *p = fixture_log(&f, 1, 0);
    for (int i = 0; i < 20; i++)
        fixture_append(&f, p, 1, 500, (uint64_t)i, i);
    assert_int_equal(fixture_checkpoint(&f), ERR_OK);
    fixture_append(&f, p, 1, 500, 99, 99);
    assert_int_equal(fixture_settle(&f), ERR_OK);
    disk_mem_cut_after(f.disk, 0);
    fixture_kill(&f);
    disk_mem_restart(f.disk);
    assert_int_equal(fixture_start(&f), ERR_OK);
    assert_false(f.boot.clean);
    assert_int_equal(f.boot.frames_replayed, 1);
    assert_int_equal(fixture_log(&f, 1, 0)->hw, 21);
    fixture_end(&f);
}

static void
a_damaged_newest_checkpoint_is_refused_when_the_journal_has_moved_on(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 3);
    assert_int_equal(fixture_start(&f), ERR_OK);
    struct plog *p = fixture_log(&f, 1, 0);
    for (int i = 0; i < 600; i++)
        fixture_append(&f, p, 2, 900, (uint64_t)i, i);
    assert_int_equal(fixture_checkpoint(&f), ERR_OK);
    disk_mem_cut_after(f.disk, 0);
    fixture_kill(&f);
    disk_mem_restart(f.disk);
    for (char c = 'a'; c <= 'b'; c++) {
        char path[32];
        uint64_t size;
        snprintf(path, sizeof path, "core-0/ckpt-%c", c);
        uint8_t *at = disk_mem_bytes(f.disk, path, &size);
        if (at)
            at[70] ^= 1;
    }
    assert_int_equal(fixture_start(&f), ERR_CORRUPT);
    fixture_end(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_header_is_read_back_and_damage_is_seen),
        cmocka_unit_test(checkpoints_let_the_journal_go_round_for_ever),
        cmocka_unit_test(what_a_checkpoint_covers_is_not_replayed),
        cmocka_unit_test(a_damaged_newest_checkpoint_is_refused_when_the_journal_has_moved_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
