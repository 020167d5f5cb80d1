#include "core/base/err.h"
#include "core/wire/batch_records.h"
#include "tests/unit/core/wire/make_batch.h"
#include "tests/unit/unit.h"

#include <stdlib.h>

static struct make_batch maker;
static uint8_t noise[3 * BATCH_WINDOW_BYTES];

static struct batch_records
open_batch(struct view batch)
{
    struct batch_info info;
    struct batch_records r;
    assert_int_equal(batch_header(batch, &info), ERR_OK);
    assert_int_equal(batch_records_open(&r, batch, &info), ERR_OK);
    return r;
}

static int
walk_all(struct view batch)
{
    struct batch_records r = open_batch(batch);
    struct batch_fact f;
    int e = ERR_OK;
    for (int32_t i = 0; e == ERR_OK && i < maker.count; i++)
        e = batch_records_next(&r, &f);
    return e == ERR_OK && !batch_records_done(&r) ? ERR_FULL : e;
}

/* Sizes around the window make numbers, keys and values lie across its edges. */
static void
records_across_windows_read_the_same_in_every_codec(void **state)
{
    unsigned seed = 20260819;
    print_message("seed %u\n", seed);
    srandom(seed);
    for (int round = 0; round < 60; round++) {
        make_begin(&maker);
        int32_t count = 1 + (int32_t)(random() % 40);
        for (int32_t i = 0; i < count; i++) {
            uint64_t state_ = (uint64_t)random() + 1;
            uint32_t key = (uint32_t)random() % 100;
            bool null = random() % 5 == 0;
            uint32_t value = (uint32_t)random() % (i % 8 ? 2000u : (uint32_t)sizeof noise - 100);
            make_noise(&state_, noise, key + value);
            make_add(&maker,
                     (struct make_record){.offset_delta = i,
                                          .time_delta_ms = i * INT64_C(1000003),
                                          .key = null ? (struct view){0} : view_of(noise, key),
                                          .value = view_of(noise + key, value),
                                          .header_count = (uint32_t)random() % 4});
        }
        enum make_codec codec = (enum make_codec)(round % MAKE_CODECS);
        struct batch_records r = open_batch(make_end(&maker, codec));
        for (int32_t i = 0; i < count; i++) {
            struct batch_fact f;
            assert_int_equal(batch_records_next(&r, &f), ERR_OK);
            assert_int_equal(f.offset_delta, i);
            assert_int_equal(f.timestamp_delta_ms, i * INT64_C(1000003));
        }
        assert_true(batch_records_done(&r));
    }
}

/* A record that claims one byte more or fewer than it has. */
static void
a_record_that_lies_about_its_length_is_corrupt(void **state)
{
    for (int codec = MAKE_NONE; codec < MAKE_CODECS; codec++) {
        for (int lie = -1; lie <= 1; lie += 2) {
            make_begin(&maker);
            for (int i = 0; i < 2; i++)
                make_add(&maker,
                         (struct make_record){.offset_delta = i, .value = view_of_text("value")});
            maker.inside[0] = (uint8_t)(maker.inside[0] + 2 * lie);
            assert_int_equal(walk_all(make_end(&maker, (enum make_codec)codec)), ERR_CORRUPT);
        }
    }
}

static void
negative_lengths_and_counts_are_corrupt_where_null_means_nothing(void **state)
{
    /* length, attributes, time, offset, key, value, headers [name, value] */
    static const struct {
        uint8_t bytes[12];
        uint32_t len;
        int expected;
    } cases[] = {
        {{12, 0, 0, 0, 1, 1, 0}, 7, ERR_OK},            /* all null, no headers */
        {{12, 0, 0, 0, 5, 9, 0}, 7, ERR_OK},            /* -3 is null as -1 is */
        {{12, 0, 0, 0, 1, 1, 1}, 7, ERR_CORRUPT},       /* -1 headers */
        {{16, 0, 0, 0, 1, 1, 2, 0, 1}, 9, ERR_OK},      /* header "": null */
        {{16, 0, 0, 0, 1, 1, 2, 1, 1}, 9, ERR_CORRUPT}, /* header without name */
        {{1, 0, 0, 0, 1, 1, 0}, 7, ERR_CORRUPT},        /* length -1 */
        {{6, 0, 0, 0, 1, 1, 0}, 7, ERR_CORRUPT},        /* length ends before the key's */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int codec = MAKE_NONE; codec < MAKE_CODECS; codec++) {
            make_begin(&maker);
            put_bytes(&maker.records, cases[i].bytes, cases[i].len);
            maker.count = 1;
            int e = walk_all(make_end(&maker, (enum make_codec)codec));
            assert_int_equal(e, cases[i].expected);
        }
    }
}

static void
a_huge_header_count_ends_with_the_bytes(void **state)
{
    static const uint8_t record[] = {20, 0, 0, 0, 1, 1, 0xfe, 0xff, 0xff, 0xff, 0x0f};
    for (int codec = MAKE_NONE; codec < MAKE_CODECS; codec++) {
        make_begin(&maker);
        put_bytes(&maker.records, record, sizeof record);
        maker.count = 1;
        assert_int_equal(walk_all(make_end(&maker, (enum make_codec)codec)), ERR_CORRUPT);
    }
}

/* What lies past the window must be refused too: key and value claim 2 GiB of a long record. */
static void
contents_that_pass_the_end_of_a_long_record_are_corrupt(void **state)
{
    for (int codec = MAKE_GZIP; codec < MAKE_CODECS; codec++) {
        make_begin(&maker);
        varint_write_i32(&maker.records, 2 * BATCH_WINDOW_BYTES);
        put_bytes(&maker.records, "\0\0\0", 3);
        varint_write_i32(&maker.records, INT32_MAX);
        memset(maker.records.at, 0, 3 * BATCH_WINDOW_BYTES);
        maker.records.at += 3 * BATCH_WINDOW_BYTES;
        maker.count = 1;
        assert_int_equal(walk_all(make_end(&maker, (enum make_codec)codec)), ERR_CORRUPT);
    }
}

static void
an_unknown_codec_is_unsupported(void **state)
{
    make_begin(&maker);
    struct view v = make_end(&maker, MAKE_NONE);
    struct batch_info info;
    struct batch_records r;
    assert_int_equal(batch_header(v, &info), ERR_OK);
    info.attributes = BATCH_CODECS;
    assert_int_equal(batch_records_open(&r, v, &info), ERR_UNSUPPORTED);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_across_windows_read_the_same_in_every_codec),
        cmocka_unit_test(a_record_that_lies_about_its_length_is_corrupt),
        cmocka_unit_test(negative_lengths_and_counts_are_corrupt_where_null_means_nothing),
        cmocka_unit_test(a_huge_header_count_ends_with_the_bytes),
        cmocka_unit_test(contents_that_pass_the_end_of_a_long_record_are_corrupt),
        cmocka_unit_test(an_unknown_codec_is_unsupported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
