#include "cli/bundle/bundle.h"
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

static void
expect(const char *text, const char *wanted)
{
    size_t n;
    char *got = bundle_redact(text, strlen(text), &n);
    if (strcmp(got, wanted) != 0)
        fail_msg("'%s' became '%s'", text, got);
    assert_int_equal(n, strlen(wanted));
    free(got);
}

static void
values_of_secrets_are_removed_up_to_the_end_of_the_line(void **state)
{
    expect("a=1\nssl.keystore.password=very secret\nb=2\n",
           "a=1\nssl.keystore.password= [removed]\nb=2\n");
    expect("sasl.jaas.config = x required user=\"a\"", "sasl.jaas.config = [removed]");
    expect("{\"key\": 1, \"Password\": \"x\"}", "{\"key\": 1, \"Password\": [removed]");
    expect("x{key=\"a.password\",value=\"v\"} 1", "x{key=\"a.password\", [removed]");
    expect("info: API_KEY: abc", "info: API_KEY: [removed]");
    expect("Authorization: Basic abc", "Authorization: [removed]");
}

static void
what_is_no_secret_stays_as_it_is(void **state)
{
    expect("", "");
    expect("\n\n", "\n\n");
    expect("log.retention.ms=5", "log.retention.ms=5");
    expect("a secret is kept", "a secret is kept");
    expect("passwords=", "passwords=");
}

static void
names_and_passwords_of_urls_are_removed(void **state)
{
    expect("to http://someone:password1@host/x", "to http://[removed]@host/x");
    expect("to http://a:b@host/x", "to http://@host/x");
    expect("PLAINTEXT://127.0.0.1:9092 http://h/@x", "PLAINTEXT://127.0.0.1:9092 http://h/@x");
}

static void
no_length_of_random_bytes_is_too_much(void **state)
{
    static const char bytes[] = "token=:/@ \n\"ab://";
    unsigned seed = 20260101;
    print_message("seed %u\n", seed);
    for (int round = 0; round < 20000; round++) {
        char text[64];
        size_t n, length = seed % sizeof text;
        for (size_t i = 0; i < length; i++) {
            seed = seed * 1664525 + 1013904223;
            text[i] = bytes[(seed >> 16) % (sizeof bytes - 1)];
        }
        free(bundle_redact(text, length, &n));
        seed = seed * 1664525 + 1013904223;
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_of_secrets_are_removed_up_to_the_end_of_the_line),
        cmocka_unit_test(what_is_no_secret_stays_as_it_is),
        cmocka_unit_test(names_and_passwords_of_urls_are_removed),
        cmocka_unit_test(no_length_of_random_bytes_is_too_much),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
