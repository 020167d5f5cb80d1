#include "core/base/err.h"
#include "core/wire/batch_build.h"
#include "core/wire/kerr.h"
#include "tests/unit/core/wire/make_batch.h"
#include "tests/unit/unit.h"

#include <stdlib.h>

enum { ROOM = 4 << 20, RECORDS = 50, BASE_OFFSET = 1000, BASE_MS = 5000000 };

static uint8_t built[ROOM], scratch[ROOM], values[100000];
static struct batch_record records[RECORDS];

static const struct batch_template form_plain = {.base_offset = BASE_OFFSET,
                                                 .leader_epoch = 4,
                                                 .base_timestamp_ms = BASE_MS,
                                                 .producer_id = -1,
                                                 .producer_epoch = -1,
                                                 .base_sequence = -1,
                                                 .last_offset_delta = -1};

/* Records with gaps, nulls, headers and times on both sides of the base time. */
static void
records_make(void)
{
    unsigned seed = 20261122;
    print_message("seed %u\n", seed);
    srandom(seed);
    int64_t offset = BASE_OFFSET;
    for (uint32_t i = 0; i < sizeof values; i++)
        values[i] = (uint8_t)(random() % 16);
    for (int i = 0; i < RECORDS; i++) {
        uint32_t bytes = (uint32_t)random() % (i % 10 ? 3000u : (uint32_t)sizeof values);
        offset += random() % 3;
        records[i] = (struct batch_record){
            .offset = offset++,
            .timestamp_ms = BASE_MS + random() % 2000 - 1000,
            .key = random() % 4 ? view_of(values, bytes / 50) : (struct view){0},
            .value = random() % 4 ? view_of(values, bytes) : (struct view){0},
            .headers = random() % 2 ? view_of("\0", 1) : view_of("\2\2h\1", 4)};
    }
}

static struct view
build(const struct batch_template *form)
{
    struct batch_build b;
    struct view batch;
    assert_int_equal(batch_build_begin(&b, form, built, sizeof built), ERR_OK);
    for (int i = 0; i < RECORDS; i++)
        assert_int_equal(batch_build_add(&b, &records[i]), ERR_OK);
    assert_int_equal(batch_build_end(&b, &batch), ERR_OK);
    return batch;
}

static struct batch_info
info_of(struct view batch)
{
    struct batch_info info;
    assert_int_equal(batch_header(batch, &info), ERR_OK);
    assert_int_equal(info.bytes, batch.len);
    assert_true(batch_crc_ok(batch, &info));
    return info;
}

static void
holds_the_records(struct view batch)
{
    struct batch_read r;
    struct batch_record got;
    assert_int_equal(batch_read_open(&r, batch, scratch, sizeof scratch), ERR_OK);
    for (int i = 0; i < RECORDS; i++) {
        assert_int_equal(batch_read_next(&r, &got), ERR_OK);
        assert_int_equal(got.offset, records[i].offset);
        assert_int_equal(got.timestamp_ms, records[i].timestamp_ms);
        assert_int_equal(got.key.at != NULL, records[i].key.at != NULL);
        assert_int_equal(got.value.at != NULL, records[i].value.at != NULL);
        assert_true(view_equal(got.key, records[i].key));
        assert_true(view_equal(got.value, records[i].value));
        assert_true(view_equal(got.headers, records[i].headers));
    }
    assert_int_equal(batch_read_next(&r, &got), ERR_NOT_FOUND);
}

