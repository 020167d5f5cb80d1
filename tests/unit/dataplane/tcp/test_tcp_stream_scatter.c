/* test_tcp_stream_scatter.c: requests that the user of the stream reads in pieces. */
#include "tests/unit/dataplane/tcp/tcp_pair.h"

enum { REQUEST = 30000, PIECES = 64 };

static void
ask(struct pair *p, uint32_t want)
{
    pair_consume(p, 0, want);
    p->port.ops->scatter(p->port.self, p->accepted);
}

/* Compares what is lent in pieces; returns how much. */
static uint32_t
read_pieces(struct pair *p, uint64_t first, uint32_t *count)
{
    struct view v[PIECES];
    uint32_t all = 0;
    *count = p->port.ops->pieces(p->port.self, p->accepted, v, PIECES);
    for (uint32_t i = 0; i < *count; i++) {
        pair_expect(v[i], first + all);
        all += v[i].len;
    }
    return all;
}

static uint64_t
copied(struct pair *p)
{
    struct tcp_stream_stat st;
    tcp_stream_stat(p->s, &st);
    return st.bytes_in_copied;
}

static void
a_request_of_many_frames_is_lent_as_it_lies(void **state)
{
    (void)state;
    struct pair *p = pair_new();
    uint8_t *b = pair_bytes(REQUEST + 100);
    struct tcp_stream_stat st;
    uint32_t count;
    ask(p, REQUEST);
    pair_client_send(p, b, REQUEST + 100);
    pair_run(p, 60 * PAIR_DELAY_US);
    assert_non_null(pair_event(p, STREAM_READABLE));
    assert_true(pair_peek(p).len < 2000);
    assert_int_equal(read_pieces(p, 0, &count), REQUEST + 100);
    assert_true(count > 10);
    pair_consume(p, REQUEST, 100);
    assert_int_equal(pair_peek(p).len, 100);
    pair_expect(pair_peek(p), REQUEST);
    pair_consume(p, 100, 4);
    pair_run(p, 10 * PAIR_DELAY_US);
    assert_int_equal(p->sides[1].frames_out, 0);
    assert_int_equal(copied(p), 0);
    tcp_stream_stat(p->s, &st);
    assert_int_equal(st.requests_scattered, 1);
    assert_int_equal(p->client_sent, REQUEST + 100);
    pair_free(p);
    free(b);
}

static void
no_event_comes_before_all_of_it_is_there(void **state)
{
    (void)state;
    struct pair *p = pair_new();
    uint8_t *b = pair_bytes(REQUEST);
    uint32_t count;
    ask(p, REQUEST);
    for (uint32_t at = 0; at < REQUEST; at += 3000) {
        assert_null(pair_event(p, STREAM_READABLE));
        assert_int_equal(read_pieces(p, 0, &count), at);
        pair_client_send(p, b + at, 3000);
        pair_run(p, 10 * PAIR_DELAY_US);
    }
    assert_non_null(pair_event(p, STREAM_READABLE));
    assert_null(pair_event(p, STREAM_READABLE));
    pair_free(p);
    free(b);
}

static void
requests_of_three_quarters_of_the_window_come_one_after_the_other_in_pieces(void **state)
{
    (void)state;
    struct pair *p = pair_new();
    uint8_t *b = pair_bytes(5 * PAIR_SCATTER_BYTES);
    struct tcp_stream_stat st;
    uint32_t count, sent = 0;
    for (uint32_t i = 0; i < 5; i++) {
        ask(p, PAIR_SCATTER_BYTES);
        for (int k = 0; k < 100 && !pair_event(p, STREAM_READABLE); k++) {
            uint32_t left = 5 * PAIR_SCATTER_BYTES - sent;
            struct view v = view_of(b + sent, left);
            int n = left ? tcp_send(p->sides[0].tcp, p->id, &v, 1) : 0;
            assert_true(n >= 0);
            sent += (uint32_t)n;
            pair_run(p, 2 * PAIR_DELAY_US);
        }
        assert_true(read_pieces(p, (uint64_t)i * PAIR_SCATTER_BYTES, &count) >= PAIR_SCATTER_BYTES);
        assert_true(count > 10);
        pair_consume(p, PAIR_SCATTER_BYTES, 4);
    }
    tcp_stream_stat(p->s, &st);
    assert_int_equal(st.requests_scattered, 5);
    assert_int_equal(st.bytes_in_copied, 0);
    pair_free(p);
    free(b);
}

