#include "tests/unit/dataplane/broker/fixture_fetch.h"

static struct plog *
log_of(struct harness *h, uint32_t row, int32_t partition)
{
    uint8_t id[16];
    harness_topic_id(id, row);
    return store_find(h->stores[store_core_of(id, partition, h->shard_count)], id, partition);
}

static struct store *
store_of(struct harness *h, int32_t partition)
{
    return h->stores[(uint32_t)partition % h->shard_count];
}

/* One transactional record of the one producer there is. */
static void
write_txn(struct harness *h, int32_t partition)
{
    struct plog *p = log_of(h, 0, partition);
    p->txn_verified = true;
    uint8_t batch[100] = {0};
    struct batch_info info = {
        .bytes = 100, .record_count = 1, .attributes = BATCH_TRANSACTIONAL, .producer_id = 9};
    struct store_appended out;
    assert_int_equal(
        store_append(store_of(h, partition), p, &info, view_of(batch, 100), 5, 0, &out), 0);
}

static void
end_txn(struct harness *h, int32_t partition, bool commit)
{
    struct store_marker m = {.producer_id = 9, .commit = commit};
    struct store_appended out;
    assert_int_equal(
        store_append_marker(store_of(h, partition), log_of(h, 0, partition), &m, 5, 0, &out), 0);
}

static struct fetched
fetch(struct client *c, int32_t partition, int64_t offset, bool read_committed)
{
    struct ask ask = {0, partition, offset, 0, 0};
    struct fetch_ask a = {
        .min_bytes = 1, .parts = &ask, .count = 1, .read_committed = read_committed};
    struct fetched f = client_fetch(c, &a);
    assert_true(f.answered);
    assert_int_equal(f.count, 1);
    assert_int_equal(f.parts[0].error, 0);
    return f;
}

static void
what_is_not_decided_is_seen_only_by_who_reads_uncommitted(void **state)
{
    (void)state;
    struct harness *h = harness_new(2, NULL);
    harness_topic(h, 0, "0", 2);
    struct client c = client_new(h, 0, 0);
    for (int32_t partition = 0; partition < 2; partition++) {
        fixture_append(h, 0, partition, 100);
        write_txn(h, partition);
        harness_turns(h, 2);
        struct fetched f = fetch(&c, partition, 0, false);
        assert_int_equal(f.parts[0].bytes, 200);
        assert_int_equal(f.parts[0].aborted_count, -1);
        assert_int_equal(f.parts[0].last_stable_offset, 1);
        f = fetch(&c, partition, 0, true);
        assert_int_equal(f.parts[0].bytes, 100);
        assert_int_equal(f.parts[0].aborted_count, 0);
        assert_int_equal(f.parts[0].last_stable_offset, 1);
        assert_int_equal(f.parts[0].high_watermark, 2);
        f = fetch(&c, partition, 1, true);
        assert_int_equal(f.parts[0].bytes, 0);
        end_txn(h, partition, false);
        harness_turns(h, 2);
        f = fetch(&c, partition, 1, true);
        assert_int_equal(f.parts[0].bytes, 178);
        assert_int_equal(f.parts[0].last_stable_offset, 3);
        assert_int_equal(f.parts[0].aborted_count, 1);
        assert_int_equal(f.parts[0].aborted[0].producer_id, 9);
        assert_int_equal(f.parts[0].aborted[0].first_offset, 1);
        f = fetch(&c, partition, 0, false);
        assert_int_equal(f.parts[0].aborted_count, -1);
    }
    harness_free(h);
}

static void
a_list_longer_than_the_first_room_comes_whole(void **state)
{
    (void)state;
    struct harness *h = harness_new(2, NULL);
    harness_topic(h, 0, "0", 2);
    struct client c = client_new(h, 0, 0);
    size_t used = buddy_used(h->shards[0].memory);
    for (int32_t partition = 0; partition < 2; partition++) {
        for (int i = 0; i < 150; i++) {
            write_txn(h, partition);
            end_txn(h, partition, false);
        }
        harness_turns(h, 2);
        struct fetched f = fetch(&c, partition, 0, true);
        assert_int_equal(f.parts[0].aborted_count, 150);
        for (int64_t i = 0; i < 150; i++)
            assert_int_equal(f.parts[0].aborted[i].first_offset, i * 2);
        /* Only those of the range that is given. */
        struct ask ask = {0, partition, 10, 1000, 0};
        struct fetch_ask a = {.min_bytes = 1, .parts = &ask, .count = 1, .read_committed = true};
        f = client_fetch(&c, &a);
        assert_int_equal(f.parts[0].aborted_count, 6); /* 178 bytes each */
        assert_int_equal(f.parts[0].aborted[0].first_offset, 10);
    }
    harness_turns(h, 2);
    assert_int_equal(buddy_used(h->shards[0].memory), used);
    harness_free(h);
}

static void
who_waits_for_a_decision_is_woken_by_its_marker(void **state)
{
    (void)state;
    struct harness *h = harness_new(2, NULL);
    harness_topic(h, 0, "0", 2);
    struct client c = client_new(h, 0, 0);
    for (int32_t partition = 0; partition < 2; partition++) {
        write_txn(h, partition);
        harness_turns(h, 2);
        struct ask ask = {0, partition, 0, 0, 0};
        struct fetch_ask a = {.min_bytes = 1,
                              .max_wait_ms = 10000,
                              .parts = &ask,
                              .count = 1,
                              .read_committed = true};
        assert_false(client_fetch(&c, &a).answered);
        write_txn(h, partition); /* the high watermark moves, nothing is decided */
        assert_false(client_poll(&c, 0).answered);
        end_txn(h, partition, true);
        struct fetched f = client_poll(&c, 0);
        assert_true(f.answered);
        assert_int_equal(f.parts[0].bytes, 278);
        assert_int_equal(f.parts[0].aborted_count, 0);
    }
    harness_free(h);
}

static void
an_abandoned_wait_gives_its_memory_back(void **state)
{
    (void)state;
    struct harness *h = harness_new(2, NULL);
    harness_topic(h, 0, "0", 2);
    struct client c = client_new(h, 0, 0);
    for (int i = 0; i < 20; i++) {
        write_txn(h, 1);
        end_txn(h, 1, false);
    }
    harness_turns(h, 2);
    size_t used = buddy_used(h->shards[0].memory);
    struct ask ask = {0, 1, 0, 0, 0};
    struct fetch_ask a = {.min_bytes = 1 << 20,
                          .max_wait_ms = 10000,
                          .parts = &ask,
                          .count = 1,
                          .read_committed = true};
    assert_false(client_fetch(&c, &a).answered);
    assert_true(buddy_used(h->shards[0].memory) > used);
    fake_stream_end(&h->streams[0], 0, 0);
    harness_turns(h, 4);
    assert_true(buddy_used(h->shards[0].memory) <= used);
    harness_free(h);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_decided_is_seen_only_by_who_reads_uncommitted),
        cmocka_unit_test(a_list_longer_than_the_first_room_comes_whole),
        cmocka_unit_test(who_waits_for_a_decision_is_woken_by_its_marker),
        cmocka_unit_test(an_abandoned_wait_gives_its_memory_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
