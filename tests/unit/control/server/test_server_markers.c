/* Markers: when they are sent, how often, and what their results do. */
#include "control/txn/txn.h"
#include "tests/unit/control/server/txns_fixture.h"

static void
markers_go_out_once_the_decision_is_durable(void **state)
{
    (void)state;
    struct coords_fixture *c = txns_active();
    int64_t id = txns_init(c, "a").producer_id;
    assert_int_equal(txns_add(c, 4, "a", id, 0, "t", 2), KERR_NONE);
    assert_int_equal(txns_add(c, 4, "a", id, 0, "t", 0), KERR_NONE);
    c->hold = true;
    txns_end_send(c, 5, "a", id, 0, true);
    coords_turns(c, 20);
    assert_int_equal(c->marker_count, 0);
    c->hold = false;
    coords_turns(c, 1); /* the decision is durable */
    coords_turns(c, 1);
    assert_int_equal(c->marker_count, 2);
    for (uint32_t i = 0; i < 2; i++) {
        assert_string_equal(c->markers[i].topic, "t");
        assert_int_equal(c->markers[i].partition, i == 0 ? 0 : 2);
        assert_int_equal(c->markers[i].producer_id, id);
        assert_int_equal(c->markers[i].producer_epoch, 1);
        assert_int_equal(c->markers[i].version, 2);
        assert_int_equal(c->markers[i].coordinator_epoch, 0);
        assert_true(c->markers[i].commit);
    }
    coords_turns(c, 3);
    assert_string_equal(txns_state(c, "a"), "CompleteCommit");
    coords_free(c);
}

static void
a_marker_that_fails_is_written_again_and_none_twice_at_a_time(void **state)
{
    (void)state;
    struct coords_fixture *c = txns_active();
    int64_t id = txns_init(c, "a").producer_id;
    assert_int_equal(txns_add(c, 3, "a", id, 0, "t", 0), KERR_NONE);
    assert_int_equal(txns_add(c, 3, "a", id, 0, "t", 1), KERR_NONE);
    c->marker_error = KERR_NOT_LEADER_OR_FOLLOWER;
    assert_int_equal(txns_end(c, 3, "a", id, 0, false), KERR_NONE);
    coords_turns(c, 3);
    assert_int_equal(c->marker_count, 2);
    assert_string_equal(txns_state(c, "a"), "PrepareAbort");
    coords_turns(c, TXN_MARKER_RETRY_MS + 1);
    assert_int_equal(c->marker_count, 4);
    c->hold = true; /* the shards are slow: the next attempts stay out, however often it is time */
    coords_turns(c, 5 * TXN_MARKER_RETRY_MS);
    assert_int_equal(c->marker_count, 6);
    c->hold = false;
    coords_turns(c, 1);
    c->marker_error = KERR_NONE;
    coords_turns(c, TXN_MARKER_RETRY_MS + 5);
    assert_int_equal(c->marker_count, 8);
    assert_string_equal(txns_state(c, "a"), "CompleteAbort");
    assert_int_equal(c->markers[7].producer_epoch, 0); /* of older clients it does not change */
    assert_int_equal(c->markers[7].version, 0);
    assert_false(c->markers[7].commit);
    coords_free(c);
}

static void
a_marker_is_not_needed_where_the_topic_is_gone(void **state)
{
    (void)state;
    struct coords_fixture *c = txns_active();
    int64_t id = txns_init(c, "a").producer_id;
    assert_int_equal(txns_add(c, 3, "a", id, 0, "gone", 0), KERR_NONE);
    struct view gone = view_of_text("gone");
    struct wire_delete_topics_request q = {.topic_names = {&gone, 1}, .timeout_ms = 1000};
    struct wire_delete_topics_response a;
    core_fixture_ask(c->f, WIRE_API_DELETE_TOPICS, 5, &q, &a);
    assert_int_equal(a.responses.items[0].error_code, KERR_NONE);
    assert_int_equal(txns_end(c, 3, "a", id, 0, true), KERR_NONE);
    coords_turns(c, 3);
    assert_int_equal(c->marker_count, 0);
    assert_string_equal(txns_state(c, "a"), "CompleteCommit");
    coords_free(c);
}

static void
the_dataplane_is_restarted_and_no_marker_is_left_behind(void **state)
{
    (void)state;
    struct coords_fixture *c = txns_active();
    int64_t id = txns_init(c, "a").producer_id;
    assert_int_equal(txns_add(c, 3, "a", id, 0, "t", 0), KERR_NONE);
    txns_end_send(c, 3, "a", id, 0, true);
    coords_turns(c, 1);
    c->hold = true;
    coords_turns(c, 2);
    assert_int_equal(c->marker_count, 1); /* out, when everything begins anew */
    server_coords_restarted(c->coords);
    c->held_count = 0;
    c->hold = false;
    coords_connect(c); /* ends the calls */
    coords_turns(c, 240);
    /* The logs of this fixture are empty when they are read again. */
    assert_string_equal(txns_state(c, "a"), "TRANSACTIONAL_ID_NOT_FOUND");
    id = txns_init(c, "a").producer_id;
    assert_int_equal(txns_add(c, 3, "a", id, 0, "t", 0), KERR_NONE);
    assert_int_equal(txns_end(c, 3, "a", id, 0, true), KERR_NONE);
    coords_turns(c, 3);
    assert_string_equal(txns_state(c, "a"), "CompleteCommit");
    coords_free(c);
}

static void
a_coordinator_of_groups_that_is_being_loaded_hears_of_the_marker_later(void **state)
{
    (void)state;
    struct coords_fixture *c = txns_active();
    int64_t id = txns_init(c, "a").producer_id;
    assert_int_equal(txns_offsets(c, 5, "a", id, 0, 7), KERR_NONE);
    txns_end_send(c, 5, "a", id, 0, true);
    coords_turns(c, 1); /* decided */
    uint32_t answers = c->answer_count;
    coords_commit(c, answers, "g", "t", 3);
    c->append_error = KERR_KAFKA_STORAGE_ERROR;
    coords_turns(c, 1); /* it fails in front of the marker */
    c->append_error = KERR_NONE;
    assert_int_equal(c->marker_count, 1);
    assert_string_equal(txns_state(c, "a"), "PrepareCommit");
    coords_turns(c, 2 * SERVER_COORD_PAUSE_MS + 20);
    assert_string_equal(txns_state(c, "a"), "CompleteCommit");
    assert_int_equal(c->marker_count, 1);
    coords_free(c);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(markers_go_out_once_the_decision_is_durable),
        cmocka_unit_test(a_marker_that_fails_is_written_again_and_none_twice_at_a_time),
        cmocka_unit_test(a_marker_is_not_needed_where_the_topic_is_gone),
        cmocka_unit_test(the_dataplane_is_restarted_and_no_marker_is_left_behind),
        cmocka_unit_test(a_coordinator_of_groups_that_is_being_loaded_hears_of_the_marker_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
