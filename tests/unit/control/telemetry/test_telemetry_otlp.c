#include "control/telemetry/telemetry_otlp.h"
#include "tests/unit/control/telemetry/telemetry_fixture.h"

enum { SEEN_MAX = 8 };

struct seen {
    struct telemetry_point points[SEEN_MAX];
    uint32_t count, stop_at;
};

static bool
see(void *user, const struct telemetry_point *p)
{
    struct seen *s = user;
    assert_true(s->count < SEEN_MAX);
    s->points[s->count++] = *p;
    return s->count != s->stop_at;
}

static void
gauges_and_sums_are_read_whatever_the_order_of_fields(void **state)
{
    (void)state;
    uint8_t at[4096];
    struct put w = put_of(at, sizeof at);
    const struct pb_metric metrics[] = {
        {"g", "topic", "t", .number = 1.5},
        {"d", .sum = true, .delta = true, .monotonic = true, .number = 2},
        {"c", .sum = true, .number = -3}};
    pb_data(&w, metrics, 3);
    struct seen s = {0};
    struct telemetry_walk walk = {see, &s, 0};
    assert_int_equal(telemetry_otlp_walk(pb_view(&w), &walk), ERR_OK);
    assert_int_equal(s.count, 3);
    assert_true(view_equal(s.points[0].name, view_of_text("g")));
    assert_true(s.points[0].value == 1.5 && !s.points[0].sum);
    assert_true(s.points[1].sum && s.points[1].delta && s.points[1].monotonic);
    assert_true(s.points[2].sum && !s.points[2].delta && !s.points[2].monotonic);
    assert_true(s.points[2].value == -3);
    uint8_t text[64];
    struct put labels = put_of(text, sizeof text);
    assert_int_equal(telemetry_otlp_labels(s.points[0].resource, TELEMETRY_OTLP_RESOURCE, &labels),
                     ERR_OK);
    assert_true(view_equal(pb_view(&labels), view_of("client_rack\0r1", 15)));
}

