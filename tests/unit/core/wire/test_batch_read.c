#include "core/base/err.h"
#include "core/wire/batch_read.h"
#include "tests/unit/core/wire/make_batch.h"
#include "tests/unit/unit.h"

#include <stdlib.h>

enum { RECORDS_MAX = 40, SCRATCH = 4 * BATCH_WINDOW_BYTES };

static struct make_batch maker;
static uint8_t noise[3 * BATCH_WINDOW_BYTES], scratch[SCRATCH];

static void
is_field(struct view got, struct view wanted)
{
    assert_int_equal(got.at != NULL, wanted.at != NULL);
    assert_true(view_equal(got, wanted));
}

static void
records_come_back_with_their_contents_in_every_codec(void **state)
{
    unsigned seed = 20261122;
    print_message("seed %u\n", seed);
    srandom(seed);
    uint64_t noise_seed = seed;
    make_noise(&noise_seed, noise, sizeof noise);
    for (int round = 0; round < 90; round++) {
        struct make_record made[RECORDS_MAX];
        int32_t count = 1 + (int32_t)(random() % RECORDS_MAX);
        make_begin(&maker);
        for (int32_t i = 0; i < count; i++) {
            uint32_t key = (uint32_t)random() % 100;
            uint32_t value = (uint32_t)random() % (i % 8 ? 2000u : (uint32_t)sizeof noise - 100);
            made[i] = (struct make_record){
                .offset_delta = 3 * i,
                .time_delta_ms = i * INT64_C(1000003),
                .key = random() % 5 ? view_of(noise, key) : (struct view){0},
                .value = random() % 5 ? view_of(noise + key, value) : (struct view){0},
                .header_count = (uint32_t)random() % 4};
            make_add(&maker, made[i]);
        }
        struct view v = make_end(&maker, (enum make_codec)(round % MAKE_CODECS));
        struct batch_read r;
        struct batch_record got;
        batch_stamp(maker.bytes, 7000, 5);
        assert_int_equal(batch_read_open(&r, v, scratch, sizeof scratch), ERR_OK);
        for (int32_t i = 0; i < count; i++) {
            assert_int_equal(batch_read_next(&r, &got), ERR_OK);
            assert_int_equal(got.offset, 7000 + 3 * i);
            assert_int_equal(got.timestamp_ms, MAKE_BASE_MS + i * INT64_C(1000003));
            is_field(got.key, made[i].key);
            is_field(got.value, made[i].value);
            assert_int_equal(got.headers.len, 1 + made[i].header_count * 3);
            assert_int_equal(got.headers.at[0], 2 * made[i].header_count);
        }
        assert_int_equal(batch_read_next(&r, &got), ERR_NOT_FOUND);
    }
}

static void
what_the_broker_stamped_is_the_time_of_every_record(void **state)
{
    make_begin(&maker);
    for (int32_t i = 0; i < 2; i++)
        make_add(&maker, (struct make_record){.offset_delta = i, .time_delta_ms = i});
    struct view v = make_end(&maker, MAKE_NONE);
    batch_stamp_time(maker.bytes, v.len, 42);
    struct batch_read r;
    struct batch_record got;
    assert_int_equal(batch_read_open(&r, v, NULL, 0), ERR_OK);
    for (int32_t i = 0; i < 2; i++) {
        assert_int_equal(batch_read_next(&r, &got), ERR_OK);
        assert_int_equal(got.timestamp_ms, 42);
    }
}

static void
a_batch_without_records_ends_at_once(void **state)
{
    make_begin(&maker);
    struct view v = make_end(&maker, MAKE_NONE);
    struct batch_read r;
    struct batch_record got;
    assert_int_equal(batch_read_open(&r, v, NULL, 0), ERR_OK);
    assert_int_equal(batch_read_next(&r, &got), ERR_NOT_FOUND);
}

