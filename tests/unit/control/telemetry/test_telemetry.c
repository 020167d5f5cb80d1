#include "control/telemetry/telemetry.h"
#include "core/wire/batch_deflate.h"
#include "core/wire/batch_records.h"
#include "core/wire/kerr.h"
#include "tests/unit/control/telemetry/telemetry_fixture.h"

#include <math.h>

static uint64_t drawn;

static void
draw(void *user, void *at, size_t bytes)
{
    (void)user;
    for (size_t i = 0; i < bytes; i++) {
        drawn = drawn * 6364136223846793005u + 1442695040888963407u;
        ((uint8_t *)at)[i] = (uint8_t)(drawn >> 56);
    }
}

static const uint8_t no_id[TELEMETRY_ID_BYTES];
static const int64_t START_MS = 1700000000000;

static struct telemetry *
begin(uint32_t bytes_max)
{
    struct telemetry_config config = {.regex = &fx_regex, .bytes_max = bytes_max, .random = draw};
    struct telemetry *t = telemetry_new(&config);
    assert_non_null(t);
    return t;
}

static void
subscribe(struct telemetry *t, const char *metrics, int32_t interval_ms, const char *match)
{
    telemetry_subscribe_begin(t);
    telemetry_subscribe(t, &(struct telemetry_subscription){view_of_text(metrics), interval_ms,
                                                            view_of_text(match)});
    telemetry_subscribe_end(t);
}

static struct telemetry_peer
peer(uint16_t port)
{
    return (struct telemetry_peer){.client_id = view_of_text("app"),
                                   .software_name = view_of_text("librdkafka"),
                                   .software_version = view_of_text("2.15.1"),
                                   .address = "127.0.0.1",
                                   .port = port};
}

static struct telemetry_grant
grant(struct telemetry *t, int64_t now_ms, const uint8_t *id, uint16_t port)
{
    struct telemetry_grant g;
    struct telemetry_peer p = peer(port);
    assert_int_equal(telemetry_get(t, now_ms, id, &p, &g), KERR_NONE);
    return g;
}

static int16_t
push(struct telemetry *t, int64_t now_ms, const struct telemetry_grant *g, struct view metrics)
{
    struct telemetry_peer p = peer(1);
    struct telemetry_push q = {.subscription_id = g->subscription_id, .metrics = metrics};
    memcpy(q.id, g->id, sizeof q.id);
    return telemetry_push(t, now_ms, &p, &q);
}

static int16_t
push_end(struct telemetry *t, int64_t now_ms, const struct telemetry_grant *g)
{
    struct telemetry_peer p = peer(1);
    struct telemetry_push q = {.subscription_id = g->subscription_id, .terminating = true};
    memcpy(q.id, g->id, sizeof q.id);
    return telemetry_push(t, now_ms, &p, &q);
}

struct sum {
    double total;
    uint32_t count, counters;
    char last[64], rack[16];
};

static bool
sum_up(void *user, const struct telemetry_client *c, const struct telemetry_value *v)
{
    struct sum *s = user;
    struct view labels = c->labels, key, value;
    s->total += v->value;
    s->count++;
    s->counters += v->counter;
    (void)snprintf(s->last, sizeof s->last, "%.*s", (int)v->name.len, (const char *)v->name.at);
    while (telemetry_label_next(&labels, &key, &value))
        if (view_equal(key, view_of_text("client_rack")))
            (void)snprintf(s->rack, sizeof s->rack, "%.*s", (int)value.len, (const char *)value.at);
    return true;
}

static bool
count_down(void *user, const struct telemetry_client *c, const struct telemetry_value *v)
{
    (void)c, (void)v;
    uint32_t *left = user;
    assert_true(*left > 0);
    return --*left > 0;
}

static struct sum
sum_of(const struct telemetry *t)
{
    struct sum s = {0};
    telemetry_each(t, sum_up, &s);
    return s;
}

static struct view
payload(double gauge, double delta)
{
    static uint8_t at[4096];
    struct put w = put_of(at, sizeof at);
    const struct pb_metric metrics[] = {
        {"g", "k", "v", .number = gauge},
        {"c", .sum = true, .delta = true, .monotonic = true, .number = delta}};
    pb_data(&w, metrics, isnan(gauge) ? 0 : 2);
    return pb_view(&w);
}

