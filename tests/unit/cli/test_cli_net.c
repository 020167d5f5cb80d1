#include "cli/cli.h"
#include "tests/unit/cli/top/endpoint_fake.h"

#include <stdio.h>

/* An answer of that body, whose length is put in front. */
static const char *
answer(const char *body)
{
    static char texts[8][2048];
    static int next;
    char *at = texts[next++ % 8];
    snprintf(at, sizeof texts[0], "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s", strlen(body),
             body);
    return at;
}

static char shown[8192], said[1024];

/* The exit code of the command in argv; its output is in `shown`, stderr in `said`. */
static int
run_words(int argc, char **argv)
{
    static struct command_line line;
    char error[COMMAND_ERROR_BYTES];
    int pipes[2], kept = dup(2);
    FILE *out = tmpfile();
    assert_int_equal(command_read(&line, argc, argv, error), 0);
    assert_true(cli_net_has(line.command->id));
    assert_int_equal(pipe(pipes), 0);
    assert_int_equal(dup2(pipes[1], 2), 2);
    int code = cli_net(&line, out);
    assert_int_equal(dup2(kept, 2), 2);
    close(pipes[1]);
    close(kept);
    ssize_t n = read(pipes[0], said, sizeof said - 1);
    said[n > 0 ? n : 0] = 0;
    close(pipes[0]);
    rewind(out);
    shown[fread(shown, 1, sizeof shown - 1, out)] = 0;
    fclose(out);
    return code;
}

/* sluice net WHAT */
static int
run(const char *what, const char *format)
{
    char *argv[] = {"sluice",     "net",      (char *)(uintptr_t)what,   "--metrics",
                    fake_address, "--format", (char *)(uintptr_t)format, NULL};
    return run_words(7, argv);
}

static void
slow_requests_are_a_table_in_microseconds(void **state)
{
    (void)state;
    char *argv[] = {"sluice", "slow", "--metrics", fake_address, NULL};
    const struct fake_path paths[] = {
        {"/v1/slowest",
         answer("{\"items\": [{\"core\": 0, \"at_ms\": 3723004, \"client\": \"10.1.2.3:77\", "
                "\"total_ns\": 9506950, \"queue_ns\": 0, \"durable_ns\": 9462362, \"send_ns\": "
                "44588, \"frame_ns\": 9340053, \"extent_ns\": 5148820, \"turn_ns\": 0, "
                "\"turn_place\": \"\"}], \"total\": 1}")},
        {0}};
    fake_start(paths);
    assert_int_equal(run_words(4, argv), 0);
    assert_non_null(strstr(shown, "TOTAL-US"));
    assert_non_null(strstr(shown, "01:02:03.004"));
    assert_non_null(strstr(shown, " 9506 "));
    assert_non_null(strstr(shown, " 5148 "));
    fake_stop(state);
}

static void
a_list_is_a_table_and_the_same_in_json(void **state)
{
    const struct fake_path paths[] = {
        {"/v1/net/neighbours",
         answer("{\"items\": [{\"core\": 1, \"address\": \"10.77.0.1\", \"mac\": "
                "\"02:00:00:00:00:01\", \"state\": \"known\", \"age_ms\": 7}], \"total\": 1}")},
        {0}};
    fake_start(paths);
    assert_int_equal(run("neighbours", "text"), 0);
    assert_non_null(strstr(shown, "ADDRESS"));
    assert_non_null(strstr(shown, "10.77.0.1"));
    assert_int_equal(run("neighbours", "json"), 0);
    json_t *all = json_loads(shown, 0, NULL);
    assert_int_equal(json_array_size(all), 1);
    json_decref(all);
    fake_stop(state);
}

static void
drops_that_were_not_counted_are_in_json_only(void **state)
{
    const struct fake_path paths[] = {
        {"/v1/net/drops",
         answer("{\"items\": [{\"part\": \"ip\", \"reason\": \"vlan\", \"help\": \"x\", "
                "\"count\": 0}, {\"part\": \"tcp\", \"reason\": \"tcp_sum\", \"help\": \"y\", "
                "\"count\": 3}], \"total\": 2}")},
        {0}};
    fake_start(paths);
    assert_int_equal(run("drops", "text"), 0);
    assert_non_null(strstr(shown, "tcp_sum"));
    assert_null(strstr(shown, "vlan"));
    assert_int_equal(run("drops", "json"), 0);
    assert_non_null(strstr(shown, "vlan"));
    fake_stop(state);
}

static void
a_port_tells_its_link_and_offloads_in_words(void **state)
{
    const struct fake_path paths[] = {
        {"/v1/net/ports",
         answer("{\"items\": [{\"core\": 0, \"name\": \"net_tap\", \"link_up\": true, "
                "\"link_mbps\": 10000, \"tx_checksums\": false, \"rx_checksums\": true, "
                "\"tx_burst_bytes\": 47104, \"by_reference\": true, "
                "\"sent_by_reference\": 123456, \"sent_copied\": 789}], "
                "\"total\": 1}")},
        {0}};
    fake_start(paths);
    assert_int_equal(run("ports", "text"), 0);
    assert_non_null(strstr(shown, "10000 Mb/s"));
    assert_non_null(strstr(shown, " rx "));
    assert_non_null(strstr(shown, " device "));
    assert_non_null(strstr(shown, "by reference"));
    assert_non_null(strstr(shown, "123456"));
    assert_non_null(strstr(shown, "789"));
    fake_stop(state);
}

static void
with_kernel_sockets_it_says_who_knows(void **state)
{
    const struct fake_path paths[] = {{"/v1/net/routes", answer("{\"items\": [], \"total\": 0}")},
                                      {"/v1/net", answer("{\"net\": \"kernel\", \"cores\": 2}")},
                                      {0}};
    fake_start(paths);
    assert_int_equal(run("routes", "text"), 0);
    assert_non_null(strstr(said, "kernel sockets: ip route"));
    assert_int_equal(run("info", "text"), 0);
    assert_non_null(strstr(shown, "kernel"));
    assert_string_equal(said, "");
    fake_stop(state);
}

static void
an_endpoint_that_does_not_answer_is_an_error_that_says_what_to_name(void **state)
{
    const struct fake_path paths[] = {{0}};
    fake_start(paths);
    assert_int_equal(run("ports", "text"), CLI_EXIT_FAILED);
    assert_non_null(strstr(said, "--metrics HOST:PORT"));
    fake_stop(state);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slow_requests_are_a_table_in_microseconds),
        cmocka_unit_test(a_list_is_a_table_and_the_same_in_json),
        cmocka_unit_test(drops_that_were_not_counted_are_in_json_only),
        cmocka_unit_test(a_port_tells_its_link_and_offloads_in_words),
        cmocka_unit_test(with_kernel_sockets_it_says_who_knows),
        cmocka_unit_test(an_endpoint_that_does_not_answer_is_an_error_that_says_what_to_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
