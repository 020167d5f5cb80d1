/* Life of a coordinator's partition. */
#include "tests/unit/control/server/coord_fixture.h"

static void
nothing_is_asked_before_every_shard_knows_this_control(void **state)
{
    (void)state;
    struct fixture *f = setup();
    turns(f, 5);
    assert_false(server_coord_active(f->coord, PARTITION));
    connect(f);
    turns(f, 5);
    ask(f, 2, "?a");
    expect(f, 0, 2, KERR_NONE, 0);
    teardown(f);
}

static void
what_comes_early_is_carried_out_in_order_once_its_partition_is_served(void **state)
{
    (void)state;
    struct fixture *f = setup();
    ask(f, 1, "+a");
    ask(f, 2, "+a");
    turns(f, 5);
    assert_int_equal(f->answer_count, 0);
    connect(f);
    turns(f, 10);
    expect(f, 0, 1, KERR_NONE, 1);
    expect(f, 1, 2, KERR_NONE, 2);
    teardown(f);
}

static void
what_comes_too_early_is_refused(void **state)
{
    (void)state;
    struct fixture *f = setup();
    ask(f, 1, "+a");
    assert_true(server_coord_step(f->coord, f->now_ms) == f->now_ms + SERVER_COORD_EARLY_MS);
    turns(f, SERVER_COORD_EARLY_MS - 1);
    assert_int_equal(f->answer_count, 0);
    turns(f, 1);
    expect(f, 0, 1, KERR_COORDINATOR_LOAD_IN_PROGRESS, -1);
    ask(f, 2, "+a");
    server_coord_restart(f->coord, "of the test");
    expect(f, 1, 2, KERR_NOT_COORDINATOR, -1);
    ask(f, 3, "+a"); /* and nobody is left to be told */
    teardown(f);
}

static void
a_partition_that_is_not_open_is_looked_at_again(void **state)
{
    (void)state;
    struct fixture *f = setup();
    f->home = ERR_AGAIN;
    connect(f);
    turns(f, 3);
    assert_false(server_coord_active(f->coord, PARTITION));
    f->home = ERR_OK;
    turns(f, SERVER_COORD_PAUSE_MS + 5);
    assert_true(server_coord_active(f->coord, PARTITION));
    teardown(f);
}

static void
a_failed_append_refuses_what_waits_and_loads_anew(void **state)
{
    (void)state;
    struct fixture *f = setup_active();
    ask(f, 1, "+a");
    turns(f, 2);
    f->produce_error = KERR_KAFKA_STORAGE_ERROR;
    ask(f, 2, "+a");
    ask(f, 3, "~a");
    turns(f, 2);
    expect(f, 1, 2, KERR_NOT_COORDINATOR, -1);
    expect(f, 2, 3, KERR_NOT_COORDINATOR, -1);
    ask(f, 4, "?a");
    assert_int_equal(f->answer_count, 3);
    f->produce_error = 0;
    turns(f, SERVER_COORD_PAUSE_MS + 5);
    expect(f, 3, 4, KERR_NONE, 1); /* the append that failed is not there */
    teardown(f);
}

static void
a_restarted_dataplane_ends_what_waits_and_is_read_anew(void **state)
{
    (void)state;
    struct fixture *f = setup_active();
    f->hold = true;
    ask(f, 1, "+a");
    turns(f, 2); /* in the log, but nobody has heard so */
    f->held_count = 0;
    f->hold = false;
    server_inner_restarted(&f->inner, ++f->r.data_generation);
    expect(f, 0, 1, KERR_NOT_COORDINATOR, -1);
    turns(f, SERVER_COORD_PAUSE_MS + 5);
    assert_false(server_coord_active(f->coord, PARTITION)); /* no connection yet */
    connect(f);
    turns(f, SERVER_COORD_PAUSE_MS + 5);
    ask(f, 2, "?a");
    expect(f, 1, 2, KERR_NONE, 1);
    teardown(f);
}

static void
a_tick_answers_what_waited(void **state)
{
    (void)state;
    struct fixture *f = setup_active();
    ask(f, 1, "~a");
    turns(f, 5);
    assert_int_equal(f->answer_count, 0);
    turns(f, 8);
    expect(f, 0, 1, KERR_NONE, 77);
    assert_int_equal(f->log_end, 1);
    teardown(f);
}

