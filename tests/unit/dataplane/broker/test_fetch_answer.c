/* Sessions on the wire: what an incremental answer leaves out, and in which order it comes. */
#include "tests/unit/dataplane/broker/fixture_fetch.h"

static struct fetch_ask
session_ask(int32_t id, int32_t epoch, const struct ask *parts, uint32_t count)
{
    return (struct fetch_ask){.version = 13,
                              .sessions = true,
                              .session_id = id,
                              .session_epoch = epoch,
                              .max_wait_ms = 500,
                              .min_bytes = 1,
                              .parts = parts,
                              .count = count};
}

static void
a_session_answers_only_what_has_news(void **state)
{
    struct harness *h = harness_new(2, NULL);
    harness_topic(h, 0, "0", 3);
    fixture_append(h, 0, 0, 100);
    struct client c = client_new(h, 0, 0);
    struct ask parts[] = {{0, 0, 0, 0, 0}, {0, 1, 0, 0, 0}, {0, 2, 0, 0, 0}};
    struct fetch_ask ask = session_ask(0, 0, parts, 3);
    struct fetched f = client_fetch(&c, &ask);
    assert_int_equal(f.count, 3);
    assert_true(f.session_id > 0);
    int32_t id = f.session_id;
    /* The client goes on behind what it got; nothing else is named. */
    struct ask next = {0, 0, 1, 0, 0};
    ask = session_ask(id, 1, &next, 1);
    assert_false(client_fetch(&c, &ask).answered);
    fixture_append(h, 0, 1, 200);
    f = client_poll(&c, 13);
    assert_int_equal(f.session_id, id);
    assert_int_equal(f.count, 1);
    assert_int_equal(f.parts[0].partition, 1);
    assert_int_equal(f.parts[0].bytes, 200);
    /* Nothing new: an empty answer at the deadline. */
    next = (struct ask){0, 1, 1, 0, 0};
    ask = session_ask(id, 2, &next, 1);
    assert_false(client_fetch(&c, &ask).answered);
    h->now_ns += CLOCK_NS_PER_S;
    f = client_poll(&c, 13);
    assert_true(f.answered);
    assert_int_equal(f.session_id, id);
    assert_int_equal(f.count, 0);
    harness_free(h);
}

static void
partitions_with_records_go_to_the_end(void **state)
{
    struct harness *h = harness_new(1, NULL);
    harness_topic(h, 0, "0", 3);
    for (int32_t i = 0; i < 3; i++)
        for (int k = 0; k < 4; k++)
            fixture_append(h, 0, i, 100);
    struct client c = client_new(h, 0, 0);
    struct ask parts[] = {{0, 0, 0, 100, 0}, {0, 1, 0, 100, 0}, {0, 2, 0, 100, 0}};
    struct fetch_ask ask = session_ask(0, 0, parts, 3);
    ask.max_bytes = 100; /* one partition a time */
    struct fetched f = client_fetch(&c, &ask);
    assert_int_equal(f.parts[0].bytes, 100);
    assert_int_equal(f.parts[1].bytes, 0);
    int32_t id = f.session_id;
    /* A full answer does not turn the order; each incremental one does. */
    static const int32_t turn[] = {0, 1, 2, 0, 1, 2};
    for (int32_t epoch = 1; epoch <= 6; epoch++) {
        ask = session_ask(id, epoch, NULL, 0);
        ask.max_bytes = 100;
        f = client_fetch(&c, &ask);
        assert_int_equal(f.count, 1);
        assert_int_equal(f.parts[0].partition, turn[epoch - 1]);
        assert_int_equal(f.parts[0].bytes, 100);
    }
    harness_free(h);
}

