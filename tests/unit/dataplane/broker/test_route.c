#include "tests/unit/dataplane/broker/harness.h"

/* One route of shard `shard` over tables that the test writes itself. */
struct world {
    struct harness *h;
    struct route *route;
    struct store *store;
};

static void
world_open(struct world *w)
{
    w->h = harness_new(2, NULL);
    w->store = fake_store_new(0, 2);
    assert_int_equal(route_init(&w->h->region, 0, 2, &w->route), ERR_OK);
}

static void
world_close(struct world *w)
{
    route_free(w->route);
    fake_store_free(w->store);
    harness_free(w->h);
}

static void
topic_live(struct world *w, uint32_t row, const char *name, uint32_t partitions)
{
    harness_topic_write(w->h, row, name, partitions, &harness_topic_config);
    assert_int_equal(route_refresh_all(w->route, w->store), ERR_OK);
}

static void
want_set(struct world *w, uint32_t slot, uint32_t state, uint32_t version)
{
    struct table_want_fact f;
    assert_int_equal(table_want_read(&region_want(&w->h->region)[slot], &f), ERR_OK);
    f.state = state;
    f.version = version;
    table_want_write(&region_want(&w->h->region)[slot], &f);
}

static struct table_have_fact
have(struct world *w, uint32_t slot)
{
    struct table_have_fact f;
    assert_int_equal(table_have_read(&region_have(&w->h->region)[slot], &f), ERR_OK);
    return f;
}

static uint32_t
changes_taken(struct world *w)
{
    uint32_t n = 0;
    while (route_take_changed(w->route))
        n++;
    return n;
}

static void
topics_are_found_by_name_by_id_and_by_row(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    char name[32];
    for (uint32_t row = 0; row < 16; row++) {
        snprintf(name, sizeof name, "topic-%u", row);
        topic_live(&w, row, name, 1);
    }
    for (uint32_t row = 0; row < 16; row++) {
        uint8_t id[16];
        snprintf(name, sizeof name, "topic-%u", row);
        harness_topic_id(id, row);
        struct route_topic *t = route_by_row(w.route, row);
        assert_non_null(t);
        assert_ptr_equal(route_by_name(w.route, view_of_text(name)), t);
        assert_ptr_equal(route_by_id(w.route, id), t);
    }
    assert_int_equal(route_rows(w.route), 16);
    assert_null(route_by_name(w.route, view_of_text("topic-16")));
    assert_null(route_by_name(w.route, view_of_text("")));
    assert_null(route_by_row(w.route, 16));
    assert_null(route_by_row(w.route, UINT32_MAX));
    world_close(&w);
}

static void
own_partitions_are_opened_and_reported_others_only_known(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    topic_live(&w, 0, "a", 2);
    struct route_topic *t = route_by_row(w.route, 0);
    assert_non_null(route_part(t, 0)->log);
    assert_int_equal(route_part(t, 0)->owner, 0);
    assert_null(route_part(t, 1)->log);
    assert_int_equal(route_part(t, 1)->owner, 1);
    assert_int_equal(route_part(t, 1)->leader_epoch, 5);
    assert_null(route_part(t, 2));
    assert_null(route_part(t, -1));
    assert_null(route_part(t, INT32_MAX));
    assert_int_equal(have(&w, 0).state, TABLE_OPEN);
    assert_int_equal(have(&w, 0).version, 1);
    assert_int_equal(have(&w, 1).state, TABLE_ABSENT); /* shard 1 writes that row */
    assert_int_equal(changes_taken(&w), 1);
    world_close(&w);
}

static void
a_deleting_row_deletes_the_log_and_says_gone(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    topic_live(&w, 0, "a", 1);
    (void)changes_taken(&w);
    want_set(&w, 0, TABLE_DELETING, 2);
    assert_int_equal(route_refresh_want(w.route, w.store, 0), ERR_OK);
    uint8_t id[16];
    harness_topic_id(id, 0);
    assert_null(store_find(w.store, id, 0));
    assert_null(route_part(route_by_row(w.route, 0), 0));
    assert_int_equal(have(&w, 0).state, TABLE_GONE);
    assert_int_equal(have(&w, 0).version, 2);
    assert_int_equal(changes_taken(&w), 1);
    assert_int_equal(route_refresh_want(w.route, w.store, 0), ERR_OK);
    assert_int_equal(changes_taken(&w), 0); /* said once */
    world_close(&w);
}

static void
a_deleting_row_deletes_what_was_only_recovered(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    uint8_t id[16];
    struct plog_config config = {0};
    struct plog *log;
    harness_topic_id(id, 0);
    assert_int_equal(store_create(w.store, id, 0, &config, &log), ERR_OK);
    harness_topic_write(w.h, 0, "a", 1, &harness_topic_config);
    want_set(&w, 0, TABLE_DELETING, 3);
    assert_int_equal(route_refresh_all(w.route, w.store), ERR_OK);
    assert_null(store_find(w.store, id, 0));
    assert_int_equal(have(&w, 0).state, TABLE_GONE);
    world_close(&w);
}

