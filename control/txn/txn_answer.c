/* txn_answer.c: the requests of the protocol that this coordinator carries out, and their
 * responses. Whether topics exist and who may do what is for the caller to say before. Source:
 * Kafka KafkaApis.handleInitProducerIdRequest, handleAddPartitionsToTransactionRequest,
 * handleAddOffsetsToTxnRequest, handleEndTxnRequest. */
#include "control/txn/txn_in.h"
#include "core/base/javahash.h"
#include "core/wire/wire_gen.h"

enum {
    INIT_FENCED_SINCE = 4, /* versions that know PRODUCER_FENCED */
    OTHERS_FENCED_SINCE = 2,
    ADD_BATCHED_SINCE = 4, /* several transactions in one request; clients of version 2 */
    END_BUMPS_SINCE = 5,   /* clients of version 2 */
};

/* Older clients know the fence by another name. */
static int16_t
error_for(int16_t error, int16_t version, int16_t since)
{
    return error == KERR_PRODUCER_FENCED && version < since ? KERR_INVALID_PRODUCER_EPOCH : error;
}

static int64_t
fresh_id(const struct txn *t)
{
    return t->config.ops->producer_id(t->config.user);
}

/* ---- InitProducerId ---- */

static void
init_meta(struct txn *t, struct coord_step *step, const struct wire_init_producer_id_request *q,
          struct txn_change *c)
{
    int64_t now_ms = step->now_ms;
    struct txn_meta *m = txn_find(t, q->transactional_id);
    struct txn_init_ask ask = {q->transaction_timeout_ms, q->producer_id, q->producer_epoch};
    struct txn_values now = {.previous_id = -1,
                             .next_id = -1,
                             .epoch = TXN_NO_EPOCH,
                             .last_epoch = TXN_NO_EPOCH,
                             .start_ms = -1,
                             .update_ms = now_ms};
    *c = (struct txn_change){.error = KERR_COORDINATOR_LOAD_IN_PROGRESS};
    if (m)
        now = m->v;
    else if ((now.producer_id = fresh_id(t)) < 0)
        return;
    txn_state_init(&now, &ask, -1, now_ms, c);
    if (c->needs_id)
        txn_state_init(&now, &ask, fresh_id(t), now_ms, c);
    if (!c->write)
        return;
    m = txn_find_or_make(t, q->transactional_id);
    txn_write(t, step, m, &c->to);
    if (c->to.status == TXN_PREPARE_ABORT)
        txn_decided(t, step, m);
}

static void
init_producer_id(struct txn *t, struct coord_step *step, const struct coord_request *r)
{
    const struct wire_init_producer_id_request *q = r->body;
    struct txn_change c = {.error = KERR_NONE};
    if (!q->transactional_id.at || q->transactional_id.len == 0 ||
        (q->producer_id < 0) != (q->producer_epoch < 0))
        c.error = KERR_INVALID_REQUEST;
    else if (q->transaction_timeout_ms <= 0 || q->transaction_timeout_ms > t->config.timeout_max_ms)
        c.error = KERR_INVALID_TRANSACTION_TIMEOUT;
    else
        init_meta(t, step, q, &c);
    struct wire_init_producer_id_response a;
    wire_init(r->api->response, &a);
    a.error_code = error_for(c.error, r->version, INIT_FENCED_SINCE);
    a.producer_id = c.error == KERR_NONE ? c.to.producer_id : -1;
    a.producer_epoch = c.error == KERR_NONE ? c.to.epoch : TXN_NO_EPOCH;
    step->ops->reply(step->user, r->token, &a);
}

/* ---- adding partitions ---- */

/* Partitions to be added: of the topics of a request, or one of an internal topic. */
struct wanted {
    struct view id;
    int64_t producer_id;
    int16_t epoch, version;
    const struct wire_add_partitions_to_txn_request_add_partitions_to_txn_topic *topics;
    int32_t topic_count;
};

static bool
has_all(const struct txn_meta *m, const struct wanted *w, uint64_t *count)
{
    bool all = true;
    *count = 0;
    for (int32_t i = 0; i < w->topic_count; i++)
        for (int32_t k = 0; k < w->topics[i].partitions.count; k++, (*count)++)
            all = all && txn_has_part(m, w->topics[i].name, w->topics[i].partitions.items[k]);
    return all;
}

static int16_t
add_wanted(struct txn *t, struct coord_step *step, const struct wanted *w)
{
    if (!w->id.at || w->id.len == 0)
        return KERR_INVALID_REQUEST;
    struct txn_meta *m = txn_find(t, w->id);
    if (!m)
        return KERR_INVALID_PRODUCER_ID_MAPPING;
    struct txn_change c;
    uint64_t count;
    bool all = has_all(m, w, &count);
    txn_state_add(&m->v, w->producer_id, w->epoch, all, w->version, step->now_ms, &c);
    if (!c.write)
        return c.error;
    if (count + m->part_count > TXN_PARTS_MAX)
        return KERR_INVALID_REQUEST;
    for (int32_t i = 0; i < w->topic_count; i++)
        for (int32_t k = 0; k < w->topics[i].partitions.count; k++)
            txn_add_part(m, w->topics[i].name, w->topics[i].partitions.items[k]);
    txn_write(t, step, m, &c.to);
    return KERR_NONE;
}