static void
forgotten_partitions_are_not_fetched_and_the_last_one_closes(void **state)
{
    struct harness *h = harness_new(1, NULL);
    harness_topic(h, 0, "0", 2);
    struct client c = client_new(h, 0, 0);
    struct ask parts[] = {{0, 0, 0, 0, 0}, {0, 1, 0, 0, 0}};
    struct fetch_ask ask = session_ask(0, 0, parts, 2);
    ask.max_wait_ms = 0;
    int32_t id = client_fetch(&c, &ask).session_id;
    ask = session_ask(id, 1, NULL, 0);
    ask.forget = &parts[0];
    ask.forget_count = 1;
    assert_false(client_fetch(&c, &ask).answered);
    fixture_append(h, 0, 0, 100);
    assert_false(client_poll(&c, 13).answered);
    fixture_append(h, 0, 1, 100);
    struct fetched f = client_poll(&c, 13);
    assert_int_equal(f.count, 1);
    assert_int_equal(f.parts[0].partition, 1);
    ask = session_ask(id, 2, NULL, 0);
    ask.forget = &parts[1];
    ask.forget_count = 1;
    f = client_fetch(&c, &ask);
    assert_true(f.answered);
    assert_int_equal(f.session_id, 0);
    assert_int_equal(f.error, KERR_NONE);
    ask = session_ask(id, 3, NULL, 0);
    f = client_fetch(&c, &ask);
    assert_int_equal(f.error, KERR_FETCH_SESSION_ID_NOT_FOUND);
    assert_int_equal(f.session_id, 0);
    harness_free(h);
}

static void
wrong_epoch_and_wrong_kind_of_topic_are_errors_of_the_whole_request(void **state)
{
    struct harness *h = harness_new(1, NULL);
    harness_topic(h, 0, "0", 1);
    struct client c = client_new(h, 0, 0);
    struct ask part = {0, 0, 0, 0, 0};
    struct fetch_ask ask = session_ask(0, 0, &part, 1);
    ask.max_wait_ms = 0;
    int32_t id = client_fetch(&c, &ask).session_id;
    ask = session_ask(id, 2, &part, 1);
    struct fetched f = client_fetch(&c, &ask);
    assert_int_equal(f.error, KERR_INVALID_FETCH_SESSION_EPOCH);
    assert_int_equal(f.count, 0);
    ask = session_ask(id, 1, &part, 1);
    ask.version = 12;
    assert_int_equal(client_fetch(&c, &ask).error, KERR_FETCH_SESSION_TOPIC_ID_ERROR);
    ask.version = 13;
    ask.max_wait_ms = 0;
    assert_int_equal(client_fetch(&c, &ask).error, KERR_NONE); /* errors did not move the epoch */
    harness_free(h);
}

static void
an_error_is_repeated_and_its_end_is_news(void **state)
{
    struct harness *h = harness_new(1, NULL);
    harness_topic(h, 0, "0", 1);
    struct client c = client_new(h, 0, 0);
    struct ask parts[] = {{0, 0, 9, 0, 0}, {7, 0, 0, 0, 0}};
    struct fetch_ask ask = session_ask(0, 0, parts, 2);
    int32_t id = client_fetch(&c, &ask).session_id;
    assert_true(id > 0);
    ask = session_ask(id, 1, NULL, 0);
    struct fetched f = client_fetch(&c, &ask);
    assert_int_equal(f.count, 2);
    assert_int_equal(f.parts[0].error, KERR_OFFSET_OUT_OF_RANGE);
    assert_int_equal(f.parts[1].error, KERR_UNKNOWN_TOPIC_ID);
    struct ask better = {0, 0, 0, 0, 0};
    ask = session_ask(id, 2, &better, 1);
    ask.forget = &parts[1];
    ask.forget_count = 1;
    ask.max_wait_ms = 0;
    f = client_fetch(&c, &ask);
    assert_int_equal(f.count, 1);
    assert_int_equal(f.parts[0].error, KERR_NONE);
    harness_free(h);
}

static void
a_session_that_went_on_elsewhere_makes_the_waiting_request_fail(void **state)
{
    struct harness *h = harness_new(1, NULL);
    harness_topic(h, 0, "0", 1);
    struct client c = client_new(h, 0, 0), d = client_new(h, 0, 1);
    struct ask part = {0, 0, 0, 0, 0};
    struct fetch_ask ask = session_ask(0, 0, &part, 1);
    ask.max_wait_ms = 0;
    int32_t id = client_fetch(&c, &ask).session_id;
    ask = session_ask(id, 1, NULL, 0);
    assert_false(client_fetch(&c, &ask).answered);
    ask = session_ask(id, 2, NULL, 0);
    assert_false(client_fetch(&d, &ask).answered);
    fixture_append(h, 0, 0, 100);
    struct fetched f = client_poll(&c, 13);
    assert_int_equal(f.error, KERR_INVALID_FETCH_SESSION_EPOCH);
    assert_int_equal(f.session_id, id);
    f = client_poll(&d, 13);
    assert_int_equal(f.error, KERR_NONE);
    assert_int_equal(f.parts[0].bytes, 100);
    harness_free(h);
}

