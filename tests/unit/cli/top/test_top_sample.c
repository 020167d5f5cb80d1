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

static char error[TOP_ERROR_BYTES];

static void
every_document_is_there_by_its_name(void **state)
{
    fake_start(paths);
    json_t *s = top_sample(fake_address, FAKE_MS, error);
    assert_non_null(s);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(s, "cluster"), "node_id")),
                     7);
    assert_true(json_is_array(json_object_get(s, "cores")));
    assert_true(json_is_array(json_object_get(s, "processes")));
    json_decref(s);
}

static void
one_that_is_missing_is_named(void **state)
{
    static const struct fake_path none[] = {{NULL, NULL}};
    fake_start(none);
    assert_null(top_sample(fake_address, FAKE_MS, error));
    assert_string_equal(error, "/v1/cluster: status 404");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(every_document_is_there_by_its_name, fake_stop),
        cmocka_unit_test_teardown(one_that_is_missing_is_named, fake_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
