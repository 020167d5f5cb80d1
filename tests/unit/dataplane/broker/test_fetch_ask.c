#include "core/wire/kerr.h"
#include "dataplane/broker/fetch_in.h"
#include "tests/unit/dataplane/broker/fixture_fetch.h"
#include "tests/unit/dataplane/broker/fixture_idle.h"

/* Topic "0" of four partitions, the odd ones of the other core; a client of ours. */
static struct harness *
four_partitions(struct client *c)
{
    struct harness *h = harness_new(2, NULL);
    harness_topic(h, 0, "0", 4);
    *c = client_new(h, 0, 0);
    return h;
}

/* Messages that a core has sent since *before, which becomes what it is now. */
static uint64_t
sent_since(struct harness *h, uint32_t core, uint64_t before[2])
{
    uint64_t sent = mesh_sent(h->shards[core].mesh) - before[core];
    before[core] += sent;
    return sent;
}

static const struct ask elsewhere = {0, 1, 0, 0, 0};
static const struct fetch_ask patient_one = {
    .max_wait_ms = 500, .min_bytes = 1, .parts = &elsewhere, .count = 1};

static void
records_in_memory_cost_a_message_each_way_and_one_that_gives_them_back(void **state)
{
    struct client c;
    struct harness *h = four_partitions(&c);
    uint64_t before[2] = {0};
    fixture_append(h, 0, 1, 100);
    harness_turns(h, 2);
    (void)sent_since(h, 0, before);
    (void)sent_since(h, 1, before);
    fixture_send(h, 0, 0, &patient_one);
    uint64_t there = 0, back = 0;
    while (h->streams[0].conns[0].sends == 0) {
        harness_turn(h);
        there += sent_since(h, 0, before);
        back += sent_since(h, 1, before);
    }
    assert_int_equal(there, 1);
    assert_int_equal(back, 1);
    struct fetched f = client_poll(&c, 0);
    assert_int_equal(f.parts[0].bytes, 100);
    assert_int_equal(sent_since(h, 0, before), 1);
    assert_int_equal(sent_since(h, 1, before), 0);
    assert_idle(h);
    harness_free(h);
}

static void
records_that_are_read_from_a_file_cost_no_more(void **state)
{
    for (uint32_t late = 0; late < 3; late++) {
        struct client c;
        struct harness *h = four_partitions(&c);
        uint64_t before[2] = {0};
        fixture_append(h, 0, 1, 100);
        harness_turns(h, 2);
        h->stores[1]->cold_buffers = 1;
        h->stores[1]->reads_late = true;
        (void)sent_since(h, 0, before);
        (void)sent_since(h, 1, before);
        fixture_send(h, 0, 0, &patient_one);
        for (uint32_t i = 0; i <= late; i++, h->now_ns += CLOCK_NS_PER_MS)
            harness_turns(h, 2);
        h->stores[1]->reads_late = false;
        struct fetched f = client_poll(&c, 0);
        assert_int_equal(f.parts[0].bytes, 100);
        assert_int_equal(sent_since(h, 0, before), 2); /* one gives the memory back */
        assert_int_equal(sent_since(h, 1, before), 1);
        assert_idle(h);
        harness_free(h);
    }
}

static void
of_several_partitions_what_a_file_was_read_for_is_not_held_meanwhile(void **state)
{
    struct client c;
    struct harness *h = four_partitions(&c);
    fixture_append(h, 0, 0, 100);
    fixture_append(h, 0, 1, 100);
    harness_turns(h, 2);
    for (uint32_t i = 0; i < 2; i++) {
        h->stores[i]->cold_buffers = 1;
        h->stores[i]->reads_late = true;
    }
    struct ask parts[] = {{0, 0, 0, 0, 0}, {0, 1, 0, 0, 0}};
    struct fetch_ask ask = {.max_wait_ms = 500, .min_bytes = 1, .parts = parts, .count = 2};
    fixture_send(h, 0, 0, &ask);
    harness_turns(h, 3);
    h->stores[1]->reads_late = false;
    harness_turns(h, 4);
    assert_int_equal(h->shards[0].fetch->watches_out, 0);
    assert_int_equal(h->stores[1]->holds, 0);
    h->stores[0]->reads_late = false;
    h->now_ns += CLOCK_NS_PER_MS;
    struct fetched f = client_poll(&c, 0);
    assert_int_equal(f.parts[0].bytes, 100);
    assert_int_equal(f.parts[1].bytes, 100);
    assert_idle(h);
    harness_free(h);
}

