#include "tests/unit/control/txn/txn_fixture.h"

#include <stdio.h>

/* Ids "a" to "d", whose producer ids are 1000 to 1003: without a transaction, with an open one
 * since 5 s, with one that is being committed, with one that was aborted. */
static struct fixture *
setup(void)
{
    struct fixture *f = fixture_new();
    const char *ids[] = {"a", "b", "c", "d"};
    for (int64_t i = 0; i < 4; i++)
        assert_int_equal(fixture_init(f, ids[i], -1, -1), KERR_NONE);
    for (int64_t i = 1; i < 4; i++) {
        assert_int_equal(fixture_add(f, 3, ids[i], 1000 + i, 0, "out", 2), KERR_NONE);
        assert_int_equal(fixture_add(f, 3, ids[i], 1000 + i, 0, "in", 1), KERR_NONE);
        assert_int_equal(fixture_add(f, 3, ids[i], 1000 + i, 0, "out", 0), KERR_NONE);
    }
    assert_int_equal(fixture_end(f, 3, "c", 1002, 0, true), KERR_NONE);
    assert_int_equal(fixture_end(f, 3, "d", 1003, 0, false), KERR_NONE);
    fixture_marked(f, &f->orders[1], KERR_NONE);
    f->now_ms += 5000;
    return f;
}

static void
describe_tells_all_that_is_known_of_a_transaction(void **state)
{
    (void)state;
    struct fixture *f = setup();
    struct view ids[] = {view_of_text("b"), view_of_text("a"), view_of_text("x"), view_of_text("")};
    struct wire_describe_transactions_request q = {.transactional_ids = {ids, 4}};
    fixture_request(f, WIRE_API_DESCRIBE_TRANSACTIONS, 0, &q);
    const struct wire_describe_transactions_response *a = &f->described;
    assert_int_equal(a->transaction_states.count, 4);
    const struct wire_describe_transactions_response_transaction_state *b =
        &a->transaction_states.items[0];
    assert_int_equal(b->error_code, KERR_NONE);
    assert_true(view_equal(b->transaction_state, view_of_text("Ongoing")));
    assert_int_equal(b->producer_id, 1001);
    assert_int_equal(b->producer_epoch, 0);
    assert_int_equal(b->transaction_timeout_ms, 60000);
    assert_int_equal(b->transaction_start_time_ms, 1000000);
    assert_int_equal(b->topics.count, 2);
    assert_true(view_equal(b->topics.items[0].topic, view_of_text("in")));
    assert_int_equal(b->topics.items[0].partitions.count, 1);
    assert_int_equal(b->topics.items[1].partitions.count, 2);
    assert_int_equal(b->topics.items[1].partitions.items[0], 0);
    assert_int_equal(b->topics.items[1].partitions.items[1], 2);
    assert_true(view_equal(b[1].transaction_state, view_of_text("Empty")));
    assert_int_equal(b[1].topics.count, 0);
    assert_int_equal(b[2].error_code, KERR_TRANSACTIONAL_ID_NOT_FOUND);
    assert_int_equal(b[3].error_code, KERR_INVALID_REQUEST);
    fixture_free(f);
}

/* A port that knows literals and, in place of "[", no expression. */
static void *
literal_compile(const void *pattern, uint32_t len, char why[REGEX_ERROR_BYTES])
{
    char *copy = calloc(1, len + 1);
    must(copy);
    memcpy(copy, pattern, len);
    why[0] = '\0';
    if (copy[0] != '[')
        return copy;
    free(copy);
    return NULL;
}

static bool
literal_matches(void *regex, const void *text, uint32_t len)
{
    return strlen(regex) == len && memcmp(regex, text, len) == 0;
}

static const struct regex_port literals = {literal_compile, literal_matches, free};

/* The ids listed, in their order. */
static const char *
listed(struct fixture *f, int16_t version, const struct wire_list_transactions_request *q)
{
    static char text[8];
    fixture_request(f, WIRE_API_LIST_TRANSACTIONS, version, q);
    memset(text, 0, sizeof text);
    for (char id = 'a'; id <= 'd'; id++)
        for (int32_t i = 0; i < f->list.transaction_states.count; i++)
            if (f->list.transaction_states.items[i].transactional_id.at[0] == (uint8_t)id)
                text[strlen(text)] = id;
    return text;
}