static void
a_client_gets_an_id_and_what_it_is_to_push(void **state)
{
    (void)state;
    struct telemetry *t = begin(1000);
    struct telemetry_grant g = grant(t, START_MS, no_id, 1);
    assert_int_equal(g.metric_count, 0);
    assert_int_equal(g.interval_ms, TELEMETRY_INTERVAL_MS);
    assert_memory_not_equal(g.id, no_id, sizeof g.id);
    assert_int_equal(g.id[6] >> 4, 4);
    subscribe(t, "org.apache.kafka.producer.", 1000, "client_software_name=librdkafka");
    struct telemetry_grant h = grant(t, START_MS, no_id, 1);
    assert_int_equal(h.metric_count, 1);
    assert_int_equal(h.interval_ms, 1000);
    assert_memory_not_equal(g.id, h.id, sizeof g.id);
    assert_int_equal(telemetry_stats(t).clients, 2);
    telemetry_free(t);
}

static void
who_asks_before_its_interval_is_over_is_throttled(void **state)
{
    (void)state;
    struct telemetry *t = begin(1000);
    subscribe(t, "*", 1000, "");
    struct telemetry_grant g = grant(t, START_MS, no_id, 1), again;
    struct telemetry_peer p = peer(1);
    assert_int_equal(telemetry_get(t, START_MS + 999, g.id, &p, &again),
                     KERR_THROTTLING_QUOTA_EXCEEDED);
    (void)grant(t, START_MS + 1000, g.id, 1);
    assert_int_equal(telemetry_stats(t).throttled, 1);
    subscribe(t, "*", 2000, ""); /* news are told at once */
    (void)grant(t, START_MS + 1001, g.id, 1);
    (void)grant(t, START_MS + 1002, g.id, 2); /* another connection begins anew */
    (void)grant(t, 5, g.id, 2);               /* the clock was set back */
    telemetry_free(t);
}

static void
the_first_push_may_come_early_and_the_next_may_not(void **state)
{
    (void)state;
    struct telemetry *t = begin(1000);
    subscribe(t, "*", 1000, "");
    struct telemetry_grant g = grant(t, START_MS, no_id, 1);
    assert_int_equal(push(t, START_MS + 1, &g, payload(1, 1)), KERR_NONE);
    assert_int_equal(push(t, START_MS + 2, &g, payload(1, 1)), KERR_THROTTLING_QUOTA_EXCEEDED);
    assert_int_equal(push(t, START_MS + 1001, &g, payload(1, 1)), KERR_NONE);
    assert_int_equal(push_end(t, START_MS + 1002, &g), KERR_NONE); /* the last one may */
    assert_int_equal(push(t, START_MS + 9000, &g, payload(1, 1)), KERR_INVALID_REQUEST);
    assert_int_equal(push(t, START_MS + 18000, &g, payload(1, 1)), KERR_NONE); /* as Kafka */
    telemetry_free(t);
}

static void
a_push_with_another_subscription_is_told_to_ask_and_may(void **state)
{
    (void)state;
    struct telemetry *t = begin(1000);
    subscribe(t, "*", 1000, "");
    struct telemetry_grant g = grant(t, START_MS, no_id, 1);
    subscribe(t, "a.", 1000, "");
    assert_int_equal(push(t, START_MS + 1, &g, payload(1, 1)), KERR_UNKNOWN_SUBSCRIPTION_ID);
    g = grant(t, START_MS + 2, g.id, 1);
    assert_int_equal(push(t, START_MS + 3, &g, payload(1, 1)), KERR_THROTTLING_QUOTA_EXCEEDED);
    assert_int_equal(push(t, START_MS + 1001, &g, payload(1, 1)), KERR_NONE);
    assert_int_equal(telemetry_stats(t).unknown_subscriptions, 1);
    telemetry_free(t);
}

static void
a_subscription_id_follows_from_what_is_asked_for(void **state)
{
    (void)state;
    struct telemetry *before = begin(1000), *after = begin(1000);
    subscribe(before, "a.,b.", 1000, "");
    subscribe(after, "b.,a.", 1000, "client_id=app");
    struct telemetry_grant g = grant(before, START_MS, no_id, 1);
    assert_int_equal(push(after, START_MS, &g, payload(1, 1)), KERR_NONE);
    telemetry_free(before);
    telemetry_free(after);
}

