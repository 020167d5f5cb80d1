#include "tests/unit/cli/client/client_fake.h"

static struct client_record r;

static const char *
print(const char *template_)
{
    memset(fake_out, 0, sizeof fake_out);
    FILE *out = fmemopen(fake_out, sizeof fake_out, "w");
    client_record_print(template_, &r, out);
    fclose(out);
    return fake_out;
}

static void
a_template_prints_every_field(void **state)
{
    rd_kafka_headers_t *headers = rd_kafka_headers_new(2);
    rd_kafka_header_add(headers, "a", -1, "1", -1);
    rd_kafka_header_add(headers, "b", -1, NULL, 0);
    r = (struct client_record){.topic = "t",
                               .partition = 3,
                               .offset = 17,
                               .time_ms = 5,
                               .key = "kk",
                               .key_bytes = 2,
                               .value = "value",
                               .value_bytes = 5,
                               .headers = headers};
    assert_string_equal(print("%t[%p]@%o %k=%s %h %T %K/%S %%\\n"),
                        "t[3]@17 kk=value a=1,b=NULL 5 2/5 %\n");
    rd_kafka_headers_destroy(headers);
}

static void
null_and_empty_differ_in_their_lengths(void **state)
{
    r = (struct client_record){.topic = "t", .key_bytes = -1, .value = "", .value_bytes = 0};
    assert_string_equal(print("[%k:%K][%s:%S]"), "[:-1][:0]");
}

static void
escapes_are_bytes(void **state)
{
    assert_string_equal(print("a\\tb\\\\n\\q"), "a\tb\\n\\q");
    char out[16];
    assert_int_equal(client_record_unescape("\\n\\t", out), 2);
    assert_memory_equal(out, "\n\t", 2);
}

static void
an_unknown_field_is_refused(void **state)
{
    assert_null(client_record_check("%t %p %o %k %s %h %T %K %S %%"));
    assert_non_null(client_record_check("%q"));
    assert_non_null(client_record_check("abc%"));
}

static void
bytes_that_are_no_text_become_base64(void **state)
{
    static const uint8_t bytes[] = {0xff, 0xfe};
    r = (struct client_record){.topic = "t", .key_bytes = -1, .value = bytes, .value_bytes = 2};
    json_t *o = client_record_json(&r);
    assert_string_equal(json_string_value(json_object_get(o, "value_base64")), "//4=");
    assert_null(json_object_get(o, "value"));
    assert_true(json_is_null(json_object_get(o, "key")));
    json_decref(o);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_template_prints_every_field),
        cmocka_unit_test(null_and_empty_differ_in_their_lengths),
        cmocka_unit_test(escapes_are_bytes),
        cmocka_unit_test(an_unknown_field_is_refused),
        cmocka_unit_test(bytes_that_are_no_text_become_base64),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
