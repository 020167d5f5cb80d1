/* Unit tests of bench/load/hist.h. */
#include "bench/load/hist.h"
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

static struct hist *
hist_new(void)
{
    struct hist *h = calloc(1, sizeof *h);
    assert_non_null(h);
    return h;
}

static void
a_percentile_is_at_most_1_6_percent_above_the_value(void **state)
{
    struct hist *h = hist_new();
    (void)state;
    for (uint64_t v = 1; v < UINT64_C(1) << 40; v = v * 5 / 4 + 1) {
        memset(h, 0, sizeof *h);
        hist_add(h, v, 1);
        hist_add(h, UINT64_C(1) << 50, 1); /* so that the maximum does not cut the bucket */
        uint64_t got = hist_at(h, 0.25);
        assert_true(got >= v);
        assert_true(got <= v + v / 62 + 1);
    }
    free(h);
}

static void
percentiles_count_from_the_smallest(void **state)
{
    struct hist *h = hist_new();
    (void)state;
    for (uint64_t v = 1; v <= 60; v++)
        hist_add(h, v, 1);
    assert_int_equal(hist_at(h, 0.5), 32); /* the bucket of 31 ends at 32 */
    assert_int_equal(hist_at(h, 1.0), 60);
    assert_int_equal(h->most_ns, 60);
    free(h);
}

static void
merged_histograms_equal_one_that_saw_everything(void **state)
{
    struct hist *all = hist_new(), *a = hist_new(), *b = hist_new();
    uint64_t x = 88172645463325252u;
    (void)state;
    for (int i = 0; i < 10000; i++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        uint64_t v = x >> (x % 50 + 8);
        hist_add(all, v, 1 + x % 3);
        hist_add(i % 3 ? a : b, v, 1 + x % 3);
    }
    hist_merge(a, b);
    assert_memory_equal(a, all, sizeof *a);
    free(all);
    free(a);
    free(b);
}

static void
the_text_names_each_bucket_that_is_not_empty(void **state)
{
    struct hist *h = hist_new();
    char *text = NULL;
    size_t len = 0;
    (void)state;
    hist_add(h, 3, 2);
    hist_add(h, 64, 1);
    hist_add(h, 129, 5); /* steps of two from 128 on */
    FILE *f = open_memstream(&text, &len);
    hist_print(h, f);
    fclose(f);
    assert_string_equal(text, "3:2,64:1,128:5");
    free(text);
    free(h);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_percentile_is_at_most_1_6_percent_above_the_value),
        cmocka_unit_test(percentiles_count_from_the_smallest),
        cmocka_unit_test(merged_histograms_equal_one_that_saw_everything),
        cmocka_unit_test(the_text_names_each_bucket_that_is_not_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
