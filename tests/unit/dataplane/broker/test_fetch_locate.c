/* The owner's side: indexes that have to be read, partitions that change under a wait. */
#include "core/store/store.h"

/* As the fake store's, but late on demand. */
int fake_locate(struct store *s, struct plog *p, int64_t offset, int64_t offset_limit,
                uint32_t bytes_max, bool at_least_one, struct store_range *out);
#define store_locate fake_locate
#include "tests/unit/dataplane/broker/fixture_fetch.h"
#undef store_locate

static uint32_t late; /* how many calls are told to come again */
static int locate_result;

int
store_locate(struct store *s, struct plog *p, int64_t offset, int64_t offset_limit,
             uint32_t bytes_max, bool at_least_one, struct store_range *out)
{
    if (late) {
        late--;
        return ERR_AGAIN;
    }
    if (locate_result)
        return locate_result;
    return fake_locate(s, p, offset, offset_limit, bytes_max, at_least_one, out);
}

static const struct ask both[] = {{0, 0, 0, 0, 0}, {0, 1, 0, 0, 0}};
static const struct fetch_ask patient = {
    .version = 13, .max_wait_ms = 500, .min_bytes = 1, .parts = both, .count = 2};

static struct harness *
two_partitions(void)
{
    struct harness *h = harness_new(2, NULL);
    late = 0;
    locate_result = 0;
    harness_topic(h, 0, "0", 2);
    return h;
}

static void
assert_idle(struct harness *h)
{
    harness_turns(h, 4);
    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(buddy_used(h->shards[i].memory), 0);
        assert_int_equal(mesh_jobs_out(h->shards[i].mesh), 0);
    }
}

static void
an_index_that_must_be_read_delays_the_answer(void **state)
{
    for (int32_t partition = 0; partition < 2; partition++) { /* own, and of the other shard */
        struct harness *h = two_partitions();
        fixture_append(h, 0, partition, 100);
        struct client c = client_new(h, 0, 0);
        late = 30;
        assert_false(client_fetch(&c, &patient).answered);
        assert_true(late < 30);
        late = 0;
        struct fetched f = client_poll(&c, 13);
        assert_true(f.answered);
        assert_int_equal(f.parts[partition].bytes, 100);
        assert_idle(h);
        harness_free(h);
    }
}

static void
a_connection_may_go_away_while_an_index_is_read(void **state)
{
    struct harness *h = two_partitions();
    fixture_append(h, 0, 0, 100);
    fixture_append(h, 0, 1, 100);
    struct client c = client_new(h, 0, 0);
    late = 1000;
    assert_false(client_fetch(&c, &patient).answered);
    fake_stream_end(&h->streams[0], 0, ERR_CLOSED);
    harness_turns(h, 4);
    late = 0;
    assert_idle(h);
    harness_free(h);
}

static void
failures_of_the_store_are_kafka_errors(void **state)
{
    static const struct {
        int err;
        int16_t error;
    } cases[] = {{ERR_NOT_FOUND, KERR_OFFSET_OUT_OF_RANGE},
                 {ERR_IO, KERR_KAFKA_STORAGE_ERROR},
                 {ERR_CORRUPT, KERR_CORRUPT_MESSAGE}};
    struct harness *h = two_partitions();
    fixture_append(h, 0, 0, 100);
    fixture_append(h, 0, 1, 100);
    struct client c = client_new(h, 0, 0);
    for (size_t i = 0; i < 3; i++) {
        locate_result = cases[i].err;
        struct fetched f = client_fetch(&c, &patient);
        assert_int_equal(f.parts[0].error, cases[i].error);
        assert_int_equal(f.parts[1].error, cases[i].error);
        assert_int_equal(f.parts[0].bytes + f.parts[1].bytes, 0);
    }
    assert_idle(h);
    harness_free(h);
}

static void
a_log_that_goes_offline_ends_the_wait(void **state)
{
    for (int32_t partition = 0; partition < 2; partition++) {
        struct harness *h = two_partitions();
        struct client c = client_new(h, 0, 0);
        assert_false(client_fetch(&c, &patient).answered);
        uint8_t id[16];
        harness_topic_id(id, 0);
        struct plog *p = store_find(h->stores[partition], id, partition);
        p->state = PLOG_OFFLINE;
        p->changed = true;
        struct fetched f = client_poll(&c, 13);
        assert_true(f.answered);
        assert_int_equal(f.parts[partition].error, KERR_KAFKA_STORAGE_ERROR);
        assert_int_equal(f.parts[!partition].error, KERR_NONE);
        assert_idle(h);
        harness_free(h);
    }
}

