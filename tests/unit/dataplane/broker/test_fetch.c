/* The purgatory: who waits, who is woken by what, and that nobody is forgotten. */
#include "tests/unit/dataplane/broker/fixture_fetch.h"
#include "tests/unit/dataplane/broker/fixture_idle.h"

static void
data_that_is_there_is_answered_at_once(void **state)
{
    struct harness *h = harness_new(1, NULL);
    harness_topic(h, 0, "0", 1);
    fixture_append(h, 0, 0, 100);
    fixture_append(h, 0, 0, 200);
    struct client c = client_new(h, 0, 0);
    for (int16_t version = 4; version <= 18; version++) {
        struct ask part = {0, 0, 1, 0, 0};
        struct fetched f = client_fetch(&c, &(struct fetch_ask){.version = version,
                                                                .max_wait_ms = 500,
                                                                .min_bytes = 1,
                                                                .parts = &part,
                                                                .count = 1});
        assert_true(f.answered);
        assert_int_equal(f.error, KERR_NONE);
        assert_int_equal(f.count, 1);
        assert_int_equal(f.parts[0].row, 0);
        assert_int_equal(f.parts[0].error, KERR_NONE);
        assert_int_equal(f.parts[0].high_watermark, 2);
        assert_int_equal(f.parts[0].last_stable_offset, 2);
        assert_int_equal(f.parts[0].bytes, 200);
        assert_int_equal(get_i64(f.parts[0].records), 1); /* base offset of the second batch */
    }
    assert_int_equal(harness_counter(h, 0, COUNTER_FETCH_REQUESTS), 15);
    assert_int_equal(harness_counter(h, 0, COUNTER_FETCH_BYTES), 15 * 200);
    assert_int_equal(harness_counter(h, 0, COUNTER_FETCH_ERRORS), 0);
    assert_idle(h);
    harness_free(h);
}

static void
an_empty_partition_waits_until_data_is_durable(void **state)
{
    struct harness *h = harness_new(1, NULL);
    harness_topic(h, 0, "0", 1);
    struct client c = client_new(h, 0, 0);
    struct ask part = {0, 0, 0, 0, 0};
    struct fetch_ask ask = {.max_wait_ms = 500, .min_bytes = 1, .parts = &part, .count = 1};
    assert_false(client_fetch(&c, &ask).answered);
    h->stores[0]->disk_late = true;
    fixture_append(h, 0, 0, 100);
    assert_false(client_poll(&c, 0).answered); /* appended, but a power cut could take it back */
    h->stores[0]->disk_late = false;
    struct fetched f = client_poll(&c, 0);
    assert_true(f.answered);
    assert_int_equal(f.parts[0].bytes, 100);
    assert_int_equal(harness_counter(h, 0, COUNTER_FETCH_WAITS), 1);
    assert_idle(h);
    harness_free(h);
}

static void
a_wait_ends_with_an_empty_answer_at_its_deadline(void **state)
{
    struct harness *h = harness_new(1, NULL);
    harness_topic(h, 0, "0", 1);
    struct client c = client_new(h, 0, 0);
    struct ask part = {0, 0, 0, 0, 0};
    struct fetch_ask ask = {.max_wait_ms = 500, .min_bytes = 1, .parts = &part, .count = 1};
    assert_false(client_fetch(&c, &ask).answered);
    assert_true(h->shards[0].fetch_ns == h->now_ns + 500 * CLOCK_NS_PER_MS);
    h->now_ns += 500 * CLOCK_NS_PER_MS - 1;
    assert_false(client_poll(&c, 0).answered);
    h->now_ns += 1;
    struct fetched f = client_poll(&c, 0);
    assert_true(f.answered);
    assert_int_equal(f.count, 1);
    assert_int_equal(f.parts[0].error, KERR_NONE);
    assert_int_equal(f.parts[0].bytes, 0);
    assert_int_equal(f.parts[0].high_watermark, 0);
    assert_true(h->shards[0].fetch_ns == CLOCK_NEVER);
    assert_idle(h);
    harness_free(h);
}

