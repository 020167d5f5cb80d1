/* test_tcp_stream.c: the life of a stream over our TCP: it opens, it ends in each way. */
#include "tests/unit/dataplane/tcp/tcp_pair.h"

static void
a_connection_is_told_with_its_peer_and_listener(void **state)
{
    struct tcp_stream_config c = pair_stream_config();
    struct pair *p = pair_of(&c);
    pair_connect(p, 40123, &p->id);
    const struct stream_event *e = pair_event(p, STREAM_OPENED);
    assert_int_equal(e->peer.port, 40123);
    assert_memory_equal(e->peer.ip, p->sides[0].ip, 16);
    assert_int_equal(e->listener, 0);
    pair_free(p);
}

static void
a_port_is_listened_on_once(void **state)
{
    struct pair *p = pair_new();
    struct stream_addr any = {.ip = {[10] = 0xff, [11] = 0xff}, .port = PAIR_PORT};
    assert_int_equal(p->port.ops->listen(p->port.self, &any), ERR_EXISTS);
    pair_free(p);
}

static void
after_the_end_of_listening_connections_stay_and_new_ones_are_refused(void **state)
{
    struct pair *p = pair_new();
    uint64_t late;
    uint8_t *b = pair_bytes(10);
    assert_int_equal(p->port.ops->listen(p->port.self, NULL), ERR_OK);
    struct tcp_addr local = {.port = 40001}, remote = {.port = PAIR_PORT};
    memcpy(local.ip, p->sides[0].ip, 16);
    memcpy(remote.ip, p->sides[1].ip, 16);
    assert_int_equal(tcp_connect(p->sides[0].tcp, &local, &remote, &late), ERR_OK);
    pair_client_send(p, b, 10);
    pair_run(p, 20 * PAIR_DELAY_US);
    assert_true(p->client_closed);
    assert_int_equal(p->client_reason, TCP_REFUSED);
    assert_int_equal(pair_peek(p).len, 10);
    pair_free(p);
    free(b);
}

static void
a_peer_that_closes_and_is_owed_nothing_ends_the_stream(void **state)
{
    struct pair *p = pair_new();
    tcp_close(p->sides[0].tcp, p->id);
    pair_run(p, 20 * PAIR_DELAY_US);
    const struct stream_event *e = pair_event(p, STREAM_CLOSED);
    assert_non_null(e);
    assert_int_equal(e->err, ERR_CLOSED);
    assert_int_equal(p->client_reason, TCP_DONE);
    pair_free(p);
}

static void
a_peer_that_shut_down_its_side_still_gets_its_answer(void **state)
{
    struct pair *p = pair_new();
    uint8_t *b = pair_bytes(5000);
    pair_client_send(p, b, 2000);
    tcp_shutdown(p->sides[0].tcp, p->id);
    pair_run(p, 20 * PAIR_DELAY_US);
    assert_null(pair_event(p, STREAM_CLOSED));
    assert_int_equal(pair_peek(p).len, 2000);
    pair_consume(p, 2000, 4);
    pair_run(p, 20 * PAIR_DELAY_US);
    assert_int_equal(pair_write(p, b, 5000), 5000);
    pair_run(p, 2000 * PAIR_DELAY_US);
    assert_int_equal(pair_client_take(p, 0), 5000);
    assert_null(pair_event(p, STREAM_CLOSED));
    pair_run(p, 1200000);
    assert_non_null(pair_event(p, STREAM_CLOSED));
    assert_true(p->client_eof);
    pair_free(p);
    free(b);
}

static void
a_reset_ends_the_stream_with_an_error(void **state)
{
    struct pair *p = pair_new();
    tcp_abort(p->sides[0].tcp, p->id);
    pair_run(p, 20 * PAIR_DELAY_US);
    const struct stream_event *e = pair_event(p, STREAM_CLOSED);
    assert_non_null(e);
    assert_int_equal(e->err, ERR_IO);
    assert_int_equal(pair_write(p, (const uint8_t *)"x", 1), ERR_CLOSED);
    pair_free(p);
}