static void
a_topic_that_is_deleted_ends_the_wait(void **state)
{
    struct harness *h = two_partitions();
    struct client c = client_new(h, 0, 0);
    assert_false(client_fetch(&c, &patient).answered);
    for (uint32_t slot = 0; slot < 2; slot++) {
        struct table_want_fact w = {.state = TABLE_DELETING, .version = 2, .topic = 0};
        w.partition = (int32_t)slot;
        harness_topic_id(w.topic_id, 0);
        table_want_write(&region_want(&h->region)[slot], &w);
        harness_ring_row(h, MSG_WANT, slot);
    }
    struct table_topic_fact t = {.state = TABLE_FREE, .version = 2};
    table_topic_write(&region_topics(&h->region)[0], &t);
    harness_ring_row(h, MSG_TOPIC, 0);
    struct fetched f = client_poll(&c, 13);
    assert_true(f.answered);
    assert_int_equal(f.count, 2);
    /* The own one is the reason; word from the other shard may still be on its way. */
    assert_true(f.parts[0].error == KERR_UNKNOWN_TOPIC_OR_PARTITION ||
                f.parts[0].error == KERR_NOT_LEADER_OR_FOLLOWER);
    f = client_fetch(&c, &patient);
    for (uint32_t i = 0; i < 2; i++)
        assert_int_equal(f.parts[i].error, KERR_UNKNOWN_TOPIC_ID);
    assert_idle(h);
    harness_free(h);
}

static void
a_shard_whose_lease_has_run_out_reads_nothing(void **state)
{
    struct harness *h = two_partitions();
    fixture_append(h, 0, 0, 100);
    struct client c = client_new(h, 0, 0);
    atomic_store(&h->region.header->lease_until_ns, h->now_ns - 1);
    struct fetched f = client_fetch(&c, &patient);
    assert_true(f.answered);
    assert_int_equal(f.parts[0].error, KERR_NOT_LEADER_OR_FOLLOWER);
    assert_int_equal(f.parts[1].error, KERR_NOT_LEADER_OR_FOLLOWER);
    harness_free(h);
}

static void
a_watch_is_parked_only_if_nothing_has_changed(void **state)
{
    struct harness *h = two_partitions();
    fixture_append(h, 0, 1, 100);
    harness_turn(h);
    struct shard *home = &h->shards[0], *owner = &h->shards[1];
    struct req r = {.conn = home->conns};
    struct job *j = mesh_job(home->mesh);
    j->kind = JOB_WATCH;
    j->req = &r;
    j->owner = 1;
    j->partition = 1;
    harness_topic_id(j->topic_id, 0);
    struct route_part *p = route_part(route_by_id(owner->route, j->topic_id), 1);
    j->u.locate.seen = 1;
    fetch_watch(owner, j);
    assert_false(list_empty(&p->watchers));
    list_remove(&j->link);
    j->u.locate.seen = 0; /* what home saw is history */
    fetch_watch(owner, j);
    assert_true(list_empty(&p->watchers));
    assert_true(j->returning);
    struct job *back;
    struct mesh_pin pin;
    mesh_flush(owner->mesh);
    assert_int_equal(mesh_take(home->mesh, &back, &pin), MESH_JOB);
    assert_ptr_equal(back, j);
    mesh_done(home->mesh, j);
    harness_free(h);
}

/* A log of ten batches: epoch 1 from 0 on, 3 from 4 on, 5 (that leads) from 8 on. */
static struct harness *
three_epochs(void)
{
    static const struct plog_epoch_end epochs[] = {{1, 0}, {3, 4}, {5, 8}};
    struct harness *h = two_partitions();
    uint8_t id[16];
    harness_topic_id(id, 0);
    for (int32_t partition = 0; partition < 2; partition++) {
        for (int i = 0; i < 10; i++)
            fixture_append(h, 0, partition, 100);
        struct plog *p = store_find(h->stores[partition], id, partition);
        memcpy(p->epochs, epochs, sizeof epochs);
        p->epoch_count = 3;
    }
    return h;
}

