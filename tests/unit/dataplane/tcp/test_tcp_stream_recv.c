/* test_tcp_stream_recv.c: what a peer sent, as the user of the stream reads it. */
#include "tests/unit/dataplane/tcp/tcp_pair.h"

static void
bytes_of_one_frame_are_lent_without_a_copy(void **state)
{
    struct pair *p = pair_new();
    uint8_t *b = pair_bytes(1000);
    pair_client_send(p, b, 1000);
    pair_step(p);
    p->now_us += PAIR_DELAY_US;
    pair_step(p);
    pair_poll(p);
    assert_non_null(pair_event(p, STREAM_READABLE));
    struct view v = pair_peek(p);
    assert_int_equal(v.len, 1000);
    pair_expect(v, 0);
    pair_consume(p, 1000, 4);
    struct tcp_stream_stat st;
    tcp_stream_stat(p->s, &st);
    assert_int_equal(st.bytes_in, 1000);
    assert_int_equal(st.bytes_in_copied, 0);
    pair_free(p);
    free(b);
}

static void
a_request_of_many_frames_is_lent_whole(void **state)
{
    struct pair *p = pair_new();
    uint8_t *b = pair_bytes(300000);
    pair_consume(p, 0, 300000);
    pair_client_send(p, b, 300000);
    pair_run(p, 200 * PAIR_DELAY_US);
    assert_non_null(pair_event(p, STREAM_READABLE));
    assert_null(pair_event(p, STREAM_READABLE));
    struct view v = pair_peek(p);
    assert_int_equal(v.len, 300000);
    pair_expect(v, 0);
    pair_consume(p, 300000, 4);
    assert_int_equal(pair_peek(p).len, 0);
    pair_run(p, 10 * PAIR_DELAY_US);
    assert_int_equal(p->client_sent, 300000);
    pair_free(p);
    free(b);
}

static void
no_event_comes_before_what_is_wanted_is_there(void **state)
{
    struct pair *p = pair_new();
    uint8_t *b = pair_bytes(100);
    pair_consume(p, 0, 100);
    for (uint32_t i = 0; i < 100; i += 10) {
        assert_null(pair_event(p, STREAM_READABLE));
        pair_client_send(p, b + i, 10);
        pair_run(p, 10 * PAIR_DELAY_US);
    }
    assert_non_null(pair_event(p, STREAM_READABLE));
    pair_expect(pair_peek(p), 0);
    assert_int_equal(pair_peek(p).len, 100);
    pair_free(p);
    free(b);
}

static void
a_request_behind_another_is_told_of_after_the_first_is_consumed(void **state)
{
    struct pair *p = pair_new();
    uint8_t *b = pair_bytes(5000);
    pair_client_send(p, b, 5000);
    pair_run(p, 20 * PAIR_DELAY_US);
    assert_non_null(pair_event(p, STREAM_READABLE));
    uint32_t done = 0;
    while (pair_event(p, STREAM_READABLE))
        continue;
    while (done < 5000) {
        struct view v = pair_peek(p);
        assert_true(v.len >= 100);
        pair_expect(view_of(v.at, 100), done);
        pair_consume(p, 100, 100);
        done += 100;
    }
    pair_free(p);
    free(b);
}

static void
frames_go_back_although_nobody_consumes_and_the_window_closes(void **state)
{
    struct pair *p = pair_new();
    uint8_t *b = pair_bytes(400000);
    pair_client_send(p, b, 400000);
    pair_run(p, 1000 * PAIR_DELAY_US);
    struct tcp_usage u;
    tcp_usage(p->sides[1].tcp, &u);
    assert_int_equal(u.nodes, 0);
    assert_int_equal(p->sides[1].frames_out, 0);
    assert_true(pair_peek(p).len >= 32768);
    assert_true(pair_peek(p).len <= 65536);
    uint32_t done = 0;
    for (int i = 0; i < 4000 && done < 400000; i++) {
        struct view v = pair_peek(p);
        pair_expect(v, done);
        pair_consume(p, v.len, 0);
        done += v.len;
        pair_run(p, 4 * PAIR_DELAY_US);
    }
    assert_int_equal(done, 400000);
    pair_free(p);
    free(b);
}

