#include "cli/cli.h"
#include "core/base/crc32c.h"
#include "core/base/err.h"
#include "core/wire/batch.h"
#include "tests/unit/core/wire/make_batch.h"
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

/* A disk with one file. */
static uint8_t file[16384];
static uint32_t file_bytes;

static int64_t
run(void *self, struct disk_op *op)
{
    (void)self;
    switch (op->kind) {
    case DISK_OPEN:
        return strcmp(op->path, "log/x/0/00000000000000000000.log") ? ERR_NOT_FOUND : 3;
    case DISK_SIZE:
        return file_bytes;
    case DISK_READ: {
        uint32_t left = op->offset < file_bytes ? file_bytes - (uint32_t)op->offset : 0;
        uint32_t n = op->len < left ? op->len : left;
        memcpy(op->at, file + op->offset, n);
        return n;
    }
    default:
        return ERR_OK;
    }
}

static const struct disk_ops ops = {.run = run};
static struct disk disk = {.ops = &ops};

/* One batch with one record. */
static void
record_write(const uint8_t *record, uint32_t bytes, uint16_t attributes)
{
    memset(file, 0, sizeof file);
    file_bytes = BATCH_HEADER_BYTES + bytes;
    set_u64(file, 41);
    set_u32(file + BATCH_AT_LENGTH, file_bytes - BATCH_OVERHEAD);
    file[BATCH_AT_MAGIC] = 2;
    set_u16(file + BATCH_AT_ATTRIBUTES, attributes);
    memset(file + 43, 0xff, 14); /* no producer */
    set_u32(file + 57, 1);
    memcpy(file + BATCH_HEADER_BYTES, record, bytes);
    set_u32(file + BATCH_AT_CRC,
            crc32c(0, file + BATCH_AT_ATTRIBUTES, file_bytes - BATCH_AT_ATTRIBUTES));
}

/* No key, value "abc". */
static void
batch_write(void)
{
    static const uint8_t record[] = {18, 0, 0, 0, 1, 6, 'a', 'b', 'c', 0};
    record_write(record, sizeof record, 0);
}

static char *
dumped(bool deep, bool json, int wanted)
{
    struct cli_args args = {
        .segment = "log/x/0/00000000000000000000.log", .deep = deep, .json = json};
    char *text;
    size_t n;
    FILE *out = open_memstream(&text, &n);
    assert_non_null(out);
    assert_int_equal(cli_log_dump(&disk, &args, out), wanted);
    fclose(out);
    return text;
}

static void
batches_and_records_are_lines(void **state)
{
    (void)state;
    batch_write();
    char *text = dumped(false, false, CLI_EXIT_OK);
    assert_non_null(strstr(text, "position 0 offsets 41 to 41 records 1 bytes 71 codec none"));
    assert_null(strstr(text, "value"));
    free(text);
    text = dumped(true, false, CLI_EXIT_OK);
    assert_non_null(strstr(text, "  offset 41 time 0 key -1 value 3\n"));
    free(text);
}

static void
json_is_one_object_a_line(void **state)
{
    (void)state;
    batch_write();
    char *text = dumped(true, true, CLI_EXIT_OK);
    assert_non_null(strstr(text, "\"base_offset\":41"));
    assert_non_null(strstr(text, "\"value_bytes\":3"));
    assert_int_equal(text[0], '{');
    free(text);
}

/* Byte for byte as Kafka 4.3 writes them, where DumpLogSegments says "endTxnMarker: COMMIT
 * coordinatorEpoch: 7". */
