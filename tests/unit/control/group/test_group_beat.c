#include "tests/unit/control/group/consumer_fixture.h"

static void
the_first_member_gets_everything_at_once(void **state)
{
    struct fixture *f = fx_new();
    struct beaten a = cf_join(f, "m1");
    assert_int_equal(a.error, 0);
    assert_string_equal(a.member, "m1");
    assert_int_equal(a.epoch, 2);
    assert_int_equal(a.interval_ms, 5000);
    assert_string_equal(a.has, "1:0 1:1 1:2 1:3");
    assert_string_equal(group_consumer_state(cf_group(f)), "Stable");
    fx_free(f);
}

static void
an_answer_has_the_assignment_only_when_it_is_new_or_asked_for(void **state)
{
    struct fixture *f = fx_new();
    cf_join(f, "m1");
    assert_string_equal(cf_stay(f, "m1", 2, NULL).has, "-");
    struct beating full = {
        .member = "m1", .epoch = 2, .topics = "t1", .owned = "", .rebalance_ms = 60000};
    assert_string_equal(cf_beat(f, "g", &full).has, "1:0 1:1 1:2 1:3");
    fx_free(f);
}

/* m1 gives up, only then m2 gets; the next assignment waits for the interval. */
static void
partitions_move_after_their_owner_gave_them_up(void **state)
{
    struct fixture *f = fx_new();
    cf_join(f, "m1");
    struct beaten b = cf_join(f, "m2");
    assert_int_equal(b.epoch, 2); /* the target of epoch 3 is not made yet */
    assert_string_equal(b.has, "");
    fx_advance(f, 1000);
    struct beaten a = cf_stay(f, "m1", 2, NULL);
    assert_int_equal(a.epoch, 2);
    assert_string_equal(a.has, "1:0 1:1");
    b = cf_stay(f, "m2", 2, "");
    assert_int_equal(b.epoch, 3);
    assert_string_equal(b.has, "-"); /* nothing is free yet */
    assert_string_equal(group_consumer_state(cf_group(f)), "Reconciling");
    assert_string_equal(cf_stay(f, "m1", 2, "1:0 1:1 1:2 1:3").has, "-");
    a = cf_stay(f, "m1", 2, "1:0 1:1");
    assert_int_equal(a.epoch, 3);
    b = cf_stay(f, "m2", 3, "");
    assert_string_equal(b.has, "1:2 1:3");
    cf_stay(f, "m2", 3, "1:2 1:3");
    assert_string_equal(group_consumer_state(cf_group(f)), "Stable");
    fx_free(f);
}

static void
epochs_that_do_not_fit_are_fenced(void **state)
{
    struct fixture *f = fx_new();
    cf_join(f, "m1");
    assert_int_equal(cf_stay(f, "m1", 3, NULL).error, KERR_FENCED_MEMBER_EPOCH);
    assert_int_equal(cf_stay(f, "m1", 1, NULL).error, KERR_FENCED_MEMBER_EPOCH);
    assert_int_equal(cf_stay(f, "m2", 2, NULL).error, KERR_UNKNOWN_MEMBER_ID);
    struct beating other = {.member = "m1", .epoch = 2};
    assert_int_equal(cf_beat(f, "h", &other).error, KERR_GROUP_ID_NOT_FOUND);
    assert_null(fx_group(f, "h"));
    fx_free(f);
}

static void
the_epoch_before_is_taken_from_who_owns_no_more_than_it_was_given(void **state)
{
    struct fixture *f = fx_new();
    cf_join(f, "m1");
    f->partitions[1] = 5;
    group_metadata_changed(f->s, view_of_text("t1"), false);
    fx_advance(f, 1000);
    struct beaten lost = cf_stay(f, "m1", 2, NULL);
    assert_int_equal(lost.epoch, 3);
    assert_int_equal(cf_stay(f, "m1", 2, NULL).error, KERR_FENCED_MEMBER_EPOCH);
    assert_int_equal(cf_stay(f, "m1", 2, "2:0").error, KERR_FENCED_MEMBER_EPOCH);
    struct beaten again = cf_stay(f, "m1", 2, "1:0 1:1 1:2 1:3");
    assert_int_equal(again.error, 0);
    assert_int_equal(again.epoch, 3);
    fx_free(f);
}

