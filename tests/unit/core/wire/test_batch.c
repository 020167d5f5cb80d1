#include "core/base/err.h"
#include "core/wire/batch.h"
#include "core/wire/kerr.h"
#include "tests/unit/core/wire/make_batch.h"
#include "tests/unit/unit.h"

#include <stdio.h>

/* What the Java client 4.3.1 makes of three records (second without key, third without value; times
 * 1700000000000 +0, +500, +200; producer 4711/3, sequence 77), one a codec. */
static const char *const from_java[BATCH_CODECS] = {
    "000000000000000000000079ffffffff02fe73b3e80000000000020000018bcfe568000000018bcfe569f400000000"
    "00"
    "00126700030000004d00000003560000000a6b65792d312e76616c75652d312076616c75652d312076616c75652d31"
    "04"
    "0468310278046832011c00e80702010e76616c75652d320018009003040a6b65792d330100",
    "000000000000000000000079ffffffff0297545c5d0001000000020000018bcfe568000000018bcfe569f400000000"
    "00"
    "00126700030000004d000000031f8b08000000000000ff0b636060e0ca4eadd435d42b4bcc294dd5355440a3595832"
    "0c"
    "992a58328c1865185eb03331f241c48d1824182630b380f51a33320000e419748e48000000",
    "000000000000000000000081ffffffff02408638980002000000020000018bcfe568000000018bcfe569f400000000"
    "00"
    "00126700030000004d0000000382534e415050590000000001000000010000003c4848560000000a6b65792d312e76"
    "61"
    "6c75652d31203a080040040468310278046832011c00e80702010e092038320018009003040a6b65792d330100",
    "00000000000000000000007dffffffff02119f36ff0003000000020000018bcfe568000000018bcfe569f400000000"
    "00"
    "00126700030000004d0000000304224d186040823d000000fb04560000000a6b65792d312e76616c75652d31200800"
    "f2"
    "02040468310278046832011c00e80702010e2000f000320018009003040a6b65792d33010000000000",
    "00000000000000000000007affffffff02fa9e28dd0004000000020000018bcfe568000000018bcfe569f400000000"
    "00"
    "00126700030000004d0000000328b52ffd0058ec01003403560000000a6b65792d312e76616c75652d312004046831"
    "02"
    "78046832011c00e80702010e320018009003040a6b65792d3301000200871ad675250c010000",
};
static const int64_t java_ms = INT64_C(1700000000000);

static struct make_batch maker;

static const struct batch_rules rules = {
    .bytes_max = MAKE_ROOM,
    .before_max_ms = INT64_MAX,
    .after_max_ms = INT64_MAX,
    .walk_compressed = true,
};

static struct view
unhex(const char *hex)
{
    static uint8_t bytes[4096];
    uint32_t n = 0;
    unsigned byte;
    for (; sscanf(hex, "%2x", &byte) == 1; hex += 2)
        bytes[n++] = (uint8_t)byte;
    return view_of(bytes, n);
}

static struct make_record
record(int32_t offset_delta, int64_t time_delta_ms)
{
    return (struct make_record){.offset_delta = offset_delta,
                                .time_delta_ms = time_delta_ms,
                                .key = view_of_text("key"),
                                .value = view_of_text("value")};
}

static struct view
three(enum make_codec codec)
{
    make_begin(&maker);
    make_add(&maker, record(0, 0));
    make_add(&maker, record(1, 500));
    make_add(&maker, record(2, 200));
    return make_end(&maker, codec);
}

static int
check(struct view v)
{
    struct batch_info b;
    const char *why;
    int kerr = batch_check(v, &rules, &b, &why);
    assert_int_equal(kerr == KERR_NONE, why == NULL);
    return kerr;
}

static void
batches_of_the_java_client_pass_in_every_codec(void **state)
{
    for (int i = 0; i < BATCH_CODECS; i++) {
        struct batch_info b;
        struct view v = unhex(from_java[i]);
        assert_int_equal(batch_check(v, &rules, &b, NULL), KERR_NONE);
        assert_int_equal(b.bytes, v.len);
        assert_int_equal(b.attributes, i);
        assert_int_equal(b.record_count, 3);
        assert_int_equal(b.producer_id, 4711);
        assert_int_equal(b.producer_epoch, 3);
        assert_int_equal(b.base_sequence, 77);
        assert_int_equal(b.base_timestamp_ms, java_ms);
        assert_int_equal(b.found_timestamp_ms, java_ms + 500);
        assert_int_equal(b.max_timestamp_ms, java_ms + 500);
    }
}