static void
pushes_without_an_id_with_an_unknown_codec_or_too_large_are_refused(void **state)
{
    (void)state;
    struct telemetry *t = begin(200);
    struct telemetry_grant none = {0}, g = grant(t, START_MS, no_id, 1), again;
    static uint8_t large[201];
    struct telemetry_peer p = peer(1);
    assert_int_equal(push(t, START_MS, &none, payload(1, 1)), KERR_INVALID_REQUEST);
    none.id[15] = 1;
    assert_int_equal(push(t, START_MS, &none, payload(1, 1)), KERR_INVALID_REQUEST);
    assert_int_equal(push(t, START_MS + 1, &g, view_of(large, sizeof large)),
                     KERR_TELEMETRY_TOO_LARGE);
    struct telemetry_push q = {.subscription_id = g.subscription_id, .codec = 5};
    memcpy(q.id, g.id, sizeof q.id);
    int64_t later_ms = START_MS + TELEMETRY_INTERVAL_MS + 1;
    assert_int_equal(telemetry_push(t, later_ms, &p, &q), KERR_UNSUPPORTED_COMPRESSION_TYPE);
    assert_int_equal(telemetry_get(t, later_ms, g.id, &p, &again), KERR_NONE); /* at once */
    telemetry_free(t);
}

static void
what_was_pushed_is_kept_gauges_as_they_are_and_deltas_added_up(void **state)
{
    (void)state;
    struct telemetry *t = begin(1000);
    subscribe(t, "*", 1000, "");
    struct telemetry_grant g = grant(t, START_MS, no_id, 1);
    assert_int_equal(push(t, START_MS, &g, payload(5, 1)), KERR_NONE);
    assert_int_equal(push(t, START_MS + 1000, &g, payload(7, 2)), KERR_NONE);
    struct sum s = sum_of(t);
    assert_int_equal(s.count, 2);
    assert_int_equal(s.counters, 1);
    assert_true(s.total == 7 + 3);
    assert_string_equal(s.rack, "r1");
    assert_int_equal(push(t, START_MS + 2000, &g, payload(NAN, 0)), KERR_NONE);
    s = sum_of(t); /* the gauge was not there any more */
    assert_int_equal(s.count, 1);
    assert_string_equal(s.last, "c");
    assert_int_equal(push(t, START_MS + 3000, &g, payload(INFINITY, 1)), KERR_NONE);
    assert_int_equal(sum_of(t).count, 1);
    telemetry_free(t);
}

static void
buckets_hold_every_client_once_and_a_walk_ends_when_it_is_told(void **state)
{
    (void)state;
    struct telemetry *t = begin(1000);
    subscribe(t, "*", 1000, "");
    for (uint32_t i = 0; i < 50; i++) {
        struct telemetry_grant g = grant(t, START_MS, no_id, 1);
        assert_int_equal(push(t, START_MS, &g, payload(1, 1)), KERR_NONE);
    }
    struct sum s = {0};
    uint32_t count = telemetry_bucket(t, 0, sum_up, &s);
    for (uint32_t i = 1; i < count; i++)
        assert_int_equal(telemetry_bucket(t, i, sum_up, &s), count);
    assert_int_equal(s.count, 100);
    uint32_t left = 7;
    telemetry_each(t, count_down, &left);
    assert_int_equal(left, 0);
    telemetry_free(t);
}

static void
every_codec_is_unpacked_and_a_bomb_is_refused(void **state)
{
    (void)state;
    static uint8_t zeros[TELEMETRY_INFLATED_MAX + 1], packed[1 << 20];
    struct telemetry *t = begin(sizeof packed);
    struct telemetry_peer p = peer(1);
    subscribe(t, "*", 100, "");
    struct telemetry_grant g = grant(t, START_MS, no_id, 1);
    struct telemetry_push q = {.subscription_id = g.subscription_id};
    memcpy(q.id, g.id, sizeof q.id);
    int64_t now_ms = START_MS;
    for (int8_t codec = 1; codec <= 4; codec++) {
        struct view data[] = {payload(1, 1), view_of(zeros, sizeof zeros)};
        for (uint32_t i = 0; i < 2; i++) {
            struct batch_deflate *z;
            struct put w = put_of(packed, sizeof packed);
            assert_int_equal(batch_deflate_open((enum batch_codec)codec, 1, &w, &z), ERR_OK);
            assert_int_equal(batch_deflate_more(z, data[i]), ERR_OK);
            assert_int_equal(batch_deflate_end(z), ERR_OK);
            q.codec = codec;
            q.metrics = pb_view(&w);
            now_ms += 100;
            assert_int_equal(telemetry_push(t, now_ms, &p, &q),
                             i == 0 ? KERR_NONE : KERR_INVALID_RECORD);
        }
    }
    q.metrics = view_of_text("neither packed nor a message");
    for (q.codec = 0; q.codec <= 4; q.codec++)
        assert_int_equal(telemetry_push(t, now_ms += 100, &p, &q), KERR_INVALID_RECORD);
    assert_int_equal(telemetry_stats(t).malformed, 4 + 5);
    assert_true(sum_of(t).total == 4); /* the gauge was not in the last push */
    telemetry_free(t);
    batch_thread_end();
}