static void
a_request_over_the_limit_comes_in_one_piece(void **state)
{
    (void)state;
    struct pair *p = pair_new();
    enum { OVER = PAIR_SCATTER_BYTES + 1 };
    uint8_t *b = pair_bytes(OVER);
    uint32_t count;
    ask(p, OVER);
    pair_client_send(p, b, OVER);
    pair_run(p, 60 * PAIR_DELAY_US);
    assert_non_null(pair_event(p, STREAM_READABLE));
    assert_int_equal(read_pieces(p, 0, &count), OVER);
    assert_int_equal(count, 1);
    assert_int_equal(copied(p), OVER);
    assert_int_equal(p->sides[1].frames_out, 0);
    pair_free(p);
    free(b);
}

static void
who_does_not_ask_for_pieces_gets_none(void **state)
{
    (void)state;
    struct pair *p = pair_new();
    uint8_t *b = pair_bytes(REQUEST);
    ask(p, REQUEST);
    pair_client_send(p, b, REQUEST);
    pair_run(p, 60 * PAIR_DELAY_US);
    assert_non_null(pair_event(p, STREAM_READABLE));
    pair_consume(p, 0, REQUEST); /* in one, after all */
    pair_run(p, PAIR_DELAY_US);
    assert_non_null(pair_event(p, STREAM_READABLE));
    assert_int_equal(pair_peek(p).len, REQUEST);
    pair_expect(pair_peek(p), 0);
    pair_free(p);
    free(b);
}

static void
frames_with_little_in_them_are_not_kept(void **state)
{
    (void)state;
    struct pair *p = pair_new();
    uint8_t *b = pair_bytes(1000);
    ask(p, 1000);
    for (uint32_t at = 0; at < 1000; at += 10) {
        pair_client_send(p, b + at, 10);
        pair_run(p, 3 * PAIR_DELAY_US);
        assert_true(p->sides[1].frames_out <= TCP_STREAM_FRAME_SLACK / PAIR_FRAME_BYTES + 1);
    }
    pair_run(p, 10 * PAIR_DELAY_US);
    assert_int_equal(p->sides[1].frames_out, 0);
    assert_non_null(pair_event(p, STREAM_READABLE));
    assert_int_equal(pair_peek(p).len, 1000);
    pair_expect(pair_peek(p), 0);
    pair_free(p);
    free(b);
}

static void
a_slow_request_gives_its_frames_back(void **state)
{
    (void)state;
    struct pair *p = pair_new();
    uint8_t *b = pair_bytes(REQUEST);
    ask(p, REQUEST);
    pair_client_send(p, b, 15000);
    pair_run(p, 40 * PAIR_DELAY_US);
    assert_true(p->sides[1].frames_out > 5);
    pair_step(p);
    assert_true(tcp_stream_prepare(p->s, p->now_us) <= p->now_us + TCP_STREAM_SCATTER_US);
    pair_run(p, TCP_STREAM_SCATTER_US);
    assert_int_equal(p->sides[1].frames_out, 0);
    assert_int_equal(copied(p), 15000);
    pair_client_send(p, b + 15000, 15000);
    pair_run(p, 40 * PAIR_DELAY_US);
    assert_non_null(pair_event(p, STREAM_READABLE));
    assert_int_equal(pair_peek(p).len, REQUEST);
    pair_expect(pair_peek(p), 0);
    pair_free(p);
    free(b);
}

