#include "tests/unit/core/wire/lens_agree.h"
#include "tests/unit/core/wire/lens_answer.h"
#include "tests/unit/unit.h"

#include <stdlib.h>

enum { VERSION_MIN = 4, VERSION_MAX = 18, MUTANTS = 20000 };

static uint8_t body[4096];
static struct wire_fetch_request_fetch_partition partitions[2];
static struct wire_fetch_request_fetch_topic topics[1];
static struct wire_fetch_request_forgotten_topic forgotten[1];
static int32_t forgotten_partitions[] = {3, 8};

static void
fill_topics(int16_t version)
{
    for (int i = 0; i < 2; i++) {
        partitions[i] = (struct wire_fetch_request_fetch_partition){
            .partition = i + 1,
            .current_leader_epoch = 7,
            .fetch_offset = 1000 + i,
            .last_fetched_epoch = version >= 12 ? 6 : -1,
            .log_start_offset = 10,
            .partition_max_bytes = 1 << 20,
            .high_watermark = i ? 55 : INT64_MAX,
        };
        memset(partitions[i].replica_directory_id, i, 16);
    }
    topics[0] = (struct wire_fetch_request_fetch_topic){.topic = view_of_text("orders")};
    memset(topics[0].topic_id, 9, 16);
    topics[0].partitions.items = partitions;
    topics[0].partitions.count = 2;
    forgotten[0] = (struct wire_fetch_request_forgotten_topic){.topic = view_of_text("gone")};
    forgotten[0].partitions.items = forgotten_partitions;
    forgotten[0].partitions.count = 2;
}

static struct view
request(int16_t version)
{
    struct wire_fetch_request r;
    wire_init(&wire_fetch_request_message, &r);
    fill_topics(version);
    r.max_wait_ms = 500;
    r.min_bytes = 1;
    r.max_bytes = 50 << 20;
    r.isolation_level = 1;
    r.session_id = 77;
    r.session_epoch = 3;
    r.topics.items = topics;
    r.topics.count = 1;
    if (version >= 7) {
        r.forgotten_topics_data.items = forgotten;
        r.forgotten_topics_data.count = 1;
    }
    r.rack_id = view_of_text("rack-1");
    r.cluster_id = view_of_text("cluster");
    if (version >= 15)
        r.replica_state = (struct wire_fetch_request_replica_state){2, 12};
    else
        r.replica_id = 2;
    struct put w = put_of(body, sizeof body);
    assert_int_equal(wire_encode(&wire_fetch_request_message, version, &r, &w), ERR_OK);
    return view_of(body, put_len(&w));
}

static void
lens_and_walker_read_the_same_request_in_every_version(void **state)
{
    for (int16_t v = VERSION_MIN; v <= VERSION_MAX; v++)
        assert_true(agree_fetch(request(v), v));
}

static void
fields_arrive_where_they_belong(void **state)
{
    struct lens_fetch l;
    struct lens_fetch_topic t;
    struct lens_fetch_partition p;
    assert_int_equal(lens_fetch_begin(request(11), 11, &l), ERR_OK);
    assert_int_equal(l.replica_id, 2);
    assert_int_equal(l.max_wait_ms, 500);
    assert_int_equal(l.max_bytes, 50 << 20);
    assert_int_equal(l.isolation_level, 1);
    assert_int_equal(l.session_id, 77);
    assert_int_equal(l.session_epoch, 3);
    assert_int_equal(l.topic_count, 1);
    assert_int_equal(lens_fetch_next_topic(&l, &t), ERR_OK);
    assert_true(view_equal(t.name, view_of_text("orders")));
    assert_int_equal(t.partition_count, 2);
    assert_int_equal(lens_fetch_next_partition(&l, &p), ERR_OK);
    assert_int_equal(p.index, 1);
    assert_int_equal(p.leader_epoch, 7);
    assert_int_equal(p.fetch_offset, 1000);
    assert_int_equal(p.last_fetched_epoch, -1);
    assert_int_equal(p.log_start_offset, 10);
    assert_int_equal(p.max_bytes, 1 << 20);
}

