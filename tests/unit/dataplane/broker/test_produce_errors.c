#include "core/base/err.h"
#include "core/wire/kerr.h"
#include "dataplane/broker/produce_in.h"
#include "tests/unit/core/wire/make_batch.h"
#include "tests/unit/unit.h"

#include <stdlib.h>

enum { ARENA = 4 << 20, BLOCK = 2 << 20 };

static struct make_batch maker;
static struct table_topic_fact topic;
static const struct batch_rules rules = {.bytes_max = MAKE_ROOM,
                                         .keys_required = true,
                                         .now_ms = MAKE_BASE_MS + 50,
                                         .before_max_ms = 50,
                                         .after_max_ms = 1950,
                                         .walk_compressed = true};

static void *arena, *bookkeeping;

static struct buddy *
memory_new(void)
{
    arena = aligned_alloc(4096, ARENA);
    bookkeeping = malloc(buddy_footprint(ARENA));
    assert_non_null(arena);
    assert_non_null(bookkeeping);
    return buddy_init(bookkeeping, arena, ARENA, BLOCK);
}

static void
memory_end(struct buddy *b, void *block)
{
    if (block)
        buddy_give(b, block);
    assert_int_equal(buddy_used(b), 0);
    free(bookkeeping);
    free(arena);
}

static void
add(int32_t i, const char *key, int64_t delta_ms)
{
    make_add(&maker, (struct make_record){.offset_delta = i,
                                          .time_delta_ms = delta_ms,
                                          .key = key ? view_of_text(key) : (struct view){0}});
}

static void *
tell(struct buddy *b, struct lens_produce_result *out)
{
    struct batch_info info;
    struct view v = make_end(&maker, MAKE_LZ4);
    topic.name_bytes = 6;
    memcpy(topic.name, "orders", 6);
    *out = (struct lens_produce_result){.index = 3};
    out->error = (int16_t)batch_check(v, &rules, &info, &out->error_message);
    assert_true(info.bad_records > 0);
    return produce_errors(b, v, &rules, &info, &topic, out);
}

static void
is_text(struct view v, const char *text)
{
    assert_true(view_equal(v, view_of_text(text)));
}

#define NO_KEY "Compacted topic cannot accept message without key in topic partition orders-3"

/* Texts: what Apache Kafka 4.3.1 answers. */
static void
records_without_key_are_told_in_kafkas_words(void **state)
{
    struct buddy *b = memory_new();
    struct lens_produce_result out;
    make_begin(&maker);
    for (int32_t i = 0; i < 5; i++)
        add(i, i == 1 ? "key" : NULL, 0);
    void *block = tell(b, &out);
    assert_int_equal(out.error, KERR_INVALID_RECORD);
    assert_int_equal(out.record_error_count, 4);
    assert_int_equal(out.record_errors[1].index, 2);
    is_text(out.record_errors[1].text, NO_KEY);
    assert_string_equal(
        out.error_message,
        "One or more records have been rejected due to 4 record errors in total, and only showing "
        "the first three errors at most: [RecordError(batchIndex=0, message='" NO_KEY
        "'), RecordError(batchIndex=2, message='" NO_KEY
        "'), RecordError(batchIndex=3, message='" NO_KEY "')]");
    memory_end(b, block);
}

static void
times_out_of_range_are_told_in_kafkas_words(void **state)
{
    struct buddy *b = memory_new();
    struct lens_produce_result out;
    make_begin(&maker);
    add(0, NULL, 0);
    add(1, "key", 2001);
    void *block = tell(b, &out);
    assert_int_equal(out.error, KERR_INVALID_TIMESTAMP);
    assert_int_equal(out.record_error_count, 2);
    is_text(out.record_errors[0].text, NO_KEY);
    is_text(out.record_errors[1].text,
            "Timestamp 1002001 of message with offset 1 is out of range. The timestamp should be "
            "within [1000000, 1002000]");
    assert_string_equal(out.error_message,
                        "One or more records have been rejected due to invalid timestamp");
    memory_end(b, block);
}

static void
at_most_a_thousand_records_are_told_and_all_are_counted(void **state)
{
    struct buddy *b = memory_new();
    struct lens_produce_result out;
    make_begin(&maker);
    for (int32_t i = 0; i < PRODUCE_RECORD_ERRORS_MAX + 500; i++)
        add(i, NULL, 0);
    void *block = tell(b, &out);
    assert_int_equal(out.record_error_count, PRODUCE_RECORD_ERRORS_MAX);
    assert_non_null(strstr(out.error_message, "due to 1500 record errors"));
    memory_end(b, block);
}

static void
the_longest_topic_name_fits(void **state)
{
    struct buddy *b = memory_new();
    struct lens_produce_result out;
    struct batch_info info;
    make_begin(&maker);
    for (int32_t i = 0; i < 3; i++)
        add(i, NULL, 0);
    struct view v = make_end(&maker, MAKE_NONE);
    topic.name_bytes = TABLE_NAME_BYTES_MAX;
    memset(topic.name, 'n', TABLE_NAME_BYTES_MAX);
    out = (struct lens_produce_result){.index = INT32_MAX};
    out.error = (int16_t)batch_check(v, &rules, &info, NULL);
    void *block = produce_errors(b, v, &rules, &info, &topic, &out);
    struct view last = out.record_errors[2].text;
    assert_memory_equal(last.at + last.len - 12, "n-2147483647", 12);
    assert_int_equal(out.error_message[strlen(out.error_message) - 1], ']');
    memory_end(b, block);
}

static void
the_answer_has_room_for_what_is_told(void **state)
{
    static uint8_t with[1 << 20], without[1 << 20];
    struct buddy *b = memory_new();
    struct lens_produce_result out;
    make_begin(&maker);
    for (int32_t i = 0; i < 200; i++)
        add(i, NULL, 0);
    void *block = tell(b, &out);
    for (int16_t version = 8; version <= 13; version++) {
        struct put w = put_of(with, sizeof with), v = put_of(without, sizeof without);
        struct lens_produce_result bare = out;
        bare.record_error_count = 0;
        bare.error_message = NULL;
        lens_produce_answer_partition(&w, version, &out);
        lens_produce_answer_partition(&v, version, &bare);
        assert_true(put_len(&w) - put_len(&v) <= produce_errors_bytes(&out));
    }
    memory_end(b, block);
}

static void
without_memory_nothing_is_told(void **state)
{
    struct buddy *b = memory_new();
    size_t room;
    void *one = buddy_take(b, BLOCK, &room), *two = buddy_take(b, BLOCK, &room);
    struct lens_produce_result out;
    make_begin(&maker);
    add(0, NULL, 0);
    assert_null(tell(b, &out));
    assert_int_equal(out.record_error_count, 0);
    assert_non_null(out.error_message);
    buddy_give(b, one);
    memory_end(b, two);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_without_key_are_told_in_kafkas_words),
        cmocka_unit_test(times_out_of_range_are_told_in_kafkas_words),
        cmocka_unit_test(at_most_a_thousand_records_are_told_and_all_are_counted),
        cmocka_unit_test(the_longest_topic_name_fits),
        cmocka_unit_test(the_answer_has_room_for_what_is_told),
        cmocka_unit_test(without_memory_nothing_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
