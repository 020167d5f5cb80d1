#include "tests/unit/dataplane/broker/fixture_fetch.h"
#include "tests/unit/dataplane/broker/fixture_idle.h"

static void
there_is_room_for_as_many_holds_as_the_rings_can_carry_back(void **state)
{
    (void)state;
    static struct store_hold *rooms[JOB_MAX];
    struct harness *h = harness_new(2, NULL);
    struct shard *s = &h->shards[0];
    for (uint32_t i = 0; i < JOB_MAX; i++) {
        rooms[i] = holds_take(s);
        assert_non_null(rooms[i]);
    }
    assert_null(holds_take(s));
    holds_give(s, rooms[0], true); /* its memory is still out */
    assert_null(holds_take(s));
    holds_give(s, rooms[1], false);
    rooms[1] = holds_take(s);
    assert_non_null(rooms[1]);
    for (uint32_t i = 1; i < JOB_MAX; i++)
        holds_give(s, rooms[i], false);
    assert_int_equal(s->holds_out, 1);
    assert_int_equal(buddy_used(s->memory), 0);
    harness_free(h);
}

/* A client of core 0 that has asked for a batch of core 1; *len: of the batch. */
static struct client
asked(struct harness *h, uint32_t bytes)
{
    static const struct ask part = {0, 1, 0, 0, 0};
    harness_topic(h, 0, "0", 2);
    fixture_append(h, 0, 1, bytes);
    struct client c = client_new(h, 0, 0);
    fixture_send(h, 0, 0, &(struct fetch_ask){.parts = &part, .count = 1});
    return c;
}

static void
a_peer_that_takes_nothing_holds_no_memory_of_another_core(void **state)
{
    (void)state;
    struct harness *h = harness_new(2, NULL);
    struct client c = asked(h, 100);
    h->streams[0].conns[0].refuse = true;
    harness_turns(h, 5);
    assert_true(h->shards[0].conns[0].blocked);
    assert_int_equal(h->stores[1]->holds, 0);
    h->streams[0].conns[0].refuse = false;
    fake_stream_event(&h->streams[0], (struct stream_event){.id = h->streams[0].conns[0].id,
                                                            .kind = STREAM_WRITABLE});
    struct fetched f = client_poll(&c, 0);
    assert_int_equal(f.parts[0].bytes, 100);
    assert_idle(h);
    harness_free(h);
}

static void
an_answer_behind_one_that_is_not_made_holds_nothing_after_its_turn(void **state)
{
    (void)state;
    struct harness *h = harness_new(2, NULL);
    static const struct ask none = {0, 0, 0, 0, 0}, some = {0, 1, 0, 0, 0};
    harness_topic(h, 0, "0", 2);
    fixture_append(h, 0, 1, 100);
    struct client c = client_new(h, 0, 0);
    fixture_send(
        h, 0, 0,
        &(struct fetch_ask){.max_wait_ms = 500, .min_bytes = 1, .parts = &none, .count = 1});
    fixture_send(h, 0, 0, &(struct fetch_ask){.parts = &some, .count = 1});
    assert_false(client_poll(&c, 0).answered);
    assert_int_equal(h->shards[0].conns[0].request_count, 2);
    assert_int_equal(h->stores[1]->holds, 0);
    h->now_ns += 500 * CLOCK_NS_PER_MS;
    assert_int_equal(client_poll(&c, 0).parts[0].bytes, 0);
    assert_int_equal(client_poll(&c, 0).parts[0].bytes, 100);
    assert_idle(h);
    harness_free(h);
}

static void
a_connection_that_ends_in_the_turn_of_its_answer_leaves_nothing_held(void **state)
{
    (void)state;
    for (uint32_t turns = 0; turns < 6; turns++) {
        struct harness *h = harness_new(2, NULL);
        (void)asked(h, 100);
        harness_turns(h, turns);
        fake_stream_end(&h->streams[0], 0, ERR_IO);
        harness_turns(h, 4);
        assert_int_equal(h->shards[0].holds_out, 0);
        assert_idle(h);
        harness_free(h);
    }
}

