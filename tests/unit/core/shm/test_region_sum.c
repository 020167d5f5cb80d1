#include "core/shm/region_sum.h"

#include "core/base/err.h"
#include "tests/unit/unit.h"

enum { SHARDS = 3 };
static struct region r;

static int
make_region(void **state)
{
    static const struct region_shape shape = {SHARDS, 10, 20, 64 << 10};
    (void)state;
    return region_create(&r, &shape, "node.id=3\n");
}

static int
destroy_region(void **state)
{
    (void)state;
    region_destroy(&r);
    return 0;
}

static struct counters
block(uint32_t b)
{
    return (struct counters){region_counters(&r, b)};
}

static void
counters_are_of_the_shards_and_of_control(void **state)
{
    (void)state;
    for (uint32_t b = 0; b <= SHARDS; b++) {
        struct counters c = block(b);
        counters_add(&c, COUNTER_REQUESTS, UINT64_C(1) << 8 * b);
        counters_api(&c, 18);
    }
    assert_int_equal(region_sum_counter(&r, COUNTER_REQUESTS), 0x1010101);
    assert_int_equal(region_sum_counter(&r, COUNTERS + 18), SHARDS + 1);
    assert_int_equal(region_sum_counter(&r, COUNTERS + 17), 0);
}

static void
errors_of_one_api_and_code_are_one_sum(void **state)
{
    (void)state;
    struct counters_error sums[COUNTERS_ERRORS];
    assert_int_equal(region_sum_errors(&r, sums), 0);
    for (uint32_t b = 0; b <= SHARDS; b++) {
        struct counters c = block(b);
        counters_error(&c, 1, 3);
    }
    struct counters last = block(SHARDS);
    counters_error(&last, 2, 3);
    assert_int_equal(region_sum_errors(&r, sums), 2);
    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(sums[i].error, 3);
        assert_int_equal(sums[i].count, sums[i].api == 1 ? SHARDS + 1 : 1);
    }
    assert_int_equal(sums[0].api + sums[1].api, 3);
}

static void
histograms_and_network_counters_are_of_the_shards(void **state)
{
    (void)state;
    struct hists_values all = {.sum = 1};
    for (uint32_t b = 0; b < SHARDS; b++) {
        struct counters c = block(b);
        hists_add(&c, HIST_TURN, 5000);
        netview_set(region_netview(&r, b), NETVIEW_N_RX_FRAMES, b + 1);
        netview_device_set(region_netview(&r, b), 1, NETVIEW_N_RX_FRAMES, b + 10);
    }
    struct counters first = block(0), control = block(SHARDS);
    hists_add(&first, HIST_TURN, 0);
    hists_add(&control, HIST_TURN, 5000);
    region_sum_hist(&r, HIST_TURN, &all);
    for (uint32_t i = 0; i < HISTS_BUCKETS; i++)
        assert_int_equal(all.buckets[i], i == 0 ? 1 : i == hists_bucket(5000) ? SHARDS : 0);
    assert_int_equal(all.sum, SHARDS * 5000);
    assert_int_equal(region_sum_netview(&r, NETVIEW_N_RX_FRAMES), 1 + 2 + 3);
    assert_int_equal(region_sum_netview(&r, NETVIEW_N_TX_FRAMES), 0);
    assert_int_equal(region_sum_netview_device(&r, 1, NETVIEW_N_RX_FRAMES), 10 + 11 + 12);
    assert_int_equal(region_sum_netview_device(&r, 0, NETVIEW_N_RX_FRAMES), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(counters_are_of_the_shards_and_of_control, make_region,
                                        destroy_region),
        cmocka_unit_test_setup_teardown(errors_of_one_api_and_code_are_one_sum, make_region,
                                        destroy_region),
        cmocka_unit_test_setup_teardown(histograms_and_network_counters_are_of_the_shards,
                                        make_region, destroy_region),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
