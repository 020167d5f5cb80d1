#include "core/base/err.h"
#include "core/wire/wire_gen.h"
#include "tests/unit/unit.h"

static int
read_header(const char *bytes, uint32_t n, struct wire_header *h)
{
    return wire_header_read(view_of(bytes, n), h);
}

#define read_text(text, h) read_header(text, sizeof(text) - 1, h)

static void
a_plain_request_has_header_1(void **state)
{
    struct wire_header h;
    assert_int_equal(read_text("\0\3\0\1\0\0\0\x2a\0\2cl"
                               "body",
                               &h),
                     ERR_OK);
    assert_int_equal(h.api_key, WIRE_API_METADATA);
    assert_int_equal(h.api_version, 1);
    assert_int_equal(h.correlation_id, 42);
    assert_true(view_equal(h.client_id, view_of_text("cl")));
    assert_int_equal(h.bytes, 12);
}

static void
a_flexible_request_has_header_2_with_tags(void **state)
{
    struct wire_header h;
    assert_int_equal(read_text("\0\3\0\x9\0\0\0\x2a\0\2cl\0"
                               "body",
                               &h),
                     ERR_OK);
    assert_int_equal(h.bytes, 13);
    assert_int_equal(read_text("\0\3\0\x9\0\0\0\x2a\0\2cl\2\0\1x\5\0"
                               "body",
                               &h),
                     ERR_OK);
    assert_int_equal(h.bytes, 18);
}

static void
the_client_id_may_be_null_or_empty(void **state)
{
    struct wire_header h;
    assert_int_equal(read_text("\0\3\0\1\0\0\0\x2a\xff\xff", &h), ERR_OK);
    assert_null(h.client_id.at);
    assert_int_equal(read_text("\0\3\0\1\0\0\0\x2a\0\0", &h), ERR_OK);
    assert_non_null(h.client_id.at);
    assert_int_equal(h.client_id.len, 0);
}

static void
unknown_keys_and_versions_read_as_header_1(void **state)
{
    struct wire_header h;
    assert_int_equal(read_text("\x03\xe7\0\x9\0\0\0\7\0\1c", &h), ERR_OK);
    assert_int_equal(h.api_key, 999);
    assert_int_equal(h.correlation_id, 7);
    assert_int_equal(h.bytes, 11);
    assert_int_equal(read_text("\0\x12\0\x63\0\0\0\7\0\1c", &h), ERR_OK);
    assert_int_equal(h.api_version, 99);
    assert_int_equal(h.bytes, 11);
}

static void
every_cut_is_corrupt(void **state)
{
    static const char bytes[] = "\0\3\0\x9\0\0\0\x2a\0\2cl\1\0\2xy";
    struct wire_header h;
    for (uint32_t n = 0; n < sizeof bytes - 1; n++)
        assert_int_equal(read_header(bytes, n, &h), ERR_CORRUPT);
    assert_int_equal(read_header(bytes, sizeof bytes - 1, &h), ERR_OK);
    assert_int_equal(wire_header_read((struct view){0}, &h), ERR_CORRUPT);
}

static uint32_t
answer_bytes(int16_t key, int16_t version)
{
    uint8_t bytes[16];
    struct put w = put_of(bytes, sizeof bytes);
    wire_header_answer(&w, wire_api_find(key), version, 0x01020304);
    assert_memory_equal(bytes, "\1\2\3\4", 4);
    return put_len(&w);
}

static void
answers_carry_tags_when_flexible_but_for_api_versions(void **state)
{
    assert_int_equal(answer_bytes(WIRE_API_METADATA, 8), 4);
    assert_int_equal(answer_bytes(WIRE_API_METADATA, 9), 5);
    assert_int_equal(answer_bytes(WIRE_API_API_VERSIONS, 4), 4);
    assert_int_equal(answer_bytes(WIRE_API_SASL_HANDSHAKE, 1), 4);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_request_has_header_1),
        cmocka_unit_test(a_flexible_request_has_header_2_with_tags),
        cmocka_unit_test(the_client_id_may_be_null_or_empty),
        cmocka_unit_test(unknown_keys_and_versions_read_as_header_1),
        cmocka_unit_test(every_cut_is_corrupt),
        cmocka_unit_test(answers_carry_tags_when_flexible_but_for_api_versions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