static void
who_fetched_another_epoch_is_told_where_the_logs_part(void **state)
{
    static const struct {
        int32_t epoch, current; /* last fetched; of the leader as it sees it, 0: not told */
        int64_t offset;
        int16_t error;
        int32_t diverging_epoch; /* -1: the logs agree */
        int64_t diverging_end;
    } cases[] = {
        {5, 0, 9, KERR_NONE, -1, -1},
        {5, 0, 10, KERR_NONE, -1, -1},
        {3, 0, 8, KERR_NONE, -1, -1},
        {3, 5, 9, KERR_NONE, 3, 8}, /* went on in epoch 3 when we were in 5 */
        {4, 0, 6, KERR_NONE, 3, 8}, /* an epoch that we have not */
        {2, 0, 4, KERR_NONE, 1, 4},
        {1, 0, 3, KERR_NONE, -1, -1},
        {0, 0, 0, KERR_NONE, -1, -1}, /* below all: it ends where ours begin */
        {0, 0, 1, KERR_NONE, 0, 0},
        {5, 0, 11, KERR_NONE, 5, 10}, /* more than we have, of the same epoch */
        {6, 0, 9, KERR_OFFSET_OUT_OF_RANGE, -1, -1},
        {3, 4, 9, KERR_FENCED_LEADER_EPOCH, -1, -1}, /* comes first */
        {3, 6, 9, KERR_UNKNOWN_LEADER_EPOCH, -1, -1},
    };
    struct harness *h = three_epochs();
    struct client c = client_new(h, 0, 0);
    for (size_t i = 0; i < 2 * sizeof cases / sizeof *cases; i++) {
        size_t k = i / 2;
        struct ask part = {
            .partition = (int32_t)(i % 2), .offset = cases[k].offset, .epoch = cases[k].current};
        bool diverges = cases[k].diverging_epoch >= 0, failed = cases[k].error != KERR_NONE;
        bool data = !failed && !diverges && cases[k].offset < 10;
        struct fetch_ask ask = {.version = 12,
                                .max_wait_ms = diverges ? 500 : 0,
                                .min_bytes = 1,
                                .read_committed = true,
                                .fetched_epoch = cases[k].epoch + 1,
                                .parts = &part,
                                .count = 1};
        struct fetched f = client_fetch(&c, &ask);
        if (!f.answered || f.count != 1 || f.parts[0].error != cases[k].error ||
            f.parts[0].diverging_epoch != cases[k].diverging_epoch ||
            f.parts[0].diverging_end != cases[k].diverging_end || (f.parts[0].bytes > 0) != data ||
            f.parts[0].high_watermark != (failed ? -1 : 10) ||
            f.parts[0].aborted_count != (failed || diverges ? -1 : 0))
            fail_msg("case %zu partition %d: answered %d error %d epoch %d end %lld bytes %u "
                     "aborted %d",
                     k, part.partition, f.answered, f.parts[0].error, f.parts[0].diverging_epoch,
                     (long long)f.parts[0].diverging_end, f.parts[0].bytes,
                     f.parts[0].aborted_count);
    }
    assert_idle(h);
    harness_free(h);
}

static void
an_offset_below_the_log_start_is_out_of_range_whatever_its_epoch(void **state)
{
    struct harness *h = three_epochs();
    uint8_t id[16];
    harness_topic_id(id, 0);
    store_find(h->stores[0], id, 0)->start = 5;
    struct client c = client_new(h, 0, 0);
    struct ask part = {.offset = 4};
    struct fetch_ask ask = {
        .version = 12, .min_bytes = 1, .fetched_epoch = 2 + 1, .parts = &part, .count = 1};
    struct fetched f = client_fetch(&c, &ask);
    assert_int_equal(f.parts[0].error, KERR_OFFSET_OUT_OF_RANGE);
    assert_int_equal(f.parts[0].diverging_epoch, -1);
    assert_idle(h);
    harness_free(h);
}

static void
a_session_keeps_the_last_fetched_epoch_and_tells_each_time_that_logs_part(void **state)
{
    struct harness *h = three_epochs();
    struct client c = client_new(h, 0, 0);
    struct ask part = {.offset = 9};
    struct fetch_ask ask = {.version = 13,
                            .sessions = true,
                            .fetched_epoch = 3 + 1,
                            .max_wait_ms = 500,
                            .min_bytes = 1,
                            .parts = &part,
                            .count = 1};
    struct fetched f = client_fetch(&c, &ask);
    assert_int_equal(f.parts[0].diverging_end, 8);
    ask.session_id = f.session_id;
    ask.count = 0;
    for (ask.session_epoch = 1; ask.session_epoch < 4; ask.session_epoch++) {
        f = client_fetch(&c, &ask);
        assert_true(f.answered);
        assert_int_equal(f.count, 1); /* though neither watermark nor start has moved */
        assert_int_equal(f.parts[0].diverging_epoch, 3);
        assert_int_equal(f.parts[0].diverging_end, 8);
    }
    harness_free(h);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_fetched_another_epoch_is_told_where_the_logs_part),
        cmocka_unit_test(an_offset_below_the_log_start_is_out_of_range_whatever_its_epoch),
        cmocka_unit_test(a_session_keeps_the_last_fetched_epoch_and_tells_each_time_that_logs_part),
        cmocka_unit_test(an_index_that_must_be_read_delays_the_answer),
        cmocka_unit_test(a_connection_may_go_away_while_an_index_is_read),
        cmocka_unit_test(failures_of_the_store_are_kafka_errors),
        cmocka_unit_test(a_log_that_goes_offline_ends_the_wait),
        cmocka_unit_test(a_topic_that_is_deleted_ends_the_wait),
        cmocka_unit_test(a_shard_whose_lease_has_run_out_reads_nothing),
        cmocka_unit_test(a_watch_is_parked_only_if_nothing_has_changed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
