#include "core/base/err.h"
#include "core/wire/batch_control.h"
#include "tests/unit/unit.h"

static const struct batch_control abort_of_seven = {.type = BATCH_CONTROL_ABORT,
                                                    .coordinator_epoch = 11,
                                                    .producer_id = 7,
                                                    .producer_epoch = 3,
                                                    .time_ms = 1700000000123};

/* Bytes of Kafka 4.3.1: MemoryRecords.withEndTransactionMarker(0, 1700000000123, 0, 7, 3, new
 * EndTransactionMarker(ABORT, 11)). */
static void
a_marker_has_the_bytes_of_kafkas(void **state)
{
    (void)state;
    static const uint8_t kafka[BATCH_CONTROL_BYTES] = {
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x42, 0x00,
        0x00, 0x00, 0x00, 0x02, 0x77, 0xe7, 0xa8, 0xbb, 0x00, 0x30, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x01, 0x8b, 0xcf, 0xe5, 0x68, 0x7b, 0x00, 0x00, 0x01, 0x8b,
        0xcf, 0xe5, 0x68, 0x7b, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x07, 0x00,
        0x03, 0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x01, 0x20, 0x00, 0x00, 0x00,
        0x08, 0x00, 0x00, 0x00, 0x00, 0x0c, 0x00, 0x00, 0x00, 0x00, 0x00, 0x0b, 0x00};
    uint8_t own[BATCH_CONTROL_BYTES];
    struct batch_info info;
    batch_control_build(own, &abort_of_seven, &info);
    assert_memory_equal(own, kafka, sizeof own);
}

static void
what_was_built_is_read_again(void **state)
{
    (void)state;
    uint8_t own[BATCH_CONTROL_BYTES];
    struct batch_info info;
    for (int type = 0; type < 2; type++) {
        struct batch_control c = abort_of_seven, got;
        c.type = (enum batch_control_type)type;
        batch_control_build(own, &c, &info);
        assert_true(batch_crc_ok(view_of(own, sizeof own), &info));
        assert_int_equal(info.bytes, BATCH_CONTROL_BYTES);
        assert_int_equal(info.attributes, BATCH_TRANSACTIONAL | BATCH_CONTROL);
        assert_int_equal(info.base_sequence, -1);
        assert_int_equal(batch_control_read(view_of(own, sizeof own), &info, &got), ERR_OK);
        assert_int_equal(got.type, type);
        assert_int_equal(got.coordinator_epoch, 11);
        assert_int_equal(got.producer_id, 7);
        assert_int_equal(got.producer_epoch, 3);
        assert_int_equal(got.time_ms, 1700000000123);
    }
}

static void
the_brokers_time_counts_where_it_was_stamped(void **state)
{
    (void)state;
    uint8_t own[BATCH_CONTROL_BYTES];
    struct batch_info info;
    struct batch_control got;
    batch_control_build(own, &abort_of_seven, &info);
    batch_stamp_time(own, sizeof own, 1800000000000);
    assert_int_equal(batch_header(view_of(own, sizeof own), &info), ERR_OK);
    assert_int_equal(batch_control_read(view_of(own, sizeof own), &info, &got), ERR_OK);
    assert_int_equal(got.time_ms, 1800000000000);
}

static void
other_control_records_and_empty_batches_end_nothing(void **state)
{
    (void)state;
    uint8_t own[BATCH_CONTROL_BYTES];
    struct batch_info info;
    struct batch_control got;
    batch_control_build(own, &abort_of_seven, &info);
    own[BATCH_HEADER_BYTES + 8] = 2; /* LEADER_CHANGE */
    assert_int_equal(batch_control_read(view_of(own, sizeof own), &info, &got), ERR_NOT_FOUND);
    batch_control_build(own, &abort_of_seven, &info);
    info.record_count = 0;
    info.bytes = BATCH_HEADER_BYTES;
    assert_int_equal(batch_control_read(view_of(own, BATCH_HEADER_BYTES), &info, &got),
                     ERR_NOT_FOUND);
}

static void
what_is_cut_or_compressed_or_of_a_negative_version_is_corrupt(void **state)
{
    (void)state;
    uint8_t own[BATCH_CONTROL_BYTES];
    struct batch_info info;
    struct batch_control got;
    batch_control_build(own, &abort_of_seven, &info);
    for (uint32_t cut = BATCH_HEADER_BYTES; cut < BATCH_CONTROL_BYTES - 1; cut++) {
        info.bytes = cut; /* the last byte, the count of headers, is not looked at */
        assert_int_equal(batch_control_read(view_of(own, cut), &info, &got), ERR_CORRUPT);
    }
    batch_control_build(own, &abort_of_seven, &info);
    info.attributes |= BATCH_GZIP;
    assert_int_equal(batch_control_read(view_of(own, sizeof own), &info, &got), ERR_CORRUPT);
    static const uint8_t places[] = {4, 5, 9, 10}; /* lengths and versions of key and value */
    for (uint32_t i = 0; i < sizeof places; i++) {
        batch_control_build(own, &abort_of_seven, &info);
        own[BATCH_HEADER_BYTES + places[i]] = 0xff;
        assert_int_equal(batch_control_read(view_of(own, sizeof own), &info, &got), ERR_CORRUPT);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_marker_has_the_bytes_of_kafkas),
        cmocka_unit_test(what_was_built_is_read_again),
        cmocka_unit_test(the_brokers_time_counts_where_it_was_stamped),
        cmocka_unit_test(other_control_records_and_empty_batches_end_nothing),
        cmocka_unit_test(what_is_cut_or_compressed_or_of_a_negative_version_is_corrupt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