static void
every_flipped_bit_under_the_crc_is_corrupt(void **state)
{
    struct view v = three(MAKE_NONE);
    for (uint32_t bit = BATCH_AT_CRC * 8; bit < v.len * 8; bit++) {
        maker.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(check(v), KERR_CORRUPT_MESSAGE);
        maker.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

static void
nothing_but_one_whole_batch_passes(void **state)
{
    struct view v = three(MAKE_NONE);
    assert_int_equal(check(view_of(NULL, 0)), KERR_INVALID_RECORD);
    for (uint32_t len = 0; len < v.len; len++)
        assert_int_equal(check(view_of(v.at, len)), KERR_INVALID_RECORD);
    memcpy(maker.bytes + v.len, maker.bytes, v.len);
    assert_int_equal(check(view_of(v.at, v.len * 2)), KERR_INVALID_RECORD);
    assert_int_equal(check(view_of(v.at, v.len + 1)), KERR_INVALID_RECORD);
}

static void
a_length_below_the_header_is_corrupt(void **state)
{
    struct view v = three(MAKE_NONE);
    static const int32_t lengths[] = {-1, INT32_MIN, 0, 4, BATCH_HEADER_BYTES - BATCH_OVERHEAD - 1};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        set_u32(maker.bytes + BATCH_AT_LENGTH, (uint32_t)lengths[i]);
        assert_int_equal(check(v), KERR_CORRUPT_MESSAGE);
    }
}

static void
old_magic_is_an_invalid_record_and_a_new_one_corrupt(void **state)
{
    struct view v = three(MAKE_NONE);
    static const struct {
        uint8_t magic;
        int kerr;
    } cases[] = {{0, KERR_INVALID_RECORD},
                 {1, KERR_INVALID_RECORD},
                 {3, KERR_CORRUPT_MESSAGE},
                 {255, KERR_CORRUPT_MESSAGE}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        maker.bytes[BATCH_AT_MAGIC] = cases[i].magic;
        assert_int_equal(check(v), cases[i].kerr);
    }
}

static void
a_batch_over_the_topics_limit_is_too_large(void **state)
{
    struct batch_rules tight = rules;
    struct batch_info b;
    struct view v = three(MAKE_NONE);
    tight.bytes_max = v.len;
    assert_int_equal(batch_check(v, &tight, &b, NULL), KERR_NONE);
    tight.bytes_max--;
    assert_int_equal(batch_check(v, &tight, &b, NULL), KERR_MESSAGE_TOO_LARGE);
}

/* Puts `bytes` of value big endian at `at`, seals and checks. */
static int
check_with(uint32_t at, uint64_t value, uint32_t bytes)
{
    struct view v = three(MAKE_NONE);
    uint8_t be[8];
    set_u64(be, value);
    memcpy(maker.bytes + at, be + 8 - bytes, bytes);
    make_seal(maker.bytes, v.len);
    return check(v);
}

static void
only_a_coordinator_writes_to_transactions_without_a_sequence(void **state)
{
    struct batch_rules coordinator = rules;
    struct batch_info b;
    struct view v = three(MAKE_NONE);
    coordinator.coordinator = true;
    set_u64(maker.bytes + BATCH_AT_PRODUCER_ID, 9);
    set_u32(maker.bytes + BATCH_AT_BASE_SEQUENCE, UINT32_MAX);
    make_seal(maker.bytes, v.len);
    assert_int_equal(batch_check(v, &coordinator, &b, NULL), KERR_INVALID_RECORD);
    set_u16(maker.bytes + BATCH_AT_ATTRIBUTES, BATCH_TRANSACTIONAL);
    make_seal(maker.bytes, v.len);
    assert_int_equal(batch_check(v, &rules, &b, NULL), KERR_INVALID_RECORD);
    assert_int_equal(batch_check(v, &coordinator, &b, NULL), KERR_NONE);
}

static void
header_fields_that_contradict_each_other_are_refused(void **state)
{
    enum { AT_LAST_DELTA = 23, AT_PRODUCER_ID = 43, AT_SEQUENCE = 53, AT_COUNT = 57 };
    assert_int_equal(check_with(0, 1, 8), KERR_INVALID_RECORD); /* base offset */
    assert_int_equal(check_with(AT_COUNT, 0, 4), KERR_INVALID_RECORD);
    assert_int_equal(check_with(AT_COUNT, UINT32_MAX, 4), KERR_INVALID_RECORD);
    assert_int_equal(check_with(AT_COUNT, 4, 4), KERR_INVALID_RECORD);
    assert_int_equal(check_with(AT_LAST_DELTA, 3, 4), KERR_INVALID_RECORD);
    assert_int_equal(check_with(AT_PRODUCER_ID, 9, 8), KERR_INVALID_RECORD); /* no sequence */
    assert_int_equal(check_with(BATCH_AT_ATTRIBUTES, BATCH_CONTROL, 2), KERR_INVALID_RECORD);
    assert_int_equal(check_with(BATCH_AT_ATTRIBUTES, BATCH_LOG_APPEND_TIME, 2),
                     KERR_INVALID_TIMESTAMP);
    for (uint64_t codec = BATCH_CODECS; codec <= BATCH_CODEC_MASK; codec++)
        assert_int_equal(check_with(BATCH_AT_ATTRIBUTES, codec, 2),
                         KERR_UNSUPPORTED_COMPRESSION_TYPE);
    assert_int_equal(check_with(BATCH_AT_ATTRIBUTES, BATCH_TRANSACTIONAL, 2), KERR_NONE);
}

static void
count_and_records_must_agree(void **state)
{
    for (int codec = MAKE_NONE; codec < MAKE_CODECS; codec++) {
        for (int off = -1; off <= 1; off += 2) {
            make_begin(&maker);
            for (int32_t i = 0; i < 3; i++)
                make_add(&maker, record(i, 0));
            maker.count += off;
            assert_int_equal(check(make_end(&maker, (enum make_codec)codec)), KERR_INVALID_RECORD);
        }
    }
}

static void
offset_deltas_must_count_from_zero(void **state)
{
    static const int32_t deltas[][2] = {{1, 2}, {0, 2}, {0, 0}, {1, 0}, {0, -1}};
    for (size_t i = 0; i < sizeof deltas / sizeof *deltas; i++) {
        make_begin(&maker);
        make_add(&maker, record(deltas[i][0], 0));
        make_add(&maker, record(deltas[i][1], 0));
        assert_int_equal(check(make_end(&maker, MAKE_NONE)), KERR_INVALID_RECORD);
    }
}

static void
a_compacted_topic_wants_keys(void **state)
{
    struct batch_rules compacted = rules;
    struct batch_info b;
    compacted.keys_required = true;
    for (int codec = MAKE_NONE; codec < MAKE_CODECS; codec++) {
        assert_int_equal(batch_check(three((enum make_codec)codec), &compacted, &b, NULL),
                         KERR_NONE);
        make_begin(&maker);
        make_add(&maker, record(0, 0));
        struct make_record no_key = record(1, 0);
        no_key.key = (struct view){0};
        make_add(&maker, no_key);
        struct view v = make_end(&maker, (enum make_codec)codec);
        assert_int_equal(batch_check(v, &compacted, &b, NULL), KERR_INVALID_RECORD);
        assert_int_equal(batch_check(v, &rules, &b, NULL), KERR_NONE);
    }
}

/* A bad key hides a bad time of the same record, as in Kafka; a bad time decides the code. */
static void
the_records_that_were_refused_can_be_told(void **state)
{
    struct batch_rules strict = rules;
    struct batch_info b;
    struct batch_fault faults[4];
    strict.keys_required = true;
    strict.now_ms = MAKE_BASE_MS;
    strict.before_max_ms = strict.after_max_ms = 100;
    for (int codec = MAKE_NONE; codec < MAKE_CODECS; codec++) {
        static const int64_t deltas[] = {0, 500, 100, 101, 0};
        make_begin(&maker);
        for (int32_t i = 0; i < 5; i++) {
            struct make_record r = record(i, deltas[i]);
            if (i == 1 || i == 4)
                r.key = (struct view){0};
            make_add(&maker, r);
        }
        struct view v = make_end(&maker, (enum make_codec)codec);
        assert_int_equal(batch_check(v, &strict, &b, NULL), KERR_INVALID_TIMESTAMP);
        assert_int_equal(b.bad_records, 3);
        assert_int_equal(batch_faults(v, &strict, &b, faults, 4), 3);
        assert_int_equal(faults[0].index, 1);
        assert_true(faults[0].keyless);
        assert_int_equal(faults[1].index, 3);
        assert_false(faults[1].keyless);
        assert_int_equal(faults[1].timestamp_ms, MAKE_BASE_MS + 101);
        assert_int_equal(faults[2].index, 4);
        assert_true(faults[2].keyless);
        assert_int_equal(batch_faults(v, &strict, &b, faults, 2), 2);
        strict.after_max_ms = 101;
        assert_int_equal(batch_check(v, &strict, &b, NULL), KERR_INVALID_RECORD);
        assert_int_equal(b.bad_records, 2);
        strict.after_max_ms = 100;
    }
    assert_int_equal(batch_check(three(MAKE_NONE), &rules, &b, NULL), KERR_NONE);
    assert_int_equal(b.bad_records, 0);
}

static void
times_outside_the_bounds_are_refused_unless_the_broker_stamps(void **state)
{
    struct batch_info b;
    struct batch_rules bound = rules; /* records at +0, +500, +200 */
    bound.now_ms = MAKE_BASE_MS + 250;
    bound.before_max_ms = bound.after_max_ms = 250;
    assert_int_equal(batch_check(three(MAKE_ZSTD), &bound, &b, NULL), KERR_NONE);
    bound.before_max_ms = 249;
    assert_int_equal(batch_check(three(MAKE_ZSTD), &bound, &b, NULL), KERR_INVALID_TIMESTAMP);
    bound.before_max_ms = 250;
    bound.after_max_ms = 249;
    assert_int_equal(batch_check(three(MAKE_NONE), &bound, &b, NULL), KERR_INVALID_TIMESTAMP);
    bound.log_append_time = true;
    assert_int_equal(batch_check(three(MAKE_NONE), &bound, &b, NULL), KERR_NONE);
}

static void
a_record_without_time_passes_any_bound(void **state)
{
    struct batch_info b;
    struct batch_rules bound = rules;
    bound.now_ms = MAKE_BASE_MS;
    bound.before_max_ms = bound.after_max_ms = 10;
    make_begin(&maker);
    make_add(&maker, record(0, -1 - MAKE_BASE_MS));
    assert_int_equal(batch_check(make_end(&maker, MAKE_NONE), &bound, &b, NULL), KERR_NONE);
    assert_int_equal(b.found_timestamp_ms, -1);
    make_begin(&maker);
    make_add(&maker, record(0, -2 - MAKE_BASE_MS));
    assert_int_equal(batch_check(make_end(&maker, MAKE_NONE), &bound, &b, NULL),
                     KERR_INVALID_TIMESTAMP);
}

static void
compressed_records_are_trusted_when_the_rules_say_so(void **state)
{
    struct batch_rules trusting = rules;
    struct batch_info b;
    trusting.walk_compressed = false;
    struct view v = three(MAKE_GZIP);
    memset(maker.bytes + BATCH_HEADER_BYTES, 0, v.len - BATCH_HEADER_BYTES);
    make_seal(maker.bytes, v.len);
    assert_int_equal(batch_check(v, &rules, &b, NULL), KERR_INVALID_RECORD);
    assert_int_equal(batch_check(v, &trusting, &b, NULL), KERR_NONE);
    assert_int_equal(b.found_timestamp_ms, b.max_timestamp_ms);
}

static void
stamping_offset_and_epoch_keeps_the_crc(void **state)
{
    struct batch_info b;
    struct view v = three(MAKE_LZ4);
    batch_stamp(maker.bytes, INT64_C(0x123456789a), 42);
    assert_int_equal(batch_header(v, &b), ERR_OK);
    assert_int_equal(b.base_offset, INT64_C(0x123456789a));
    assert_int_equal(b.leader_epoch, 42);
    assert_true(batch_crc_ok(v, &b));
}

static void
stamping_time_sets_the_type_and_a_new_crc(void **state)
{
    struct batch_info b;
    struct view v = three(MAKE_NONE);
    batch_stamp_time(maker.bytes, v.len, 777);
    assert_int_equal(batch_header(v, &b), ERR_OK);
    assert_int_equal(b.attributes, BATCH_LOG_APPEND_TIME);
    assert_int_equal(b.max_timestamp_ms, 777);
    assert_true(batch_crc_ok(v, &b));
}

static void
a_wrong_max_timestamp_is_told_and_can_be_corrected(void **state)
{
    struct batch_info b;
    make_begin(&maker);
    make_add(&maker, record(0, 5));
    maker.max_delta_ms = 9000;
    struct view v = make_end(&maker, MAKE_NONE);
    assert_int_equal(batch_check(v, &rules, &b, NULL), KERR_NONE);
    assert_int_equal(b.max_timestamp_ms, MAKE_BASE_MS + 9000);
    assert_int_equal(b.found_timestamp_ms, MAKE_BASE_MS + 5);
    batch_stamp_max(maker.bytes, v.len, b.found_timestamp_ms);
    assert_int_equal(batch_check(v, &rules, &b, NULL), KERR_NONE);
    assert_int_equal(b.max_timestamp_ms, MAKE_BASE_MS + 5);
    assert_int_equal(b.attributes, 0);
}

static void
assert_found(struct view v, int64_t time_ms, int64_t offset_min, int64_t offset, int64_t found_ms)
{
    int64_t at = -1, ms = -1;
    int e = batch_find_time(v, time_ms, offset_min, &at, &ms);
    assert_int_equal(e, offset < 0 ? ERR_NOT_FOUND : ERR_OK);
    assert_int_equal(at, offset);
    assert_int_equal(ms, found_ms);
}

static void
find_gives_the_first_record_at_or_after_the_time(void **state)
{
    for (int codec = MAKE_NONE; codec < MAKE_CODECS; codec++) {
        struct view v = three((enum make_codec)codec); /* +0, +500, +200 */
        batch_stamp(maker.bytes, 100, 0);
        assert_found(v, 0, 0, 100, MAKE_BASE_MS);
        assert_found(v, MAKE_BASE_MS, 0, 100, MAKE_BASE_MS);
        assert_found(v, MAKE_BASE_MS + 1, 0, 101, MAKE_BASE_MS + 500);
        assert_found(v, MAKE_BASE_MS + 150, 102, 102, MAKE_BASE_MS + 200);
        assert_found(v, MAKE_BASE_MS + 500, 102, -1, -1);
        assert_found(v, MAKE_BASE_MS + 501, 0, -1, -1);
        assert_found(v, INT64_MAX, 0, 101, MAKE_BASE_MS + 500);
    }
}

static void
find_in_a_log_append_batch_sees_the_stamp_as_every_records_time(void **state)
{
    struct view v = three(MAKE_NONE);
    batch_stamp_time(maker.bytes, v.len, 777);
    assert_found(v, 777, 0, 0, 777);
    assert_found(v, 777, 2, 2, 777);
    assert_found(v, 778, 0, -1, -1);
    assert_found(v, INT64_MAX, 0, 0, 777);
}

static void
find_walks_a_compacted_batch(void **state)
{
    make_begin(&maker);
    make_add(&maker, record(3, 10));
    make_add(&maker, record(9, 20));
    struct view v = make_end(&maker, MAKE_LZ4);
    assert_found(v, MAKE_BASE_MS + 11, 0, 9, MAKE_BASE_MS + 20);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_of_the_java_client_pass_in_every_codec),
        cmocka_unit_test(every_flipped_bit_under_the_crc_is_corrupt),
        cmocka_unit_test(nothing_but_one_whole_batch_passes),
        cmocka_unit_test(a_length_below_the_header_is_corrupt),
        cmocka_unit_test(old_magic_is_an_invalid_record_and_a_new_one_corrupt),
        cmocka_unit_test(a_batch_over_the_topics_limit_is_too_large),
        cmocka_unit_test(only_a_coordinator_writes_to_transactions_without_a_sequence),
        cmocka_unit_test(header_fields_that_contradict_each_other_are_refused),
        cmocka_unit_test(count_and_records_must_agree),
        cmocka_unit_test(offset_deltas_must_count_from_zero),
        cmocka_unit_test(a_compacted_topic_wants_keys),
        cmocka_unit_test(the_records_that_were_refused_can_be_told),
        cmocka_unit_test(times_outside_the_bounds_are_refused_unless_the_broker_stamps),
        cmocka_unit_test(a_record_without_time_passes_any_bound),
        cmocka_unit_test(compressed_records_are_trusted_when_the_rules_say_so),
        cmocka_unit_test(stamping_offset_and_epoch_keeps_the_crc),
        cmocka_unit_test(stamping_time_sets_the_type_and_a_new_crc),
        cmocka_unit_test(a_wrong_max_timestamp_is_told_and_can_be_corrected),
        cmocka_unit_test(find_gives_the_first_record_at_or_after_the_time),
        cmocka_unit_test(find_in_a_log_append_batch_sees_the_stamp_as_every_records_time),
        cmocka_unit_test(find_walks_a_compacted_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