static void
without_room_for_sessions_fetching_goes_on_without(void **state)
{
    static const char *const settings[] = {"max.incremental.fetch.session.cache.slots", "0", NULL};
    struct harness *h = harness_new(1, settings);
    harness_topic(h, 0, "0", 1);
    fixture_append(h, 0, 0, 100);
    struct client c = client_new(h, 0, 0);
    struct ask part = {0, 0, 0, 0, 0};
    struct fetch_ask ask = session_ask(0, 0, &part, 1);
    struct fetched f = client_fetch(&c, &ask);
    assert_int_equal(f.error, KERR_NONE);
    assert_int_equal(f.session_id, 0);
    assert_int_equal(f.parts[0].bytes, 100);
    harness_free(h);
}

static void
short_memory_delays_an_answer_and_loses_nothing(void **state)
{
    struct harness *h = harness_new(1, NULL);
    harness_topic(h, 0, "0", 1);
    struct client c = client_new(h, 0, 0);
    struct ask part = {0, 0, 0, 0, 0};
    struct fetch_ask ask = session_ask(0, 0, &part, 1);
    assert_false(client_fetch(&c, &ask).answered);
    /* Somebody takes all memory, in small blocks at last. */
    static void *held[1 << 18];
    uint32_t count = 0;
    size_t room;
    for (size_t bytes = SHARD_ANSWER_BLOCK_MAX; bytes >= 256; bytes /= 2)
        for (void *b; (b = buddy_take(h->shards[0].memory, bytes, &room)) != NULL;)
            held[count++] = b;
    fixture_append(h, 0, 0, 100);
    assert_false(client_poll(&c, 13).answered);
    assert_true(h->shards[0].fetch_ns <= h->now_ns + CLOCK_NS_PER_S); /* it looks again */
    while (count)
        buddy_give(h->shards[0].memory, held[--count]);
    struct fetched f = client_poll(&c, 13);
    assert_int_equal(f.parts[0].bytes, 100);
    assert_true(f.session_id > 0);
    assert_int_equal(buddy_used(h->shards[0].memory), 0);
    harness_free(h);
}

static void
neighbours_of_one_topic_share_its_entry(void **state)
{
    struct harness *h = harness_new(1, NULL);
    harness_topic(h, 0, "0", 3);
    harness_topic(h, 1, "1", 1);
    struct client c = client_new(h, 0, 0);
    struct ask parts[] = {{0, 0, 0, 0, 0}, {1, 0, 0, 0, 0}, {0, 1, 0, 0, 0}};
    struct fetch_ask ask = session_ask(0, 0, parts, 3);
    ask.max_wait_ms = 0;
    struct fetched f = client_fetch(&c, &ask);
    assert_int_equal(f.topics, 3); /* the request has an entry each, in this order */
    fixture_append(h, 0, 0, 100);
    fixture_append(h, 0, 1, 100);
    ask = session_ask(f.session_id, 1, NULL, 0);
    f = client_fetch(&c, &ask);
    assert_int_equal(f.count, 2);
    assert_int_equal(f.topics, 1);
    harness_free(h);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_answers_only_what_has_news),
        cmocka_unit_test(partitions_with_records_go_to_the_end),
        cmocka_unit_test(forgotten_partitions_are_not_fetched_and_the_last_one_closes),
        cmocka_unit_test(wrong_epoch_and_wrong_kind_of_topic_are_errors_of_the_whole_request),
        cmocka_unit_test(an_error_is_repeated_and_its_end_is_news),
        cmocka_unit_test(a_session_that_went_on_elsewhere_makes_the_waiting_request_fail),
        cmocka_unit_test(without_room_for_sessions_fetching_goes_on_without),
        cmocka_unit_test(short_memory_delays_an_answer_and_loses_nothing),
        cmocka_unit_test(neighbours_of_one_topic_share_its_entry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
