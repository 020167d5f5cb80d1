#include "core/conf/conf.h"

#include "core/base/err.h"
#include "tests/unit/unit.h"

#include <string.h>

static struct conf_listener l[CONF_LISTENERS_MAX];
static char error[CONF_ERROR_BYTES];

static void
one_address_is_read(void **state)
{
    assert_int_equal(conf_listeners("PLAINTEXT://127.0.0.1:9092", l, error), 1);
    assert_string_equal(l[0].name, "PLAINTEXT");
    assert_string_equal(l[0].host, "127.0.0.1");
    assert_int_equal(l[0].port, 9092);
}

static void
a_list_of_names_and_ipv6_addresses_is_read(void **state)
{
    assert_int_equal(
        conf_listeners("PLAINTEXT://[::1]:9092 , PLAINTEXT://:65535,PLAINTEXT://rack1.local:1", l,
                       error),
        3);
    assert_string_equal(l[0].host, "::1");
    assert_string_equal(l[1].host, "");
    assert_int_equal(l[1].port, 65535);
    assert_string_equal(l[2].host, "rack1.local");
    assert_int_equal(l[2].port, 1);
}

static void
no_text_is_no_listener(void **state)
{
    assert_int_equal(conf_listeners("", l, error), 0);
}

static void
what_is_no_address_is_refused_with_its_text(void **state)
{
    static const char *const bad[] = {
        "127.0.0.1:9092",        "PLAINTEXT://",         "PLAINTEXT://host",
        "PLAINTEXT://host:",     "PLAINTEXT://host:0",   "PLAINTEXT://host:65536",
        "PLAINTEXT://host:9x",   "PLAINTEXT://::1:9092", "PLAINTEXT://[::1:9092",
        "SSL://127.0.0.1:9093",  "PLAINTEXT://a:1,,",    "PLAINTEXT://h:-1",
        "PLAINTEXT://h:0000001",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        error[0] = 0;
        assert_int_equal(conf_listeners(bad[i], l, error), ERR_INVALID);
        assert_non_null(strstr(error, "listener '"));
    }
}

static void
more_listeners_than_the_limit_are_refused(void **state)
{
    char text[512] = "PLAINTEXT://h:1";
    for (int i = 1; i < CONF_LISTENERS_MAX; i++)
        strncat(text, ",PLAINTEXT://h:1", sizeof text - strlen(text) - 1);
    assert_int_equal(conf_listeners(text, l, error), CONF_LISTENERS_MAX);
    strncat(text, ",PLAINTEXT://h:1", sizeof text - strlen(text) - 1);
    assert_int_equal(conf_listeners(text, l, error), ERR_INVALID);
    assert_string_equal(error, "more than 8 listeners");
}

static void
a_host_longer_than_a_name_can_be_is_refused(void **state)
{
    char text[400] = "PLAINTEXT://";
    memset(text + strlen(text), 'h', CONF_HOST_BYTES_MAX);
    strncat(text, ":1", sizeof text - strlen(text) - 1);
    assert_int_equal(conf_listeners(text, l, error), ERR_INVALID);
}

static void
an_address_alone_is_read_without_a_scheme(void **state)
{
    assert_int_equal(conf_address("127.0.0.1:9644", &l[0]), ERR_OK);
    assert_string_equal(l[0].host, "127.0.0.1");
    assert_int_equal(l[0].port, 9644);
    assert_int_equal(conf_address("[::1]:1", &l[0]), ERR_OK);
    assert_string_equal(l[0].host, "::1");
    assert_int_equal(conf_address(":9644", &l[0]), ERR_OK);
    assert_string_equal(l[0].host, "");
    assert_int_equal(conf_address("9644", &l[0]), ERR_INVALID);
    assert_int_equal(conf_address("h:0", &l[0]), ERR_INVALID);
    assert_int_equal(conf_address("PLAINTEXT://h:1", &l[0]), ERR_INVALID);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_alone_is_read_without_a_scheme),
        cmocka_unit_test(one_address_is_read),
        cmocka_unit_test(a_list_of_names_and_ipv6_addresses_is_read),
        cmocka_unit_test(no_text_is_no_listener),
        cmocka_unit_test(what_is_no_address_is_refused_with_its_text),
        cmocka_unit_test(more_listeners_than_the_limit_are_refused),
        cmocka_unit_test(a_host_longer_than_a_name_can_be_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
