#include "core/store/journal_in.h"
#include "tests/unit/unit.h"

static void
a_frame_header_reads_back_as_written(void **state)
{
    (void)state;
    uint8_t at[FRAME_HEADER_BYTES];
    struct frame_header h = {.magic = JOURNAL_FRAME_MAGIC,
                             .header_bytes = 64,
                             .flags = 1,
                             .generation = 2,
                             .seq = UINT64_C(3) << 40,
                             .lsn_first = 4,
                             .durable_upto = 5,
                             .prev_crc = 6,
                             .record_count = 7,
                             .payload_bytes = 8,
                             .window = 9,
                             .written_ahead = 11,
                             .crc = 10},
                        got;
    journal_frame_write(&h, at);
    journal_frame_read(at, &got);
    assert_int_equal(got.magic, h.magic);
    assert_int_equal(got.header_bytes, 64);
    assert_int_equal(got.flags, 1);
    assert_int_equal(got.generation, 2);
    assert_int_equal(got.seq, h.seq);
    assert_int_equal(got.lsn_first, 4);
    assert_int_equal(got.durable_upto, 5);
    assert_int_equal(got.prev_crc, 6);
    assert_int_equal(got.record_count, 7);
    assert_int_equal(got.payload_bytes, 8);
    assert_int_equal(got.window, 9);
    assert_int_equal(got.written_ahead, 11);
    assert_int_equal(frame_written_upto(&got), 16);
    assert_int_equal(got.crc, 10);
}

static void
the_crc_of_a_frame_covers_every_byte_but_its_own(void **state)
{
    (void)state;
    static uint8_t at[JOURNAL_BLOCK];
    for (uint32_t i = 0; i < sizeof at; i++)
        at[i] = (uint8_t)(i * 7);
    uint32_t crc = journal_frame_crc(at, sizeof at);
    for (uint32_t i = 0; i < sizeof at; i++) {
        at[i] ^= 1;
        bool own = i >= FRAME_AT_CRC && i < FRAME_AT_CRC + 4;
        assert_int_equal(journal_frame_crc(at, sizeof at) == crc, own);
        at[i] ^= 1;
    }
}

static void
a_file_header_belongs_to_one_file_of_one_geometry(void **state)
{
    (void)state;
    struct journal_config c = {.dir = "j", .file_bytes = 64 << 10, .file_count = 3};
    uint8_t block[JOURNAL_BLOCK];
    journal_file_header(&c, 1, block);
    assert_true(journal_file_header_ok(&c, 1, block));
    assert_false(journal_file_header_ok(&c, 2, block));
    c.file_count = 4;
    assert_false(journal_file_header_ok(&c, 1, block));
}

static void
a_file_header_says_version_and_geometry(void **state)
{
    (void)state;
    struct journal_config c = {.dir = "j", .file_bytes = 64 << 10, .file_count = 3};
    uint8_t block[JOURNAL_BLOCK];
    journal_file_header(&c, 1, block);
    struct journal_file_header h;
    assert_true(journal_file_header_read(block, &h));
    assert_int_equal(h.version, JOURNAL_VERSION);
    assert_int_equal(h.index, 1);
    assert_int_equal(h.file_count, 3);
    assert_int_equal(h.file_bytes, 64 << 10);
    block[7] ^= 3;
    assert_false(journal_file_header_read(block, &h)); /* its checksum does not hold any more */
    memset(block, 0, sizeof block);
    assert_false(journal_file_header_read(block, &h));
}

static void
a_record_reads_back_and_is_as_long_as_was_said(void **state)
{
    (void)state;
    static uint8_t at[1 << 17];
    static const uint32_t lengths[] = {0, 1, 7, 8, 1023, 1024, 100000};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        struct put w = put_of(at, sizeof at);
        varint_write_u32(&w, lengths[i] << RECORD_KIND_BITS | 10);
        assert_int_equal(put_len(&w) + lengths[i], record_bytes(lengths[i]));
        struct cur c = cur_of(view_of(at, record_bytes(lengths[i])));
        uint32_t kind;
        struct view body;
        assert_true(journal_record_read(&c, &kind, &body));
        assert_int_equal(kind, 10);
        assert_int_equal(body.len, lengths[i]);
        assert_int_equal(cur_left(&c), 0);
        c = cur_of(view_of(at, record_bytes(lengths[i]) - 1));
        assert_false(journal_record_read(&c, &kind, &body));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_header_reads_back_as_written),
        cmocka_unit_test(the_crc_of_a_frame_covers_every_byte_but_its_own),
        cmocka_unit_test(a_file_header_belongs_to_one_file_of_one_geometry),
        cmocka_unit_test(a_file_header_says_version_and_geometry),
        cmocka_unit_test(a_record_reads_back_and_is_as_long_as_was_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