/* What keeps a partition from being verified at all. */
static int16_t
verify_error(const struct txn_meta *m, const struct wanted *w)
{
    if (!w->id.at || w->id.len == 0)
        return KERR_INVALID_REQUEST;
    if (!m || m->v.producer_id != w->producer_id)
        return KERR_INVALID_PRODUCER_ID_MAPPING;
    if (m->v.epoch != w->epoch)
        return KERR_PRODUCER_FENCED;
    bool decided = m->v.status == TXN_PREPARE_COMMIT || m->v.status == TXN_PREPARE_ABORT;
    return decided ? KERR_CONCURRENT_TRANSACTIONS : KERR_NONE;
}

/* The results of all partitions: `error`, or where m is given whether it has them. */
static void
fill_results(
    struct coord_step *step, const struct wanted *w, int16_t error, const struct txn_meta *m,
    struct wire_add_partitions_to_txn_response_add_partitions_to_txn_topic_result_array *out)
{
    uint32_t topics = w->topic_count > 0 ? (uint32_t)w->topic_count : 0;
    out->count = (int32_t)topics;
    out->items = wire_items(
        step->arena, &wire_add_partitions_to_txn_response_add_partitions_to_txn_topic_result_struct,
        topics);
    must(out->items);
    for (uint32_t i = 0; i < topics; i++) {
        const struct wire_i32_array *parts = &w->topics[i].partitions;
        uint32_t count = parts->count > 0 ? (uint32_t)parts->count : 0;
        out->items[i].name = w->topics[i].name;
        out->items[i].results_by_partition.count = (int32_t)count;
        out->items[i].results_by_partition.items = wire_items(
            step->arena,
            &wire_add_partitions_to_txn_response_add_partitions_to_txn_partition_result_struct,
            count);
        must(out->items[i].results_by_partition.items);
        for (uint32_t k = 0; k < count; k++) {
            struct wire_add_partitions_to_txn_response_add_partitions_to_txn_partition_result *p =
                &out->items[i].results_by_partition.items[k];
            p->partition_index = parts->items[k];
            p->partition_error_code = error;
            if (m && !txn_has_part(m, w->topics[i].name, parts->items[k]))
                p->partition_error_code = KERR_TRANSACTION_ABORTABLE;
        }
    }
}

static void
add_batched(struct txn *t, struct coord_step *step,
            const struct wire_add_partitions_to_txn_request *q,
            struct wire_add_partitions_to_txn_response *a)
{
    uint32_t count = q->transactions.count > 0 ? (uint32_t)q->transactions.count : 0;
    a->results_by_transaction.count = (int32_t)count;
    a->results_by_transaction.items =
        wire_items(step->arena,
                   &wire_add_partitions_to_txn_response_add_partitions_to_txn_result_struct, count);
    must(a->results_by_transaction.items);
    for (uint32_t i = 0; i < count; i++) {
        const struct wire_add_partitions_to_txn_request_add_partitions_to_txn_transaction *one =
            &q->transactions.items[i];
        struct wanted w = {one->transactional_id, one->producer_id,  one->producer_epoch,
                           TXN_VERSION_BUMPS,     one->topics.items, one->topics.count};
        const struct txn_meta *m = one->verify_only ? txn_find(t, w.id) : NULL;
        int16_t error = one->verify_only ? verify_error(m, &w) : add_wanted(t, step, &w);
        a->results_by_transaction.items[i].transactional_id = w.id;
        fill_results(step, &w, error, error == KERR_NONE ? m : NULL,
                     &a->results_by_transaction.items[i].topic_results);
    }
}

static void
add_partitions(struct txn *t, struct coord_step *step, const struct coord_request *r)
{
    const struct wire_add_partitions_to_txn_request *q = r->body;
    struct wire_add_partitions_to_txn_response a;
    wire_init(r->api->response, &a);
    if (r->version >= ADD_BATCHED_SINCE) {
        add_batched(t, step, q, &a);
    } else {
        struct wanted w = {q->v3_and_below_transactional_id, q->v3_and_below_producer_id,
                           q->v3_and_below_producer_epoch,   0,
                           q->v3_and_below_topics.items,     q->v3_and_below_topics.count};
        int16_t error = error_for(add_wanted(t, step, &w), r->version, OTHERS_FENCED_SINCE);
        fill_results(step, &w, error, NULL, &a.results_by_topic_v3_and_below);
    }
    step->ops->reply(step->user, r->token, &a);
}

/* ---- AddOffsetsToTxn ---- */

