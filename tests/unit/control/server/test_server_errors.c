#include "control/server/server_errors.h"

#include "core/shm/hists.h"
#include "core/wire/wire_gen.h"
#include "tests/unit/unit.h"

static const struct wire_heartbeat_response unknown_member = {.error_code = 25};

static void
errors_of_an_answer_are_counted_under_its_api(void **state)
{
    (void)state;
    static _Atomic uint64_t words[HISTS_BLOCK_WORDS];
    struct counters c = {words};
    struct counters_error e;
    uint32_t found = 0;
    const struct wire_api *api = wire_api_find(WIRE_API_HEARTBEAT);
    server_errors_count(&c, api, 4, &unknown_member);
    server_errors_count(&c, api, 4, &unknown_member);
    server_errors_count(&c, api, 4, &(const struct wire_heartbeat_response){.error_code = 0});
    for (uint32_t i = 0; i < COUNTERS_ERRORS; i++)
        if (counters_error_at(words, i, &e)) {
            assert_int_equal(e.api, WIRE_API_HEARTBEAT);
            assert_int_equal(e.error, 25);
            assert_int_equal(e.count, 2);
            found++;
        }
    assert_int_equal(found, 1);
}

static void
without_counters_nothing_is_counted(void **state)
{
    (void)state;
    server_errors_count(NULL, wire_api_find(WIRE_API_HEARTBEAT), 4, &unknown_member);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_of_an_answer_are_counted_under_its_api),
        cmocka_unit_test(without_counters_nothing_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
