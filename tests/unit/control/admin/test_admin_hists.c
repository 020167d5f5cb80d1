#include "tests/unit/control/admin/admin_fixture.h"

#include "core/shm/hists.h"

static json_t *
find(json_t *list, const char *request, const char *stage)
{
    for (size_t i = 0; i < (size_t)admin_fixture_number(list, "total"); i++) {
        json_t *o = admin_fixture_item(list, i);
        if (strcmp(admin_fixture_text(o, "request"), request) == 0 &&
            strcmp(admin_fixture_text(o, "stage"), stage) == 0)
            return o;
    }
    return NULL;
}

static void
histograms_are_the_sum_of_all_cores_by_the_bucket(void **state)
{
    (void)state;
    struct admin_fixture *f = admin_fixture_new();
    for (uint32_t b = 0; b < CENSUS_SHARDS; b++) {
        struct counters c = {region_counters(&f->region, b)};
        hists_add(&c, HIST_PRODUCE_TOTAL, 2000);
        hists_add(&c, HIST_PRODUCE_TOTAL, UINT64_MAX >> 8);
    }
    json_t *o = find(admin_fixture_get(f, "/v1/histograms", 200), "produce", "total");
    assert_non_null(o);
    assert_string_equal(admin_fixture_text(o, "unit"), "ns");
    assert_int_equal(admin_fixture_number(o, "count"), 2 * CENSUS_SHARDS);
    json_t *buckets = json_object_get(o, "buckets");
    assert_int_equal(json_object_size(buckets), 2);
    assert_int_equal(admin_fixture_number(buckets, "2048"), CENSUS_SHARDS);
    assert_int_equal(admin_fixture_number(buckets, "inf"), CENSUS_SHARDS);
    admin_fixture_free(f);
}

static void
sizes_are_told_in_bytes(void **state)
{
    (void)state;
    struct admin_fixture *f = admin_fixture_new();
    struct counters c = {region_counters(&f->region, 0)};
    hists_add(&c, HIST_BATCH_BYTES, 100 << HISTS_BYTES_SHIFT);
    json_t *o = find(admin_fixture_get(f, "/v1/histograms", 200), "", "batch_bytes");
    assert_string_equal(admin_fixture_text(o, "unit"), "bytes");
    assert_int_equal(admin_fixture_number(o, "sum"), 100);
    assert_int_equal(admin_fixture_number(json_object_get(o, "buckets"), "112"), 1);
    admin_fixture_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(histograms_are_the_sum_of_all_cores_by_the_bucket),
        cmocka_unit_test(sizes_are_told_in_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
