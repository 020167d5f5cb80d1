#include "tests/unit/control/server/core_fixture.h"

static struct wire_init_producer_id_response
ask(struct core_fixture *f, struct wire_init_producer_id_request request)
{
    struct wire_init_producer_id_response response;
    core_fixture_ask(f, WIRE_API_INIT_PRODUCER_ID, 5, &request, &response);
    return response;
}

static const struct wire_init_producer_id_request plain = {.producer_id = -1, .producer_epoch = -1};

static void
ids_count_up_and_take_a_record_a_block(void **state)
{
    struct core_fixture *f = core_fixture_new();
    for (int64_t id = 0; id < 2 * META_PRODUCER_BLOCK; id++) {
        struct wire_init_producer_id_response r = ask(f, plain);
        assert_int_equal(r.error_code, KERR_NONE);
        assert_int_equal(r.producer_id, id);
        assert_int_equal(r.producer_epoch, 0);
        assert_int_equal(f->core.image.producer_id_next % META_PRODUCER_BLOCK, 0);
        assert_true(f->core.image.producer_id_next > id);
    }
    assert_int_equal(f->appends, 2);
    core_fixture_free(f);
}

static void
an_idempotent_producer_that_shows_an_old_id_gets_a_new_one(void **state)
{
    struct core_fixture *f = core_fixture_new();
    struct wire_init_producer_id_response r =
        ask(f, (struct wire_init_producer_id_request){.producer_id = 5, .producer_epoch = 3});
    assert_int_equal(r.error_code, KERR_NONE);
    assert_int_equal(r.producer_id, 0);
    r = ask(f, (struct wire_init_producer_id_request){.producer_id = 5, .producer_epoch = -1});
    assert_int_equal(r.error_code, KERR_INVALID_REQUEST);
    assert_int_equal(r.producer_id, -1);
    assert_int_equal(r.producer_epoch, -1);
    core_fixture_free(f);
}

static void
a_transactional_producer_is_for_its_coordinator(void **state)
{
    struct core_fixture *f = core_fixture_new();
    struct wire_init_producer_id_request request = plain;
    request.transactional_id = view_of_text("tx");
    assert_int_equal(ask(f, request).error_code, KERR_INVALID_REQUEST);
    assert_int_equal(f->appends, 0);
    core_fixture_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_count_up_and_take_a_record_a_block),
        cmocka_unit_test(an_idempotent_producer_that_shows_an_old_id_gets_a_new_one),
        cmocka_unit_test(a_transactional_producer_is_for_its_coordinator),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
