#include "tests/unit/core/store/store_fixture.h"

static const uint8_t two[] = {0, 1}, first[] = {0, UINT8_MAX};
static struct fixture f;
static struct plog *log_now;

static void
start(const uint8_t *folders)
{
    disk_mem_dirs(f.disk, folders, 2);
    assert_int_equal(fixture_start(&f), ERR_OK);
}

/* A log in the first directory. */
static void
begin(uint64_t seed)
{
    fixture_init(&f, seed);
    start(two);
    uint32_t topic = 1;
    while ((log_now = fixture_log(&f, topic, 0))->dir != 0)
        topic++;
    fixture_append(&f, log_now, 3, 100, 1, 1);
    assert_int_equal(fixture_settle(&f), ERR_OK);
}

static void
restart(bool clean, const uint8_t *folders)
{
    uint8_t topic[16];
    memcpy(topic, log_now->topic, sizeof topic);
    if (clean) {
        assert_int_equal(fixture_stop(&f), ERR_OK);
    } else {
        fixture_kill(&f);
        disk_mem_restart(f.disk);
    }
    start(folders);
    log_now = store_find(f.store[0], topic, 0);
    assert_non_null(log_now);
    assert_int_equal(log_now->end, 3);
}

static int
wish(uint8_t dir, uint64_t *lsn)
{
    return store_move(f.store[0], log_now, dir, lsn);
}

static void
a_wish_waits_for_its_directory_over_restarts(void **state)
{
    (void)state;
    for (uint32_t clean = 0; clean < 4; clean++) {
        begin(1 + clean);
        uint64_t lsn;
        assert_int_equal(wish(1, &lsn), ERR_OK);
        assert_int_equal(fixture_settle(&f), ERR_OK);
        assert_true(lsn > 0 && store_durable_lsn(f.store[0]) >= lsn);
        restart(clean & 1, first);
        assert_true(log_now->wished);
        assert_int_equal(log_now->move_to, PLOG_DIR_NONE);
        restart(clean & 2, two);
        assert_int_equal(log_now->move_to, 1);
        struct store_move_facts facts;
        store_move_facts(f.store[0], log_now, &facts);
        assert_int_equal(facts.dir, 1);
        fixture_end(&f);
    }
}

static void
the_last_wish_counts(void **state)
{
    (void)state;
    begin(5);
    uint64_t there, back, again;
    assert_int_equal(wish(1, &there), ERR_OK);
    assert_int_equal(wish(1, &again), ERR_OK);
    assert_int_equal(again, there);
    assert_int_equal(wish(0, &back), ERR_OK);
    assert_true(back > there);
    assert_false(log_now->wished);
    assert_int_equal(fixture_settle(&f), ERR_OK);
    restart(false, two);
    assert_false(log_now->wished);
    assert_int_equal(log_now->move_to, PLOG_DIR_NONE);
    fixture_end(&f);
}

static void
to_stay_needs_no_record(void **state)
{
    (void)state;
    begin(6);
    uint64_t lsn = 1;
    assert_int_equal(wish(0, &lsn), ERR_OK);
    assert_int_equal(lsn, 0);
    fixture_end(&f);
}

static void
a_wish_without_journal_room_changes_nothing(void **state)
{
    (void)state;
    begin(7);
    uint8_t dir = 0;
    uint64_t lsn;
    int rc;
    for (uint32_t n = 0; (rc = wish(1 - dir, &lsn)) == ERR_OK; n++) {
        dir = 1 - dir;
        assert_true(n < 1 << 20);
    }
    assert_int_equal(rc, ERR_AGAIN);
    assert_int_equal(log_now->wished, dir == 1);
    assert_int_equal(log_now->move_to, dir ? 1 : PLOG_DIR_NONE);
    assert_int_equal(fixture_checkpoint(&f), ERR_OK);
    assert_int_equal(wish(1 - dir, &lsn), ERR_OK);
    fixture_end(&f);
}

static void
a_wish_that_was_met_is_over(void **state)
{
    (void)state;
    struct plog p = {.dir_id = {0}};
    static const uint8_t second[16] = {1}, third[16] = {2};
    store_wish_replay(&p, second);
    assert_true(p.wished);
    memcpy(p.dir_id, third, sizeof p.dir_id);
    store_wish_met(&p);
    assert_true(p.wished);
    memcpy(p.dir_id, second, sizeof p.dir_id);
    store_wish_met(&p);
    assert_false(p.wished);
    store_wish_replay(&p, second);
    assert_false(p.wished);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wish_waits_for_its_directory_over_restarts),
        cmocka_unit_test(the_last_wish_counts),
        cmocka_unit_test(to_stay_needs_no_record),
        cmocka_unit_test(a_wish_without_journal_room_changes_nothing),
        cmocka_unit_test(a_wish_that_was_met_is_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
