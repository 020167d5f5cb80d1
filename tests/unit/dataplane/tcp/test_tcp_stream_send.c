/* test_tcp_stream_send.c: sends of the stream: copies, loans, room. */
#include "tests/unit/dataplane/tcp/tcp_pair.h"

static struct tcp_stream_stat
stat_of(const struct pair *p)
{
    struct tcp_stream_stat st;
    tcp_stream_stat(p->s, &st);
    return st;
}

static void
a_small_send_is_back_at_once(void **state)
{
    struct pair *p = pair_new();
    uint8_t *b = pair_bytes(100);
    assert_int_equal(pair_write(p, b, 100), 100);
    memset(b, 0xee, 100);
    pair_poll(p);
    const struct stream_event *e = pair_event(p, STREAM_SENT);
    assert_non_null(e);
    assert_int_equal(e->bytes_sent, 100);
    assert_int_equal(e->bytes_back, 0);
    pair_run(p, 10 * PAIR_DELAY_US);
    assert_int_equal(pair_client_take(p, 0), 100);
    assert_int_equal(stat_of(p).bytes_out_copied, 100);
    pair_free(p);
    free(b);
}

static void
a_large_send_is_lent_until_it_is_acknowledged(void **state)
{
    struct pair *p = pair_new();
    uint8_t *b = pair_bytes(20000);
    assert_int_equal(pair_write(p, b, 20000), 20000);
    assert_int_equal(pair_write(p, b, 20000), 0);
    pair_turn(p);
    assert_null(pair_event(p, STREAM_SENT));
    uint32_t got = 0;
    for (int i = 0; i < 1000 && got < 20000; i++) {
        pair_turn(p);
        got += pair_client_take(p, got);
    }
    assert_int_equal(got, 20000);
    pair_run(p, 1000 * PAIR_DELAY_US); /* a delayed acknowledgement */
    const struct stream_event *e = pair_event(p, STREAM_SENT);
    assert_non_null(e);
    assert_int_equal(e->bytes_sent, 20000);
    assert_non_null(pair_event(p, STREAM_WRITABLE)); /* owed for the send that was refused */
    assert_int_equal(stat_of(p).bytes_out_copied, 0);
    pair_free(p);
    free(b);
}

static void
a_long_send_goes_on_as_loans_end_and_copies_little(void **state)
{
    struct pair *p = pair_new();
    enum { ALL = 3 << 20 };
    uint8_t *b = pair_bytes(ALL);
    uint32_t sent = 0, got = 0;
    uint64_t began_us = p->now_us;
    bool out = false;
    for (int i = 0; i < 20000 && got < ALL; i++) {
        if (!out && sent < ALL) {
            uint32_t len = ALL - sent < 1 << 20 ? ALL - sent : 1 << 20;
            int n = pair_write(p, b + sent, len);
            assert_true(n > 0);
            sent += (uint32_t)n;
            out = true;
        }
        pair_turn(p);
        got += pair_client_take(p, got);
        if (pair_event(p, STREAM_SENT))
            out = false;
    }
    assert_int_equal(got, ALL);
    /* No loan waited for a delayed acknowledgement (40 ms). */
    assert_true(p->now_us - began_us < 200000);
    assert_true(stat_of(p).bytes_out_copied < ALL / 10);
    pair_free(p);
    free(b);
}

static void
a_peer_that_does_not_read_keeps_little_and_the_rest_goes_when_it_does(void **state)
{
    struct pair *p = pair_new();
    enum { ALL = 1 << 19 };
    uint8_t *b = pair_bytes(ALL);
    uint32_t sent = 0, got = 0;
    bool out = false;
    for (int i = 0; i < 3000; i++) {
        int n = out ? 0 : pair_write(p, b + sent, ALL - sent);
        out |= n > 0;
        sent += (uint32_t)n;
        pair_turn(p);
        if (pair_event(p, STREAM_SENT))
            out = false;
    }
    assert_true(sent < 65536 + 8192);
    for (int i = 0; i < 40000 && got < ALL; i++) {
        int n = out || sent == ALL ? 0 : pair_write(p, b + sent, ALL - sent);
        out |= n > 0;
        sent += (uint32_t)n;
        pair_turn(p);
        got += pair_client_take(p, got);
        if (pair_event(p, STREAM_SENT))
            out = false;
    }
    assert_int_equal(got, ALL);
    pair_free(p);
    free(b);
}

static void
without_blocks_for_copies_small_sends_are_lent(void **state)
{
    struct tcp_stream_config c = pair_stream_config();
    c.copies = 0;
    struct pair *p = pair_of(&c);
    pair_connect(p, 40000, &p->id);
    uint8_t *b = pair_bytes(100);
    assert_int_equal(pair_write(p, b, 100), 100);
    pair_poll(p);
    assert_null(pair_event(p, STREAM_SENT));
    pair_run(p, 2000 * PAIR_DELAY_US);
    assert_non_null(pair_event(p, STREAM_SENT));
    assert_int_equal(pair_client_take(p, 0), 100);
    pair_free(p);
    free(b);
}

static void
many_small_sends_share_blocks_and_blocks_come_back(void **state)
{
    struct pair *p = pair_new();
    uint8_t *b = pair_bytes(30000);
    uint32_t got = 0;
    for (uint32_t i = 0; i < 300; i++) {
        assert_int_equal(pair_write(p, b + i * 100, 100), 100);
        pair_turn(p);
        assert_non_null(pair_event(p, STREAM_SENT));
        got += pair_client_take(p, got);
        assert_true(stat_of(p).copies_in_use <= 12);
    }
    pair_run(p, 2000 * PAIR_DELAY_US);
    got += pair_client_take(p, got);
    assert_int_equal(got, 30000);
    assert_int_equal(stat_of(p).copies_in_use, 0);
    pair_free(p);
    free(b);
}

static void
a_reset_gives_the_loan_back_before_the_stream_ends(void **state)
{
    struct pair *p = pair_new();
    uint8_t *b = pair_bytes(20000);
    p->cut = true;
    assert_int_equal(pair_write(p, b, 20000), 20000);
    pair_turn(p);
    tcp_abort(p->sides[0].tcp, p->id);
    pair_run(p, 10 * PAIR_DELAY_US);
    assert_int_equal(p->event_count, 2);
    assert_int_equal(p->events[0].kind, STREAM_SENT);
    assert_int_equal(p->events[0].bytes_back, 20000);
    assert_int_equal(p->events[1].kind, STREAM_CLOSED);
    assert_int_equal(p->events[1].err, ERR_IO);
    pair_free(p);
    free(b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_small_send_is_back_at_once),
        cmocka_unit_test(a_large_send_is_lent_until_it_is_acknowledged),
        cmocka_unit_test(a_long_send_goes_on_as_loans_end_and_copies_little),
        cmocka_unit_test(a_peer_that_does_not_read_keeps_little_and_the_rest_goes_when_it_does),
        cmocka_unit_test(without_blocks_for_copies_small_sends_are_lent),
        cmocka_unit_test(many_small_sends_share_blocks_and_blocks_come_back),
        cmocka_unit_test(a_reset_gives_the_loan_back_before_the_stream_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
