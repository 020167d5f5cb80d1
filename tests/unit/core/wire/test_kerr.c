#include "core/wire/kerr.h"
#include "tests/unit/unit.h"

static void
every_code_finds_its_own_row(void **state)
{
    static const struct {
        int16_t code;
        const char *name;
    } all[] = {
#define KERR(name, code, retriable, text) {(code), #name},
#include "core/wire/kerr.def"
#undef KERR
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        assert_int_equal(all[i].code, (int)i - 1);
        assert_string_equal(kerr_name(all[i].code), all[i].name);
    }
}

static void
a_code_that_kafka_lacks_reads_as_unknown_server_error(void **state)
{
    static const int16_t codes[] = {-2, INT16_MIN, 134, INT16_MAX};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        assert_string_equal(kerr_name(codes[i]), "UNKNOWN_SERVER_ERROR");
        assert_string_equal(kerr_message(codes[i]), kerr_message(KERR_UNKNOWN_SERVER_ERROR));
        assert_false(kerr_retriable(codes[i]));
    }
}

static void
texts_and_retriability_are_kafkas(void **state)
{
    assert_string_equal(kerr_message(KERR_NONE), "");
    assert_string_equal(kerr_message(KERR_UNKNOWN_TOPIC_OR_PARTITION),
                        "This server does not host this topic-partition.");
    assert_true(kerr_retriable(KERR_NOT_LEADER_OR_FOLLOWER));
    assert_true(kerr_retriable(KERR_CORRUPT_MESSAGE));
    assert_false(kerr_retriable(KERR_MESSAGE_TOO_LARGE));
    assert_int_equal(KERR_SHARE_SESSION_LIMIT_REACHED, 133);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_finds_its_own_row),
        cmocka_unit_test(a_code_that_kafka_lacks_reads_as_unknown_server_error),
        cmocka_unit_test(texts_and_retriability_are_kafkas),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
