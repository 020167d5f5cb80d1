#include "tests/unit/control/group/mixed_fixture.h"

static void
subscriptions_of_all_versions_are_read(void **state)
{
    struct fixture *f = fx_new();
    for (int16_t version = 0; version <= 4; version++) {
        struct embedded e = {"t2,t1", "1:3 2:0", version};
        struct group_subscription s;
        assert_true(group_embedded_subscription(&f->config.port, mf_subscription(&e), &s));
        assert_int_equal(s.version, version);
        assert_int_equal(s.names.count, 2);
        assert_string_equal(cf_text(&s.owned), version ? "1:3 2:0" : "");
        assert_null(s.rack.at);
        group_embedded_free(&s);
    }
    fx_free(f);
}

static void
a_subscription_cut_short_is_malformed(void **state)
{
    struct fixture *f = fx_new();
    struct embedded e = {"t2,t1", "1:3 2:0", 3};
    struct view whole = mf_subscription(&e);
    for (uint32_t len = 0; len < whole.len; len++) {
        uint8_t *copy = malloc(len + 1); /* so that a reader out of bounds is caught */
        memcpy(copy, whole.at, len);
        struct group_subscription s;
        assert_false(group_embedded_subscription(&f->config.port, view_of(copy, len), &s));
        free(copy);
    }
    struct group_subscription s;
    assert_false(
        group_embedded_subscription(&f->config.port, view_of("\0\0\x7f\xff\xff\xff", 6), &s));
    fx_free(f);
}

static void
an_assignment_comes_back_as_it_was_written(void **state)
{
    struct fixture *f = fx_new();
    struct group_part parts[CF_PARTS];
    struct group_parts p = {parts, cf_parts("1:0 1:2 2:1", parts)};
    struct view bytes = group_embedded_encode(&f->config.port, &p, 2);
    static const uint8_t wanted[] = {0, 2, 0, 0, 0, 2, 0, 2, 't', '1', 0,   0,   0,
                                     2, 0, 0, 0, 0, 0, 0, 0, 2,   0,   2,   't', '2',
                                     0, 0, 0, 1, 0, 0, 0, 1, 255, 255, 255, 255};
    assert_int_equal(bytes.len, sizeof wanted);
    assert_memory_equal(bytes.at, wanted, sizeof wanted);
    assert_string_equal(mf_assignment(f, bytes), "1:0 1:2 2:1");
    f->topic_gone = true;
    assert_string_equal(mf_assignment(f, bytes), "2:1");
    group_drop(&bytes);
    bytes = group_embedded_encode(&f->config.port, &p, 99);
    assert_int_equal(get_u16(bytes.at), 3);
    assert_string_equal(mf_assignment(f, bytes), "2:1");
    group_drop(&bytes);
    fx_free(f);
}

static void
an_assignment_with_data_of_its_own_is_told_apart(void **state)
{
    struct fixture *f = fx_new();
    struct group_parts p;
    bool custom;
    assert_true(group_embedded_assignment(&f->config.port, view_of("\0\0\0\0\0\0\0\0\0\1x", 11), &p,
                                          &custom));
    assert_true(custom);
    assert_false(
        group_embedded_assignment(&f->config.port, view_of("\0\0\0\0\0\1", 6), &p, &custom));
    fx_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(subscriptions_of_all_versions_are_read),
        cmocka_unit_test(a_subscription_cut_short_is_malformed),
        cmocka_unit_test(an_assignment_comes_back_as_it_was_written),
        cmocka_unit_test(an_assignment_with_data_of_its_own_is_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