/* Six clients of core 0 ask, beside appends, for as much of core 1 as two of them get in a turn;
 * turns take `turn_ns`.  Messages of both cores until all have it. */
static uint64_t
messages_in_shares(uint64_t turn_ns)
{
    enum { CLIENTS = 6 };
    static const struct ask part = {0, 1, 0, 0, 0};
    struct harness *h = harness_new(2, NULL);
    struct client c[CLIENTS];
    harness_topic(h, 0, "0", 2);
    fixture_append(h, 0, 1, SHARD_SEND_CALM_BYTES / 4 * 3);
    harness_turns(h, 2);
    for (uint32_t i = 0; i < CLIENTS; i++)
        c[i] = client_new(h, 0, i);
    for (uint32_t i = 0; i < CLIENTS; i++)
        fixture_send(h, 0, i, &(struct fetch_ask){.parts = &part, .count = 1});
    uint64_t before = mesh_sent(h->shards[0].mesh) + mesh_sent(h->shards[1].mesh);
    for (uint32_t i = 0; i < 40; i++) {
        h->shards[0].append_ns = h->now_ns;
        harness_turn(h);
        assert_true(h->shards[0].turn_bytes < 2 * SHARD_SEND_CALM_BYTES);
        h->now_ns += turn_ns;
    }
    for (uint32_t i = 0; i < CLIENTS; i++)
        assert_int_equal(client_poll(&c[i], 0).parts[0].bytes, SHARD_SEND_CALM_BYTES / 4 * 3);
    assert_int_equal(h->shards[0].holds_out, 0);
    assert_int_equal(h->stores[1]->holds, 0);
    uint64_t sent = mesh_sent(h->shards[0].mesh) + mesh_sent(h->shards[1].mesh) - before;
    harness_free(h);
    return sent;
}

static void
what_waits_for_its_share_of_a_turn_is_held_for_a_millisecond(void **state)
{
    (void)state;
    assert_int_equal(messages_in_shares(1000), 6 * 3);
    /* Those of the second turn still have it; two go back then, and are asked for again. */
    assert_int_equal(messages_in_shares(HOLDS_WAIT_MS * CLOCK_NS_PER_MS), 6 * 3 + 2 * 3);
}

static void
a_connection_that_ends_while_it_waits_for_its_share_leaves_nothing_held(void **state)
{
    (void)state;
    for (uint32_t turns = 1; turns < 6; turns++) {
        static const struct ask part = {0, 1, 0, 0, 0};
        struct harness *h = harness_new(2, NULL);
        harness_topic(h, 0, "0", 2);
        fixture_append(h, 0, 1, SHARD_SEND_CALM_BYTES);
        harness_turns(h, 2);
        for (uint32_t i = 0; i < 4; i++) {
            (void)client_new(h, 0, i);
            fixture_send(h, 0, i, &(struct fetch_ask){.parts = &part, .count = 1});
        }
        for (uint32_t i = 0; i < turns; i++) {
            h->shards[0].append_ns = h->now_ns;
            harness_turn(h);
        }
        for (uint32_t i = 0; i < 4; i++)
            fake_stream_end(&h->streams[0], i, ERR_IO);
        harness_turns(h, 4);
        assert_int_equal(h->shards[0].holds_out, 0);
        assert_int_equal(h->stores[1]->holds, 0);
        assert_idle(h);
        harness_free(h);
    }
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_is_room_for_as_many_holds_as_the_rings_can_carry_back),
        cmocka_unit_test(a_peer_that_takes_nothing_holds_no_memory_of_another_core),
        cmocka_unit_test(an_answer_behind_one_that_is_not_made_holds_nothing_after_its_turn),
        cmocka_unit_test(what_waits_for_its_share_of_a_turn_is_held_for_a_millisecond),
        cmocka_unit_test(a_connection_that_ends_while_it_waits_for_its_share_leaves_nothing_held),
        cmocka_unit_test(a_connection_that_ends_in_the_turn_of_its_answer_leaves_nothing_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
