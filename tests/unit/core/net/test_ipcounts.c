#include "core/net/ipcounts.h"
#include "core/net/iptext.h"
#include "tests/unit/unit.h"

static void
entries_come_in_their_order(void **state)
{
    struct ipcount e;
    char ip[IPTEXT_BYTES];
    const char *at = "192.0.2.7:100, 2001:db8::1:5 ,::1: 0";
    static const struct {
        const char *ip;
        int32_t count;
    } wanted[] = {{"192.0.2.7", 100}, {"2001:db8::1", 5}, {"::1", 0}};
    (void)state;
    for (uint32_t i = 0; i < 3; i++) {
        at = ipcounts_next(at, &e);
        assert_non_null(at);
        iptext_print(e.ip, ip);
        assert_string_equal(ip, wanted[i].ip);
        assert_int_equal(e.count, wanted[i].count);
    }
    assert_string_equal(at, "");
}

static void
what_is_no_list_is_refused(void **state)
{
    static const char *const bad[] = {
        "192.0.2.7",
        "192.0.2.7:",
        ":5",
        "192.0.2.7:x",
        "192.0.2.7:-1",
        "host:5",
        "192.0.2.7:5 6",
        "1.2.3.4:5,,",
        "192.0.2.7:5,x",
        " ",
        ",",
        "192.0.2.7:2147483648",
        "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc:5",
    };
    (void)state;
    for (uint32_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(ipcounts_valid(bad[i]));
    assert_true(ipcounts_valid(""));
    assert_true(ipcounts_valid("1.2.3.4:2147483647"));
    assert_true(ipcounts_valid("1.2.3.4:5,"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_come_in_their_order),
        cmocka_unit_test(what_is_no_list_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