static void
requests_that_make_no_sense_are_refused_with_a_reason(void **state)
{
    struct fixture *f = fx_new();
    static const struct {
        struct beating b;
        const char *group, *message;
        int16_t error;
    } wrong[] = {
        {{.topics = "t1"}, "g", "MemberId can't be empty.", KERR_INVALID_REQUEST},
        {{.member = "m", .topics = "t1"}, "", "GroupId can't be empty.", KERR_INVALID_REQUEST},
        {{.member = "m", .topics = "t1", .instance = ""},
         "g",
         "InstanceId can't be empty.",
         KERR_INVALID_REQUEST},
        {{.member = "m", .topics = "t1", .rebalance_ms = -1},
         "g",
         "RebalanceTimeoutMs must be provided in first request.",
         KERR_INVALID_REQUEST},
        {{.member = "m", .topics = "t1", .owned = "1:0"},
         "g",
         "TopicPartitions must be empty when (re-)joining.",
         KERR_INVALID_REQUEST},
        {{.member = "m"},
         "g",
         "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.",
         KERR_INVALID_REQUEST},
        {{.member = "m", .epoch = -2}, "g", "InstanceId can't be null.", KERR_INVALID_REQUEST},
        {{.member = "m", .epoch = -3}, "g", "MemberEpoch is invalid.", KERR_INVALID_REQUEST},
        {{.member = "m", .topics = "t1", .assignor = "sticky"},
         "g",
         "ServerAssignor sticky is not supported. Supported assignors: uniform, range.",
         KERR_UNSUPPORTED_ASSIGNOR},
        {{.member = "m", .topics = "t1", .regex = "["},
         "g",
         "SubscribedTopicRegex `[` is not a valid regular expression: missing closing ].",
         KERR_INVALID_REGULAR_EXPRESSION},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct beaten a = cf_beat(f, wrong[i].group, &wrong[i].b);
        assert_int_equal(a.error, wrong[i].error);
        assert_string_equal(a.message, wrong[i].message);
        assert_int_equal(f->s->groups.count, 0);
    }
    assert_int_equal(f->log_count, 0);
    fx_free(f);
}

static void
version_0_gives_member_ids(void **state)
{
    struct fixture *f = fx_new();
    struct beaten a = cf_beat(f, "g", &(struct beating){.topics = "t1", .version = 0});
    assert_int_equal(a.error, KERR_INVALID_REQUEST);
    struct wire_consumer_group_heartbeat_request q;
    wire_init(&wire_consumer_group_heartbeat_request_message, &q);
    struct view topic = view_of_text("t1");
    q.group_id = view_of_text("g");
    q.rebalance_timeout_ms = 1000;
    q.subscribed_topic_names.items = &topic;
    q.subscribed_topic_names.count = 1;
    q.topic_partitions.count = 0;
    a = cf_answer(f, fx_send(f, WIRE_API_CONSUMER_GROUP_HEARTBEAT, 0, &q));
    assert_int_equal(a.error, 0);
    assert_int_equal(strlen(a.member), 22);
    assert_non_null(cf_member(f, a.member));
    fx_free(f);
}

static void
a_group_takes_no_more_members_than_its_maximum(void **state)
{
    struct fixture *f = fx_new();
    f->config.consumer_max_size = 1;
    cf_join(f, "m1");
    assert_int_equal(cf_join(f, "m2").error, KERR_GROUP_MAX_SIZE_REACHED);
    assert_int_equal(cf_join(f, "m1").error, 0);
    fx_free(f);
}

static void
a_static_member_takes_over_from_the_one_that_left_for_a_while(void **state)
{
    struct fixture *f = fx_new();
    struct beating join = {.member = "m1", .instance = "i", .topics = "t1"};
    struct beating other = {.member = "m2", .instance = "i", .topics = "t1"};
    cf_beat(f, "g", &join);
    assert_int_equal(cf_beat(f, "g", &other).error, KERR_UNRELEASED_INSTANCE_ID);
    struct beating leave = {.member = "m1", .instance = "i", .epoch = -2};
    assert_int_equal(cf_beat(f, "g", &leave).epoch, -2);
    struct beaten a = cf_beat(f, "g", &other);
    assert_int_equal(a.error, 0);
    assert_int_equal(a.epoch, 2); /* nobody had to be assigned anew */
    assert_string_equal(a.has, "1:0 1:1 1:2 1:3");
    assert_null(cf_member(f, "m1"));
    struct beating old = {.member = "m1", .instance = "i", .epoch = 2};
    assert_int_equal(cf_beat(f, "g", &old).error, KERR_FENCED_INSTANCE_ID);
    struct beating unknown = {.member = "m1", .instance = "j", .epoch = 2};
    assert_int_equal(cf_beat(f, "g", &unknown).error, KERR_UNKNOWN_MEMBER_ID);
    fx_free(f);
}

