#include "tests/unit/control/census/census_fixture.h"

static struct region r;
static struct census c;

static int
setup(void **state)
{
    (void)state;
    census_fixture_region(&r);
    census_init(&c);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    census_free(&c);
    region_destroy(&r);
    return 0;
}

static void
topics_are_in_order_of_name_with_their_partitions_in_order(void **state)
{
    (void)state;
    census_tables(&c, &r);
    assert_int_equal(c.topic_count, 2);
    assert_int_equal(c.partition_count, 3);
    assert_int_equal(census_topic_find(&c, view_of_text("alpha")), 0);
    assert_int_equal(census_topic_find(&c, view_of_text("beta")), 1);
    assert_int_equal(census_topic_find(&c, view_of_text("alph")), CENSUS_NONE);
    assert_int_equal(census_topic_find(&c, view_of_text("alphaa")), CENSUS_NONE);
    assert_int_equal(c.topics[0].first, 0);
    assert_int_equal(c.topics[0].count, 2);
    assert_int_equal(c.partitions[1].partition, 1);
    assert_int_equal(c.partitions[1].high_watermark, 30);
    assert_int_equal(c.partitions[1].log_start, 10);
    assert_int_equal(c.partitions[1].leader_epoch, 3);
    assert_true(c.partitions[1].open);
    assert_int_equal(census_partition_find(&c, 0, 1), 1);
    assert_int_equal(census_partition_find(&c, 0, 2), CENSUS_NONE);
    assert_int_equal(census_partition_find(&c, 0, -1), CENSUS_NONE);
    assert_int_equal(census_partition_find(&c, CENSUS_NONE, 0), CENSUS_NONE);
}

static void
a_partition_of_a_topic_that_was_made_anew_does_not_count(void **state)
{
    (void)state;
    struct table_topic_fact f;
    assert_int_equal(table_topic_read(&region_topics(&r)[2], &f), ERR_OK);
    memset(f.id, 99, sizeof f.id);
    table_topic_write(&region_topics(&r)[2], &f);
    census_tables(&c, &r);
    assert_int_equal(c.topic_count, 2);
    assert_int_equal(c.topics[0].count, 0);
    assert_int_equal(c.partition_count, 1);
}

static void
what_no_shard_reports_of_this_partition_is_not_known(void **state)
{
    (void)state;
    struct table_have_fact h;
    assert_int_equal(table_have_read(&region_have(&r)[0], &h), ERR_OK);
    memset(h.topic_id, 99, sizeof h.topic_id); /* of the slot's former life */
    table_have_write(&region_have(&r)[0], &h);
    census_tables(&c, &r);
    assert_false(c.partitions[0].open);
    assert_int_equal(c.partitions[0].shard, CENSUS_NONE);
    assert_int_equal(c.partitions[0].high_watermark, -1);
}

static void
a_torn_row_is_counted_and_left_out(void **state)
{
    (void)state;
    atomic_fetch_add(&region_want(&r)[0].seq, 1); /* its writer died inside */
    census_tables(&c, &r);
    assert_int_equal(c.torn, 1);
    assert_int_equal(c.partition_count, 2);
    assert_int_equal(census_partition_find(&c, 0, 0), CENSUS_NONE);
    assert_int_equal(census_partition_find(&c, 0, 1), 0); /* not in its usual place */
}

static void
lag_is_what_lies_between_commit_and_high_watermark(void **state)
{
    (void)state;
    struct census groups;
    census_fixture_groups(&groups);
    census_tables(&c, &r);
    census_join(&c, &groups);
    assert_int_equal(census_lag(&c, &groups.offsets[0]), 5);
    assert_int_equal(census_lag(&c, &groups.offsets[1]), 2);
    assert_int_equal(census_lag(&c, &groups.offsets[2]), -1); /* its topic is gone */
    assert_int_equal(census_lag(&c, &groups.offsets[3]), 0);  /* committed beyond the end */
    census_free(&groups);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(topics_are_in_order_of_name_with_their_partitions_in_order),
        T(a_partition_of_a_topic_that_was_made_anew_does_not_count),
        T(what_no_shard_reports_of_this_partition_is_not_known),
        T(a_torn_row_is_counted_and_left_out),
        T(lag_is_what_lies_between_commit_and_high_watermark),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