static void
a_stream_that_is_closed_first_sends_what_it_accepted(void **state)
{
    struct pair *p = pair_new();
    uint8_t *b = pair_bytes(20000);
    uint32_t got = 0;
    assert_int_equal(pair_write(p, b, 20000), 20000);
    p->port.ops->close(p->port.self, p->accepted);
    for (int i = 0; i < 1000; i++) {
        pair_turn(p);
        got += pair_client_take(p, got);
    }
    assert_int_equal(got, 20000);
    assert_true(p->client_eof);
    assert_int_equal(p->event_count, 1); /* the loan; the peer has not closed */
    assert_int_equal(pair_event(p, STREAM_SENT)->bytes_sent, 20000);
    tcp_close(p->sides[0].tcp, p->id);
    pair_run(p, 20 * PAIR_DELAY_US);
    assert_int_equal(pair_event(p, STREAM_CLOSED)->err, ERR_CLOSED);
    pair_free(p);
    free(b);
}

static void
an_id_is_not_used_again_and_its_place_only_after_the_last_event(void **state)
{
    struct pair *p = pair_new();
    stream_id first = p->accepted;
    struct stream_event e[1];
    uint64_t second;
    tcp_abort(p->sides[0].tcp, p->id);
    for (int i = 0; i < 20; i++) { /* nobody polls */
        pair_step(p);
        p->now_us += PAIR_DELAY_US;
    }
    struct tcp_addr local = {.port = 40001}, remote = {.port = PAIR_PORT};
    memcpy(local.ip, p->sides[0].ip, 16);
    memcpy(remote.ip, p->sides[1].ip, 16);
    assert_int_equal(tcp_connect(p->sides[0].tcp, &local, &remote, &second), ERR_OK);
    for (int i = 0; i < 20; i++) {
        pair_step(p);
        p->now_us += PAIR_DELAY_US;
    }
    assert_true(tcp_stream_ready(p->s));
    assert_int_equal(p->port.ops->poll(p->port.self, e, 1), 1);
    assert_false(tcp_stream_ready(p->s));
    assert_int_equal(tcp_stream_prepare(p->s, p->now_us), p->now_us); /* no sleep: there is more */
    assert_int_equal(e[0].kind, STREAM_CLOSED);
    assert_int_equal(e[0].id, first);
    p->id = second;
    pair_run(p, 4 * PAIR_DELAY_US);
    const struct stream_event *o = pair_event(p, STREAM_OPENED);
    assert_non_null(o);
    assert_int_equal((uint32_t)o->id, (uint32_t)first);
    assert_true(o->id != first);
    pair_free(p);
}

static void
nonsense_in_the_configuration_is_refused(void **state)
{
    struct tcp_stream_config c = pair_stream_config();
    assert_int_equal(tcp_stream_check(&c), ERR_OK);
    c.conns = 0;
    assert_int_equal(tcp_stream_check(&c), ERR_INVALID);
    c = pair_stream_config();
    c.request_bytes_max = UINT32_MAX;
    assert_int_equal(tcp_stream_check(&c), ERR_INVALID);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_is_told_with_its_peer_and_listener),
        cmocka_unit_test(a_port_is_listened_on_once),
        cmocka_unit_test(after_the_end_of_listening_connections_stay_and_new_ones_are_refused),
        cmocka_unit_test(a_peer_that_closes_and_is_owed_nothing_ends_the_stream),
        cmocka_unit_test(a_peer_that_shut_down_its_side_still_gets_its_answer),
        cmocka_unit_test(a_reset_ends_the_stream_with_an_error),
        cmocka_unit_test(a_stream_that_is_closed_first_sends_what_it_accepted),
        cmocka_unit_test(an_id_is_not_used_again_and_its_place_only_after_the_last_event),
        cmocka_unit_test(nonsense_in_the_configuration_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