static void
an_empty_classic_group_changes_its_protocol_and_another_does_not(void **state)
{
    struct fixture *f = fx_new();
    char *id = fx_join_id(f, fx_join(f, "g", NULL));
    fx_commit(f, "h", 0, 7);
    assert_int_equal(cf_beat(f, "h", &(struct beating){.member = "m", .topics = "t1"}).error, 0);
    assert_int_equal(fx_fetch(f, "h", 0, false), 7);
    uint64_t waits = fx_join(f, "g", id);
    assert_int_equal(cf_join(f, "m").error, KERR_GROUP_ID_NOT_FOUND);
    fx_advance(f, 3000);
    assert_int_equal(fx_join_error(f, waits), 0);
    free(id);
    fx_free(f);
}

static void
a_change_of_subscription_moves_the_group(void **state)
{
    struct fixture *f = fx_new();
    cf_join(f, "m1");
    fx_advance(f, 1000);
    struct beating other = {.member = "m1", .epoch = 2, .topics = "t2"};
    struct beaten a = cf_beat(f, "g", &other);
    assert_int_equal(a.epoch, 2); /* t1 must be given up first */
    assert_string_equal(a.has, "");
    a = cf_stay(f, "m1", 2, "");
    assert_int_equal(a.epoch, 3);
    assert_string_equal(a.has, "2:0 2:1 2:2 2:3");
    fx_free(f);
}

static void
a_topic_that_grew_is_assigned_with_the_next_heartbeat(void **state)
{
    struct fixture *f = fx_new();
    cf_join(f, "m1");
    f->partitions[1] = 6;
    group_metadata_changed(f->s, view_of_text("t2"), false);
    fx_advance(f, 1000);
    assert_int_equal(cf_stay(f, "m1", 2, NULL).epoch, 2);
    group_metadata_changed(f->s, view_of_text("t1"), false);
    struct beaten a = cf_stay(f, "m1", 2, NULL);
    assert_int_equal(a.epoch, 3);
    assert_string_equal(a.has, "1:0 1:1 1:2 1:3 1:4 1:5");
    fx_free(f);
}

static void
a_deleted_topic_leaves_the_assignment(void **state)
{
    struct fixture *f = fx_new();
    cf_beat(f, "g", &(struct beating){.member = "m1", .topics = "t1,t2"});
    f->topic_gone = true;
    group_topic_deleted(f->s, &f->step, view_of_text("t1"));
    fx_advance(f, 1000);
    struct beaten a = cf_stay(f, "m1", 2, "2:0 2:1 2:2 2:3");
    assert_int_equal(a.epoch, 3);
    assert_string_equal(a.has, "2:0 2:1 2:2 2:3");
    fx_free(f);
}

static void
of_group(void *user, struct view group_id, struct group_settings *s)
{
    if (view_equal(group_id, view_of_text("g"))) {
        s->heartbeat_interval_ms = 7000;
        s->assignment_interval_ms = 0;
    }
}

static void
a_group_may_have_settings_of_its_own(void **state)
{
    struct fixture *f = fx_new();
    f->config.port.of_group = of_group;
    assert_int_equal(cf_join(f, "m1").interval_ms, 7000);
    assert_int_equal(cf_join(f, "m2").epoch, 3); /* no interval to wait for */
    struct beating other = {.member = "m", .topics = "t1"};
    assert_int_equal(cf_beat(f, "h", &other).interval_ms, 5000);
    fx_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_member_gets_everything_at_once),
        cmocka_unit_test(an_answer_has_the_assignment_only_when_it_is_new_or_asked_for),
        cmocka_unit_test(partitions_move_after_their_owner_gave_them_up),
        cmocka_unit_test(epochs_that_do_not_fit_are_fenced),
        cmocka_unit_test(the_epoch_before_is_taken_from_who_owns_no_more_than_it_was_given),
        cmocka_unit_test(requests_that_make_no_sense_are_refused_with_a_reason),
        cmocka_unit_test(version_0_gives_member_ids),
        cmocka_unit_test(a_group_takes_no_more_members_than_its_maximum),
        cmocka_unit_test(a_static_member_takes_over_from_the_one_that_left_for_a_while),
        cmocka_unit_test(an_empty_classic_group_changes_its_protocol_and_another_does_not),
        cmocka_unit_test(a_change_of_subscription_moves_the_group),
        cmocka_unit_test(a_topic_that_grew_is_assigned_with_the_next_heartbeat),
        cmocka_unit_test(a_deleted_topic_leaves_the_assignment),
        cmocka_unit_test(a_group_may_have_settings_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
