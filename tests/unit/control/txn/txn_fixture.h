/* txn_fixture.h: a coordinator whose records, replies and orders of markers the test keeps. */
#ifndef SLUICE_TESTS_TXN_FIXTURE_H
#define SLUICE_TESTS_TXN_FIXTURE_H

#include "control/txn/txn_in.h"
#include "core/base/err.h"
#include "core/wire/wire_gen.h"
#include "tests/unit/unit.h"

#include <stdlib.h>

enum { FIXTURE_TICK_MS = 1000, FIXTURE_RECORDS = 8192, FIXTURE_ORDERS = 64, FIXTURE_PARTS = 64 };

struct fixture_order {
    char id[32];
    int64_t producer_id;
    int16_t epoch, version;
    bool commit;
    uint32_t count;
    char topics[FIXTURE_PARTS][32];
    int32_t partitions[FIXTURE_PARTS];
};

struct fixture {
    struct txn *txn;
    struct txn_config config;
    int64_t now_ms, next_id; /* next_id -1: none at hand */
    struct {
        uint8_t *at;
        uint32_t key_len, value_len;
        bool gone;
    } records[FIXTURE_RECORDS];
    uint32_t record_count;
    struct fixture_order orders[FIXTURE_ORDERS];
    uint32_t order_count;
    uint32_t replies;
    const struct wire_api *api; /* of the request under way */
    struct wire_init_producer_id_response init;
    struct wire_end_txn_response end;
    struct wire_add_offsets_to_txn_response offsets;
    struct wire_describe_transactions_response described; /* points into memory */
    struct wire_list_transactions_response list;          /* the same */
    int16_t added;                                        /* of the first partition */
    int16_t verified[8];
    uint8_t memory[1 << 16];
    struct wire_arena arena;
};

static inline void
fixture_record(void *user, struct view key, struct view value, struct coord_place *place)
{
    struct fixture *f = user;
    assert_int_equal(place->producer_id, -1);
    place->offset = f->record_count;
    must(f->record_count < FIXTURE_RECORDS);
    uint8_t *at = malloc(key.len + value.len + 1);
    must(at);
    memcpy(at, key.at, key.len);
    if (value.len)
        memcpy(at + key.len, value.at, value.len);
    f->records[f->record_count].at = at;
    f->records[f->record_count].key_len = key.len;
    f->records[f->record_count].value_len = value.len;
    f->records[f->record_count++].gone = value.at == NULL;
}

static inline void
fixture_reply(void *user, uint64_t token, const void *response)
{
    struct fixture *f = user;
    assert_int_equal(token, 77);
    f->replies++;
    switch (f->api->key) {
    case WIRE_API_INIT_PRODUCER_ID:
        f->init = *(const struct wire_init_producer_id_response *)response;
        return;
    case WIRE_API_END_TXN:
        f->end = *(const struct wire_end_txn_response *)response;
        return;
    case WIRE_API_DESCRIBE_TRANSACTIONS:
        f->described = *(const struct wire_describe_transactions_response *)response;
        return;
    case WIRE_API_LIST_TRANSACTIONS:
        f->list = *(const struct wire_list_transactions_response *)response;
        return;
    case WIRE_API_ADD_OFFSETS_TO_TXN:
        f->offsets = *(const struct wire_add_offsets_to_txn_response *)response;
        return;
    default:
        break;
    }
    const struct wire_add_partitions_to_txn_response *a = response;
    const struct wire_add_partitions_to_txn_response_add_partitions_to_txn_topic_result *t =
        a->results_by_transaction.count > 0 ? a->results_by_transaction.items[0].topic_results.items
                                            : a->results_by_topic_v3_and_below.items;
    f->added = t->results_by_partition.items[0].partition_error_code;
    for (int32_t i = 0; i < t->results_by_partition.count && i < 8; i++)
        f->verified[i] = t->results_by_partition.items[i].partition_error_code;
}

static inline void
fixture_random(void *user, void *at, size_t bytes)
{
    (void)user;
    memset(at, 4, bytes);
}

static inline int64_t
fixture_producer_id(void *user)
{
    struct fixture *f = user;
    return f->next_id < 0 ? -1 : f->next_id++;
}

static inline void
fixture_markers(void *user, const struct txn_order *o)
{
    struct fixture *f = user;
    must(f->order_count < FIXTURE_ORDERS && o->count <= FIXTURE_PARTS &&
         o->transactional_id.len < 32);
    struct fixture_order *to = &f->orders[f->order_count++];
    *to = (struct fixture_order){.producer_id = o->producer_id,
                                 .epoch = o->producer_epoch,
                                 .version = o->version,
                                 .commit = o->commit};
    memcpy(to->id, o->transactional_id.at, o->transactional_id.len);
    for (uint32_t i = 0; i < o->count; i++) {
        if (o->parts[i].marked)
            continue;
        must(o->parts[i].topic.len < 32);
        memcpy(to->topics[to->count], o->parts[i].topic.at, o->parts[i].topic.len);
        to->partitions[to->count++] = o->parts[i].partition;
    }
}