static void
of_several_partitions_read_buffers_are_held_up_to_what_is_sent_in_one_go(void **state)
{
    for (int32_t most = STREAM_SEND_BYTES_MAX - 1; most <= STREAM_SEND_BYTES_MAX; most++) {
        struct client c;
        struct harness *h = four_partitions(&c);
        uint64_t before[2] = {0};
        fixture_append(h, 0, 0, 100);
        fixture_append(h, 0, 1, 100);
        harness_turns(h, 2);
        h->stores[1]->cold_buffers = 1;
        struct fetched f = client_fetch(&c, &patient_one); /* it is read now */
        assert_int_equal(f.parts[0].bytes, 100);
        (void)sent_since(h, 0, before);
        (void)sent_since(h, 1, before);
        struct ask parts[] = {{0, 0, 0, most, 0}, {0, 1, 0, 0, 0}};
        struct fetch_ask ask = {.max_wait_ms = 500, .min_bytes = 1, .parts = parts, .count = 2};
        f = client_fetch(&c, &ask);
        assert_int_equal(f.parts[0].bytes, 100);
        assert_int_equal(f.parts[1].bytes, 100);
        assert_int_equal(sent_since(h, 0, before), most < STREAM_SEND_BYTES_MAX ? 2 : 3);
        assert_int_equal(sent_since(h, 1, before), most < STREAM_SEND_BYTES_MAX ? 1 : 2);
        assert_idle(h);
        harness_free(h);
    }
}

static void
who_waits_for_one_partition_elsewhere_waits_there(void **state)
{
    struct client c;
    struct harness *h = four_partitions(&c);
    uint64_t before[2] = {0};
    (void)sent_since(h, 0, before);
    (void)sent_since(h, 1, before);
    assert_false(client_fetch(&c, &patient_one).answered);
    assert_int_equal(sent_since(h, 0, before), 1);
    assert_int_equal(sent_since(h, 1, before), 0);
    fixture_append(h, 0, 1, 100);
    struct fetched f = client_poll(&c, 0);
    assert_int_equal(f.parts[0].bytes, 100);
    assert_int_equal(f.parts[0].high_watermark, 1);
    assert_int_equal(sent_since(h, 0, before), 1); /* gives the memory back */
    assert_int_equal(sent_since(h, 1, before), 1);
    assert_idle(h);
    harness_free(h);
}

static void
a_wait_elsewhere_ends_at_its_deadline_with_what_the_owner_knows(void **state)
{
    struct client c;
    struct harness *h = four_partitions(&c);
    for (int i = 0; i < 3; i++)
        fixture_append(h, 0, 1, 100);
    struct ask end = {0, 1, 3, 0, 0};
    struct fetch_ask ask = patient_one;
    ask.parts = &end;
    assert_false(client_fetch(&c, &ask).answered);
    h->now_ns += 499 * CLOCK_NS_PER_MS;
    assert_false(client_poll(&c, 0).answered);
    h->now_ns += CLOCK_NS_PER_MS;
    struct fetched f = client_poll(&c, 0);
    assert_true(f.answered);
    assert_int_equal(f.parts[0].error, KERR_NONE);
    assert_int_equal(f.parts[0].bytes, 0);
    assert_int_equal(f.parts[0].high_watermark, 3);
    assert_int_equal(f.parts[0].log_start_offset, 0);
    assert_int_equal(h->shards[0].fetch->watches_out, 0);
    assert_idle(h);
    harness_free(h);
}

