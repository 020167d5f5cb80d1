#include "tests/unit/control/meta/meta_fixture.h"

static void
the_text_of_an_id_is_base64url_without_padding(void **state)
{
    char text[META_ID_TEXT_BYTES + 1];
    uint8_t id[META_ID_BYTES] = {0};
    meta_id_text(id, text);
    assert_string_equal(text, "AAAAAAAAAAAAAAAAAAAAAA");
    memset(id, 0xff, sizeof id);
    meta_id_text(id, text);
    assert_string_equal(text, "_____________________w");
    /* Kafka Uuid(0x0123456789abcdef, 0xfedcba9876543210) */
    const uint8_t mixed[] = {0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef,
                             0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54, 0x32, 0x10};
    meta_id_text(mixed, text);
    assert_string_equal(text, "ASNFZ4mrze_-3LqYdlQyEA");
}

static void
a_shaped_id_is_a_version_4_uuid(void **state)
{
    uint8_t id[META_ID_BYTES] = {0};
    assert_true(meta_id_shape(id));
    assert_int_equal(id[6] >> 4, 4);
    assert_int_equal(id[8] >> 6, 2);
    assert_false(meta_id_is_zero(id));
}

static void
an_id_whose_text_begins_with_a_dash_is_drawn_again(void **state)
{
    uint8_t id[META_ID_BYTES] = {0xf8}; /* 62 is '-' */
    assert_false(meta_id_shape(id));
    id[0] = 0xfc;
    assert_true(meta_id_shape(id));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_text_of_an_id_is_base64url_without_padding),
        cmocka_unit_test(a_shaped_id_is_a_version_4_uuid),
        cmocka_unit_test(an_id_whose_text_begins_with_a_dash_is_drawn_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