static void
list_tells_those_that_pass_all_filters(void **state)
{
    (void)state;
    struct fixture *f = setup();
    struct view states[] = {view_of_text("Ongoing"), view_of_text("CompleteAbort"),
                            view_of_text("Dead"), view_of_text("nonsense")};
    int64_t producers[] = {1003, 1000, 7};
    struct wire_list_transactions_request q = {.duration_filter = -1};
    assert_string_equal(listed(f, 2, &q), "abcd");
    q.producer_id_filters.items = producers;
    q.producer_id_filters.count = 3;
    assert_string_equal(listed(f, 2, &q), "ad");
    q.state_filters.items = states;
    q.state_filters.count = 4;
    assert_string_equal(listed(f, 2, &q), "d");
    assert_int_equal(f->list.unknown_state_filters.count, 1);
    assert_true(view_equal(f->list.unknown_state_filters.items[0], view_of_text("nonsense")));
    q.producer_id_filters.count = 0;
    assert_string_equal(listed(f, 2, &q), "bd");
    q.state_filters.items = states + 3;
    q.state_filters.count = 1; /* a filter, of which nothing is known */
    assert_string_equal(listed(f, 2, &q), "");
    fixture_free(f);
}

static void
list_filters_by_how_long_a_transaction_runs(void **state)
{
    (void)state;
    struct fixture *f = setup();
    struct view ongoing = view_of_text("Ongoing");
    struct wire_list_transactions_request q = {.state_filters = {&ongoing, 1},
                                               .duration_filter = 4999};
    assert_string_equal(listed(f, 1, &q), "b");
    q.duration_filter = 5000;
    assert_string_equal(listed(f, 1, &q), "");
    q.state_filters.count = 0; /* without a transaction the start is -1: old enough */
    assert_string_equal(listed(f, 1, &q), "a");
    fixture_free(f);
}

static void
list_matches_names_whole_and_refuses_what_is_no_expression(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    txn_free(f->txn);
    f->config.regex = &literals;
    f->txn = txn_new(&f->config);
    for (char id[2] = "a"; id[0] <= 'c'; id[0]++)
        assert_int_equal(fixture_init(f, id, -1, -1), KERR_NONE);
    struct wire_list_transactions_request q = {.duration_filter = -1,
                                               .transactional_id_pattern = view_of_text("b")};
    assert_string_equal(listed(f, 2, &q), "b");
    q.transactional_id_pattern = view_of_text("[");
    assert_string_equal(listed(f, 2, &q), "");
    assert_int_equal(f->list.error_code, KERR_INVALID_REGULAR_EXPRESSION);
    fixture_free(f);
}

static void
a_partition_that_is_not_served_refuses_both(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    struct view id = view_of_text("a");
    struct wire_describe_transactions_request d = {.transactional_ids = {&id, 1}};
    struct wire_list_transactions_request l = {.duration_filter = -1};
    struct coord_step step = fixture_step(f);
    f->api = wire_api_find(WIRE_API_DESCRIBE_TRANSACTIONS);
    struct coord_request r = {.token = 77, .api = f->api, .body = &d};
    txn_refuse(&step, &r, KERR_COORDINATOR_LOAD_IN_PROGRESS);
    assert_int_equal(f->described.transaction_states.items[0].error_code,
                     KERR_COORDINATOR_LOAD_IN_PROGRESS);
    f->api = wire_api_find(WIRE_API_LIST_TRANSACTIONS);
    r = (struct coord_request){.token = 77, .api = f->api, .body = &l};
    txn_refuse(&step, &r, KERR_COORDINATOR_LOAD_IN_PROGRESS);
    assert_int_equal(f->list.error_code, KERR_COORDINATOR_LOAD_IN_PROGRESS);
    fixture_free(f);
}

static void
bucket_told(void *user, const struct txn_fact *fact)
{
    uint32_t *told = user;
    uint32_t i = (uint32_t)(fact->id.at[0] - 'a');
    static const char *const states[] = {"Empty", "Ongoing", "PrepareCommit", "CompleteAbort"};
    assert_true(fact->id.len == 1 && i < 4);
    assert_string_equal(fact->state, states[i]);
    if (i == 1) {
        assert_int_equal(fact->producer_id, 1001);
        assert_int_equal(fact->start_ms, 1000000);
        assert_int_equal(fact->timeout_ms, 60000);
        assert_int_equal(fact->partitions, 3);
    }
    *told |= 1u << i;
}

static void
every_bucket_tells_its_transactions(void **state)
{
    (void)state;
    struct fixture *f = setup();
    uint32_t told = 0;
    uint32_t buckets = txn_list_bucket(f->txn, UINT32_MAX, bucket_told, &told);
    assert_int_equal(told, 0);
    for (uint32_t i = 0; i < buckets; i++)
        assert_int_equal(txn_list_bucket(f->txn, i, bucket_told, &told), buckets);
    assert_int_equal(told, 15);
    fixture_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_bucket_tells_its_transactions),
        cmocka_unit_test(describe_tells_all_that_is_known_of_a_transaction),
        cmocka_unit_test(list_tells_those_that_pass_all_filters),
        cmocka_unit_test(list_filters_by_how_long_a_transaction_runs),
        cmocka_unit_test(list_matches_names_whole_and_refuses_what_is_no_expression),
        cmocka_unit_test(a_partition_that_is_not_served_refuses_both),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