static const struct coord_ops fixture_coord = {
    .record = fixture_record, .reply = fixture_reply, .random = fixture_random};
static const struct txn_ops fixture_ops = {fixture_producer_id, fixture_markers};

static inline struct coord_step
fixture_step(struct fixture *f)
{
    wire_arena_init(&f->arena, f->memory, sizeof f->memory);
    return (struct coord_step){f->now_ms, &f->arena, &fixture_coord, f};
}

static inline struct fixture *
fixture_new(void)
{
    struct fixture *f = calloc(1, sizeof *f);
    must(f);
    f->config = (struct txn_config){.timeout_max_ms = 900000,
                                    .expiration_ms = 604800000,
                                    .tick_ms = FIXTURE_TICK_MS,
                                    .offsets_partitions_count = 50,
                                    .ops = &fixture_ops,
                                    .user = f};
    f->txn = txn_new(&f->config);
    f->now_ms = 1000000;
    f->next_id = 1000;
    return f;
}

static inline void
fixture_free(struct fixture *f)
{
    for (uint32_t i = 0; i < f->record_count; i++)
        free(f->records[i].at);
    txn_free(f->txn);
    free(f);
}

static inline void
fixture_request(struct fixture *f, int16_t key, int16_t version, const void *body)
{
    struct coord_step step = fixture_step(f);
    f->api = wire_api_find(key);
    struct coord_request r = {.token = 77, .api = f->api, .version = version, .body = body};
    uint32_t replies = f->replies;
    txn_request(f->txn, &step, &r);
    assert_int_equal(f->replies, replies + 1);
}

static inline int16_t
fixture_init(struct fixture *f, const char *id, int64_t producer_id, int16_t epoch)
{
    struct wire_init_producer_id_request q = {view_of_text(id), 60000, producer_id, epoch};
    fixture_request(f, WIRE_API_INIT_PRODUCER_ID, 5, &q);
    return f->init.error_code;
}

/* Adds one partition as a client of that version does; version 4: as a broker for one. */
static inline int16_t
fixture_add(struct fixture *f, int16_t version, const char *id, int64_t producer_id, int16_t epoch,
            const char *topic, int32_t partition)
{
    struct wire_add_partitions_to_txn_request_add_partitions_to_txn_topic t = {view_of_text(topic),
                                                                               {&partition, 1}};
    struct wire_add_partitions_to_txn_request_add_partitions_to_txn_transaction one = {
        view_of_text(id), producer_id, epoch, false, {&t, 1}};
    struct wire_add_partitions_to_txn_request q = {.transactions = {&one, 1},
                                                   .v3_and_below_transactional_id =
                                                       view_of_text(id),
                                                   .v3_and_below_producer_id = producer_id,
                                                   .v3_and_below_producer_epoch = epoch,
                                                   .v3_and_below_topics = {&t, 1}};
    fixture_request(f, WIRE_API_ADD_PARTITIONS_TO_TXN, version, &q);
    return f->added;
}

static inline int16_t
fixture_end(struct fixture *f, int16_t version, const char *id, int64_t producer_id, int16_t epoch,
            bool commit)
{
    struct wire_end_txn_request q = {view_of_text(id), producer_id, epoch, commit};
    fixture_request(f, WIRE_API_END_TXN, version, &q);
    return f->end.error_code;
}

/* All markers of an order end with that error. */
static inline void
fixture_marked(struct fixture *f, const struct fixture_order *o, int16_t error)
{
    for (uint32_t i = 0; i < o->count; i++) {
        struct coord_step step = fixture_step(f);
        struct txn_mark mark = {.transactional_id = view_of_text(o->id),
                                .producer_id = o->producer_id,
                                .producer_epoch = o->epoch,
                                .topic = view_of_text(o->topics[i]),
                                .partition = o->partitions[i],
                                .error = error};
        txn_marked(f->txn, &step, &mark);
    }
}

static inline void
fixture_tick(struct fixture *f, int64_t ms)
{
    f->now_ms += ms;
    struct coord_step step = fixture_step(f);
    txn_tick(f->txn, &step);
}

static inline struct txn_facts
fixture_facts(const struct fixture *f, const char *id)
{
    struct txn_facts facts;
    assert_true(txn_facts(f->txn, view_of_text(id), &facts));
    return facts;
}

#endif
