#include "tests/unit/core/store/store_fixture.h"

#include <stdlib.h>

static const uint8_t two[] = {0, 1}, without[] = {0, UINT8_MAX};

enum { TOPICS = 4, VALUE_BYTES = 3000 };

static void
begin(struct fixture *f, uint64_t seed)
{
    fixture_init(f, seed);
    disk_mem_dirs(f->disk, two, 2);
    assert_int_equal(fixture_start(f), ERR_OK);
    for (uint32_t i = 0; i < TOPICS; i++)
        fixture_log(f, i, 0);
}

/* As the thread beside the loops does. */
static void
tasks_run(struct fixture *f)
{
    struct store_task *t;
    struct store_worker w = {.disk = disk_mem_port(f->disk, DISK_MEM_PORTS - 1)};
    while ((t = store_task_take(f->store[0]))) {
        store_task_run(&w, t);
        store_task_done(f->store[0], t);
    }
}

/* One batch to every log that takes it. */
static void
append_all(struct fixture *f, uint32_t times)
{
    for (uint32_t n = 0; n < times; n++)
        for (uint32_t i = 0; i < TOPICS; i++)
            if (fixture_log(f, i, 0)->state == PLOG_ONLINE)
                fixture_append(f, fixture_log(f, i, 0), 1, VALUE_BYTES, n, 1000);
}

static void
expect_whole(struct fixture *f, const int64_t *ends)
{
    for (uint32_t i = 0; i < TOPICS; i++) {
        struct plog *p = fixture_log(f, i, 0);
        assert_int_equal(p->state, PLOG_ONLINE);
        assert_int_equal(p->hw, ends[i]);
        assert_int_equal(fixture_read_all(f, p), ERR_OK);
    }
}

static void
power_off(struct fixture *f)
{
    disk_mem_cut_after(f->disk, 0);
    fixture_kill(f);
}

static void
ends_note(struct fixture *f, int64_t *ends)
{
    for (uint32_t i = 0; i < TOPICS; i++)
        ends[i] = fixture_log(f, i, 0)->end;
}

/* Directory 1 dies with records that are in the journal only; ends when they are rescued. */
static void
directory_dies(struct fixture *f)
{
    append_all(f, 5);
    disk_mem_fail_dir(f->disk, 1, ERR_IO);
    f->store[0]->flushing = true; /* write back now */
    assert_int_equal(fixture_turns(f, 400), ERR_OK);
    f->store[0]->flushing = false;
    assert_int_equal(fixture_turns(f, 40), ERR_OK);
    tasks_run(f);
    assert_int_equal(fixture_turns(f, 40), ERR_OK);
}

static void
lose_directory(struct fixture *f)
{
    append_all(f, 6);
    assert_int_equal(fixture_checkpoint(f), ERR_OK);
    directory_dies(f);
}

static uint32_t
offline(struct fixture *f)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < TOPICS; i++)
        count += fixture_log(f, i, 0)->state == PLOG_OFFLINE;
    return count;
}

static void
a_dead_disk_does_not_hold_the_journal_and_nothing_of_it_is_lost(void **state)
{
    (void)state;
    struct fixture f;
    int64_t ends[TOPICS];
    begin(&f, 3);
    lose_directory(&f);
    assert_int_equal(offline(&f), TOPICS / 2);
    assert_int_equal(f.store[0]->frozen, 0);
    for (int i = 0; i < 8; i++) { /* more than the ring holds */
        append_all(&f, 10);
        assert_int_equal(fixture_checkpoint(&f), ERR_OK);
    }
    ends_note(&f, ends);
    power_off(&f);
    disk_mem_fail_dir(f.disk, 1, ERR_OK);
    disk_mem_restart(f.disk);
    assert_int_equal(fixture_start(&f), ERR_OK);
    expect_whole(&f, ends);
    assert_int_equal(fixture_stop(&f), ERR_OK);
    assert_int_equal(fixture_start(&f), ERR_OK);
    assert_true(f.boot.clean); /* the rescue file is gone */
    expect_whole(&f, ends);
    fixture_end(&f);
}

static void
records_of_a_missing_directory_are_kept_over_starts_without_it(void **state)
{
    (void)state;
    struct fixture f;
    int64_t ends[TOPICS];
    begin(&f, 4);
    append_all(&f, 6);
    assert_int_equal(fixture_checkpoint(&f), ERR_OK);
    append_all(&f, 5);
    assert_int_equal(fixture_settle(&f), ERR_OK);
    power_off(&f);
    for (int i = 0; i < 3; i++) {
        disk_mem_dirs(f.disk, without, 2);
        disk_mem_restart(f.disk);
        assert_int_equal(fixture_start(&f), ERR_OK);
        assert_int_equal(offline(&f), TOPICS / 2);
        append_all(&f, 5);
        ends_note(&f, ends);
        assert_int_equal(fixture_settle(&f), ERR_OK);
        if (i == 1)
            assert_int_equal(fixture_stop(&f), ERR_OK);
        else
            power_off(&f);
    }
    disk_mem_dirs(f.disk, two, 2);
    disk_mem_restart(f.disk);
    assert_int_equal(fixture_start(&f), ERR_OK);
    expect_whole(&f, ends);
    fixture_end(&f);
}

