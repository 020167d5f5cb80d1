#include "tests/unit/cli/top/endpoint_fake.h"

static const struct fake_path paths[] = {
    {"/v1/cluster", "HTTP/1.1 200 OK\r\nContent-Length: "
                    "44\r\n\r\n{\"now_ms\":5,\"node_id\":7,\"dataplane_up\":true}"},
    {"/v1/cores", "HTTP/1.1 200 OK\r\nContent-Length: "
                  "41\r\n\r\n{\"items\":[],\"total\":0,\"skip\":0,\"limit\":1}"},
    {"/v1/partitions", "HTTP/1.1 200 OK\r\nContent-Length: "
                       "41\r\n\r\n{\"items\":[],\"total\":0,\"skip\":0,\"limit\":1}"},
    {"/v1/groups", "HTTP/1.1 200 OK\r\nContent-Length: "
                   "41\r\n\r\n{\"items\":[],\"total\":0,\"skip\":0,\"limit\":1}"},
    {"/v1/drops", "HTTP/1.1 200 OK\r\nContent-Length: "
                  "41\r\n\r\n{\"items\":[],\"total\":0,\"skip\":0,\"limit\":1}"},
    {"/v1/processes", "HTTP/1.1 200 OK\r\nContent-Length: "
                      "41\r\n\r\n{\"items\":[],\"total\":0,\"skip\":0,\"limit\":1}"},
    {"/v1/errors", "HTTP/1.1 200 OK\r\nContent-Length: "
                   "41\r\n\r\n{\"items\":[],\"total\":0,\"skip\":0,\"limit\":1}"},
    {"/v1/histograms", "HTTP/1.1 200 OK\r\nContent-Length: "
                       "41\r\n\r\n{\"items\":[],\"total\":0,\"skip\":0,\"limit\":1}"},
    {NULL, NULL}};

static char text[16 << 10];

static int
run(const char *address)
{
    static struct command_line line;
    char wrong[COMMAND_ERROR_BYTES];
    const char *argv[] = {"sluice", "top", "-i", "1", "--format", "json", "--metrics", address};
    assert_int_equal(command_read(&line, 8, (char *const *)argv, wrong), 0);
    memset(text, 0, sizeof text);
    FILE *out = fmemopen(text, sizeof text, "w");
    int code = top_run(&line, out);
    fclose(out);
    return code;
}

static void
one_view_is_json(void **state)
{
    fake_start(paths);
    assert_int_equal(run(fake_address), COMMAND_EXIT_OK);
    json_t *view = json_loads(text, 0, NULL);
    assert_true(json_is_object(json_object_get(view, "rates")));
    json_decref(view);
}

static void
nobody_there_fails_and_prints_nothing(void **state)
{
    assert_int_equal(run("127.0.0.1:1"), COMMAND_EXIT_FAILED);
    assert_string_equal(text, "");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(one_view_is_json, fake_stop),
        cmocka_unit_test_teardown(nobody_there_fails_and_prints_nothing, fake_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
