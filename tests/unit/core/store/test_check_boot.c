#include "core/store/check.h"
#include "tests/unit/core/store/store_fixture.h"

#include <stdio.h>

enum { LOGS = 3, BEFORE = 6, AFTER = 4 };

static uint8_t bytes[1 << 20];

static void
nothing(void *user, const struct check_finding *f)
{
    (void)user;
    assert_true(f->what[0] != 0);
}

static void
boots_lost(struct fixture *f)
{
    static const char *const paths[] = {"boot-checkpoint", "boot-checkpoint.copy"};
    uint64_t size;
    for (int i = 0; i < 2; i++) /* one is gone, the other spoiled */
        if (i)
            disk_mem_bytes(f->disk, paths[i], &size)[30] ^= 1;
        else
            assert_int_equal(store_run(disk_mem_port(f->disk, 0),
                                       (struct disk_op){.kind = DISK_UNLINK, .path = paths[i]}),
                             ERR_OK);
    assert_int_equal(fixture_start(f), ERR_CORRUPT);
}

static int
repair(struct fixture *f)
{
    struct check c = {.disk = disk_mem_port(f->disk, 0), .tell = nothing};
    return check_repair(&c);
}

static void
appended(struct fixture *f, int count)
{
    for (int i = 0; i < count; i++)
        for (int32_t k = 0; k < LOGS; k++)
            fixture_append(f, fixture_log(f, 1, k), 1, 700, (uint64_t)i, i);
    assert_int_equal(fixture_settle(f), ERR_OK);
}

/* Each log has `count` records, or more, and takes another one. */
static void
assert_serve(struct fixture *f, int64_t count)
{
    assert_int_equal(fixture_start(f), ERR_OK);
    assert_int_equal(f->boot.offline, 0);
    for (int32_t k = 0; k < LOGS; k++) {
        struct store_range range;
        struct plog *p = fixture_log(f, 1, k);
        assert_int_equal(p->state, PLOG_ONLINE);
        assert_true(p->hw >= count);
        assert_true(fixture_read(f, p, 0, 30000, bytes, &range) > 0);
        int64_t end = p->end;
        assert_int_equal(fixture_append(f, p, 1, 10, 1, 1), end);
    }
    assert_int_equal(fixture_settle(f), ERR_OK);
}

static void
begun(struct fixture *f, uint64_t seed)
{
    fixture_init(f, seed);
    f->cores = 2;
    assert_int_equal(fixture_start(f), ERR_OK);
}

static void
nothing_is_lost_after_a_clean_stop(void **state)
{
    (void)state;
    struct fixture f;
    begun(&f, 1);
    appended(&f, BEFORE);
    assert_int_equal(fixture_stop(&f), ERR_OK);
    boots_lost(&f);
    assert_int_equal(repair(&f), ERR_OK);
    assert_serve(&f, BEFORE);
    fixture_end(&f);
}

static void
nothing_is_lost_when_each_core_has_made_a_checkpoint(void **state)
{
    (void)state;
    struct fixture f;
    begun(&f, 2);
    appended(&f, BEFORE);
    assert_int_equal(fixture_checkpoint(&f), ERR_OK);
    appended(&f, AFTER);
    fixture_power_cut(&f);
    boots_lost(&f);
    assert_int_equal(repair(&f), ERR_OK);
    assert_serve(&f, BEFORE + AFTER);
    fixture_end(&f);
}

static void
logs_that_the_journal_makes_come_back_with_all_it_has(void **state)
{
    (void)state;
    struct fixture f;
    begun(&f, 3);
    appended(&f, BEFORE);
    fixture_power_cut(&f);
    boots_lost(&f);
    assert_int_equal(repair(&f), ERR_OK);
    assert_serve(&f, BEFORE);
    fixture_end(&f);
}

/* The second process has made no checkpoint: only the boot checkpoint knew the logs. */
static void
logs_that_nothing_names_come_back_from_their_files(void **state)
{
    (void)state;
    struct fixture f;
    uint64_t size;
    begun(&f, 4);
    appended(&f, BEFORE);
    assert_int_equal(fixture_stop(&f), ERR_OK);
    assert_int_equal(fixture_start(&f), ERR_OK);
    appended(&f, AFTER);
    fixture_power_cut(&f);
    boots_lost(&f);
    assert_int_equal(repair(&f), ERR_OK);
    assert_non_null(disk_mem_bytes(f.disk, "damaged/2-core-0/journal-0000", &size));
    assert_non_null(disk_mem_bytes(f.disk, "damaged/2-boot-checkpoint.copy", &size));
    assert_serve(&f, BEFORE);
    fixture_end(&f);
}

/* The journal of the other core has frames of the process before alone. */
static void
a_checkpoint_without_its_journal_tells_the_generation(void **state)
{
    (void)state;
    struct fixture f;
    uint64_t size;
    begun(&f, 7);
    appended(&f, BEFORE);
    assert_int_equal(fixture_stop(&f), ERR_OK);
    assert_int_equal(fixture_start(&f), ERR_OK);
    assert_int_equal(store_close(f.store[0]), ERR_OK);
    f.store[0] = NULL;
    fixture_power_cut(&f);
    for (uint32_t i = 0; i < 64; i++) {
        char path[32];
        snprintf(path, sizeof path, "core-0/journal-%04u", i);
        int64_t got = store_run(disk_mem_port(f.disk, 0),
                                (struct disk_op){.kind = DISK_UNLINK, .path = path});
        assert_true(got == ERR_OK || (i > 0 && got == ERR_NOT_FOUND));
    }
    boots_lost(&f);
    assert_int_equal(repair(&f), ERR_OK);
    assert_non_null(disk_mem_bytes(f.disk, "damaged/2-boot-checkpoint.copy", &size));
    assert_serve(&f, BEFORE);
    fixture_end(&f);
}

static void
a_power_cut_on_the_way_leaves_it_to_be_done_again(void **state)
{
    (void)state;
    for (uint64_t ops = 1; ops < 200; ops += 7) {
        struct fixture f;
        begun(&f, 5 + ops);
        appended(&f, BEFORE);
        assert_int_equal(fixture_stop(&f), ERR_OK);
        assert_int_equal(fixture_start(&f), ERR_OK);
        appended(&f, AFTER);
        fixture_power_cut(&f);
        boots_lost(&f);
        disk_mem_cut_after(f.disk, ops);
        int rc = repair(&f);
        assert_true(rc == ERR_OK || disk_mem_is_cut(f.disk));
        disk_mem_restart(f.disk);
        disk_mem_cut_after(f.disk, UINT64_MAX);
        assert_int_equal(repair(&f), ERR_OK);
        assert_serve(&f, BEFORE);
        fixture_end(&f);
    }
}

static void
without_any_journal_it_is_refused(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 6);
    assert_int_equal(repair(&f), ERR_CORRUPT);
    fixture_end(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_lost_after_a_clean_stop),
        cmocka_unit_test(nothing_is_lost_when_each_core_has_made_a_checkpoint),
        cmocka_unit_test(logs_that_the_journal_makes_come_back_with_all_it_has),
        cmocka_unit_test(logs_that_nothing_names_come_back_from_their_files),
        cmocka_unit_test(a_checkpoint_without_its_journal_tells_the_generation),
        cmocka_unit_test(a_power_cut_on_the_way_leaves_it_to_be_done_again),
        cmocka_unit_test(without_any_journal_it_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