static void
a_silent_client_is_forgotten_with_its_series(void **state)
{
    (void)state;
    struct telemetry *t = begin(1000);
    subscribe(t, "*", 30000, "");
    struct telemetry_grant g = grant(t, START_MS, no_id, 1);
    assert_int_equal(push(t, START_MS, &g, payload(1, 1)), KERR_NONE);
    telemetry_expire(t, START_MS + 89999);
    assert_int_equal(telemetry_stats(t).clients, 1);
    telemetry_expire(t, START_MS + 90000); /* three intervals */
    struct telemetry_stats s = telemetry_stats(t);
    assert_int_equal(s.clients, 0);
    assert_int_equal(s.series, 0);
    assert_int_equal(s.bytes, 0);
    telemetry_free(t);
}

static void
the_client_that_was_silent_longest_gives_way(void **state)
{
    (void)state;
    struct telemetry *t = begin(1000);
    struct telemetry_grant first = grant(t, START_MS, no_id, 1);
    for (uint32_t i = 1; i < TELEMETRY_CLIENTS_MAX; i++)
        (void)grant(t, START_MS, no_id, 1);
    struct telemetry_grant g;
    struct telemetry_peer p = peer(1);
    assert_int_equal(telemetry_get(t, START_MS, first.id, &p, &g), KERR_THROTTLING_QUOTA_EXCEEDED);
    (void)grant(t, START_MS, no_id, 1); /* the second goes: the first was just here */
    assert_int_equal(telemetry_stats(t).clients, TELEMETRY_CLIENTS_MAX);
    assert_int_equal(telemetry_stats(t).clients_dropped, 1);
    assert_int_equal(telemetry_get(t, START_MS, first.id, &p, &g), KERR_THROTTLING_QUOTA_EXCEEDED);
    telemetry_free(t);
}

static void
series_of_all_clients_together_are_bounded(void **state)
{
    (void)state;
    static uint8_t at[1 << 20], scope_at[1 << 20];
    static char value[200];
    struct telemetry *t = begin(sizeof at);
    memset(value, 'v', sizeof value - 1);
    struct put w = put_of(at, sizeof at), scope = put_of(scope_at, sizeof scope_at);
    char name[16];
    for (uint32_t i = 0; i < TELEMETRY_SERIES_MAX + 10; i++) {
        (void)snprintf(name, sizeof name, "m%u", i);
        pb_metric(&scope, &(struct pb_metric){name, "k", value, .number = 1});
    }
    static uint8_t rm_at[1 << 20];
    struct put rm = put_of(rm_at, sizeof rm_at);
    pb_bytes(&rm, 2, pb_view(&scope));
    pb_bytes(&w, 1, pb_view(&rm));
    for (uint32_t i = 0; i < 300; i++) {
        struct telemetry_grant g = grant(t, START_MS, no_id, 1);
        assert_int_equal(push(t, START_MS, &g, pb_view(&w)), KERR_NONE);
        assert_true(telemetry_stats(t).bytes <= TELEMETRY_MEMORY_MAX);
    }
    struct telemetry_stats s = telemetry_stats(t);
    assert_true(s.clients_dropped > 0);
    assert_int_equal(s.series_dropped, 300 * 10);
    assert_int_equal(s.series, s.clients * TELEMETRY_SERIES_MAX);
    telemetry_free(t);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_gets_an_id_and_what_it_is_to_push),
        cmocka_unit_test(who_asks_before_its_interval_is_over_is_throttled),
        cmocka_unit_test(the_first_push_may_come_early_and_the_next_may_not),
        cmocka_unit_test(a_push_with_another_subscription_is_told_to_ask_and_may),
        cmocka_unit_test(a_subscription_id_follows_from_what_is_asked_for),
        cmocka_unit_test(pushes_without_an_id_with_an_unknown_codec_or_too_large_are_refused),
        cmocka_unit_test(what_was_pushed_is_kept_gauges_as_they_are_and_deltas_added_up),
        cmocka_unit_test(buckets_hold_every_client_once_and_a_walk_ends_when_it_is_told),
        cmocka_unit_test(every_codec_is_unpacked_and_a_bomb_is_refused),
        cmocka_unit_test(a_silent_client_is_forgotten_with_its_series),
        cmocka_unit_test(the_client_that_was_silent_longest_gives_way),
        cmocka_unit_test(series_of_all_clients_together_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