/* A record that crosses windows: refused with its size, and read with that much. */
static void
a_scratch_that_is_too_small_is_full_and_told_what_it_takes(void **state)
{
    uint64_t seed = 3;
    make_noise(&seed, noise, sizeof noise);
    make_begin(&maker);
    make_add(&maker, (struct make_record){.value = view_of(noise, 2 * BATCH_WINDOW_BYTES)});
    uint32_t whole = put_len(&maker.records);
    struct view v = make_end(&maker, MAKE_GZIP);
    struct batch_read r;
    struct batch_record got;
    assert_int_equal(batch_read_open(&r, v, scratch, whole - 1), ERR_OK);
    assert_int_equal(batch_read_next(&r, &got), ERR_FULL);
    assert_int_equal(r.record_bytes, whole);
    assert_int_equal(batch_read_open(&r, v, NULL, whole), ERR_OK);
    assert_int_equal(batch_read_next(&r, &got), ERR_FULL);
    assert_int_equal(batch_read_open(&r, v, scratch, whole), ERR_OK);
    assert_int_equal(batch_read_next(&r, &got), ERR_OK);
    assert_memory_equal(got.value.at, noise, got.value.len);
}

static int
read_all(struct view v)
{
    struct batch_read r;
    struct batch_record got;
    int e = batch_read_open(&r, v, scratch, sizeof scratch);
    while (e == ERR_OK)
        e = batch_read_next(&r, &got);
    return e;
}

static void
broken_records_are_corrupt_in_every_codec(void **state)
{
    static const struct {
        uint8_t bytes[12];
        uint32_t len;
    } cases[] = {
        {{16, 0, 0, 0, 1, 1, 0}, 7},                        /* goes beyond the end */
        {{8, 0, 0, 0, 1, 1, 0}, 7},                         /* bytes remain */
        {{1, 0, 0, 0, 1, 1, 0}, 7},                         /* length -1 */
        {{12, 0, 0, 0, 8, 1, 0}, 7},                        /* key goes beyond the record */
        {{10, 0, 0, 0, 1, 1}, 6},                           /* no count of headers */
        {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0}, 9}, /* a length of six bytes */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int codec = MAKE_NONE; codec < MAKE_CODECS; codec++) {
            make_begin(&maker);
            put_bytes(&maker.records, cases[i].bytes, cases[i].len);
            maker.count = 1;
            assert_int_equal(read_all(make_end(&maker, (enum make_codec)codec)), ERR_CORRUPT);
        }
}

static void
a_batch_that_is_cut_off_or_of_an_unknown_codec_is_corrupt(void **state)
{
    make_begin(&maker);
    make_add(&maker, (struct make_record){.key = view_of_text("k")});
    struct view v = make_end(&maker, MAKE_NONE);
    struct batch_read r;
    for (uint32_t n = 0; n < v.len; n++)
        assert_int_equal(batch_read_open(&r, view_of(v.at, n), NULL, 0), ERR_CORRUPT);
    assert_int_equal(read_all(v), ERR_NOT_FOUND);
    maker.bytes[BATCH_AT_ATTRIBUTES + 1] = BATCH_CODECS;
    assert_int_equal(read_all(v), ERR_CORRUPT);
}

/* A length of 2 GiB must not make the caller reserve as much. */
static void
a_record_that_claims_more_than_may_inflate_is_over_the_limit(void **state)
{
    make_begin(&maker);
    varint_write_i32(&maker.records, INT32_MAX);
    put_bytes(&maker.records, "\0\0\0", 3);
    maker.count = 1;
    assert_int_equal(read_all(make_end(&maker, MAKE_ZSTD)), ERR_LIMIT);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_come_back_with_their_contents_in_every_codec),
        cmocka_unit_test(what_the_broker_stamped_is_the_time_of_every_record),
        cmocka_unit_test(a_batch_without_records_ends_at_once),
        cmocka_unit_test(a_scratch_that_is_too_small_is_full_and_told_what_it_takes),
        cmocka_unit_test(broken_records_are_corrupt_in_every_codec),
        cmocka_unit_test(a_batch_that_is_cut_off_or_of_an_unknown_codec_is_corrupt),
        cmocka_unit_test(a_record_that_claims_more_than_may_inflate_is_over_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