static void
random_requests_arrive_as_they_were_sent(void **state)
{
    struct pair *p = pair_new();
    enum { ALL = 400000 };
    uint8_t *b = pair_bytes(ALL);
    uint64_t seed = 12345;
    uint32_t sent = 0, done = 0, want = 0;
    for (int turn = 0; turn < 20000 && done < ALL; turn++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        uint32_t r = (uint32_t)(seed >> 33);
        struct view v = view_of(b + sent, ALL - sent);
        if (v.len > r % 9000)
            v.len = r % 9000;
        int n = v.len ? tcp_send(p->sides[0].tcp, p->id, &v, 1) : 0;
        assert_true(n >= 0);
        sent += (uint32_t)n;
        pair_step(p);
        pair_poll(p);
        p->event_count = 0;
        struct view in = pair_peek(p);
        if (in.len >= want && in.len > 0 && r % 3) {
            uint32_t take = want ? want : in.len - r % in.len;
            pair_expect(in, done);
            done += take;
            want = r % 5 ? r % 20000 % (ALL - done + 1) : 0;
            pair_consume(p, take, want);
        }
        (void)tcp_stream_prepare(p->s, p->now_us);
        p->now_us += PAIR_DELAY_US;
    }
    assert_int_equal(done, ALL);
    pair_free(p);
    free(b);
}

static void
without_memory_the_longest_stalled_request_is_given_up(void **state)
{
    struct tcp_stream_config c = pair_stream_config();
    struct pair *p = pair_of(&c);
    uint8_t *b = pair_bytes(600000);
    uint64_t ids[2];
    stream_id streams[2];
    for (int i = 0; i < 2; i++) {
        pair_connect(p, (uint16_t)(40000 + i), &ids[i]);
        streams[i] = p->accepted;
        p->port.ops->consume(p->port.self, streams[i], 0, 1 << 20);
        p->id = ids[i];
        pair_client_send(p, b, 600000);
        pair_run(p, 1000 * PAIR_DELAY_US);
    }
    assert_null(pair_event(p, STREAM_CLOSED));
    pair_run(p, 25000000);
    const struct stream_event *e = pair_event(p, STREAM_CLOSED);
    assert_non_null(e);
    assert_int_equal(e->id, streams[0]);
    assert_int_equal(e->err, ERR_LIMIT);
    assert_null(pair_event(p, STREAM_CLOSED));
    tcp_abort(p->sides[0].tcp, ids[0]);
    pair_free(p);
    free(b);
}

static void
what_is_kept_in_a_block_is_not_written_over_by_what_comes_behind_it(void **state)
{
    (void)state;
    struct pair *p = pair_new();
    enum { ROUNDS = 8, EACH = 3000, REST = 500 }; /* small enough for two in one block */
    uint8_t *b = pair_bytes((ROUNDS + 1) * EACH + REST);
    const uint8_t *at[ROUNDS];
    stream_kept kept[ROUNDS];
    uint32_t count = 0, sent = 0, had = 0;
    pair_consume(p, 0, EACH);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        uint32_t upto = (i + 2) * EACH + REST; /* the next one is there, and a part of a third */
        pair_client_send(p, b + sent, upto - sent);
        sent = upto;
        pair_run(p, 20 * PAIR_DELAY_US);
        struct view v = pair_peek(p);
        assert_true(v.len >= EACH);
        pair_expect(view_of(v.at, EACH), had);
        kept[i] = p->port.ops->keep(p->port.self, p->accepted, EACH);
        at[i] = v.at;
        count += kept[i] != 0;
        pair_consume(p, EACH, EACH);
        had += EACH;
    }
    assert_true(count > ROUNDS / 2);
    for (uint32_t i = 0; i < ROUNDS; i++)
        if (kept[i])
            pair_expect(view_of(at[i], EACH), (uint64_t)i * EACH);
    for (uint32_t i = 0; i < ROUNDS; i++)
        if (kept[i])
            p->port.ops->release(p->port.self, kept[i]);
    p->port.ops->close(p->port.self, p->accepted);
    pair_run(p, 20 * PAIR_DELAY_US);
    while (pair_event(p, STREAM_CLOSED) == NULL)
        pair_run(p, 20 * PAIR_DELAY_US);
    struct tcp_stream_stat st;
    tcp_stream_stat(p->s, &st);
    assert_int_equal(st.memory_bytes, 0);
    assert_int_equal(p->sides[1].frames_out, 0);
    pair_free(p);
    free(b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_of_one_frame_are_lent_without_a_copy),
        cmocka_unit_test(a_request_of_many_frames_is_lent_whole),
        cmocka_unit_test(no_event_comes_before_what_is_wanted_is_there),
        cmocka_unit_test(a_request_behind_another_is_told_of_after_the_first_is_consumed),
        cmocka_unit_test(frames_go_back_although_nobody_consumes_and_the_window_closes),
        cmocka_unit_test(random_requests_arrive_as_they_were_sent),
        cmocka_unit_test(without_memory_the_longest_stalled_request_is_given_up),
        cmocka_unit_test(what_is_kept_in_a_block_is_not_written_over_by_what_comes_behind_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
