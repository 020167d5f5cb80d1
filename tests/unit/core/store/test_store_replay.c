#include "tests/unit/core/store/store_fixture.h"

static uint8_t bytes[1 << 20];

static void
logs_move_when_the_number_of_cores_changes(void **state)
{
    (void)state;
    static const uint32_t counts[] = {1, 2, 1, 3};
    struct fixture f;
    fixture_init(&f, 1);
    for (int round = 0; round < 4; round++) {
        f.cores = counts[round];
        assert_int_equal(fixture_start(&f), ERR_OK);
        for (int32_t i = 0; i < 12; i++) {
            struct plog *p = fixture_log(&f, 1, i);
            assert_int_equal(p->hw, round * 2);
            fixture_append(&f, p, 1, 500, (uint64_t)i, i);
            fixture_append(&f, p, 1, 500, (uint64_t)i, i);
        }
        assert_int_equal(fixture_settle(&f), ERR_OK);
        if (round % 2)
            fixture_power_cut(&f);
        else
            assert_int_equal(fixture_stop(&f), ERR_OK);
    }
    fixture_end(&f);
}

static void
recovering_again_and_again_changes_nothing(void **state)
{
    (void)state;
    struct fixture f;
    struct store_range range;
    fixture_init(&f, 2);
    assert_int_equal(fixture_start(&f), ERR_OK);
    struct plog *p = fixture_log(&f, 1, 0);
    for (int i = 0; i < 30; i++)
        fixture_append(&f, p, 1, 700, (uint64_t)i, i);
    assert_int_equal(fixture_settle(&f), ERR_OK);
    int64_t first = fixture_read(&f, p, 0, 30000, bytes, &range);
    for (int round = 0; round < 4; round++) {
        fixture_power_cut(&f);
        assert_int_equal(fixture_start(&f), ERR_OK);
        p = fixture_log(&f, 1, 0);
        assert_int_equal(p->hw, 30);
        assert_int_equal(fixture_read(&f, p, 0, 30000, bytes + first, &range), first);
        assert_memory_equal(bytes, bytes + first, first);
    }
    fixture_end(&f);
}

static void
a_directory_that_nobody_knows_is_moved_away_and_kept(void **state)
{
    (void)state;
    struct fixture f;
    uint64_t size;
    fixture_init(&f, 3);
    struct disk *port = disk_mem_port(f.disk, 0);
    static const char *const dirs[] = {"log", "log/Zm9v", "log/Zm9v/0"};
    for (int i = 0; i < 3; i++)
        assert_int_equal(store_run(port, (struct disk_op){.kind = DISK_MKDIR, .path = dirs[i]}),
                         ERR_OK);
    assert_true(store_run(port, (struct disk_op){.kind = DISK_OPEN,
                                                 .path = "log/Zm9v/0/00000000000000000000.log",
                                                 .flags = DISK_CREATE | DISK_WRITABLE}) >= 0);
    assert_int_equal(fixture_start(&f), ERR_OK);
    assert_null(disk_mem_bytes(f.disk, "log/Zm9v/0/00000000000000000000.log", &size));
    assert_non_null(disk_mem_bytes(f.disk, "stray/Zm9v-0-0/00000000000000000000.log", &size));
    fixture_end(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logs_move_when_the_number_of_cores_changes),
        cmocka_unit_test(recovering_again_and_again_changes_nothing),
        cmocka_unit_test(a_directory_that_nobody_knows_is_moved_away_and_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
