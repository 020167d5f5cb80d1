#include "tests/unit/core/wire/lens_agree.h"
#include "tests/unit/core/wire/lens_answer.h"
#include "tests/unit/unit.h"

#include <stdlib.h>

enum { VERSION_MIN = 3, VERSION_MAX = 13, MUTANTS = 20000 };

static uint8_t body[4096];
static struct wire_produce_request_partition_produce_data partitions[3];
static struct wire_produce_request_topic_produce_data topics[2];

/* Two topics; partitions 0, 1, 2 in the first with records, empty ones and none; the second empty.
 */
static struct view
request(int16_t version)
{
    struct wire_produce_request r;
    wire_init(&wire_produce_request_message, &r);
    memset(topics, 0, sizeof topics);
    for (int i = 0; i < 3; i++)
        partitions[i].index = i;
    partitions[0].records = view_of_text("records");
    partitions[1].records = view_of_text("");
    partitions[2].records = (struct view){0};
    for (int i = 0; i < 2; i++) {
        topics[i].name = view_of_text(i ? "other" : "orders");
        memset(topics[i].topic_id, version >= 13 ? i + 1 : 0, 16);
    }
    topics[0].partition_data.items = partitions;
    topics[0].partition_data.count = 3;
    r.transactional_id = view_of_text("tx");
    r.acks = -1;
    r.timeout_ms = 30000;
    r.topic_data.items = topics;
    r.topic_data.count = 2;
    struct put w = put_of(body, sizeof body);
    assert_int_equal(wire_encode(&wire_produce_request_message, version, &r, &w), ERR_OK);
    return view_of(body, put_len(&w));
}

static void
lens_and_walker_read_the_same_request_in_every_version(void **state)
{
    for (int16_t v = VERSION_MIN; v <= VERSION_MAX; v++)
        assert_true(agree_produce(request(v), v));
}

static void
fields_arrive_where_they_belong(void **state)
{
    struct lens_produce l;
    struct lens_produce_topic t;
    struct lens_produce_partition p;
    assert_int_equal(lens_produce_begin(request(9), 9, &l), ERR_OK);
    assert_true(view_equal(l.transactional_id, view_of_text("tx")));
    assert_int_equal(l.acks, -1);
    assert_int_equal(l.timeout_ms, 30000);
    assert_int_equal(l.topic_count, 2);
    assert_int_equal(lens_produce_next_topic(&l, &t), ERR_OK);
    assert_true(view_equal(t.name, view_of_text("orders")));
    assert_null(t.topic_id);
    assert_int_equal(t.partition_count, 3);
    assert_int_equal(lens_produce_next_partition(&l, &p), ERR_OK);
    assert_true(view_equal(p.records, view_of_text("records")));
    assert_int_equal(lens_produce_next_partition(&l, &p), ERR_OK);
    assert_int_equal(p.index, 1);
    assert_non_null(p.records.at);
    assert_int_equal(lens_produce_next_partition(&l, &p), ERR_OK);
    assert_null(p.records.at);
}

static void
ids_replace_names_in_version_13(void **state)
{
    struct lens_produce l;
    struct lens_produce_topic t;
    assert_int_equal(lens_produce_begin(request(13), 13, &l), ERR_OK);
    assert_int_equal(lens_produce_next_topic(&l, &t), ERR_OK);
    assert_int_equal(t.name.len, 0);
    assert_int_equal(t.topic_id[15], 1);
}

static void
every_cut_is_corrupt_and_an_added_byte_ignored(void **state)
{
    for (int16_t v = VERSION_MIN; v <= VERSION_MAX; v++) {
        struct view whole = request(v);
        for (uint32_t len = 0; len < whole.len; len++)
            assert_int_equal(agree_walk_produce(view_of(whole.at, len), v), ERR_CORRUPT);
        body[whole.len] = 0;
        assert_int_equal(agree_walk_produce(view_of(whole.at, whole.len + 1), v), ERR_OK);
    }
}

static void
lens_and_walker_agree_on_damaged_requests(void **state)
{
    unsigned seed = 20260817;
    print_message("seed %u\n", seed);
    srandom(seed);
    for (int i = 0; i < MUTANTS; i++) {
        int16_t v = (int16_t)(VERSION_MIN + random() % (VERSION_MAX - VERSION_MIN + 1));
        struct view whole = request(v);
        for (long n = 1 + random() % 3; n > 0; n--)
            body[random() % whole.len] = (uint8_t)(random() % 4 ? random() % 8 : random());
        agree_produce(whole, v);
    }
}

static void
a_count_that_cannot_fit_is_corrupt_at_once(void **state)
{
    static const uint8_t bytes[] = {0, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0x0f};
    struct lens_produce l;
    assert_int_equal(lens_produce_begin(view_of(bytes, sizeof bytes), 9, &l), ERR_CORRUPT);
}

static void
answers_are_the_walkers_bytes_in_every_version(void **state)
{
    for (int16_t v = VERSION_MIN; v <= VERSION_MAX; v++) {
        struct wire_produce_response r;
        struct wire_produce_response_topic_produce_response t[2] = {0};
        struct wire_produce_response_partition_produce_response p[3] = {0};
        wire_init(&wire_produce_response_message, &r);
        r.throttle_time_ms = 5;
        r.responses.items = t;
        r.responses.count = 2;
        t[0].name = view_of_text("orders");
        t[1].name = view_of_text("other");
        memset(t[0].topic_id, 7, 16);
        t[0].partition_responses.items = p;
        t[0].partition_responses.count = 3;
        for (int i = 0; i < 3; i++) {
            p[i].index = i;
            p[i].error_code = (int16_t)(i * 3);
            p[i].base_offset = INT64_C(1) << (i * 20);
            p[i].log_append_time_ms = -1;
            p[i].log_start_offset = 3;
            p[i].error_message = i == 1 ? view_of_text("no") : (struct view){0};
            p[i].current_leader.leader_id = v >= 10 && i == 2 ? 4 : -1;
            p[i].current_leader.leader_epoch = 9;
        }
        answer_produce(&r, v);
    }
}

static void
an_answer_without_room_is_bad(void **state)
{
    uint8_t small[8];
    struct put w = put_of(small, sizeof small);
    struct lens_produce_result r = {.leader_id = -1};
    lens_produce_answer_begin(&w, 9, 1);
    lens_produce_answer_partition(&w, 9, &r);
    assert_true(w.bad);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lens_and_walker_read_the_same_request_in_every_version),
        cmocka_unit_test(fields_arrive_where_they_belong),
        cmocka_unit_test(ids_replace_names_in_version_13),
        cmocka_unit_test(every_cut_is_corrupt_and_an_added_byte_ignored),
        cmocka_unit_test(lens_and_walker_agree_on_damaged_requests),
        cmocka_unit_test(a_count_that_cannot_fit_is_corrupt_at_once),
        cmocka_unit_test(answers_are_the_walkers_bytes_in_every_version),
        cmocka_unit_test(an_answer_without_room_is_bad),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
