/* txns_fixture.h: coords_fixture.h with the topic of transactions, and what clients do with it. */
#ifndef SLUICE_TESTS_TXNS_FIXTURE_H
#define SLUICE_TESTS_TXNS_FIXTURE_H

#include "tests/unit/control/server/coords_fixture.h"

/* Both coordinators serve; topics "t" with partitions 0 to 2, and "gone" with one. */
static inline struct coords_fixture *
txns_active(void)
{
    struct coords_fixture *c = coords_new();
    struct wire_find_coordinator_request request = {.key = view_of_text("x"), .key_type = 1};
    struct wire_find_coordinator_response response;
    assert_int_equal(core_fixture_create(c->f, "t", 3), KERR_NONE);
    assert_int_equal(core_fixture_create(c->f, "gone", 1), KERR_NONE);
    coords_topic(c);
    core_fixture_ask(c->f, WIRE_API_FIND_COORDINATOR, 1, &request, &response);
    assert_int_equal(response.error_code, KERR_NONE);
    c->f->core.committed = UINT64_MAX;
    coords_open(c);
    coords_connect(c);
    coords_turns(c, 240);
    return c;
}

/* The last answer. */
static inline void
txns_last(struct coords_fixture *c, int16_t key, int16_t version, void *response)
{
    assert_true(c->answer_count > 0);
    coords_expect(c, c->answer_count - 1, c->answer_count - 1, key, version, response);
}

/* Sends, lets the shards answer, and reads the answer. */
static inline void
txns_ask(struct coords_fixture *c, int16_t key, int16_t version, const void *request,
         void *response)
{
    uint32_t answers = c->answer_count;
    assert_int_equal(coords_send(c, answers, key, version, request), ERR_OK);
    for (uint32_t i = 0; c->answer_count == answers && i < 5; i++)
        coords_turns(c, 1);
    assert_int_equal(c->answer_count, answers + 1);
    txns_last(c, key, version, response);
}

static inline struct wire_init_producer_id_response
txns_init(struct coords_fixture *c, const char *id)
{
    struct wire_init_producer_id_request q = {.transactional_id = view_of_text(id),
                                              .transaction_timeout_ms = 60000,
                                              .producer_id = -1,
                                              .producer_epoch = -1};
    struct wire_init_producer_id_response a;
    txns_ask(c, WIRE_API_INIT_PRODUCER_ID, 5, &q, &a);
    return a;
}

/* Version 4: as a broker does for a client of transaction version 2. */
static inline int16_t
txns_add(struct coords_fixture *c, int16_t version, const char *id, int64_t producer_id,
         int16_t epoch, const char *topic, int32_t partition)
{
    struct wire_add_partitions_to_txn_request_add_partitions_to_txn_topic t = {view_of_text(topic),
                                                                               {&partition, 1}};
    struct wire_add_partitions_to_txn_request_add_partitions_to_txn_transaction one = {
        view_of_text(id), producer_id, epoch, false, {&t, 1}};
    struct wire_add_partitions_to_txn_request q;
    wire_init(wire_api_find(WIRE_API_ADD_PARTITIONS_TO_TXN)->request, &q);
    if (version < 4) {
        q.v3_and_below_transactional_id = view_of_text(id);
        q.v3_and_below_producer_id = producer_id;
        q.v3_and_below_producer_epoch = epoch;
        q.v3_and_below_topics.items = &t;
        q.v3_and_below_topics.count = 1;
    } else {
        q.transactions.items = &one;
        q.transactions.count = 1;
    }
    struct wire_add_partitions_to_txn_response a;
    txns_ask(c, WIRE_API_ADD_PARTITIONS_TO_TXN, version, &q, &a);
    if (version < 4)
        return a.results_by_topic_v3_and_below.items[0]
            .results_by_partition.items[0]
            .partition_error_code;
    return a.results_by_transaction.items[0]
        .topic_results.items[0]
        .results_by_partition.items[0]
        .partition_error_code;
}

/* Sends EndTxn; its answer is not waited for. */
static inline void
txns_end_send(struct coords_fixture *c, int16_t version, const char *id, int64_t producer_id,
              int16_t epoch, bool commit)
{
    struct wire_end_txn_request q = {view_of_text(id), producer_id, epoch, commit};
    assert_int_equal(coords_send(c, c->answer_count, WIRE_API_END_TXN, version, &q), ERR_OK);
}

static inline int16_t
txns_end(struct coords_fixture *c, int16_t version, const char *id, int64_t producer_id,
         int16_t epoch, bool commit)
{
    struct wire_end_txn_request q = {view_of_text(id), producer_id, epoch, commit};
    struct wire_end_txn_response a;
    txns_ask(c, WIRE_API_END_TXN, version, &q, &a);
    return a.error_code;
}

/* The name of a transaction's state, or of the error. */
static inline const char *
txns_state(struct coords_fixture *c, const char *id)
{
    static char text[64];
    struct view name = view_of_text(id);
    struct wire_describe_transactions_request q = {.transactional_ids = {&name, 1}};
    struct wire_describe_transactions_response a;
    txns_ask(c, WIRE_API_DESCRIBE_TRANSACTIONS, 0, &q, &a);
    assert_int_equal(a.transaction_states.count, 1);
    struct view state = a.transaction_states.items[0].transaction_state;
    if (a.transaction_states.items[0].error_code)
        state = view_of_text(kerr_name(a.transaction_states.items[0].error_code));
    assert_true(state.len < sizeof text);
    memcpy(text, state.at, state.len);
    text[state.len] = '\0';
    return text;
}

/* TxnOffsetCommit of partition 0 of "t" for group "g". */
static inline int16_t
txns_offsets(struct coords_fixture *c, int16_t version, const char *id, int64_t producer_id,
             int16_t epoch, int64_t offset)
{
    struct wire_txn_offset_commit_request_partition part = {.committed_offset = offset,
                                                            .committed_leader_epoch = -1,
                                                            .committed_metadata = view_of_text("")};
    struct wire_txn_offset_commit_request_topic t = {.name = view_of_text("t"),
                                                     .partitions = {&part, 1}};
    struct wire_txn_offset_commit_request q = {.transactional_id = view_of_text(id),
                                               .group_id = view_of_text("g"),
                                               .producer_id = producer_id,
                                               .producer_epoch = epoch,
                                               .generation_id = -1,
                                               .member_id = view_of_text(""),
                                               .topics = {&t, 1}};
    struct wire_txn_offset_commit_response a;
    txns_ask(c, WIRE_API_TXN_OFFSET_COMMIT, version, &q, &a);
    return a.topics.items[0].partitions.items[0].error_code;
}

static inline int64_t
txns_committed(struct coords_fixture *c)
{
    int16_t error;
    int64_t offset = coords_offset(c, c->answer_count, c->answer_count, "g", "t", &error);
    assert_int_equal(error, KERR_NONE);
    return offset;
}

#endif
