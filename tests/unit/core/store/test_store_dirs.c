#include "tests/unit/core/store/store_fixture.h"

static const uint8_t two[] = {0, 1}, three[] = {0, 1, 2}, swapped[] = {0, 2, 1},
                     without[] = {0, UINT8_MAX};

static void
begin(struct fixture *f, const uint8_t *folders, uint32_t count)
{
    fixture_init(f, 1);
    disk_mem_dirs(f->disk, folders, count);
    assert_int_equal(fixture_start(f), ERR_OK);
}

/* The first log that is in a directory; makes some. */
static struct plog *
log_in(struct fixture *f, uint8_t dir, uint32_t *topic)
{
    for (uint32_t i = 0; i < 8; i++) {
        struct plog *p = fixture_log(f, i, 0);
        if (topic)
            *topic = i;
        if (p->dir == dir)
            return p;
    }
    fail_msg("no log is in directory %u", dir);
    return NULL;
}

static void
fill(struct fixture *f, struct plog *p, uint32_t batches)
{
    for (uint32_t i = 0; i < batches; i++)
        fixture_append(f, p, 1, 3000, i, 1000 + i);
}

static void
new_logs_are_shared_out_by_free_space(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, three, 3);
    uint32_t count[3] = {0};
    for (uint32_t i = 0; i < 9; i++)
        count[fixture_log(&f, i, 0)->dir]++;
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(count[i], 3);
    f.store[0]->rooms[1].free /= 100;
    assert_int_equal(fixture_log(&f, 20, 0)->dir == 1, false);
    fixture_end(&f);
}

static void
a_log_stays_in_its_directory_when_their_order_changes(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, three, 3);
    uint32_t topic;
    struct plog *p = log_in(&f, 2, &topic);
    fill(&f, p, 30);
    assert_int_equal(fixture_checkpoint(&f), ERR_OK);
    fill(&f, p, 5);
    assert_int_equal(fixture_settle(&f), ERR_OK);
    fixture_kill(&f);
    disk_mem_dirs(f.disk, swapped, 3);
    disk_mem_restart(f.disk);
    assert_int_equal(fixture_start(&f), ERR_OK);
    p = fixture_log(&f, topic, 0);
    assert_int_equal(p->dir, 1);
    assert_int_equal(p->end, 35);
    assert_int_equal(fixture_read_all(&f, p), ERR_OK);
    fixture_end(&f);
}

static void
without_its_directory_a_log_is_offline_and_comes_back(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, two, 2);
    uint32_t topic, other;
    struct plog *p = log_in(&f, 1, &topic);
    fill(&f, log_in(&f, 0, &other), 10);
    fill(&f, p, 30);
    assert_int_equal(fixture_stop(&f), ERR_OK);
    for (int pass = 0; pass < 2; pass++) {
        disk_mem_dirs(f.disk, without, 2);
        assert_int_equal(fixture_start(&f), ERR_OK);
        p = fixture_log(&f, topic, 0);
        assert_int_equal(p->state, PLOG_OFFLINE);
        assert_int_equal(p->end, 30);
        fill(&f, fixture_log(&f, other, 0), 10);
        assert_int_equal(fixture_stop(&f), ERR_OK);
    }
    disk_mem_dirs(f.disk, two, 2);
    assert_int_equal(fixture_start(&f), ERR_OK);
    p = fixture_log(&f, topic, 0);
    assert_int_equal(p->state, PLOG_ONLINE);
    assert_int_equal(fixture_read_all(&f, p), ERR_OK);
    assert_int_equal(fixture_log(&f, other, 0)->end, 30);
    fixture_end(&f);
}

static void
one_bad_file_takes_its_log_offline_and_a_dead_disk_all_of_its_logs(void **state)
{
    (void)state;
    for (int dead = 0; dead < 2; dead++) {
        struct fixture f;
        begin(&f, two, 2);
        for (uint32_t i = 0; i < 8; i++)
            fixture_log(&f, i, 0);
        uint32_t topic;
        char part[PLOG_PATH_BYTES];
        struct plog *p = log_in(&f, 1, &topic);
        plog_path_dir(p, part);
        if (dead)
            disk_mem_fail_dir(f.disk, 1, ERR_IO);
        else
            disk_mem_fail(f.disk, part, DISK_WRITE, ERR_IO);
        fill(&f, p, 1);
        f.store[0]->flushing = true;
        assert_int_equal(fixture_turns(&f, 200), ERR_OK);
        f.store[0]->flushing = false;
        for (uint32_t i = 0; i < 8; i++) {
            struct plog *q = fixture_log(&f, i, 0);
            assert_int_equal(q->state == PLOG_OFFLINE, q == p || (dead && q->dir == 1));
        }
        assert_int_equal(f.store[0]->dirs.dirs[1].online, !dead);
        assert_int_equal(fixture_log(&f, 20, 0)->state, PLOG_ONLINE); /* a new one goes elsewhere */
        assert_true(!dead || fixture_log(&f, 21, 0)->dir == 0);
        fixture_end(&f);
    }
}

static void
deleting_a_log_without_its_directory_leaves_the_journal_free(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, two, 2);
    uint32_t topic, other;
    fill(&f, log_in(&f, 1, &topic), 30);
    fill(&f, log_in(&f, 0, &other), 10);
    assert_int_equal(fixture_stop(&f), ERR_OK);
    disk_mem_dirs(f.disk, without, 2);
    assert_int_equal(fixture_start(&f), ERR_OK);
    store_delete(f.store[0], fixture_log(&f, topic, 0));
    assert_int_equal(f.store[0]->frozen, 0);
    assert_int_equal(fixture_stop(&f), ERR_OK);
    assert_int_equal(fixture_start(&f), ERR_OK);
    assert_int_equal(fixture_log(&f, other, 0)->end, 10);
    fixture_end(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_logs_are_shared_out_by_free_space),
        cmocka_unit_test(a_log_stays_in_its_directory_when_their_order_changes),
        cmocka_unit_test(one_bad_file_takes_its_log_offline_and_a_dead_disk_all_of_its_logs),
        cmocka_unit_test(without_its_directory_a_log_is_offline_and_comes_back),
        cmocka_unit_test(deleting_a_log_without_its_directory_leaves_the_journal_free),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