static void
an_integer_is_a_value_too(void **state)
{
    (void)state;
    /* MetricsData{1:{2:{2:{1:"n",5:{1:{6:-2}}}}}}, written by hand */
    static const uint8_t at[] = {0x0a, 0x14, 0x12, 0x12, 0x12, 0x10, 0x0a, 0x01, 'n',  0x2a, 0x0b,
                                 0x0a, 0x09, 0x31, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    struct seen s = {0};
    struct telemetry_walk walk = {see, &s, 0};
    assert_int_equal(telemetry_otlp_walk(view_of(at, sizeof at), &walk), ERR_OK);
    assert_int_equal(s.count, 1);
    assert_true(s.points[0].value == -2);
}

static void
kinds_that_are_not_kept_are_counted(void **state)
{
    (void)state;
    static const uint8_t at[] = {0x0a, 0x09, 0x12, 0x07, 0x12, 0x05,
                                 0x0a, 0x01, 'h',  0x4a, 0x00}; /* 9: an empty histogram */
    struct seen s = {0};
    struct telemetry_walk walk = {see, &s, 0};
    assert_int_equal(telemetry_otlp_walk(view_of(at, sizeof at), &walk), ERR_OK);
    assert_int_equal(s.count, 0);
    assert_int_equal(walk.unkept, 1);
}

static void
a_message_that_is_cut_anywhere_is_refused_or_has_fewer_points(void **state)
{
    (void)state;
    uint8_t at[4096];
    struct put w = put_of(at, sizeof at);
    const struct pb_metric metrics[] = {{"a", "k", "v", .number = 1}, {"b", .number = 2}};
    pb_data(&w, metrics, 2);
    for (uint32_t n = 1; n < put_len(&w); n++) {
        struct seen s = {0};
        struct telemetry_walk walk = {see, &s, 0};
        uint8_t *exact = malloc(n); /* so that sanitizers see a step too far */
        memcpy(exact, at, n);
        assert_int_equal(telemetry_otlp_walk(view_of(exact, n), &walk), ERR_CORRUPT);
        free(exact);
    }
}

static void
any_bytes_are_read_without_harm(void **state)
{
    (void)state;
    uint8_t at[4096], text[256];
    struct put w = put_of(at, sizeof at);
    const struct pb_metric metrics[] = {{"a", "k", "v", .number = 1}, {"b", .number = 2}};
    pb_data(&w, metrics, 2);
    uint32_t n = put_len(&w), seed = 12345;
    for (uint32_t round = 0; round < 20000; round++) {
        uint8_t copy[4096];
        memcpy(copy, at, n);
        for (uint32_t i = 0; i < 3; i++) {
            seed = seed * 1664525 + 1013904223;
            copy[(seed >> 8) % n] = (uint8_t)(seed >> 24);
        }
        struct seen s = {.stop_at = SEEN_MAX};
        struct telemetry_walk walk = {see, &s, 0};
        (void)!telemetry_otlp_walk(view_of(copy, n), &walk);
        for (uint32_t i = 0; i < s.count; i++) {
            struct put labels = put_of(text, sizeof text);
            (void)!telemetry_otlp_labels(s.points[i].point, TELEMETRY_OTLP_POINT, &labels);
        }
    }
}

static void
a_walk_ends_when_it_is_told(void **state)
{
    (void)state;
    uint8_t at[4096];
    struct put w = put_of(at, sizeof at);
    const struct pb_metric metrics[] = {{"a", .number = 1}, {"b", .number = 2}};
    pb_data(&w, metrics, 2);
    struct seen s = {.stop_at = 1};
    struct telemetry_walk walk = {see, &s, 0};
    assert_int_equal(telemetry_otlp_walk(pb_view(&w), &walk), ERR_OK);
    assert_int_equal(s.count, 1);
}

static void
labels_are_sorted_and_the_last_of_a_key_counts(void **state)
{
    (void)state;
    uint8_t at[512], text[128];
    struct put w = put_of(at, sizeof at), labels = put_of(text, sizeof text);
    pb_label(&w, 7, "b", "1");
    pb_label(&w, 7, "ab", "2");
    pb_label(&w, 7, "b", "3");
    pb_label(&w, 7, "a", "");
    assert_int_equal(telemetry_otlp_labels(pb_view(&w), 7, &labels), ERR_OK);
    assert_true(view_equal(pb_view(&labels), view_of("a\0\0ab\0002\0b\0003", 12)));
}

static void
numbers_and_truth_become_text_and_lists_are_left_out(void **state)
{
    (void)state;
    uint8_t at[512], a[64], k[128], text[128];
    struct put w = put_of(at, sizeof at), labels = put_of(text, sizeof text);
    for (uint32_t kind = 2; kind <= 5; kind++) {
        struct put any = put_of(a, sizeof a), kv = put_of(k, sizeof k);
        if (kind == 4)
            pb_double(&any, 4, 0.5);
        else if (kind == 5)
            pb_text(&any, 5, "");
        else
            pb_number(&any, kind, kind == 2 ? 1 : (uint64_t)-7);
        pb_text(&kv, 1, kind == 2 ? "a" : kind == 3 ? "b" : kind == 4 ? "c" : "d");
        pb_bytes(&kv, 2, pb_view(&any));
        pb_bytes(&w, 7, pb_view(&kv));
    }
    assert_int_equal(telemetry_otlp_labels(pb_view(&w), 7, &labels), ERR_OK);
    assert_true(view_equal(pb_view(&labels), view_of("a\0true\0b\0-7\0c\0000.5", 18)));
}

static void
labels_that_are_no_text_or_too_long_are_refused(void **state)
{
    (void)state;
    uint8_t at[512], text[8];
    struct put w = put_of(at, sizeof at), labels = put_of(text, sizeof text);
    pb_label(&w, 7, "key", "longer");
    assert_int_equal(telemetry_otlp_labels(pb_view(&w), 7, &labels), ERR_FULL);
    w = put_of(at, sizeof at);
    labels = put_of(text, sizeof text);
    pb_label(&w, 7, "k", "\xff");
    assert_int_equal(telemetry_otlp_labels(pb_view(&w), 7, &labels), ERR_CORRUPT);
}

static void
only_well_formed_text_passes(void **state)
{
    (void)state;
    assert_true(telemetry_otlp_text(view_of_text("a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80")));
    assert_true(telemetry_otlp_text(view_of(NULL, 0)));
    assert_false(telemetry_otlp_text(view_of("a\0b", 3)));
    assert_false(telemetry_otlp_text(view_of_text("\xc3")));             /* cut off */
    assert_false(telemetry_otlp_text(view_of_text("\xc0\xaf")));         /* too long a form */
    assert_false(telemetry_otlp_text(view_of_text("\xed\xa0\x80")));     /* half a pair */
    assert_false(telemetry_otlp_text(view_of_text("\xf4\x90\x80\x80"))); /* behind the last */
    assert_false(telemetry_otlp_text(view_of_text("\x80")));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gauges_and_sums_are_read_whatever_the_order_of_fields),
        cmocka_unit_test(an_integer_is_a_value_too),
        cmocka_unit_test(kinds_that_are_not_kept_are_counted),
        cmocka_unit_test(a_message_that_is_cut_anywhere_is_refused_or_has_fewer_points),
        cmocka_unit_test(any_bytes_are_read_without_harm),
        cmocka_unit_test(a_walk_ends_when_it_is_told),
        cmocka_unit_test(labels_are_sorted_and_the_last_of_a_key_counts),
        cmocka_unit_test(numbers_and_truth_become_text_and_lists_are_left_out),
        cmocka_unit_test(labels_that_are_no_text_or_too_long_are_refused),
        cmocka_unit_test(only_well_formed_text_passes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
