#include "core/store/store_replay_in.h"
#include "tests/unit/core/store/store_fixture.h"

static const uint8_t two[] = {0, 1};

static void
note(struct replay *r, uint64_t lsn, uint64_t log, uint8_t id)
{
    uint8_t body[STORE_MOVE_BYTES] = {0};
    set_u64(body, log);
    body[8] = id;
    assert_int_equal(store_replay_move(r, lsn, view_of(body, sizeof body)), ERR_OK);
}

static struct store_dirs
dirs_of_two(void)
{
    struct store_dirs d = {.count = 2};
    d.dirs[0].online = d.dirs[1].online = true;
    d.dirs[1].id[0] = 1;
    return d;
}

/* Gives a replay one log, by its CREATE record. */
static void
create(struct replay *r, uint64_t id)
{
    uint8_t body[STORE_CREATE_BYTES] = {0};
    set_u64(body, id);
    assert_int_equal(store_replay_record(r, 1, STORE_REC_CREATE, view_of(body, sizeof body)),
                     ERR_OK);
}

static void
the_last_record_that_counts_says_where_a_log_is(void **state)
{
    (void)state;
    struct replay dry = {.dry = true, .dirs = dirs_of_two()};
    create(&dry, 5);
    note(&dry, 10, 5, 1);
    assert_int_equal(store_replay_log(&dry, 5)->log.dir, 1);
    note(&dry, 20, 5, 0);
    note(&dry, 30, 5, 1);
    note(&dry, 15, 6, 1); /* of a log that is gone */
    static const uint64_t cuts[] = {5, 15, 25, 35};
    static const uint8_t dir[] = {0, 1, 0, 1};
    for (int i = 0; i < 4; i++) {
        struct replay r = {.dirs = dirs_of_two()};
        store_replay_log(&dry, 5)->cut_lsn = cuts[i];
        assert_int_equal(store_replay_moves_take(&r, &dry), ERR_OK);
        create(&r, 5);
        assert_int_equal(store_replay_log(&r, 5)->log.dir, dir[i]);
        assert_int_equal(store_replay_log(&r, 5)->log.dir_id[0], dir[i]);
        store_replay_free(&r);
    }
    store_replay_free(&dry);
}

static void
a_record_of_a_wrong_length_is_damage(void **state)
{
    (void)state;
    struct replay r = {.dry = true, .dirs = dirs_of_two()};
    uint8_t body[STORE_MOVE_BYTES + 1] = {0};
    assert_int_equal(store_replay_move(&r, 1, view_of(body, STORE_MOVE_BYTES - 1)), ERR_CORRUPT);
    assert_int_equal(store_replay_move(&r, 1, view_of(body, STORE_MOVE_BYTES + 1)), ERR_CORRUPT);
}

static void
only_files_of_a_log_that_lives_elsewhere_are_copies(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 1);
    disk_mem_dirs(f.disk, two, 2);
    assert_int_equal(fixture_start(&f), ERR_OK);
    struct disk *disk = disk_mem_port(f.disk, 7);
    struct replay r = {.disk = disk, .dirs = dirs_of_two()};
    int rc = ERR_OK;
    create(&r, 5);
    struct plog *p = &store_replay_log(&r, 5)->log;
    char path[PLOG_PATH_BYTES];
    plog_path_dir(p, path);
    assert_true(store_replay_move_copy(&r, disk, 1, path, &rc));
    assert_int_equal(rc, ERR_OK);
    assert_false(store_replay_move_copy(&r, disk, 0, path, &rc)); /* its own */
    assert_false(store_replay_move_copy(&r, disk, 1, "log/any/0", &rc));
    p->dir = PLOG_DIR_NONE; /* perhaps the only ones there are */
    assert_false(store_replay_move_copy(&r, disk, 1, path, &rc));
    p->dir = 0;
    p->damage = PLOG_DAMAGE_MISSING;
    assert_false(store_replay_move_copy(&r, disk, 1, path, &rc));
    p->dead = true;
    assert_true(store_replay_move_copy(&r, disk, 1, path, &rc));
    store_replay_free(&r);
    fixture_end(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_record_that_counts_says_where_a_log_is),
        cmocka_unit_test(a_record_of_a_wrong_length_is_damage),
        cmocka_unit_test(only_files_of_a_log_that_lives_elsewhere_are_copies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
