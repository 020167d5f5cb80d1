#include "tests/unit/cli/top/endpoint_fake.h"

static char error[TOP_ERROR_BYTES];
static size_t bytes;

static void
the_body_is_given_whole(void **state)
{
    static const struct fake_path paths[] = {
        {"/v1/a", "HTTP/1.1 200 OK\r\nDate: x\r\ncontent-length: 5\r\n\r\nhello"}, {NULL, NULL}};
    fake_start(paths);
    char *body = top_http(fake_address, "/v1/a", FAKE_MS, &bytes, error);
    assert_non_null(body);
    assert_string_equal(body, "hello");
    assert_int_equal(bytes, 5);
    free(body);
}

static void
what_is_not_a_whole_answer_is_an_error(void **state)
{
    static const struct fake_path paths[] = {
        {"/short", "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello"},
        {"/huge", "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n"},
        {"/none", "HTTP/1.1 200 OK\r\n\r\nhello"},
        {"/not", "220 mail\r\n\r\n"},
        {NULL, NULL}};
    fake_start(paths);
    for (size_t i = 0; paths[i].path; i++)
        if (top_http(fake_address, paths[i].path, FAKE_MS, &bytes, error))
            fail_msg("%s was taken", paths[i].path);
    assert_null(top_http(fake_address, "/v1/missing", FAKE_MS, &bytes, error));
    assert_string_equal(error, "status 404");
}

static void
a_wrong_address_is_told(void **state)
{
    assert_null(top_http("nowhere", "/", FAKE_MS, &bytes, error));
    assert_string_equal(error, "'nowhere' is not HOST:PORT");
    assert_null(top_http("127.0.0.1:1", "/", FAKE_MS, &bytes, error));
    assert_non_null(strstr(error, "nobody answers at 127.0.0.1:1"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(the_body_is_given_whole, fake_stop),
        cmocka_unit_test_teardown(what_is_not_a_whole_answer_is_an_error, fake_stop),
        cmocka_unit_test_teardown(a_wrong_address_is_told, fake_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
