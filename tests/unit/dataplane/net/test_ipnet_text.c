#include "tests/unit/dataplane/net/host.h"

#include <stdio.h>

static void
a_list_of_addresses_has_their_prefixes(void **state)
{
    struct ipnet_config c = {0};
    char error[IPNET_ERROR_BYTES];
    assert_int_equal(ipnet_text_addresses(&c, " 10.77.0.2/24 , fd00::2/64,10.1.1.1/32", error),
                     ERR_OK);
    assert_int_equal(c.address_count, 3);
    assert_int_equal(c.addresses[0].prefix_bits, 120);
    assert_memory_equal(c.addresses[1].ip, ip_of("fd00::2"), 16);
    assert_int_equal(c.addresses[1].prefix_bits, 64);
    assert_int_equal(c.addresses[2].prefix_bits, 128);
}

static void
a_bad_list_of_addresses_is_named(void **state)
{
    static const char *const bad[] = {
        "",           " ,",         "10.77.0.2",    "10.77.0.2/33", "10.0.0.1/",
        "10.0.0.1/a", "fd00::/129", "10.0.0.1/24x", "10.0.0.1 /24"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct ipnet_config c = {0};
        char error[IPNET_ERROR_BYTES] = "";
        assert_int_equal(ipnet_text_addresses(&c, bad[i], error), ERR_INVALID);
        assert_true(strlen(error) > 0);
    }
}

static void
routes_are_read_with_default_meaning_everything_of_the_family(void **state)
{
    struct ipnet_config c = {0};
    char error[IPNET_ERROR_BYTES];
    assert_int_equal(ipnet_text_routes(&c, "", error), ERR_OK);
    assert_int_equal(c.route_count, 0);
    assert_int_equal(
        ipnet_text_routes(
            &c, "default via 10.77.0.1,10.9.0.0/16  via 10.77.0.9 , default via fe80::1", error),
        ERR_OK);
    assert_int_equal(c.route_count, 3);
    assert_int_equal(c.routes[0].to.prefix_bits, 96);
    assert_int_equal(c.routes[1].to.prefix_bits, 112);
    assert_memory_equal(c.routes[1].via, ip_of("10.77.0.9"), 16);
    assert_int_equal(c.routes[2].to.prefix_bits, 0);
}

static void
a_bad_route_is_named(void **state)
{
    static const char *const bad[] = {"default",
                                      "default via",
                                      "default 10.0.0.1",
                                      "10.0.0.0 via 10.0.0.1",
                                      "default via 10.0.0.1 dev x",
                                      "default via 10.0.0.1,x"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct ipnet_config c = {0};
        char error[IPNET_ERROR_BYTES] = "";
        assert_int_equal(ipnet_text_routes(&c, bad[i], error), ERR_INVALID);
        assert_true(strlen(error) > 0);
    }
}

static void
more_than_the_limit_is_refused(void **state)
{
    struct ipnet_config c = {0};
    char error[IPNET_ERROR_BYTES], text[4096] = "";
    size_t len = 0;
    for (int i = 0; i <= IPNET_ROUTES_MAX; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "10.%d.0.0/16 via 10.77.0.1,", i);
    assert_int_equal(ipnet_text_routes(&c, text, error), ERR_INVALID);
    len = 0;
    for (int i = 0; i <= IPNET_ADDRESSES_MAX; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "10.77.0.%d/24,", i + 1);
    assert_int_equal(ipnet_text_addresses(&c, text, error), ERR_INVALID);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_of_addresses_has_their_prefixes),
        cmocka_unit_test(a_bad_list_of_addresses_is_named),
        cmocka_unit_test(routes_are_read_with_default_meaning_everything_of_the_family),
        cmocka_unit_test(a_bad_route_is_named),
        cmocka_unit_test(more_than_the_limit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