static void
a_row_that_is_only_freed_leaves_the_log_alone(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    topic_live(&w, 0, "a", 1);
    uint8_t id[16];
    harness_topic_id(id, 0);
    struct plog *log = store_find(w.store, id, 0);
    want_set(&w, 0, TABLE_FREE, 2);
    assert_int_equal(route_refresh_all(w.route, w.store), ERR_OK);
    assert_null(route_part(route_by_row(w.route, 0), 0));
    assert_ptr_equal(store_find(w.store, id, 0), log);
    assert_int_equal(route_unnamed(w.route, w.store), 1);
    want_set(&w, 0, TABLE_LIVE, 3);
    assert_int_equal(route_refresh_all(w.route, w.store), ERR_OK);
    assert_ptr_equal(route_part(route_by_row(w.route, 0), 0)->log, log);
    assert_int_equal(route_unnamed(w.route, w.store), 0);
    world_close(&w);
}

static void
a_topic_row_that_another_topic_takes_over_forgets_the_first(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    topic_live(&w, 0, "first", 1);
    struct table_topic_fact f;
    assert_int_equal(table_topic_read(&region_topics(&w.h->region)[0], &f), ERR_OK);
    f.id[5] = 0x77;
    f.version++;
    f.name_bytes = 6;
    memcpy(f.name, "second", 6);
    table_topic_write(&region_topics(&w.h->region)[0], &f);
    assert_int_equal(route_refresh_topic(w.route, w.store, 0), ERR_OK);
    uint8_t id[16];
    harness_topic_id(id, 0);
    assert_null(route_by_name(w.route, view_of_text("first")));
    assert_null(route_by_id(w.route, id));
    struct route_topic *t = route_by_name(w.route, view_of_text("second"));
    assert_non_null(t);
    assert_ptr_equal(route_by_id(w.route, f.id), t);
    assert_null(route_part(t, 0)); /* the old partition is not the new topic's */
    assert_non_null(store_find(w.store, id, 0));
    world_close(&w);
}

static void
a_partition_whose_topic_is_not_written_yet_is_tried_again(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    struct table_want_fact f = {.state = TABLE_LIVE, .version = 1, .topic = 2, .leader_id = 1};
    harness_topic_id(f.topic_id, 2);
    table_want_write(&region_want(&w.h->region)[9], &f);
    assert_int_equal(route_refresh_want(w.route, w.store, 9), ERR_AGAIN);
    assert_int_equal(route_refresh_all(w.route, w.store), ERR_AGAIN);
    w.h->slots = 9;
    topic_live(&w, 2, "late", 1);
    assert_non_null(route_part(route_by_row(w.route, 2), 0)->log);
    world_close(&w);
}

static void
a_torn_row_is_tried_again(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    harness_topic_write(w.h, 0, "a", 1, &harness_topic_config);
    atomic_fetch_add(&region_topics(&w.h->region)[0].seq, 1); /* its writer died inside */
    assert_int_equal(route_refresh_topic(w.route, w.store, 0), ERR_AGAIN);
    assert_int_equal(route_refresh_all(w.route, w.store), ERR_AGAIN);
    topic_live(&w, 0, "a", 1);
    assert_non_null(route_by_name(w.route, view_of_text("a")));
    world_close(&w);
}

static void
a_new_configuration_reaches_the_open_logs(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    topic_live(&w, 0, "a", 1);
    struct table_topic_fact f;
    assert_int_equal(table_topic_read(&region_topics(&w.h->region)[0], &f), ERR_OK);
    f.version++;
    f.config.segment_bytes = 4711;
    f.config.log_append_time = 1;
    table_topic_write(&region_topics(&w.h->region)[0], &f);
    assert_int_equal(route_refresh_topic(w.route, w.store, 0), ERR_OK);
    struct route_part *p = route_part(route_by_row(w.route, 0), 0);
    assert_int_equal(p->log->config.segment_bytes, 4711);
    assert_true(p->log->config.log_append_time);
    world_close(&w);
}

static void
a_log_that_cannot_be_opened_is_reported_as_failed(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    struct plog_config config = {0};
    for (uint32_t i = 0; i < FAKE_STORE_LOGS; i++) {
        uint8_t id[16] = {0xff, (uint8_t)i};
        struct plog *log;
        assert_int_equal(store_create(w.store, id, 0, &config, &log), ERR_OK);
    }
    topic_live(&w, 0, "a", 1);
    assert_null(route_part(route_by_row(w.route, 0), 0)->log);
    assert_int_equal(have(&w, 0).state, TABLE_FAILED);
    world_close(&w);
}