static void
a_request_that_is_not_consumed_gives_its_frames_back(void **state)
{
    (void)state;
    struct pair *p = pair_new();
    uint8_t *b = pair_bytes(REQUEST);
    uint32_t count;
    ask(p, REQUEST);
    pair_client_send(p, b, REQUEST);
    pair_run(p, 60 * PAIR_DELAY_US);
    assert_non_null(pair_event(p, STREAM_READABLE));
    for (uint64_t until = p->now_us + TCP_STREAM_SCATTER_US; p->now_us < until; pair_turn(p))
        ask(p, REQUEST); /* it is tried again and again */
    assert_int_equal(p->sides[1].frames_out, 0);
    assert_int_equal(read_pieces(p, 0, &count), REQUEST);
    assert_int_equal(count, 1);
    pair_consume(p, REQUEST, 4);
    pair_free(p);
    free(b);
}

static void
who_comes_late_once_asked_for_pieces_finds_them(void **state)
{
    (void)state;
    struct pair *p = pair_new();
    uint8_t *b = pair_bytes(2 * REQUEST);
    uint32_t count;
    ask(p, REQUEST);
    pair_client_send(p, b, REQUEST);
    pair_run(p, 60 * PAIR_DELAY_US);
    assert_int_equal(read_pieces(p, 0, &count), REQUEST);
    pair_consume(p, REQUEST, 4);
    pair_client_send(p, b + REQUEST, REQUEST);
    pair_run(p, 40 * PAIR_DELAY_US);
    assert_int_equal(copied(p), 0);
    ask(p, REQUEST);
    assert_int_equal(read_pieces(p, REQUEST, &count), REQUEST);
    assert_true(count > 10);
    pair_run(p, TCP_STREAM_SCATTER_US); /* not for longer than that */
    assert_int_equal(copied(p), REQUEST);
    assert_int_equal(p->sides[1].frames_out, 0);
    pair_consume(p, REQUEST, 4);
    pair_free(p);
    free(b);
}

static void
while_frames_are_short_none_are_kept(void **state)
{
    (void)state;
    pair_nodes = 40;
    struct pair *p = pair_new();
    uint8_t *b = pair_bytes(REQUEST);
    uint32_t most = 0;
    ask(p, REQUEST);
    pair_client_send(p, b, REQUEST);
    for (int i = 0; i < 60; i++) {
        pair_turn(p);
        most = p->sides[1].frames_out > most ? p->sides[1].frames_out : most;
    }
    assert_true(most <= 30); /* half of them, and what comes in a turn */
    assert_int_equal(p->sides[1].frames_out, 0);
    assert_non_null(pair_event(p, STREAM_READABLE));
    assert_int_equal(pair_peek(p).len, REQUEST);
    pair_expect(pair_peek(p), 0);
    pair_free(p);
    pair_nodes = 2048;
    free(b);
}

static void
a_close_in_mid_request_gives_the_frames_back_and_resets_nobody(void **state)
{
    (void)state;
    struct pair *p = pair_new();
    uint8_t *b = pair_bytes(REQUEST);
    ask(p, REQUEST);
    pair_client_send(p, b, 15000);
    pair_run(p, 40 * PAIR_DELAY_US);
    assert_true(p->sides[1].frames_out > 5);
    p->port.ops->close(p->port.self, p->accepted);
    pair_run(p, 10 * PAIR_DELAY_US);
    assert_int_equal(p->sides[1].frames_out, 0);
    assert_true(p->client_eof);
    assert_false(p->client_closed);
    pair_free(p);
    free(b);
}

static void
the_peers_end_in_mid_request_ends_the_stream(void **state)
{
    (void)state;
    struct pair *p = pair_new();
    uint8_t *b = pair_bytes(REQUEST);
    ask(p, REQUEST);
    pair_client_send(p, b, 15000);
    tcp_shutdown(p->sides[0].tcp, p->id);
    pair_run(p, 2 * TCP_STREAM_SCATTER_US);
    const struct stream_event *e = pair_event(p, STREAM_CLOSED);
    assert_non_null(e);
    assert_int_equal(e->err, ERR_CLOSED);
    assert_int_equal(p->sides[1].frames_out, 0);
    pair_free(p);
    free(b);
}