static void
without_a_connection_nothing_is_due(void **state)
{
    (void)state;
    struct fixture *f = setup();
    assert_true(server_coord_step(f->coord, f->now_ms) == INT64_MAX); /* a reply wakes the loop */
    connect(f);
    assert_true(server_coord_step(f->coord, f->now_ms) < INT64_MAX);
    teardown(f);
}

static void
a_partition_that_is_not_there_is_refused(void **state)
{
    (void)state;
    struct fixture *f = setup_active();
    server_coord_partitions(f->coord, 0);
    ask(f, 1, "?a");
    expect(f, 0, 1, KERR_NOT_COORDINATOR, -1);
    teardown(f);
}

static void
count_up(void *machine, struct coord_step *step, void *arg)
{
    toy_put(machine, step, *(uint8_t *)arg);
}

static void
an_event_is_a_step_of_each_partition_that_is_served(void **state)
{
    (void)state;
    struct fixture *f = setup_active();
    uint8_t key = 'e';
    server_coord_tell(f->coord, count_up, &key, f->now_ms);
    turns(f, 3);
    assert_int_equal(f->log_end, 1);
    ask(f, 1, "?e");
    expect(f, 0, 1, KERR_NONE, 1);
    teardown(f);
}

static void
an_event_for_one_partition_is_a_step_of_it(void **state)
{
    (void)state;
    struct fixture *f = setup();
    uint8_t key = 'e';
    server_coord_visit(f->coord, PARTITION, count_up, &key, f->now_ms); /* not served yet */
    teardown(f);
    f = setup_active();
    server_coord_visit(f->coord, PARTITION, count_up, &key, f->now_ms);
    server_coord_visit(f->coord, PARTITION + 1, count_up, &key, f->now_ms);
    assert_int_equal(last_toy->counts['e'], 1);
    teardown(f);
}

static void
a_mark_is_reached_once_all_before_it_is_durable(void **state)
{
    (void)state;
    struct fixture *f = setup_active();
    struct server_coord_mark mark;
    f->hold = true;
    ask(f, 1, "+a");
    server_coord_mark(f->coord, PARTITION, &mark);
    assert_false(server_coord_flushed(f->coord, PARTITION));
    turns(f, 2);
    assert_true(server_coord_flushed(f->coord, PARTITION));
    assert_int_equal(server_coord_reached(f->coord, PARTITION, &mark), ERR_AGAIN);
    f->hold = false;
    turns(f, 1);
    assert_int_equal(server_coord_reached(f->coord, PARTITION, &mark), ERR_OK);
    server_coord_restart(f->coord, "test");
    assert_int_equal(server_coord_reached(f->coord, PARTITION, &mark), ERR_NOT_FOUND);
    assert_false(server_coord_flushed(f->coord, PARTITION));
    teardown(f);
}

static void
a_restart_reads_the_log_anew(void **state)
{
    (void)state;
    struct fixture *f = setup_active();
    ask(f, 1, "+a");
    turns(f, 3);
    ask(f, 2, "~a");
    server_coord_restart(f->coord, "a test");
    expect(f, 1, 2, KERR_NOT_COORDINATOR, -1);
    turns(f, SERVER_COORD_PAUSE_MS + 5);
    ask(f, 3, "?a");
    expect(f, 2, 3, KERR_NONE, 1);
    teardown(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_asked_before_every_shard_knows_this_control),
        cmocka_unit_test(what_comes_early_is_carried_out_in_order_once_its_partition_is_served),
        cmocka_unit_test(what_comes_too_early_is_refused),
        cmocka_unit_test(a_partition_that_is_not_open_is_looked_at_again),
        cmocka_unit_test(a_failed_append_refuses_what_waits_and_loads_anew),
        cmocka_unit_test(a_restarted_dataplane_ends_what_waits_and_is_read_anew),
        cmocka_unit_test(without_a_connection_nothing_is_due),
        cmocka_unit_test(a_partition_that_is_not_there_is_refused),
        cmocka_unit_test(an_event_is_a_step_of_each_partition_that_is_served),
        cmocka_unit_test(an_event_for_one_partition_is_a_step_of_it),
        cmocka_unit_test(a_mark_is_reached_once_all_before_it_is_durable),
        cmocka_unit_test(a_restart_reads_the_log_anew),
        cmocka_unit_test(a_tick_answers_what_waited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