static void
a_built_batch_reads_back_in_every_codec(void **state)
{
    records_make();
    int64_t max_ms = 0;
    for (int i = 0; i < RECORDS; i++)
        max_ms = records[i].timestamp_ms > max_ms ? records[i].timestamp_ms : max_ms;
    for (int codec = BATCH_NONE; codec < BATCH_CODECS; codec++) {
        struct batch_template form = form_plain;
        form.attributes = (uint16_t)codec | BATCH_TRANSACTIONAL;
        form.producer_id = 77;
        form.producer_epoch = 3;
        form.base_sequence = 12;
        form.level = batch_level_default((enum batch_codec)codec);
        struct view batch = build(&form);
        struct batch_info info = info_of(batch);
        assert_int_equal(info.base_offset, BASE_OFFSET);
        assert_int_equal(info.leader_epoch, 4);
        assert_int_equal(info.attributes, form.attributes);
        assert_int_equal(info.record_count, RECORDS);
        assert_int_equal(info.last_offset_delta, records[RECORDS - 1].offset - BASE_OFFSET);
        assert_int_equal(info.base_timestamp_ms, BASE_MS);
        assert_int_equal(info.max_timestamp_ms, max_ms);
        assert_int_equal(info.producer_id, 77);
        assert_int_equal(info.producer_epoch, 3);
        assert_int_equal(info.base_sequence, 12);
        holds_the_records(batch);
    }
}

static void
a_batch_built_again_from_its_own_header_is_the_same(void **state)
{
    records_make();
    for (int codec = BATCH_NONE; codec < BATCH_CODECS; codec++) {
        struct batch_template form = form_plain;
        form.attributes = (uint16_t)codec;
        form.level = batch_level_default((enum batch_codec)codec);
        struct view first = build(&form);
        uint8_t *kept = malloc(first.len);
        assert_non_null(kept);
        memcpy(kept, first.at, first.len);
        struct batch_info info = info_of(first);
        struct batch_template again = batch_template_of(&info);
        struct view second = build(&again);
        assert_int_equal(second.len, first.len);
        assert_memory_equal(second.at, kept, first.len);
        free(kept);
    }
}

static void
the_range_of_offsets_can_be_wider_than_the_records(void **state)
{
    records_make();
    struct batch_template form = form_plain;
    form.last_offset_delta = 100000;
    assert_int_equal(info_of(build(&form)).last_offset_delta, 100000);
}

static void
a_delete_horizon_is_the_base_time_and_records_keep_theirs(void **state)
{
    records_make();
    struct batch_template form = form_plain;
    form.attributes = BATCH_DELETE_HORIZON;
    form.base_timestamp_ms = INT64_C(1893456000000);
    struct view batch = build(&form);
    assert_int_equal(info_of(batch).base_timestamp_ms, INT64_C(1893456000000));
    assert_int_equal(info_of(batch).attributes, BATCH_DELETE_HORIZON);
    holds_the_records(batch);
}

static void
a_batch_of_one_record_passes_what_a_producer_is_asked(void **state)
{
    struct batch_template form = form_plain;
    form.base_offset = 0;
    for (int codec = BATCH_NONE; codec < BATCH_CODECS; codec++) {
        form.attributes = (uint16_t)codec;
        struct batch_build b;
        struct view batch;
        struct batch_info info;
        struct batch_record one = {.timestamp_ms = BASE_MS,
                                   .key = view_of_text("k"),
                                   .value = view_of_text("v"),
                                   .headers = view_of("\0", 1)};
        struct batch_rules rules = {.bytes_max = 1000,
                                    .keys_required = true,
                                    .before_max_ms = INT64_MAX,
                                    .after_max_ms = INT64_MAX,
                                    .walk_compressed = true};
        assert_int_equal(batch_build_begin(&b, &form, built, sizeof built), ERR_OK);
        assert_int_equal(batch_build_add(&b, &one), ERR_OK);
        assert_int_equal(batch_build_end(&b, &batch), ERR_OK);
        assert_int_equal(batch_check(batch, &rules, &info, NULL), KERR_NONE);
    }
}

