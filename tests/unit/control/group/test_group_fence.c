#include "tests/unit/control/group/consumer_fixture.h"

static int16_t
commit(struct fixture *f, const char *member, int32_t epoch, int32_t partition)
{
    return fx_commit_as(
        f, "g",
        &(struct committing){
            .member = member, .generation = epoch, .partition = partition, .offset = 5});
}

static void
commits_need_the_members_epoch(void **state)
{
    struct fixture *f = fx_new();
    cf_join(f, "m1");
    assert_int_equal(commit(f, "m1", 2, 0), 0);
    assert_int_equal(commit(f, "m1", 3, 0), KERR_STALE_MEMBER_EPOCH);
    assert_int_equal(commit(f, "m2", 2, 0), KERR_UNKNOWN_MEMBER_ID);
    assert_int_equal(commit(f, NULL, -1, 0), KERR_UNKNOWN_MEMBER_ID);
    struct committing old = {.member = "m1", .generation = 2, .version = 8};
    assert_int_equal(fx_commit_as(f, "g", &old), KERR_UNSUPPORTED_VERSION);
    assert_int_equal(fx_fetch(f, "g", 0, false), 5);
    cf_stay(f, "m1", -1, NULL);
    assert_int_equal(commit(f, NULL, -1, 0), 0); /* a group without members takes anybody's */
    fx_free(f);
}

/* A commit on its way while the epoch moved on: good for what the member already had. */
static void
an_older_epoch_commits_what_it_was_given_by_then(void **state)
{
    struct fixture *f = fx_new();
    cf_join(f, "m1");
    f->partitions[1] = 6;
    group_metadata_changed(f->s, view_of_text("t1"), false);
    fx_advance(f, 1000);
    assert_int_equal(cf_stay(f, "m1", 2, NULL).epoch, 3);
    assert_int_equal(commit(f, "m1", 2, 0), 0);
    assert_int_equal(commit(f, "m1", 2, 5), KERR_STALE_MEMBER_EPOCH);
    assert_int_equal(commit(f, "m1", 3, 5), 0);
    assert_int_equal(commit(f, "m1", 1, 0), KERR_STALE_MEMBER_EPOCH);
    fx_free(f);
}

static void
what_has_yet_to_be_given_up_may_be_committed(void **state)
{
    struct fixture *f = fx_new();
    cf_join(f, "m1");
    cf_join(f, "m2");
    fx_advance(f, 1000);
    cf_stay(f, "m1", 2, NULL);
    assert_int_equal(commit(f, "m1", 2, 3), 0);
    assert_int_equal(cf_stay(f, "m1", 2, "1:0 1:1").epoch, 3);
    assert_int_equal(commit(f, "m1", 2, 3), KERR_STALE_MEMBER_EPOCH);
    fx_free(f);
}

static int16_t
fetch(struct fixture *f, const char *member, int32_t epoch)
{
    struct wire_offset_fetch_request q;
    wire_init(&wire_offset_fetch_request_message, &q);
    struct wire_offset_fetch_request_group g = {
        .group_id = view_of_text("g"), .member_epoch = epoch, .topics = {NULL, -1}};
    if (member)
        g.member_id = view_of_text(member);
    q.groups.items = &g;
    q.groups.count = 1;
    const struct wire_offset_fetch_response *a =
        fx_answer(f, fx_send(f, WIRE_API_OFFSET_FETCH, 9, &q));
    return a->groups.items[0].error_code;
}

static void
fetches_need_the_members_epoch_or_no_member(void **state)
{
    struct fixture *f = fx_new();
    cf_join(f, "m1");
    assert_int_equal(fetch(f, "m1", 2), 0);
    assert_int_equal(fetch(f, NULL, -1), 0);
    assert_int_equal(fetch(f, "m1", 1), KERR_STALE_MEMBER_EPOCH);
    assert_int_equal(fetch(f, "m1", 3), KERR_STALE_MEMBER_EPOCH);
    assert_int_equal(fetch(f, "m2", 2), KERR_UNKNOWN_MEMBER_ID);
    fx_free(f);
}

static void
transactions_without_a_member_commit_at_any_time(void **state)
{
    struct fixture *f = fx_new();
    cf_join(f, "m1");
    assert_int_equal(fx_txn_commit(f, "g", 1, 0, 9), 0);
    fx_marker(f, 1, true);
    assert_int_equal(fx_fetch(f, "g", 0, false), 9);
    fx_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commits_need_the_members_epoch),
        cmocka_unit_test(an_older_epoch_commits_what_it_was_given_by_then),
        cmocka_unit_test(what_has_yet_to_be_given_up_may_be_committed),
        cmocka_unit_test(fetches_need_the_members_epoch_or_no_member),
        cmocka_unit_test(transactions_without_a_member_commit_at_any_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
