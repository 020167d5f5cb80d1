#include "core/shm/hists.h"

#include "tests/unit/unit.h"

#include <string.h>

static void
every_value_lies_in_the_first_bucket_whose_bound_it_does_not_pass(void **state)
{
    (void)state;
    for (uint32_t b = 0; b + 1 < HISTS_BUCKETS; b++) {
        uint64_t bound = hists_bound(b);
        assert_int_equal(hists_bucket(bound), b);
        assert_int_equal(hists_bucket(bound + 1), b + 1);
        assert_true(bound < hists_bound(b + 1));
    }
    assert_int_equal(hists_bucket(0), 0);
    assert_int_equal(hists_bucket(UINT64_MAX), HISTS_BUCKETS - 1);
    assert_true(hists_bound(HISTS_BUCKETS - 2) == UINT64_C(1) << HISTS_HIGH);
}

static void
a_bucket_is_at_most_a_quarter_of_its_values_wide(void **state)
{
    (void)state;
    for (uint32_t b = 1; b + 1 < HISTS_BUCKETS; b++)
        assert_true(hists_bound(b) - hists_bound(b - 1) <= hists_bound(b - 1) / 4);
}

static void
adding_touches_one_bucket_and_the_sum_of_one_histogram(void **state)
{
    (void)state;
    static _Atomic uint64_t words[HISTS_BLOCK_WORDS];
    struct counters c = {words};
    hists_add(&c, HIST_TURN, 5000);
    hists_add(&c, HIST_TURN, 5000);
    counters_api(&c, 3);
    counters_api(&c, -1);
    counters_api(&c, COUNTERS_APIS);
    uint64_t all = 0;
    for (uint32_t i = 0; i < HISTS_BLOCK_WORDS; i++)
        all += words[i];
    assert_int_equal(all, 10000 + 2 + 1);
    assert_int_equal(words[COUNTERS + 3], 1);
    assert_int_equal(hists_words(words, HIST_TURN)[hists_bucket(5000)], 2);
    assert_int_equal(hists_words(words, HIST_TURN)[HISTS_BUCKETS], 10000);
}

static void
each_kind_of_request_has_its_stages_in_order(void **state)
{
    (void)state;
    static const char *const kinds[HISTS_KINDS] = {"produce", "fetch", "forward", "group", "other"};
    for (uint32_t k = 0; k < HISTS_KINDS; k++) {
        for (uint32_t s = 0; s < HISTS_STAGES; s++) {
            const struct hists_row *row =
                hists_row(hists_of((enum hists_kind)k, (enum hists_stage)s));
            assert_string_equal(row->request, kinds[k]);
            assert_true(strlen(row->help) > 0);
        }
        const struct hists_row *last = hists_row(hists_of((enum hists_kind)k, HISTS_TOTAL));
        assert_string_equal(last->stage, "total");
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_value_lies_in_the_first_bucket_whose_bound_it_does_not_pass),
        cmocka_unit_test(a_bucket_is_at_most_a_quarter_of_its_values_wide),
        cmocka_unit_test(adding_touches_one_bucket_and_the_sum_of_one_histogram),
        cmocka_unit_test(each_kind_of_request_has_its_stages_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