static void
a_marker_says_how_the_transaction_ended(void **state)
{
    (void)state;
    uint8_t record[] = {32, 0, 0, 0, 8, 0, 0, 0, 1, 12, 0, 0, 0, 0, 0, 7, 0};
    record_write(record, sizeof record, BATCH_CONTROL | BATCH_TRANSACTIONAL);
    char *text = dumped(true, false, CLI_EXIT_OK);
    assert_non_null(strstr(text, " key 4 value 6 marker commit coordinator_epoch 7\n"));
    free(text);
    text = dumped(true, true, CLI_EXIT_OK);
    assert_non_null(strstr(text, "\"marker\":\"commit\",\"coordinator_epoch\":7"));
    free(text);
    record[8] = 0;
    record_write(record, sizeof record, BATCH_CONTROL | BATCH_TRANSACTIONAL);
    text = dumped(true, false, CLI_EXIT_OK);
    assert_non_null(strstr(text, " marker abort "));
    free(text);
    record_write(record, sizeof record, 0); /* a record of somebody's that looks like it */
    text = dumped(true, false, CLI_EXIT_OK);
    assert_null(strstr(text, "marker"));
    free(text);
}

/* The records are put together in memory that is taken for the usual ones. */
static void
a_record_that_inflates_to_megabytes_is_read(void **state)
{
    (void)state;
    enum { LONG = 3 << 20 };
    static uint8_t zeros[LONG];
    static struct make_batch m;
    make_begin(&m);
    make_add(&m, (struct make_record){.value = view_of(zeros, 5)});
    make_add(&m, (struct make_record){.offset_delta = 1, .value = view_of(zeros, LONG)});
    make_add(&m, (struct make_record){.offset_delta = 2, .value = view_of(zeros, 7)});
    struct view batch = make_end(&m, MAKE_GZIP);
    assert_true(batch.len < sizeof file);
    memcpy(file, batch.at, batch.len);
    file_bytes = batch.len;
    char *text = dumped(true, false, CLI_EXIT_OK);
    /* The first one once, though the batch is begun anew for the second. */
    const char *records = strchr(text, '\n');
    assert_string_equal(records, "\n  offset 0 time 1000000 key -1 value 5\n"
                                 "  offset 1 time 1000000 key -1 value 3145728\n"
                                 "  offset 2 time 1000000 key -1 value 7\n");
    free(text);
}

static void
what_kafkas_tool_says_of_a_batch_is_told(void **state)
{
    (void)state;
    static const uint8_t record[] = {18, 0, 0, 0, 1, 6, 'a', 'b', 'c', 0};
    record_write(record, sizeof record, BATCH_LOG_APPEND_TIME);
    char *text = dumped(false, false, CLI_EXIT_OK);
    assert_non_null(strstr(text, " log_append_time "));
    assert_null(strstr(text, "delete_horizon"));
    free(text);
    record_write(record, sizeof record, BATCH_DELETE_HORIZON);
    set_u64(file + BATCH_AT_BASE_TIMESTAMP, 777);
    set_u32(file + BATCH_AT_CRC,
            crc32c(0, file + BATCH_AT_ATTRIBUTES, file_bytes - BATCH_AT_ATTRIBUTES));
    text = dumped(false, true, CLI_EXIT_OK);
    assert_non_null(strstr(text, "\"delete_horizon\":777"));
    assert_non_null(strstr(text, "\"log_append_time\":false"));
    free(text);
    char wanted[64];
    snprintf(wanted, sizeof wanted, " crc %u delete_horizon 777\n", get_u32(file + BATCH_AT_CRC));
    text = dumped(false, false, CLI_EXIT_OK);
    assert_non_null(strstr(text, wanted));
    free(text);
}

static void
a_bad_batch_ends_it_with_a_failure(void **state)
{
    (void)state;
    batch_write();
    file[70] ^= 1;
    char *text = dumped(false, false, CLI_EXIT_FAILED);
    assert_string_equal(text, "");
    free(text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_and_records_are_lines),
        cmocka_unit_test(json_is_one_object_a_line),
        cmocka_unit_test(a_marker_says_how_the_transaction_ended),
        cmocka_unit_test(a_record_that_inflates_to_megabytes_is_read),
        cmocka_unit_test(what_kafkas_tool_says_of_a_batch_is_told),
        cmocka_unit_test(a_bad_batch_ends_it_with_a_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