static void
a_replica_of_version_15_names_itself_at_the_end(void **state)
{
    struct lens_fetch l;
    struct lens_fetch_topic t;
    struct lens_fetch_partition p;
    struct lens_fetch_forgotten f;
    assert_int_equal(lens_fetch_begin(request(18), 18, &l), ERR_OK);
    assert_int_equal(l.replica_id, -1);
    assert_int_equal(lens_fetch_next_topic(&l, &t), ERR_OK);
    assert_int_equal(t.topic_id[0], 9);
    assert_int_equal(lens_fetch_next_partition(&l, &p), ERR_OK);
    assert_int_equal(lens_fetch_next_partition(&l, &p), ERR_OK);
    assert_int_equal(lens_fetch_end_topic(&l), ERR_OK);
    assert_int_equal(lens_fetch_forgotten(&l), ERR_OK);
    assert_int_equal(lens_fetch_next_forgotten(&l, &f), ERR_OK);
    assert_int_equal(f.partition_count, 2);
    assert_int_equal(cur_i32(&f.partitions), 3);
    assert_int_equal(lens_fetch_end(&l), ERR_OK);
    assert_int_equal(l.replica_id, 2);
    assert_int_equal(l.replica_epoch, 12);
    assert_true(view_equal(l.rack_id, view_of_text("rack-1")));
}

static void
every_cut_is_corrupt_and_an_added_byte_ignored(void **state)
{
    for (int16_t v = VERSION_MIN; v <= VERSION_MAX; v++) {
        struct view whole = request(v);
        for (uint32_t len = 0; len < whole.len; len++)
            assert_int_equal(agree_walk_fetch(view_of(whole.at, len), v), ERR_CORRUPT);
        body[whole.len] = 0;
        assert_int_equal(agree_walk_fetch(view_of(whole.at, whole.len + 1), v), ERR_OK);
    }
}

static void
lens_and_walker_agree_on_damaged_requests(void **state)
{
    unsigned seed = 20260818;
    print_message("seed %u\n", seed);
    srandom(seed);
    for (int i = 0; i < MUTANTS; i++) {
        int16_t v = (int16_t)(VERSION_MIN + random() % (VERSION_MAX - VERSION_MIN + 1));
        struct view whole = request(v);
        for (long n = 1 + random() % 3; n > 0; n--)
            body[random() % whole.len] = (uint8_t)(random() % 4 ? random() % 24 : random());
        agree_fetch(whole, v);
    }
}

static void
answers_are_the_walkers_bytes_in_every_version(void **state)
{
    static struct wire_fetch_response_aborted_transaction aborted[] = {{1, 2}, {3, 4}};
    for (int16_t v = VERSION_MIN; v <= VERSION_MAX; v++) {
        struct wire_fetch_response r;
        struct wire_fetch_response_fetchable_topic_response t[1] = {0};
        struct wire_fetch_response_partition_data p[3] = {0};
        wire_init(&wire_fetch_response_message, &r);
        r.throttle_time_ms = 5;
        r.session_id = v >= 7 ? 66 : 0;
        r.responses.items = t;
        r.responses.count = 1;
        t[0].topic = view_of_text("orders");
        memset(t[0].topic_id, 7, 16);
        t[0].partitions.items = p;
        t[0].partitions.count = 3;
        for (int i = 0; i < 3; i++) {
            p[i].partition_index = i;
            p[i].high_watermark = 1000;
            p[i].last_stable_offset = 900;
            p[i].log_start_offset = 3;
            p[i].records = view_of_text(i ? "records" : "");
            p[i].aborted_transactions.items = aborted;
            p[i].aborted_transactions.count = i == 0 ? -1 : i == 1 ? 0 : 2;
            p[i].current_leader.leader_id = i == 2 ? 4 : -1;
            p[i].current_leader.leader_epoch = 9;
            p[i].diverging_epoch.epoch = i ? 7 : -1; /* with and without a leader */
            p[i].diverging_epoch.end_offset = i ? INT64_C(1) << 40 : -1;
        }
        answer_fetch(&r, v);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lens_and_walker_read_the_same_request_in_every_version),
        cmocka_unit_test(fields_arrive_where_they_belong),
        cmocka_unit_test(a_replica_of_version_15_names_itself_at_the_end),
        cmocka_unit_test(every_cut_is_corrupt_and_an_added_byte_ignored),
        cmocka_unit_test(lens_and_walker_agree_on_damaged_requests),
        cmocka_unit_test(answers_are_the_walkers_bytes_in_every_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