static void
data_that_comes_when_the_wait_ends_is_answered_or_left_once(void **state)
{
    for (uint32_t turns = 0; turns < 5; turns++) {
        struct client c;
        struct harness *h = four_partitions(&c);
        assert_false(client_fetch(&c, &patient_one).answered);
        h->now_ns += 500 * CLOCK_NS_PER_MS;
        harness_turns(h, turns);
        fixture_append(h, 0, 1, 100);
        struct fetched f = client_poll(&c, 0);
        assert_true(f.answered);
        assert_true(f.parts[0].bytes == 0 || f.parts[0].bytes == 100);
        assert_false(client_poll(&c, 0).answered);
        f = client_fetch(&c, &patient_one);
        assert_int_equal(f.parts[0].bytes, 100);
        assert_idle(h);
        harness_free(h);
    }
}

static void
who_wants_more_bytes_than_came_waits_on(void **state)
{
    struct client c;
    struct harness *h = four_partitions(&c);
    struct fetch_ask ask = patient_one;
    ask.min_bytes = 250;
    assert_false(client_fetch(&c, &ask).answered);
    for (int i = 0; i < 2; i++) {
        fixture_append(h, 0, 1, 100);
        assert_false(client_poll(&c, 0).answered);
        assert_int_equal(h->stores[1]->holds, 0); /* nothing is held while it waits */
        assert_int_equal(h->shards[0].fetch->watches_out, 1);
    }
    fixture_append(h, 0, 1, 100);
    struct fetched f = client_poll(&c, 0);
    assert_int_equal(f.parts[0].bytes, 300);
    assert_idle(h);
    harness_free(h);
}

static void
of_several_partitions_the_one_that_has_news_brings_its_records(void **state)
{
    struct client c;
    struct harness *h = four_partitions(&c);
    uint64_t before[2] = {0};
    struct ask parts[] = {{0, 0, 0, 0, 0}, {0, 1, 0, 0, 0}, {0, 3, 0, 0, 0}};
    struct fetch_ask ask = {.max_wait_ms = 500, .min_bytes = 1, .parts = parts, .count = 3};
    assert_false(client_fetch(&c, &ask).answered);
    (void)sent_since(h, 0, before);
    (void)sent_since(h, 1, before);
    fixture_append(h, 0, 3, 100);
    uint64_t there = 0, back = 0;
    while (h->streams[0].conns[0].sends == 0) {
        harness_turn(h);
        there += sent_since(h, 0, before);
        back += sent_since(h, 1, before);
    }
    assert_int_equal(there, 1); /* the other watch is asked back, */
    assert_int_equal(back, 2);  /* and comes in the same turn of this test */
    struct fetched f = client_poll(&c, 0);
    assert_int_equal(f.parts[2].bytes, 100);
    assert_idle(h);
    harness_free(h);
}

static void
what_the_budget_leaves_out_goes_back_at_once(void **state)
{
    struct client c;
    struct harness *h = four_partitions(&c);
    fixture_append(h, 0, 1, 400);
    fixture_append(h, 0, 3, 400);
    struct ask parts[] = {{0, 1, 0, 0, 0}, {0, 3, 0, 0, 0}};
    struct fetch_ask ask = {
        .max_wait_ms = 500, .min_bytes = 1, .max_bytes = 500, .parts = parts, .count = 2};
    h->streams[0].conns[0].keep_loan = true;
    fixture_send(h, 0, 0, &ask);
    harness_turns(h, 4);
    assert_int_equal(h->streams[0].conns[0].sends, 1);
    assert_int_equal(h->shards[0].holds_out, 1); /* of the one that is being sent */
    h->streams[0].conns[0].keep_loan = false;
    struct fetched f = client_poll(&c, 0);
    assert_int_equal(f.parts[0].bytes, 400);
    assert_int_equal(f.parts[1].bytes, 0);
    assert_idle(h);
    harness_free(h);
}

