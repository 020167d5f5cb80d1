#include "tests/unit/control/metrics/metrics_fixture.h"

static void
groups_tell_members_and_lag(void **state)
{
    (void)state;
    struct metrics_fixture *f = metrics_fixture_new();
    const char *text = metrics_fixture_render(f, METRICS_PROMETHEUS, false);
    assert_true(metrics_fixture_line(text, "sluice_group_members{group=\"g\\\"1\"} 3"));
    assert_true(metrics_fixture_line(text, "sluice_group_lag_records{group=\"g\\\"1\"} 7"));
    assert_true(metrics_fixture_line(text, "sluice_group_lag_records_highest{group=\"g\\\"1\"} 5"));
    assert_true(metrics_fixture_line(text, "sluice_group_members{group=\"\xef\xbf\xbd"
                                           "ff\"} 0"));
    assert_true(metrics_fixture_line(text, "sluice_groups{state=\"Stable\"} 1"));
    assert_true(metrics_fixture_line(text, "sluice_groups{state=\"Reconciling\"} 0"));
#define G "{consumergroup=\"g\\\"1\",topic=\"alpha\""
    assert_true(metrics_fixture_line(text, "kafka_consumergroup_lag" G ",partition=\"0\"} 5"));
    assert_true(
        metrics_fixture_line(text, "kafka_consumergroup_current_offset" G ",partition=\"1\"} 28"));
    assert_true(metrics_fixture_line(text, "kafka_consumergroup_lag_sum" G "} 7"));
    assert_true(metrics_fixture_line(text, "kafka_consumergroup_current_offset_sum" G "} 43"));
    metrics_fixture_free(f);
}

static void
an_offset_of_a_topic_that_is_gone_has_no_lag(void **state)
{
    (void)state;
    struct metrics_fixture *f = metrics_fixture_new();
    const char *text = metrics_fixture_render(f, METRICS_PROMETHEUS, false);
#define GONE "{group=\"g\\\"1\",topic=\"gone\",partition=\"0\"} "
    assert_true(metrics_fixture_line(text, "sluice_group_committed_offset" GONE "4"));
    assert_null(strstr(text, "sluice_group_partition_lag_records" GONE));
    metrics_fixture_free(f);
}

static void
transactions_tell_their_states_and_the_age_of_the_oldest(void **state)
{
    (void)state;
    struct metrics_fixture *f = metrics_fixture_new();
    const char *text = metrics_fixture_render(f, METRICS_PROMETHEUS, false);
    assert_true(metrics_fixture_line(text, "sluice_transactions{state=\"Ongoing\"} 1"));
    assert_true(metrics_fixture_line(text, "sluice_transactions{state=\"PrepareAbort\"} 0"));
    assert_true(metrics_fixture_line(text, "sluice_transaction_oldest_seconds 2.5"));
    metrics_fixture_free(f);
}

static void
without_a_word_from_control_there_are_no_series_of_groups(void **state)
{
    (void)state;
    struct metrics_fixture *f = metrics_fixture_new();
    f->source.groups = NULL;
    const char *text = metrics_fixture_render(f, METRICS_PROMETHEUS, false);
    assert_null(strstr(text, "group=\""));
    assert_null(strstr(text, "# TYPE sluice_group_members"));
    assert_true(metrics_fixture_line(text, "sluice_census_fresh 0"));
    assert_true(
        metrics_fixture_line(text, "sluice_partition_online{topic=\"beta\",partition=\"0\"} 1"));
    metrics_fixture_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_tell_members_and_lag),
        cmocka_unit_test(an_offset_of_a_topic_that_is_gone_has_no_lag),
        cmocka_unit_test(transactions_tell_their_states_and_the_age_of_the_oldest),
        cmocka_unit_test(without_a_word_from_control_there_are_no_series_of_groups),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
