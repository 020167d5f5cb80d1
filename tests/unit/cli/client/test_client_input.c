#include "tests/unit/cli/client/client_fake.h"

static struct client_input input;

static void
open_text(const char *text, const char *delimiter)
{
    client_input_free(&input);
    if (input.in)
        fclose(input.in);
    input = (struct client_input){.in = tmpfile()};
    fputs(text, input.in);
    rewind(input.in);
    input.delimiter_bytes = strlen(delimiter);
    memcpy(input.delimiter, delimiter, input.delimiter_bytes);
}

static void
expect_next(const char *text)
{
    assert_int_equal(client_input_next(&input), ERR_OK);
    assert_int_equal(input.used, strlen(text));
    assert_memory_equal(input.bytes ? input.bytes : "", text, strlen(text));
}

static void
lines_come_without_their_ends(void **state)
{
    open_text("one\n\ntwo", "\n");
    expect_next("one");
    expect_next("");
    expect_next("two");
    assert_int_equal(client_input_next(&input), ERR_NOT_FOUND);
}

static void
a_delimiter_may_be_longer_than_a_byte(void **state)
{
    open_text("a--b-c---d--", "--");
    expect_next("a");
    expect_next("b-c");
    expect_next("-d");
    assert_int_equal(client_input_next(&input), ERR_NOT_FOUND);
}

static void
without_a_delimiter_it_is_one_record(void **state)
{
    open_text("a\nb\n", "");
    expect_next("a\nb\n");
    assert_int_equal(client_input_next(&input), ERR_NOT_FOUND);
}

static void
what_consume_prints_as_json_is_read_back(void **state)
{
    static const char bytes[] = {(char)0xff, 0, 'x', 'y'};
    rd_kafka_headers_t *headers = rd_kafka_headers_new(2), *read = rd_kafka_headers_new(2);
    struct client_record in = {.topic = "t",
                               .partition = 2,
                               .key = "k",
                               .key_bytes = 1,
                               .value = bytes,
                               .value_bytes = 4,
                               .headers = headers},
                         out;
    rd_kafka_header_add(headers, "a", -1, "b", 1);
    rd_kafka_header_add(headers, "n", -1, NULL, -1);
    json_t *line = client_record_json(&in);
    assert_true(client_input_json(line, &out, read));
    assert_int_equal(out.partition, 2);
    assert_int_equal(out.key_bytes, 1);
    assert_int_equal(out.value_bytes, 4);
    assert_memory_equal(out.value, bytes, 4);
    assert_int_equal(rd_kafka_header_cnt(read), 2);
    json_decref(line);
    rd_kafka_headers_destroy(headers);
    rd_kafka_headers_destroy(read);
}

static void
json_of_the_wrong_type_is_refused(void **state)
{
    static const char *const lines[] = {"[1]", "{\"value\":5}", "{\"key\":{}}",
                                        "{\"value_base64\":\"!\"}", "{\"headers\":[{}]}"};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct client_record r;
        rd_kafka_headers_t *headers = rd_kafka_headers_new(1);
        json_t *line = json_loads(lines[i], 0, NULL);
        if (client_input_json(line, &r, headers))
            fail_msg("%s was taken", lines[i]);
        json_decref(line);
        rd_kafka_headers_destroy(headers);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_come_without_their_ends),
        cmocka_unit_test(a_delimiter_may_be_longer_than_a_byte),
        cmocka_unit_test(without_a_delimiter_it_is_one_record),
        cmocka_unit_test(what_consume_prints_as_json_is_read_back),
        cmocka_unit_test(json_of_the_wrong_type_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