static void
random_requests_arrive_as_they_were_sent(void **state)
{
    (void)state;
    enum { ALL = 600000 };
    struct pair *p = pair_new();
    uint8_t *b = pair_bytes(ALL);
    unsigned seed = 20261123;
    uint32_t sent = 0, done = 0, want = 0, in_pieces = 0;
    print_message("# seed %u\n", seed);
    for (int turn = 0; turn < 40000 && done < ALL; turn++) {
        uint32_t r = (uint32_t)rand_r(&seed), count;
        struct view v = view_of(b + sent, ALL - sent);
        if (v.len > r % 9000)
            v.len = r % 9000;
        int n = v.len ? tcp_send(p->sides[0].tcp, p->id, &v, 1) : 0;
        assert_true(n >= 0);
        sent += (uint32_t)n;
        pair_step(p);
        pair_poll(p);
        p->event_count = 0;
        uint32_t here = read_pieces(p, done, &count);
        if (here >= want && here > 0 && r % 3) {
            uint32_t take = want ? want : here - r % here;
            in_pieces += count > 1;
            done += take;
            want = r % 5 ? r % 40000 % (ALL - done + 1) : 0;
            pair_consume(p, take, want);
            if (r % 7)
                p->port.ops->scatter(p->port.self, p->accepted);
        }
        (void)tcp_stream_prepare(p->s, p->now_us);
        p->now_us += PAIR_DELAY_US;
    }
    assert_int_equal(done, ALL);
    assert_true(in_pieces > 10);
    assert_true(copied(p) > 0);
    pair_free(p);
    free(b);
}

static void
what_is_kept_in_frames_stays_until_its_release_though_the_stream_ends(void **state)
{
    (void)state;
    struct pair *p = pair_new();
    uint8_t *b = pair_bytes(2 * REQUEST);
    struct view v[PIECES];
    ask(p, REQUEST);
    pair_client_send(p, b, 2 * REQUEST);
    pair_run(p, 60 * PAIR_DELAY_US);
    uint32_t count = p->port.ops->pieces(p->port.self, p->accepted, v, PIECES);
    stream_kept kept = p->port.ops->keep(p->port.self, p->accepted, REQUEST);
    assert_true(kept != 0);
    pair_consume(p, REQUEST, 4);
    pair_run(p, 10 * PAIR_DELAY_US);
    assert_true(p->sides[1].frames_out > 10);
    p->port.ops->close(p->port.self, p->accepted);
    pair_run(p, 10 * PAIR_DELAY_US);
    uint32_t left = REQUEST;
    for (uint32_t i = 0; i < count && left > 0; i++) {
        uint32_t len = v[i].len < left ? v[i].len : left;
        pair_expect(view_of(v[i].at, len), REQUEST - left);
        left -= len;
    }
    assert_int_equal(left, 0);
    p->port.ops->release(p->port.self, kept);
    pair_run(p, 10 * PAIR_DELAY_US);
    assert_int_equal(p->sides[1].frames_out, 0);
    pair_free(p);
    free(b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_of_many_frames_is_lent_as_it_lies),
        cmocka_unit_test(no_event_comes_before_all_of_it_is_there),
        cmocka_unit_test(
            requests_of_three_quarters_of_the_window_come_one_after_the_other_in_pieces),
        cmocka_unit_test(a_request_over_the_limit_comes_in_one_piece),
        cmocka_unit_test(who_does_not_ask_for_pieces_gets_none),
        cmocka_unit_test(frames_with_little_in_them_are_not_kept),
        cmocka_unit_test(a_slow_request_gives_its_frames_back),
        cmocka_unit_test(a_request_that_is_not_consumed_gives_its_frames_back),
        cmocka_unit_test(who_comes_late_once_asked_for_pieces_finds_them),
        cmocka_unit_test(while_frames_are_short_none_are_kept),
        cmocka_unit_test(a_close_in_mid_request_gives_the_frames_back_and_resets_nobody),
        cmocka_unit_test(the_peers_end_in_mid_request_ends_the_stream),
        cmocka_unit_test(random_requests_arrive_as_they_were_sent),
        cmocka_unit_test(what_is_kept_in_frames_stays_until_its_release_though_the_stream_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