/* Starts with the power going at some operation, until one gets through. */
static void
start_through_cuts(struct fixture *f, uint64_t *rng)
{
    for (int tries = 0; tries < 20; tries++) {
        *rng = *rng * UINT64_C(6364136223846793005) + 1442695040888963407u;
        disk_mem_cut_after(f->disk, tries == 19 ? UINT64_MAX : 1 + (*rng >> 33) % 300);
        int rc = fixture_start(f);
        if (rc == ERR_OK && !disk_mem_is_cut(f->disk)) {
            disk_mem_cut_after(f->disk, UINT64_MAX);
            return;
        }
        fixture_kill(f);
        disk_mem_restart(f->disk);
    }
    fail_msg("no start got through");
}

/* The old log's file is kept for another log that is offline. */
static void
a_log_made_anew_takes_nothing_of_the_one_that_was_deleted(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, 5);
    directory_dies(&f);
    uint32_t topic = 0;
    while (fixture_log(&f, topic, 0)->state == PLOG_ONLINE)
        topic++;
    store_delete(f.store[0], fixture_log(&f, topic, 0));
    assert_int_equal(fixture_turns(&f, 100), ERR_OK);
    struct plog *p = fixture_log(&f, topic, 0);
    assert_int_equal(p->state, PLOG_ONLINE);
    for (uint64_t n = 0; n < 4; n++) /* of another length than the old ones */
        fixture_append(&f, p, 1, VALUE_BYTES / 2, 100 + n, 2000);
    assert_int_equal(fixture_settle(&f), ERR_OK);
    int64_t ends[TOPICS];
    ends_note(&f, ends);
    static uint8_t before[64 << 10], after[64 << 10];
    struct store_range range;
    int64_t bytes = fixture_read(&f, p, 0, sizeof before, before, &range);
    char path[PLOG_PATH_BYTES];
    plog_path_dir(p, path);
    disk_mem_fail(f.disk, path, DISK_WRITE, ERR_IO); /* it has to be rescued, too */
    f.store[0]->flushing = true;
    assert_int_equal(fixture_turns(&f, 400), ERR_OK);
    f.store[0]->flushing = false;
    assert_int_equal(p->state, PLOG_OFFLINE);
    assert_int_equal(fixture_turns(&f, 40), ERR_OK);
    tasks_run(&f);
    assert_int_equal(fixture_checkpoint(&f), ERR_OK);
    disk_mem_fail(f.disk, NULL, DISK_WRITE, ERR_OK);
    power_off(&f);
    disk_mem_fail_dir(f.disk, 1, ERR_OK);
    disk_mem_restart(f.disk);
    assert_int_equal(fixture_start(&f), ERR_OK);
    expect_whole(&f, ends);
    assert_int_equal(fixture_read(&f, fixture_log(&f, topic, 0), 0, sizeof after, after, &range),
                     bytes);
    assert_memory_equal(before, after, (size_t)bytes);
    fixture_end(&f);
}

static void
whenever_the_power_goes_rescued_records_survive(void **state)
{
    (void)state;
    const char *only = getenv("STORE_SEED");
    uint64_t first = only ? strtoull(only, NULL, 10) : 1, last = only ? first : 60;
    for (uint64_t seed = first; seed <= last; seed++) {
        struct fixture f;
        int64_t ends[TOPICS];
        uint64_t rng = seed;
        print_message("seed %llu\n", (unsigned long long)seed);
        begin(&f, seed);
        if (seed % 2)
            lose_directory(&f);
        else
            append_all(&f, 8);
        assert_int_equal(fixture_settle(&f), ERR_OK);
        ends_note(&f, ends);
        power_off(&f);
        disk_mem_fail_dir(f.disk, 1, ERR_OK);
        disk_mem_dirs(f.disk, without, 2);
        disk_mem_restart(f.disk);
        start_through_cuts(&f, &rng);
        assert_int_equal(offline(&f), TOPICS / 2);
        power_off(&f);
        disk_mem_dirs(f.disk, two, 2);
        disk_mem_restart(f.disk);
        start_through_cuts(&f, &rng);
        expect_whole(&f, ends);
        fixture_end(&f);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dead_disk_does_not_hold_the_journal_and_nothing_of_it_is_lost),
        cmocka_unit_test(records_of_a_missing_directory_are_kept_over_starts_without_it),
        cmocka_unit_test(a_log_made_anew_takes_nothing_of_the_one_that_was_deleted),
        cmocka_unit_test(whenever_the_power_goes_rescued_records_survive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