static void
add_offsets(struct txn *t, struct coord_step *step, const struct coord_request *r)
{
    const struct wire_add_offsets_to_txn_request *q = r->body;
    int32_t partition = javahash_partition(q->group_id, t->config.offsets_partitions_count);
    struct wire_add_partitions_to_txn_request_add_partitions_to_txn_topic topic = {
        .name = view_of_text("__consumer_offsets"), .partitions = {&partition, 1}};
    struct wanted w = {q->transactional_id, q->producer_id, q->producer_epoch, 0, &topic, 1};
    struct wire_add_offsets_to_txn_response a;
    wire_init(r->api->response, &a);
    a.error_code = error_for(add_wanted(t, step, &w), r->version, OTHERS_FENCED_SINCE);
    step->ops->reply(step->user, r->token, &a);
}

/* ---- EndTxn ---- */

static void
end_txn(struct txn *t, struct coord_step *step, const struct coord_request *r)
{
    const struct wire_end_txn_request *q = r->body;
    struct txn_meta *m = txn_find(t, q->transactional_id);
    struct txn_end_ask ask = {q->producer_id, q->producer_epoch,
                              r->version >= END_BUMPS_SINCE ? TXN_VERSION_BUMPS : 0, q->committed};
    struct txn_change c = {.error = KERR_INVALID_PRODUCER_ID_MAPPING};
    if (q->transactional_id.len == 0)
        c.error = KERR_INVALID_REQUEST;
    else if (m)
        txn_state_end(&m->v, &ask, -1, step->now_ms, &c);
    if (c.needs_id)
        txn_state_end(&m->v, &ask, fresh_id(t), step->now_ms, &c);
    struct wire_end_txn_response a;
    wire_init(r->api->response, &a);
    a.error_code = error_for(c.error, r->version, OTHERS_FENCED_SINCE);
    if (c.write) {
        txn_write(t, step, m, &c.to);
        txn_decided(t, step, m);
    }
    if (c.error == KERR_NONE && ask.version >= TXN_VERSION_BUMPS) {
        /* What the client goes on with, also while the markers of this one are still due. */
        bool rotates = m->v.next_id >= 0;
        a.producer_id = rotates ? m->v.next_id : m->v.producer_id;
        a.producer_epoch = rotates ? 0 : m->v.epoch;
    }
    step->ops->reply(step->user, r->token, &a);
}

static void
describe(struct txn *t, struct coord_step *step, const struct coord_request *r)
{
    txn_list_describe(t, step, r);
}

static void
list(struct txn *t, struct coord_step *step, const struct coord_request *r)
{
    txn_list_all(t, step, r);
}

void
txn_request(struct txn *t, struct coord_step *step, const struct coord_request *request)
{
    static const struct {
        int16_t key;
        void (*carry_out)(struct txn *t, struct coord_step *step, const struct coord_request *r);
    } rows[] = {
        {WIRE_API_INIT_PRODUCER_ID, init_producer_id},
        {WIRE_API_ADD_PARTITIONS_TO_TXN, add_partitions},
        {WIRE_API_ADD_OFFSETS_TO_TXN, add_offsets},
        {WIRE_API_END_TXN, end_txn},
        {WIRE_API_DESCRIBE_TRANSACTIONS, describe},
        {WIRE_API_LIST_TRANSACTIONS, list},
    };
    for (uint32_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].key == request->api->key) {
            rows[i].carry_out(t, step, request);
            return;
        }
    must(false);
}

/* ---- refusing ---- */

static void
refuse_adding(struct coord_step *step, const struct coord_request *r, int16_t error,
              struct wire_add_partitions_to_txn_response *a)
{
    const struct wire_add_partitions_to_txn_request *q = r->body;
    if (r->version < ADD_BATCHED_SINCE) {
        struct wanted w = {.topics = q->v3_and_below_topics.items,
                           .topic_count = q->v3_and_below_topics.count};
        fill_results(step, &w, error, NULL, &a->results_by_topic_v3_and_below);
        return;
    }
    a->error_code = error;
    a->results_by_transaction.count = 0;
}

void
txn_refuse(struct coord_step *step, const struct coord_request *r, int16_t error)
{
    struct wire_init_producer_id_response init;
    struct wire_add_partitions_to_txn_response adding;
    struct wire_add_offsets_to_txn_response offsets;
    struct wire_end_txn_response end;
    const void *body = &init;
    switch (r->api->key) {
    case WIRE_API_DESCRIBE_TRANSACTIONS:
        txn_list_describe_refuse(step, r, error);
        return;
    case WIRE_API_LIST_TRANSACTIONS:
        txn_list_all_refuse(step, r, error);
        return;
    case WIRE_API_INIT_PRODUCER_ID:
        wire_init(r->api->response, &init);
        init.error_code = error;
        init.producer_epoch = TXN_NO_EPOCH;
        break;
    case WIRE_API_ADD_PARTITIONS_TO_TXN:
        wire_init(r->api->response, &adding);
        refuse_adding(step, r, error, &adding);
        body = &adding;
        break;
    case WIRE_API_ADD_OFFSETS_TO_TXN:
        wire_init(r->api->response, &offsets);
        offsets.error_code = error;
        body = &offsets;
        break;
    default:
        must(r->api->key == WIRE_API_END_TXN);
        wire_init(r->api->response, &end);
        end.error_code = error;
        body = &end;
    }
    step->ops->reply(step->user, r->token, body);
}