static void
a_log_that_the_store_has_no_room_for_just_now_is_opened_later(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    w.store->create_error = ERR_AGAIN;
    harness_topic_write(w.h, 0, "a", 1, &harness_topic_config);
    assert_int_equal(route_refresh_all(w.route, w.store), ERR_AGAIN);
    assert_int_equal(have(&w, 0).version, 0); /* control still waits for it */
    assert_int_equal(route_refresh_all(w.route, w.store), ERR_AGAIN);
    w.store->create_error = ERR_OK;
    assert_int_equal(route_refresh_all(w.route, w.store), ERR_OK);
    struct plog *log = route_part(route_by_row(w.route, 0), 0)->log;
    assert_non_null(log);
    assert_int_equal(have(&w, 0).state, TABLE_OPEN);
    assert_int_equal(changes_taken(&w), 1);
    /* A new configuration that must wait leaves the log in use. */
    struct table_topic_config config = harness_topic_config;
    config.segment_bytes = 12345;
    w.store->create_error = ERR_AGAIN;
    struct table_topic_fact t;
    assert_int_equal(table_topic_read(&region_topics(&w.h->region)[0], &t), ERR_OK);
    t.config = config;
    t.version++;
    table_topic_write(&region_topics(&w.h->region)[0], &t);
    assert_int_equal(route_refresh_all(w.route, w.store), ERR_AGAIN);
    assert_ptr_equal(route_part(route_by_row(w.route, 0), 0)->log, log);
    w.store->create_error = ERR_OK;
    assert_int_equal(route_refresh_all(w.route, w.store), ERR_OK);
    assert_int_equal(log->config.segment_bytes, 12345);
    world_close(&w);
}

static void
rows_outside_the_tables_are_refused(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    assert_int_equal(route_refresh_topic(w.route, w.store, 16), ERR_INVALID);
    assert_int_equal(route_refresh_want(w.route, w.store, HARNESS_SLOTS), ERR_INVALID);
    struct table_want_fact f = {.state = TABLE_LIVE, .version = 1, .topic = 16};
    table_want_write(&region_want(&w.h->region)[0], &f);
    assert_int_equal(route_refresh_want(w.route, w.store, 0), ERR_INVALID);
    f.topic = 0;
    f.partition = ROUTE_PARTITIONS_PER_TOPIC_MAX;
    table_want_write(&region_want(&w.h->region)[0], &f);
    assert_int_equal(route_refresh_want(w.route, w.store, 0), ERR_INVALID);
    world_close(&w);
}

static void
offsets_that_moved_reach_the_have_row_with_the_next_report(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    topic_live(&w, 0, "a", 1);
    struct route_part *p = route_part(route_by_row(w.route, 0), 0);
    assert_false(route_stale(w.route));
    p->log->end = 9;
    p->log->durable = 7;
    route_mark_stale(w.route, p);
    route_mark_stale(w.route, p); /* once is enough */
    assert_true(route_stale(w.route));
    assert_int_equal(have(&w, 0).high_watermark, 0);
    assert_true(route_report_stale(w.route, 0));
    assert_false(route_report_stale(w.route, 1));
    assert_int_equal(have(&w, 0).high_watermark, 7);
    assert_int_equal(have(&w, 0).log_end_offset, 9);
    assert_int_equal(have(&w, 0).version, 1);
    world_close(&w);
}

static void
a_partition_that_went_before_the_report_stays_gone(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    topic_live(&w, 0, "a", 1);
    route_mark_stale(w.route, route_part(route_by_row(w.route, 0), 0));
    want_set(&w, 0, TABLE_DELETING, 2);
    assert_int_equal(route_refresh_want(w.route, w.store, 0), ERR_OK);
    assert_false(route_report_stale(w.route, 10));
    assert_int_equal(have(&w, 0).state, TABLE_GONE);
    world_close(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offsets_that_moved_reach_the_have_row_with_the_next_report),
        cmocka_unit_test(a_partition_that_went_before_the_report_stays_gone),
        cmocka_unit_test(topics_are_found_by_name_by_id_and_by_row),
        cmocka_unit_test(own_partitions_are_opened_and_reported_others_only_known),
        cmocka_unit_test(a_deleting_row_deletes_the_log_and_says_gone),
        cmocka_unit_test(a_deleting_row_deletes_what_was_only_recovered),
        cmocka_unit_test(a_row_that_is_only_freed_leaves_the_log_alone),
        cmocka_unit_test(a_topic_row_that_another_topic_takes_over_forgets_the_first),
        cmocka_unit_test(a_partition_whose_topic_is_not_written_yet_is_tried_again),
        cmocka_unit_test(a_torn_row_is_tried_again),
        cmocka_unit_test(a_new_configuration_reaches_the_open_logs),
        cmocka_unit_test(a_log_that_cannot_be_opened_is_reported_as_failed),
        cmocka_unit_test(a_log_that_the_store_has_no_room_for_just_now_is_opened_later),
        cmocka_unit_test(rows_outside_the_tables_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
