#include "tests/unit/dataplane/broker/harness.h"

static struct harness *
client(void)
{
    struct harness *h = harness_new(1, NULL);
    fake_stream_open(&h->streams[0], 0);
    harness_turn(h);
    return h;
}

static void
expect_closed(struct harness *h, enum counter why)
{
    harness_turns(h, 3);
    assert_int_equal(h->shards[0].conn_count, 0);
    assert_int_equal(harness_counter(h, 0, why), 1);
    assert_int_equal(buddy_used(h->shards[0].memory), 0);
}

static void
an_unknown_api_closes_the_connection(void **state)
{
    (void)state;
    int16_t keys[] = {-1, 4, 127, 128, INT16_MAX, INT16_MIN};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        struct harness *h = client();
        harness_request_raw(h, 0, 0, keys[i], 0, 1, false, view_of("", 0));
        expect_closed(h, DROP_REQUEST_API);
        harness_free(h);
    }
}

static void
an_api_that_is_not_offered_closes_the_connection(void **state)
{
    (void)state;
    struct harness *h = client();
    assert_non_null(wire_api_find(WIRE_API_SHARE_FETCH));
    harness_request_raw(h, 0, 0, WIRE_API_SHARE_FETCH, 1, 1, true, view_of("", 0));
    expect_closed(h, DROP_REQUEST_API);
    harness_free(h);
}

static void
a_version_out_of_range_closes_the_connection(void **state)
{
    (void)state;
    int16_t versions[] = {-1, 0, 2, 14, INT16_MAX};
    for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++) {
        struct harness *h = client();
        harness_request_raw(h, 0, 0, WIRE_API_PRODUCE, versions[i], 1, false, view_of("", 0));
        expect_closed(h, DROP_REQUEST_VERSION);
        harness_free(h);
    }
}

static void
a_header_that_cannot_be_read_closes_the_connection(void **state)
{
    (void)state;
    struct harness *h = client();
    /* A client id of 100 bytes in a request of 10. */
    fake_stream_feed(&h->streams[0], 0, "\0\0\0\x0a\0\x12\0\0\0\0\0\1\0\x64", 14);
    expect_closed(h, DROP_REQUEST_HEADER);
    harness_free(h);
}

static void
a_body_that_cannot_be_read_closes_the_connection(void **state)
{
    (void)state;
    struct harness *h = client();
    harness_request_raw(h, 0, 0, WIRE_API_API_VERSIONS, 3, 1, true, view_of("\xff", 1));
    expect_closed(h, DROP_REQUEST_BODY);
    harness_free(h);
}

static void
requests_before_a_bad_one_do_not_leak(void **state)
{
    (void)state;
    struct harness *h = client();
    harness_topic(h, 0, "0rders", 1);
    h->stores[0]->disk_late = true;
    harness_produce(h, 0, 12, 1, 1, "0rders", 0, harness_batch(1));
    harness_request_raw(h, 0, 0, 127, 0, 2, false, view_of("", 0));
    harness_turns(h, 3);
    assert_int_equal(h->shards[0].conn_count, 0);
    h->stores[0]->disk_late = false; /* the append ends after its connection */
    harness_turns(h, 2);
    for (int i = 0; i < 2; i++)
        assert_int_equal(h->shards[0].waits[i].head, h->shards[0].waits[i].tail);
    assert_int_equal(buddy_used(h->shards[0].memory), 0);
    harness_free(h);
}

static void
the_table_is_in_order_and_of_apis_that_exist(void **state)
{
    (void)state;
    uint32_t count;
    const struct req_handler *rows = req_handlers(&count);
    for (uint32_t i = 0; i < count; i++) {
        assert_true(i == 0 || rows[i - 1].key < rows[i].key);
        assert_non_null(wire_api_find(rows[i].key));
        assert_ptr_equal(req_handler(rows[i].key), &rows[i]);
    }
    assert_null(req_handler(-1));
}

static void
a_place_in_the_pool_is_never_the_same_request_twice(void **state)
{
    (void)state;
    struct harness *h = client();
    struct shard *s = &h->shards[0];
    struct req *a = req_take(s);
    uint32_t generation = a->generation;
    req_give(s, a);
    struct req *b = req_take(s);
    assert_ptr_equal(a, b);
    assert_int_equal(b->generation, generation + 1);
    req_give(s, b);
    harness_free(h);
}

static void
the_pool_is_bounded(void **state)
{
    (void)state;
    struct harness *h = client();
    struct shard *s = &h->shards[0];
    uint32_t n = 0;
    while (req_take(s))
        n++;
    assert_int_equal(n, s->req_count);
    harness_free(h);
}

static void
an_orphan_stays_until_its_last_piece_is_back(void **state)
{
    (void)state;
    struct harness *h = client();
    struct shard *s = &h->shards[0];
    struct conn *c = &s->conns[0];
    struct req *r = req_take(s);
    r->api = wire_api_find(WIRE_API_PRODUCE);
    r->conn = c;
    list_push_back(&c->requests, &r->link);
    c->request_count++;
    r->pending = 2;
    req_orphan(s, r);
    assert_int_equal(c->request_count, 0);
    assert_true(req_piece_back(s, r));
    assert_false(req_piece_back(s, r));
    assert_ptr_equal(req_take(s), r); /* it is in the pool again */
    harness_free(h);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_unknown_api_closes_the_connection),
        cmocka_unit_test(an_api_that_is_not_offered_closes_the_connection),
        cmocka_unit_test(a_version_out_of_range_closes_the_connection),
        cmocka_unit_test(a_header_that_cannot_be_read_closes_the_connection),
        cmocka_unit_test(a_body_that_cannot_be_read_closes_the_connection),
        cmocka_unit_test(requests_before_a_bad_one_do_not_leak),
        cmocka_unit_test(the_table_is_in_order_and_of_apis_that_exist),
        cmocka_unit_test(a_place_in_the_pool_is_never_the_same_request_twice),
        cmocka_unit_test(the_pool_is_bounded),
        cmocka_unit_test(an_orphan_stays_until_its_last_piece_is_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