static void
min_bytes_are_collected_over_partitions_and_time(void **state)
{
    struct harness *h = harness_new(1, NULL);
    harness_topic(h, 0, "0", 3);
    fixture_append(h, 0, 0, 100);
    struct client c = client_new(h, 0, 0);
    struct ask parts[] = {{0, 0, 0, 0, 0}, {0, 1, 0, 0, 0}, {0, 2, 0, 0, 0}};
    struct fetch_ask ask = {.max_wait_ms = 500, .min_bytes = 300, .parts = parts, .count = 3};
    assert_false(client_fetch(&c, &ask).answered);
    fixture_append(h, 0, 1, 199);
    assert_false(client_poll(&c, 0).answered);
    fixture_append(h, 0, 2, 100);
    struct fetched f = client_poll(&c, 0);
    assert_true(f.answered);
    assert_int_equal(f.parts[0].bytes + f.parts[1].bytes + f.parts[2].bytes, 399);
    assert_idle(h);
    harness_free(h);
}

static void
what_cannot_grow_is_not_waited_for(void **state)
{
    struct harness *h = harness_new(1, NULL);
    harness_topic(h, 0, "0", 1);
    fixture_append(h, 0, 0, 100);
    fixture_append(h, 0, 0, 100);
    struct client c = client_new(h, 0, 0);
    struct ask part = {0, 0, 0, 150, 0}; /* whole batches only: 100 of the 150 */
    struct fetched f = client_fetch(
        &c, &(struct fetch_ask){.max_wait_ms = 500, .min_bytes = 150, .parts = &part, .count = 1});
    assert_true(f.answered);
    assert_int_equal(f.parts[0].bytes, 100);
    harness_free(h);
}

static void
the_first_batch_comes_whatever_its_size_and_the_rest_within_the_budget(void **state)
{
    struct harness *h = harness_new(1, NULL);
    harness_topic(h, 0, "0", 5);
    fixture_append(h, 0, 1, 5000);
    for (int32_t i = 2; i < 5; i++)
        fixture_append(h, 0, i, 300);
    struct client c = client_new(h, 0, 0);
    struct ask parts[] = {
        {0, 0, 0, 0, 0}, {0, 1, 0, 10, 0}, {0, 2, 0, 0, 0}, {0, 3, 0, 299, 0}, {0, 4, 0, 0, 0}};
    struct fetch_ask ask = {
        .max_wait_ms = 500, .min_bytes = 1, .max_bytes = 5599, .parts = parts, .count = 5};
    struct fetched f = client_fetch(&c, &ask);
    static const uint32_t want[] = {0, 5000, 300, 0, 0}; /* 299 are left for the last one */
    assert_int_equal(f.count, 5);
    for (uint32_t i = 0; i < 5; i++) {
        assert_int_equal(f.parts[i].partition, i);
        assert_int_equal(f.parts[i].error, KERR_NONE);
        assert_int_equal(f.parts[i].bytes, want[i]);
        assert_int_equal(f.parts[i].high_watermark, i > 0);
    }
    assert_idle(h);
    harness_free(h);
}

struct wrong {
    const char *what;
    struct ask part;
    bool follower;
    int16_t version, error;
};

static void
errors_are_answered_at_once(void **state)
{
    static const struct wrong cases[] = {
        {"unknown name", {7, 0, 0, 0, 0}, false, 12, KERR_UNKNOWN_TOPIC_OR_PARTITION},
        {"unknown id", {7, 0, 0, 0, 0}, false, 13, KERR_UNKNOWN_TOPIC_ID},
        {"partition too high", {0, 1, 0, 0, 0}, false, 13, KERR_UNKNOWN_TOPIC_OR_PARTITION},
        {"partition negative", {0, -1, 0, 0, 0}, false, 12, KERR_UNKNOWN_TOPIC_OR_PARTITION},
        {"offset beyond the end", {0, 0, 2, 0, 0}, false, 12, KERR_OFFSET_OUT_OF_RANGE},
        {"offset negative", {0, 0, -1, 0, 0}, false, 12, KERR_OFFSET_OUT_OF_RANGE},
        {"epoch old", {0, 0, 0, 0, 4}, false, 12, KERR_FENCED_LEADER_EPOCH},
        {"epoch new", {0, 0, 0, 0, 6}, false, 12, KERR_UNKNOWN_LEADER_EPOCH},
        {"follower", {0, 0, 0, 0, 0}, true, 12, KERR_NOT_LEADER_OR_FOLLOWER},
        {"follower that knows the epoch", {0, 0, 0, 0, 5}, true, 12, KERR_UNKNOWN_LEADER_EPOCH},
        {"follower of old", {0, 0, 0, 0, 4}, true, 12, KERR_FENCED_LEADER_EPOCH},
        {"negative size", {0, 0, 0, -5, 0}, false, 12, KERR_UNKNOWN_SERVER_ERROR},
    };
    struct harness *h = harness_new(1, NULL);
    harness_topic(h, 0, "0", 1);
    fixture_append(h, 0, 0, 100);
    struct client c = client_new(h, 0, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct wrong *w = &cases[i];
        struct fetch_ask ask = {.version = w->version,
                                .max_wait_ms = 500,
                                .min_bytes = 100000,
                                .follower = w->follower,
                                .replica_id = 2,
                                .parts = &w->part,
                                .count = 1};
        struct fetched f = client_fetch(&c, &ask);
        if (!f.answered || f.count != 1 || f.parts[0].error != w->error)
            fail_msg("%s: answered %d, error %d", w->what, f.answered, f.parts[0].error);
        assert_int_equal(f.parts[0].high_watermark, -1);
        assert_int_equal(f.parts[0].bytes, 0);
        assert_int_equal(harness_counter(h, 0, COUNTER_FETCH_ERRORS), i + 1);
    }
    assert_int_equal(harness_counter(h, 0, COUNTER_FETCH_BYTES), 0);
    assert_idle(h);
    harness_free(h);
}

