#include "tests/unit/control/admin/admin_fixture.h"

#include "core/base/bytes.h"
#include "core/shm/slow.h"

static struct slow_row
row_of(uint64_t total_ns, int64_t ago_ms)
{
    static const uint8_t ip[16] = {[10] = 0xff, 0xff, 10, 1, 2, 3};
    return (struct slow_row){.field = {[SLOW_AT] = (uint64_t)(admin_fixture_wall() - ago_ms),
                                       [SLOW_TOTAL] = total_ns,
                                       [SLOW_DURABLE] = total_ns - 10,
                                       [SLOW_EXTENT] = 7,
                                       [SLOW_TURN] = 300000,
                                       [SLOW_PLACE] = 1,
                                       [SLOW_CORRELATION] = UINT32_MAX,
                                       [SLOW_PEER_HIGH] = get_u64(ip),
                                       [SLOW_PEER_LOW] = get_u64(ip + 8),
                                       [SLOW_PORT] = 4711}};
}

static void
the_slowest_of_all_cores_come_first(void **state)
{
    (void)state;
    struct admin_fixture *f = admin_fixture_new();
    for (uint32_t core = 0; core < CENSUS_SHARDS; core++) {
        struct slow l;
        struct slow_row row = row_of(1000 + core, 0);
        slow_begin(&l, region_slow(&f->region, core));
        slow_keep(&l, 1, &row);
    }
    json_t *all = admin_fixture_get(f, "/v1/slowest", 200);
    assert_int_equal(admin_fixture_number(all, "total"), CENSUS_SHARDS);
    for (uint32_t i = 0; i < CENSUS_SHARDS; i++) {
        json_t *o = admin_fixture_item(all, i);
        assert_int_equal(admin_fixture_number(o, "core"), CENSUS_SHARDS - 1 - i);
        assert_int_equal(admin_fixture_number(o, "total_ns"), 1000 + CENSUS_SHARDS - 1 - i);
    }
    json_t *o = admin_fixture_item(all, 0);
    assert_string_equal(admin_fixture_text(o, "client"), "10.1.2.3:4711");
    assert_string_equal(admin_fixture_text(o, "turn_place"), "disk");
    assert_int_equal(admin_fixture_number(o, "correlation_id"), -1);
    assert_int_equal(admin_fixture_number(o, "extent_ns"), 7);
    snprintf(f->query, sizeof f->query, "limit=1");
    all = admin_fixture_get(f, "/v1/slowest", 200);
    assert_int_equal(json_array_size(json_object_get(all, "items")), 1);
    admin_fixture_free(f);
}

static void
requests_of_an_hour_ago_are_not_told(void **state)
{
    (void)state;
    struct admin_fixture *f = admin_fixture_new();
    struct slow l;
    struct slow_row row = row_of(1000, 3600 * 1000);
    slow_begin(&l, region_slow(&f->region, 0));
    slow_keep(&l, 1, &row);
    assert_int_equal(admin_fixture_number(admin_fixture_get(f, "/v1/slowest", 200), "total"), 0);
    admin_fixture_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_slowest_of_all_cores_come_first),
        cmocka_unit_test(requests_of_an_hour_ago_are_not_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