static void
nothing_is_held_for_long_while_another_partition_is_read(void **state)
{
    struct client c;
    struct harness *h = four_partitions(&c);
    fixture_append(h, 0, 0, 100);
    fixture_append(h, 0, 1, 100);
    harness_turns(h, 2);
    h->stores[0]->cold_buffers = 1;
    h->stores[0]->reads_late = true;
    struct ask parts[] = {{0, 0, 0, 0, 0}, {0, 1, 0, 0, 0}};
    struct fetch_ask ask = {.max_wait_ms = 500, .min_bytes = 1, .parts = parts, .count = 2};
    fixture_send(h, 0, 0, &ask);
    harness_turns(h, 3);
    assert_int_equal(h->stores[1]->holds, 1);
    assert_true(h->shards[0].fetch_ns <= h->now_ns + FETCH_HOLD_MS * CLOCK_NS_PER_MS);
    h->now_ns += FETCH_HOLD_MS * CLOCK_NS_PER_MS;
    harness_turns(h, 2);
    assert_int_equal(h->stores[1]->holds, 0);
    h->stores[0]->reads_late = false;
    h->now_ns += CLOCK_NS_PER_MS;
    struct fetched f = client_poll(&c, 0);
    assert_int_equal(f.parts[0].bytes, 100);
    assert_int_equal(f.parts[1].bytes, 100);
    assert_idle(h);
    harness_free(h);
}

static void
without_room_for_holds_the_records_are_asked_for_later(void **state)
{
    struct client c;
    struct harness *h = four_partitions(&c);
    fixture_append(h, 0, 1, 100);
    size_t room;
    void *most = buddy_take(h->shards[0].memory, SHARD_ANSWER_BLOCK_MAX, &room);
    void *more = buddy_take(h->shards[0].memory, 4096, &room);
    struct fetched f = client_fetch(&c, &patient_one);
    assert_int_equal(f.parts[0].bytes, 100);
    buddy_give(h->shards[0].memory, most);
    buddy_give(h->shards[0].memory, more);
    assert_idle(h);
    harness_free(h);
}

static void
a_client_that_goes_at_any_turn_leaves_nothing_behind(void **state)
{
    for (uint32_t turns = 0; turns < 20; turns++) {
        struct client c;
        struct harness *h = four_partitions(&c);
        struct ask parts[] = {{0, 1, 0, 0, 0}, {0, 3, 0, 0, 0}, {0, 0, 0, 0, 0}};
        struct fetch_ask ask = patient_one;
        ask.parts = parts;
        ask.count = turns % 2 ? 1 : 3;
        fixture_send(h, 0, 0, &ask);
        if (turns % 4 / 2)
            harness_turns(h, 6); /* it waits when they come */
        fixture_append(h, 0, 1, 100);
        fixture_append(h, 0, 3, 100);
        harness_turns(h, turns / 4);
        fake_stream_end(&h->streams[0], 0, ERR_IO);
        harness_turns(h, 8);
        assert_int_equal(h->shards[0].fetch->watches_out, 0);
        assert_int_equal(h->shards[0].holds_out, 0);
        assert_idle(h);
        harness_free(h);
    }
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_in_memory_cost_a_message_each_way_and_one_that_gives_them_back),
        cmocka_unit_test(records_that_are_read_from_a_file_cost_no_more),
        cmocka_unit_test(of_several_partitions_what_a_file_was_read_for_is_not_held_meanwhile),
        cmocka_unit_test(of_several_partitions_read_buffers_are_held_up_to_what_is_sent_in_one_go),
        cmocka_unit_test(who_waits_for_one_partition_elsewhere_waits_there),
        cmocka_unit_test(a_wait_elsewhere_ends_at_its_deadline_with_what_the_owner_knows),
        cmocka_unit_test(data_that_comes_when_the_wait_ends_is_answered_or_left_once),
        cmocka_unit_test(who_wants_more_bytes_than_came_waits_on),
        cmocka_unit_test(of_several_partitions_the_one_that_has_news_brings_its_records),
        cmocka_unit_test(what_the_budget_leaves_out_goes_back_at_once),
        cmocka_unit_test(nothing_is_held_for_long_while_another_partition_is_read),
        cmocka_unit_test(without_room_for_holds_the_records_are_asked_for_later),
        cmocka_unit_test(a_client_that_goes_at_any_turn_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
