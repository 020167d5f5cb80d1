#include "core/net/iptext.h"

#include "tests/unit/unit.h"

static void
addresses_are_read_and_printed_in_their_shortest_form(void **state)
{
    static const char *const pairs[][2] = {
        {"10.77.0.2", "10.77.0.2"},
        {"255.255.255.255", "255.255.255.255"},
        {"::", "::"},
        {"::1", "::1"},
        {"1::", "1::"},
        {"FD00:0077:0:0:0:0:0:2", "fd00:77::2"},
        {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
        {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},
        {"2001:db8::1:0:0:1", "2001:db8::1:0:0:1"},
        {"::ffff:10.1.2.3", "10.1.2.3"},
        {"64:ff9b::192.0.2.33", "64:ff9b::c000:221"},
        {"1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"},
        {"1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        uint8_t ip[16];
        char text[IPTEXT_BYTES];
        assert_true(iptext_read(pairs[i][0], ip));
        iptext_print(ip, text);
        assert_string_equal(text, pairs[i][1]);
    }
}

static void
what_is_no_address_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "10.77.0",
        "10.77.0.256",
        "10.77.0.2.",
        "10..0.2",
        ".1.2.3.4",
        "1.2.3.0004",
        ":",
        ":::",
        "1:2:3:4:5:6:7",
        "1:2:3:4:5:6:7:8:9",
        "1::2::3",
        "12345::",
        "g::",
        "::1%eth0",
        "1:2:3:4:5:6:7:1.2.3.4",
        "1::2:",
        ":1::2",
        "fd00::2 ",
        "::1.2.3",
        "1:2:3:4:5:6:7:8::",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint8_t ip[16];
        if (iptext_read(bad[i], ip))
            fail_msg("'%s' was read", bad[i]);
    }
}

static void
numbers_end_where_their_digits_do(void **state)
{
    uint32_t v;
    const char *text = "24,";
    assert_ptr_equal(iptext_number(text, 10, 3, 32, &v), text + 2);
    assert_int_equal(v, 24);
    assert_null(iptext_number("33", 10, 3, 32, &v));
    assert_null(iptext_number("0024", 10, 3, 32, &v));
    assert_null(iptext_number("x", 10, 3, 32, &v));
}

static void
an_ipv4_address_is_told_by_its_prefix(void **state)
{
    static const uint8_t v4[4] = {10, 77, 0, 2};
    uint8_t ip[16], read[16];
    memset(ip, 0xa5, sizeof ip);
    iptext_of_v4(v4, ip);
    assert_true(iptext_read("10.77.0.2", read));
    assert_memory_equal(ip, read, sizeof ip);
    assert_true(iptext_is_v4(ip));
    for (size_t i = 0; i < 12; i++) {
        ip[i] ^= 1;
        assert_false(iptext_is_v4(ip));
        ip[i] ^= 1;
    }
}

static void
only_the_two_zero_addresses_mean_all_addresses(void **state)
{
    static const struct {
        const char *text;
        bool any;
    } rows[] = {{"0.0.0.0", true},   {"::", true},   {"0.0.0.1", false},
                {"10.0.0.0", false}, {"::1", false}, {"fd00::", false}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint8_t ip[16];
        assert_true(iptext_read(rows[i].text, ip));
        assert_int_equal(iptext_is_any(ip), rows[i].any);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_read_and_printed_in_their_shortest_form),
        cmocka_unit_test(what_is_no_address_is_refused),
        cmocka_unit_test(numbers_end_where_their_digits_do),
        cmocka_unit_test(an_ipv4_address_is_told_by_its_prefix),
        cmocka_unit_test(only_the_two_zero_addresses_mean_all_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