static void
a_fenced_shard_is_no_leader_and_says_who_is(void **state)
{
    struct harness *h = harness_new(1, NULL);
    harness_topic(h, 0, "0", 1);
    struct client c = client_new(h, 0, 0);
    struct ask part = {0, 0, 0, 0, 4};
    struct fetch_ask ask = {.version = 16, .max_wait_ms = 500, .parts = &part, .count = 1};
    struct fetched f = client_fetch(&c, &ask);
    assert_int_equal(f.parts[0].error, KERR_FENCED_LEADER_EPOCH);
    assert_int_equal(f.parts[0].leader_id, 1);
    assert_int_equal(f.parts[0].leader_epoch, 5);
    harness_free(h);
}

static void
an_unknown_topic_does_not_end_the_wait_for_the_others(void **state)
{
    struct harness *h = harness_new(1, NULL);
    harness_topic(h, 0, "0", 1);
    struct client c = client_new(h, 0, 0);
    struct ask parts[] = {{7, 0, 0, 0, 0}, {0, 0, 0, 0, 0}};
    struct fetch_ask ask = {.max_wait_ms = 500, .min_bytes = 1, .parts = parts, .count = 2};
    assert_false(client_fetch(&c, &ask).answered);
    fixture_append(h, 0, 0, 100);
    struct fetched f = client_poll(&c, 0);
    assert_int_equal(f.count, 2);
    assert_int_equal(f.parts[0].row, 0);
    assert_int_equal(f.parts[0].bytes, 100);
    assert_int_equal(f.parts[1].row, 7);
    assert_int_equal(f.parts[1].error, KERR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_idle(h);
    harness_free(h);
}

static void
a_request_without_partitions_is_answered_at_once(void **state)
{
    struct harness *h = harness_new(1, NULL);
    struct client c = client_new(h, 0, 0);
    struct fetched f = client_fetch(&c, &(struct fetch_ask){.max_wait_ms = 500, .min_bytes = 1});
    assert_true(f.answered);
    assert_int_equal(f.count, 0);
    assert_int_equal(f.session_id, 0);
    harness_free(h);
}

static void
a_connection_that_goes_away_leaves_nothing_behind(void **state)
{
    struct harness *h = harness_new(2, NULL);
    harness_topic(h, 0, "0", 4);
    client_new(h, 0, 0);
    struct ask parts[] = {{0, 0, 0, 0, 0}, {0, 1, 0, 0, 0}, {0, 2, 0, 0, 0}, {0, 3, 0, 0, 0}};
    struct fetch_ask ask = {.max_wait_ms = 500, .min_bytes = 1, .parts = parts, .count = 4};
    for (uint32_t turns = 0; turns < 6; turns++) { /* die at every stage of the way */
        fixture_send(h, 0, 0, &ask);
        harness_turns(h, turns);
        fake_stream_end(&h->streams[0], 0, ERR_CLOSED);
        harness_turns(h, 8);
        assert_idle(h);
        fixture_append(h, 0, 0, 100);
        parts[0].offset++;
        fixture_append(h, 0, 1, 100);
        parts[1].offset++;
        client_new(h, 0, 0);
    }
    harness_free(h);
}

static void
a_partition_of_another_shard_is_found_and_sent(void **state)
{
    struct harness *h = harness_new(2, NULL);
    harness_topic(h, 0, "0", 2);
    fixture_append(h, 0, 1, 100);
    struct client c = client_new(h, 0, 0);
    struct ask part = {0, 1, 0, 0, 0};
    struct fetched f = client_fetch(
        &c, &(struct fetch_ask){.max_wait_ms = 500, .min_bytes = 1, .parts = &part, .count = 1});
    assert_true(f.answered);
    assert_int_equal(f.parts[0].bytes, 100);
    assert_int_equal(harness_counter(h, 0, COUNTER_SCATTERED), 1);
    assert_idle(h);
    harness_free(h);
}

static void
data_at_another_shard_ends_a_wait(void **state)
{
    struct harness *h = harness_new(2, NULL);
    harness_topic(h, 0, "0", 4);
    struct client c = client_new(h, 0, 0);
    struct ask parts[] = {{0, 0, 0, 0, 0}, {0, 1, 0, 0, 0}, {0, 2, 0, 0, 0}, {0, 3, 0, 0, 0}};
    struct fetch_ask ask = {.max_wait_ms = 500, .min_bytes = 150, .parts = parts, .count = 4};
    assert_false(client_fetch(&c, &ask).answered);
    assert_int_equal(mesh_jobs_out(h->shards[0].mesh), 2); /* a watch each */
    fixture_append(h, 0, 3, 100);
    assert_false(client_poll(&c, 0).answered);
    assert_int_equal(mesh_jobs_out(h->shards[0].mesh), 2); /* parked again */
    fixture_append(h, 0, 0, 100);
    struct fetched f = client_poll(&c, 0);
    assert_true(f.answered);
    assert_int_equal(f.parts[0].bytes, 100);
    assert_int_equal(f.parts[3].bytes, 100);
    harness_turns(h, 4);
    assert_idle(h);
    harness_free(h);
}

static void
data_that_comes_between_look_and_watch_is_not_missed(void **state)
{
    for (uint32_t turns = 0; turns < 6; turns++) {
        struct harness *h = harness_new(2, NULL);
        harness_topic(h, 0, "0", 2);
        struct client c = client_new(h, 0, 0);
        struct ask parts[] = {{0, 0, 0, 0, 0}, {0, 1, 0, 0, 0}};
        struct fetch_ask ask = {.max_wait_ms = 500, .min_bytes = 1, .parts = parts, .count = 2};
        fixture_send(h, 0, 0, &ask);
        harness_turns(h, turns);
        fixture_append(h, 0, 1, 100);
        struct fetched f = client_poll(&c, 0);
        assert_true(f.answered);
        assert_int_equal(f.parts[1].bytes, 100);
        harness_turns(h, 4);
        assert_idle(h);
        harness_free(h);
    }
}

static void
ranges_of_other_shards_over_the_budget_are_left_out(void **state)
{
    struct harness *h = harness_new(2, NULL);
    harness_topic(h, 0, "0", 4);
    for (int32_t i = 0; i < 4; i++)
        fixture_append(h, 0, i, 400);
    struct client c = client_new(h, 0, 0);
    struct ask parts[] = {{0, 1, 0, 10, 0}, {0, 3, 0, 10, 0}, {0, 0, 0, 0, 0}, {0, 2, 0, 0, 0}};
    struct fetch_ask ask = {
        .max_wait_ms = 500, .min_bytes = 1, .max_bytes = 1000, .parts = parts, .count = 4};
    struct fetched f = client_fetch(&c, &ask);
    static const uint32_t want[] = {400, 0, 400, 0};
    assert_int_equal(f.count, 4);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(f.parts[i].bytes, want[i]);
    assert_idle(h);
    harness_free(h);
}

static void
many_who_wait_for_one_partition_are_all_answered(void **state)
{
    struct harness *h = harness_new(2, NULL);
    harness_topic(h, 0, "0", 2);
    struct client c[40];
    for (uint32_t i = 0; i < 40; i++)
        c[i] = client_new(h, i % 2, i);
    struct ask part = {0, 0, 0, 0, 0};
    struct fetch_ask ask = {.max_wait_ms = 500, .min_bytes = 1, .parts = &part, .count = 1};
    for (uint32_t i = 0; i < 40; i++)
        assert_false(client_fetch(&c[i], &ask).answered);
    fixture_append(h, 0, 0, 100);
    harness_turns(h, 8);
    for (uint32_t i = 0; i < 40; i++)
        assert_int_equal(client_poll(&c[i], 0).parts[0].bytes, 100);
    assert_idle(h);
    harness_free(h);
}

/* ---- consumers that follow four partitions by sessions, at random ---- */

enum { FOLLOWERS = 6, FOLLOWED = 4 };

struct follower {
    struct client client;
    int64_t at[FOLLOWED];
    bool named[FOLLOWED]; /* position changed since the last request */
    int32_t session_id, epoch;
    bool waits;
    uint64_t answers;
};

static void
follower_send(struct follower *f, uint32_t random)
{
    struct ask parts[FOLLOWED];
    uint32_t count = 0;
    for (int32_t i = 0; i < FOLLOWED; i++) {
        if (f->epoch && !f->named[i])
            continue;
        parts[count++] = (struct ask){.partition = i, .offset = f->at[i], .max_bytes = 350};
        f->named[i] = false;
    }
    struct fetch_ask ask = {.version = 13,
                            .sessions = true,
                            .session_id = f->session_id,
                            .session_epoch = f->epoch,
                            .max_wait_ms = 1000000,
                            .min_bytes = 1,
                            .max_bytes = 300 + (int32_t)(random % 900),
                            .parts = parts,
                            .count = count};
    fixture_send(f->client.h, f->client.shard, f->client.conn, &ask);
    f->waits = true;
}

static void
follower_take(struct follower *f)
{
    struct client *c = &f->client;
    struct fetched got = fixture_receive(c->h, c->shard, c->conn, 13, &c->at);
    if (!got.answered)
        return;
    assert_int_equal(got.error, KERR_NONE);
    assert_true(got.session_id > 0);
    f->session_id = got.session_id;
    f->epoch++;
    f->waits = false;
    f->answers++;
    for (uint32_t i = 0; i < got.count; i++) {
        const struct got *p = &got.parts[i];
        assert_int_equal(p->error, KERR_NONE);
        for (uint32_t at = 0; at < p->bytes;) { /* every batch once, in order */
            assert_int_equal(get_i64(p->records + at), f->at[p->partition]);
            at += get_u32(p->records + at + BATCH_AT_LENGTH) + BATCH_OVERHEAD;
            f->at[p->partition]++;
            f->named[p->partition] = true;
        }
        assert_true(f->at[p->partition] <= p->high_watermark);
    }
}

static void
follower_dies(struct follower *f)
{
    struct client *c = &f->client;
    fake_stream_end(&c->h->streams[c->shard], c->conn, ERR_CLOSED);
    harness_turn(c->h);
    *c = client_new(c->h, c->shard, c->conn);
    f->session_id = f->epoch = 0;
    f->waits = false;
}

/* Nothing is appended: everybody gets what there is, with no help of the clock. */
static void
followers_catch_up(struct harness *h, struct follower *all, const int64_t *ends)
{
    h->stores[0]->disk_late = h->stores[1]->disk_late = false;
    for (uint32_t turn = 0; turn < 150; turn++) {
        harness_turn(h);
        for (uint32_t i = 0; i < FOLLOWERS; i++) {
            follower_take(&all[i]);
            if (!all[i].waits)
                follower_send(&all[i], turn);
        }
    }
    for (uint32_t i = 0; i < FOLLOWERS; i++) {
        assert_true(all[i].waits);
        for (uint32_t k = 0; k < FOLLOWED; k++)
            assert_int_equal(all[i].at[k], ends[k]);
    }
}

static void
every_batch_reaches_every_follower_once_and_without_a_clock(void **state)
{
    struct harness *h = harness_new(2, NULL);
    harness_topic(h, 0, "0", FOLLOWED);
    struct follower all[FOLLOWERS] = {0};
    for (uint32_t i = 0; i < FOLLOWERS; i++)
        all[i].client = client_new(h, i % 2, i);
    uint64_t seed = 20261122, answers = 0;
    int64_t ends[FOLLOWED] = {0};
    print_message("seed %llu\n", (unsigned long long)seed);
    for (uint32_t step = 0; step < 6000; step++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        uint32_t r = (uint32_t)(seed >> 33);
        int32_t partition = (int32_t)(r % FOLLOWED);
        if (r / 8 % 8 == 0) {
            fixture_append(h, 0, partition, 100 + r / 64 % 400);
            ends[partition]++;
        }
        h->stores[r % 2]->disk_late = r / 8 % 16 == 1;
        if (r / 8 % 512 == 2)
            follower_dies(&all[r % FOLLOWERS]);
        harness_turns(h, r / 1024 % 3);
        for (uint32_t i = 0; i < FOLLOWERS; i++) {
            follower_take(&all[i]);
            if (!all[i].waits)
                follower_send(&all[i], r);
        }
        if (step % 100 == 99)
            followers_catch_up(h, all, ends);
    }
    for (uint32_t i = 0; i < FOLLOWERS; i++) {
        answers += all[i].answers;
        fake_stream_end(&h->streams[all[i].client.shard], all[i].client.conn, ERR_CLOSED);
    }
    assert_true(answers > 1000);
    harness_turns(h, 8);
    assert_idle(h);
    harness_free(h);
}

static void
waiting_fetches_are_told_when_the_lease_runs_out(void **state)
{
    struct harness *h = harness_new(2, NULL);
    harness_topic(h, 0, "0", 2);
    struct client c = client_new(h, 0, 0);
    struct client d = client_new(h, 0, 1);
    uint64_t until = h->now_ns + 100 * CLOCK_NS_PER_MS;
    atomic_store(&h->region.header->lease_until_ns, until);
    struct ask parts[] = {{0, 0, 0, 0, 0}, {0, 1, 0, 0, 0}}; /* of this shard, of the other */
    struct fetch_ask own = {.max_wait_ms = 5000, .min_bytes = 1, .parts = parts, .count = 1};
    struct fetch_ask other = {.max_wait_ms = 5000, .min_bytes = 1, .parts = parts + 1, .count = 1};
    assert_false(client_fetch(&c, &own).answered);
    assert_false(client_fetch(&d, &other).answered);
    uint64_t deadline_ns;
    assert_int_equal(shard_turn(&h->shards[0], &deadline_ns), ERR_OK);
    assert_true(deadline_ns <= until + 1); /* nobody rings for silence */
    h->now_ns = until + 1;
    struct fetched f = client_poll(&c, 0);
    assert_true(f.answered);
    assert_int_equal(f.parts[0].error, KERR_NOT_LEADER_OR_FOLLOWER);
    f = client_poll(&d, 0);
    assert_true(f.answered);
    assert_int_equal(f.parts[0].error, KERR_NOT_LEADER_OR_FOLLOWER);
    /* Control is back: all goes on. */
    atomic_store(&h->region.header->lease_until_ns, h->now_ns + 1000 * CLOCK_NS_PER_MS);
    assert_false(client_fetch(&c, &own).answered);
    fixture_append(h, 0, 0, 100);
    f = client_poll(&c, 0);
    assert_true(f.answered);
    assert_int_equal(f.parts[0].error, KERR_NONE);
    assert_int_equal(f.parts[0].bytes, 100);
    assert_idle(h);
    harness_free(h);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(data_that_is_there_is_answered_at_once),
        cmocka_unit_test(an_empty_partition_waits_until_data_is_durable),
        cmocka_unit_test(a_wait_ends_with_an_empty_answer_at_its_deadline),
        cmocka_unit_test(min_bytes_are_collected_over_partitions_and_time),
        cmocka_unit_test(what_cannot_grow_is_not_waited_for),
        cmocka_unit_test(the_first_batch_comes_whatever_its_size_and_the_rest_within_the_budget),
        cmocka_unit_test(errors_are_answered_at_once),
        cmocka_unit_test(a_fenced_shard_is_no_leader_and_says_who_is),
        cmocka_unit_test(an_unknown_topic_does_not_end_the_wait_for_the_others),
        cmocka_unit_test(a_request_without_partitions_is_answered_at_once),
        cmocka_unit_test(a_connection_that_goes_away_leaves_nothing_behind),
        cmocka_unit_test(a_partition_of_another_shard_is_found_and_sent),
        cmocka_unit_test(data_at_another_shard_ends_a_wait),
        cmocka_unit_test(data_that_comes_between_look_and_watch_is_not_missed),
        cmocka_unit_test(ranges_of_other_shards_over_the_budget_are_left_out),
        cmocka_unit_test(many_who_wait_for_one_partition_are_all_answered),
        cmocka_unit_test(every_batch_reaches_every_follower_once_and_without_a_clock),
        cmocka_unit_test(waiting_fetches_are_told_when_the_lease_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
