#include "cli/client/client_raw.h"
#include "tests/unit/cli/client/client_fake.h"

static struct client c;
static struct client_raw raw;

static void
open_line(const char *first, const char *second)
{
    static struct command_line line;
    char error[COMMAND_ERROR_BYTES];
    const char *argv[] = {"sluice", "cluster", "info", "-X", first, "-X", second};
    assert_int_equal(command_read(&line, 7, (char *const *)argv, error), ERR_OK);
    client_init(&c, &line, stdout);
}

static void
it_asks_in_a_version_that_the_broker_has(void **state)
{
    struct wire_metadata_request q;
    struct wire_metadata_response a;
    open_line("test.mock.num.brokers=1", "client.id=x");
    assert_int_equal(client_open(&c, RD_KAFKA_PRODUCER, NULL, 0), COMMAND_EXIT_OK);
    assert_int_equal(client_raw_open(&raw, &c, CLIENT_RAW_ANY), COMMAND_EXIT_OK);
    wire_init(&wire_metadata_request_message, &q);
    assert_int_equal(client_raw_call(&raw, WIRE_API_METADATA, &q, &a), COMMAND_EXIT_OK);
    assert_int_equal(a.brokers.count, 1);
    assert_string_equal(client_raw_text(&raw, a.brokers.items[0].host), "127.0.0.1");
    client_raw_close(&raw);
    client_close(&c);
}

static void
a_broker_that_is_not_of_the_cluster_is_told(void **state)
{
    open_line("test.mock.num.brokers=1", "client.id=x");
    assert_int_equal(client_open(&c, RD_KAFKA_PRODUCER, NULL, 0), COMMAND_EXIT_OK);
    assert_int_equal(client_raw_open(&raw, &c, 77), COMMAND_EXIT_FAILED);
    client_raw_close(&raw);
    client_close(&c);
}

static void
with_sasl_it_says_that_it_cannot(void **state)
{
    open_line("bootstrap.servers=127.0.0.1:1", "security.protocol=sasl_plaintext");
    assert_int_equal(client_handle(&c, RD_KAFKA_PRODUCER,
                                   (const struct client_setting[]){{"sasl.mechanisms", "PLAIN"},
                                                                   {"sasl.username", "u"},
                                                                   {"sasl.password", "p"}},
                                   3),
                     COMMAND_EXIT_OK);
    assert_int_equal(client_raw_open(&raw, &c, CLIENT_RAW_ANY), COMMAND_EXIT_FAILED);
    assert_int_equal(raw.fd, -1);
    client_raw_close(&raw);
    client_close(&c);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_asks_in_a_version_that_the_broker_has),
        cmocka_unit_test(a_broker_that_is_not_of_the_cluster_is_told),
        cmocka_unit_test(with_sasl_it_says_that_it_cannot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
