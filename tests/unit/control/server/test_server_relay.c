/* Markers of an administrator: when they are sent, and that groups hear of them. */
#include "control/server/server_relay.h"
#include "core/base/javahash.h"
#include "tests/unit/control/server/txns_fixture.h"

enum { VERSION = 1 };

/* WriteTxnMarkers for the partition of group "g"; its answer is not waited for. */
static void
relay_send(struct coords_fixture *c, uint64_t token, int64_t producer_id, int16_t epoch,
           bool commit)
{
    int32_t partition = javahash_partition(view_of_text("g"), COORDS_PARTITIONS);
    struct wire_write_txn_markers_request_writable_txn_marker_topic t = {
        .name = view_of_text("__consumer_offsets"), .partition_indexes = {&partition, 1}};
    struct wire_write_txn_markers_request_writable_txn_marker m = {.producer_id = producer_id,
                                                                   .producer_epoch = epoch,
                                                                   .coordinator_epoch = 0,
                                                                   .transaction_result = commit,
                                                                   .topics = {&t, 1}};
    struct wire_write_txn_markers_request q = {.markers = {&m, 1}};
    assert_int_equal(coords_send(c, token, WIRE_API_WRITE_TXN_MARKERS, VERSION, &q), ERR_OK);
}

static int16_t
relay_error(struct coords_fixture *c)
{
    struct wire_write_txn_markers_response a;
    txns_last(c, WIRE_API_WRITE_TXN_MARKERS, VERSION, &a);
    assert_int_equal(a.markers.count, 1);
    assert_view(a.markers.items[0].topics.items[0].name, "__consumer_offsets");
    return a.markers.items[0].topics.items[0].partitions.items[0].error_code;
}

/* Offsets of producer "a" that hang: nobody ends their transaction. */
static struct coords_fixture *
hanging(int64_t *id)
{
    struct coords_fixture *c = txns_active();
    *id = txns_init(c, "a").producer_id;
    assert_int_equal(txns_offsets(c, 5, "a", *id, 0, 7), KERR_NONE);
    assert_int_equal(txns_committed(c), -1);
    return c;
}

static void
a_group_hears_of_a_marker_that_an_administrator_writes(void **state)
{
    (void)state;
    for (uint32_t commit = 0; commit < 2; commit++) {
        int64_t id;
        struct coords_fixture *c = hanging(&id);
        uint32_t answers = c->answer_count;
        relay_send(c, answers, id, 0, commit);
        coords_turns(c, 2);
        assert_int_equal(c->answer_count, answers + 1);
        assert_int_equal(relay_error(c), KERR_NONE);
        assert_int_equal(c->marker_count, 1);
        assert_string_equal(c->markers[0].topic, "__consumer_offsets");
        assert_int_equal(c->markers[0].commit, commit);
        assert_int_equal(txns_committed(c), commit ? 7 : -1);
        coords_free(c);
    }
}

static void
a_marker_that_the_log_refuses_changes_no_group(void **state)
{
    (void)state;
    int64_t id;
    struct coords_fixture *c = hanging(&id);
    c->marker_error = KERR_TRANSACTION_COORDINATOR_FENCED;
    relay_send(c, c->answer_count, id, 0, true);
    coords_turns(c, 2);
    assert_int_equal(relay_error(c), KERR_TRANSACTION_COORDINATOR_FENCED);
    assert_int_equal(txns_committed(c), -1);
    coords_free(c);
}

static void
a_marker_goes_behind_the_offsets_that_were_gathered(void **state)
{
    (void)state;
    int64_t id;
    struct coords_fixture *c = hanging(&id);
    uint32_t appends = c->appends;
    c->hold = true;
    for (uint32_t i = 0; i <= SERVER_COORD_FLIGHT_MAX; i++) { /* one more than may be on its way */
        coords_commit(c, 900 + i, "g", "t", i);
        coords_turns(c, 1);
    }
    assert_int_equal(c->appends - appends, SERVER_COORD_FLIGHT_MAX);
    relay_send(c, 800, id, 0, false);
    coords_turns(c, 3);
    assert_int_equal(c->marker_count, 0);
    c->hold = false;
    coords_turns(c, 10);
    assert_int_equal(c->appends - appends, SERVER_COORD_FLIGHT_MAX + 1);
    assert_int_equal(c->marker_count, 1);
    coords_free(c);
}

static void
nobody_waits_for_ever_for_a_coordinator(void **state)
{
    (void)state;
    int64_t id;
    struct coords_fixture *c = hanging(&id);
    c->append_error = KERR_KAFKA_STORAGE_ERROR;
    coords_commit(c, 900, "g", "t", 3);
    c->hold = true; /* it fails, and loading it is not answered either */
    coords_turns(c, 1);
    c->hold = false;
    coords_turns(c, 1);
    c->hold = true;
    relay_send(c, 901, id, 0, false);
    coords_turns(c, 50);
    assert_int_equal(c->marker_count, 0);
    c->now_ms += SERVER_RELAY_WAIT_MS;
    coords_turns(c, 1);
    assert_int_equal(c->marker_count, 1); /* the shards may say why */
    coords_free(c);
}

static void
the_dataplane_goes_and_so_does_the_connection_that_asked(void **state)
{
    (void)state;
    int64_t id;
    struct coords_fixture *c = hanging(&id);
    uint32_t answers = c->answer_count;
    c->hold = true;
    relay_send(c, answers, id, 0, true);
    coords_turns(c, 2);
    c->held_count = 0;
    coords_connect(c); /* ends the calls */
    assert_int_equal(c->answer_count, answers + 1);
    assert_null(c->answers[answers].bytes);
    coords_free(c);
}

static void
what_is_malformed_is_refused(void **state)
{
    (void)state;
    struct coords_fixture *c = txns_active();
    static const uint8_t request[] = {
        0, WIRE_API_WRITE_TXN_MARKERS, 0, VERSION, 0, 0, 0, 1, 0xff, 0xff, 0, 9};
    struct msg_request head = {0};
    assert_int_equal(server_coords_request(c->coords, 0, &head, view_of(request, sizeof request),
                                           &c->f->arena, c->now_ms),
                     ERR_CORRUPT);
    coords_turns(c, 1);
    coords_free(c);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_group_hears_of_a_marker_that_an_administrator_writes),
        cmocka_unit_test(a_marker_that_the_log_refuses_changes_no_group),
        cmocka_unit_test(a_marker_goes_behind_the_offsets_that_were_gathered),
        cmocka_unit_test(nobody_waits_for_ever_for_a_coordinator),
        cmocka_unit_test(the_dataplane_goes_and_so_does_the_connection_that_asked),
        cmocka_unit_test(what_is_malformed_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