static void
offsets_that_do_not_rise_or_go_too_far_are_invalid(void **state)
{
    static const struct {
        int64_t first, second;
        int expected;
    } cases[] = {
        {BASE_OFFSET, BASE_OFFSET + 1, ERR_OK},
        {BASE_OFFSET, BASE_OFFSET, ERR_INVALID},
        {BASE_OFFSET + 5, BASE_OFFSET + 4, ERR_INVALID},
        {BASE_OFFSET, BASE_OFFSET - 1, ERR_INVALID},
        {BASE_OFFSET, BASE_OFFSET + (int64_t)INT32_MAX, ERR_OK},
        {BASE_OFFSET, BASE_OFFSET + (int64_t)INT32_MAX + 1, ERR_INVALID},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct batch_build b;
        struct batch_record r = {.offset = cases[i].first, .headers = view_of("\0", 1)};
        assert_int_equal(batch_build_begin(&b, &form_plain, built, sizeof built), ERR_OK);
        assert_int_equal(batch_build_add(&b, &r), ERR_OK);
        r.offset = cases[i].second;
        assert_int_equal(batch_build_add(&b, &r), cases[i].expected);
    }
}

static void
every_room_that_is_too_small_is_full(void **state)
{
    for (int codec = BATCH_NONE; codec < BATCH_CODECS; codec++) {
        struct batch_template form = form_plain;
        form.attributes = (uint16_t)codec;
        uint32_t room = 0;
        int e = ERR_FULL;
        while (e == ERR_FULL) {
            struct batch_build b;
            struct view batch;
            struct batch_record r = {.offset = BASE_OFFSET,
                                     .value = view_of_text("a value of some bytes"),
                                     .headers = view_of("\0", 1)};
            memset(built, 0xee, 1000);
            e = batch_build_begin(&b, &form, built, room);
            if (e == ERR_OK)
                e = batch_build_add(&b, &r);
            if (e == ERR_OK)
                e = batch_build_end(&b, &batch);
            assert_true(e == ERR_OK ? batch.len == room : built[room] == 0xee);
            assert_true(++room < 1000);
        }
        assert_int_equal(e, ERR_OK);
    }
}

static void
an_empty_batch_keeps_offsets_producer_and_epoch(void **state)
{
    struct batch_template form = form_plain;
    form.attributes = BATCH_ZSTD | BATCH_TRANSACTIONAL | BATCH_DELETE_HORIZON;
    form.producer_id = 9;
    form.producer_epoch = 2;
    form.base_sequence = 30;
    form.last_offset_delta = 14;
    batch_build_empty(built, &form, 123456);
    struct view batch = {built, BATCH_HEADER_BYTES};
    struct batch_info info = info_of(batch);
    assert_int_equal(info.record_count, 0);
    assert_int_equal(info.base_offset, BASE_OFFSET);
    assert_int_equal(info.last_offset_delta, 14);
    assert_int_equal(info.leader_epoch, 4);
    assert_int_equal(info.attributes, BATCH_TRANSACTIONAL);
    assert_int_equal(info.base_timestamp_ms, -1);
    assert_int_equal(info.max_timestamp_ms, 123456);
    assert_int_equal(info.producer_id, 9);
    assert_int_equal(info.producer_epoch, 2);
    assert_int_equal(info.base_sequence, 30);
    struct batch_read r;
    struct batch_record got;
    assert_int_equal(batch_read_open(&r, batch, NULL, 0), ERR_OK);
    assert_int_equal(batch_read_next(&r, &got), ERR_NOT_FOUND);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_built_batch_reads_back_in_every_codec),
        cmocka_unit_test(a_batch_built_again_from_its_own_header_is_the_same),
        cmocka_unit_test(the_range_of_offsets_can_be_wider_than_the_records),
        cmocka_unit_test(a_delete_horizon_is_the_base_time_and_records_keep_theirs),
        cmocka_unit_test(a_batch_of_one_record_passes_what_a_producer_is_asked),
        cmocka_unit_test(offsets_that_do_not_rise_or_go_too_far_are_invalid),
        cmocka_unit_test(every_room_that_is_too_small_is_full),
        cmocka_unit_test(an_empty_batch_keeps_offsets_producer_and_epoch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
