/* server_txn.c: see server_txn.h.
 *
 * I1 A producer id is handed out only once its block is committed in the metadata log: a crash
 *    gives none out twice. */
#include "control/server/server_txn.h"
#include "control/group/group.h"
#include "control/server/server_internal.h"
#include "core/base/err.h"
#include "core/base/javahash.h"
#include "core/wire/wire_gen.h"

#include <stdlib.h>

enum { ADD_BATCHED_SINCE = 4, HEADER_ROOM = 32, IDS_LOW = META_PRODUCER_BLOCK / 2 };

/* Ids [next, limit), committed when the log is at `index`. */
struct block {
    int64_t next, limit;
    uint64_t index;
};

struct server_txn {
    struct server_txn_config config;
    struct txn_config machine;
    struct server_coord *transactions;
    struct server_markers *markers;
    struct server_verify *verify;
    struct block ids, spare;
};

/* ---- what the machines ask for ---- */

static int32_t
partitions_of(const struct server_txn *t, enum server_coordinator kind)
{
    const struct meta_topic *topic =
        meta_topic_by_name(&t->config.core->image, view_of_text(server_internal_name(kind)));
    return topic ? (int32_t)topic->partition_count : 0;
}

static int64_t
producer_id(void *user)
{
    struct server_txn *t = user;
    if (t->ids.next == t->ids.limit) {
        t->ids = t->spare;
        t->spare = (struct block){0};
    }
    if (t->ids.next == t->ids.limit || t->config.core->committed < t->ids.index)
        return -1;
    return t->ids.next++;
}

static void
markers(void *user, const struct txn_order *order)
{
    struct server_txn *t = user;
    int32_t count = partitions_of(t, SERVER_TRANSACTIONS);
    if (count)
        server_markers_order(t->markers, javahash_partition(order->transactional_id, count), order);
}

/* ---- life ---- */

struct server_txn *
server_txn_new(const struct server_txn_config *config)
{
    static const struct txn_ops ops = {.producer_id = producer_id, .markers = markers};
    struct server_txn *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    const struct conf *conf = config->core->conf;
    t->config = *config;
    t->machine = (struct txn_config){
        .timeout_max_ms = (int32_t)conf_number(conf, CONF_TXN_TIMEOUT_MAX),
        .expiration_ms = conf_number(conf, CONF_TXN_EXPIRATION),
        .tick_ms = conf_number(conf, CONF_TXN_ABORT_CHECK),
        .offsets_partitions_count = (int32_t)conf_number(conf, CONF_OFFSETS_PARTITIONS),
        .regex = config->regex,
        .ops = &ops,
        .user = t,
    };
    return t;
}

void *
server_txn_machine(struct server_txn *t)
{
    return &t->machine;
}

int
server_txn_attach(struct server_txn *t, struct server_coord *groups,
                  struct server_coord *transactions)
{
    struct server_markers_config of_markers = {.core = t->config.core,
                                               .publish = t->config.publish,
                                               .inner = t->config.inner,
                                               .groups = groups,
                                               .transactions = transactions,
                                               .kind = t->config.kind};
    struct server_verify_config of_verify = {.groups = groups,
                                             .transactions = transactions,
                                             .answer = t->config.answer,
                                             .counters = t->config.core->counters,
                                             .user = t->config.user};
    t->transactions = transactions;
    t->markers = server_markers_new(&of_markers);
    t->verify = server_verify_new(&of_verify);
    return t->markers && t->verify ? ERR_OK : ERR_FULL;
}

void
server_txn_free(struct server_txn *t)
{
    if (!t)
        return;
    server_markers_free(t->markers);
    server_verify_free(t->verify);
    free(t);
}

/* ---- requests ---- */

/* Whether a topic of the request has a partition that does not exist. */
static bool
parts_exist(const struct server_txn *t,
            const struct wire_add_partitions_to_txn_request_add_partitions_to_txn_topic *topic,
            int32_t partition)
{
    const struct meta_topic *m = meta_topic_by_name(&t->config.core->image, topic->name);
    return m && partition >= 0 && (uint32_t)partition < m->partition_count;
}

static void
add_refuse(struct server_txn *t, const struct server_coord_origin *from,
           const struct coord_request *r)
{
    const struct wire_add_partitions_to_txn_request *q = r->body;
    struct wire_add_partitions_to_txn_response a;
    struct wire_arena arena;
    uint64_t parts = 0;
    for (int32_t i = 0; i < q->v3_and_below_topics.count; i++)
        parts += 1 + (uint64_t)q->v3_and_below_topics.items[i].partitions.count;
    size_t bytes = (parts + 1) * 64; /* more than any of the structs */
    uint8_t *at = malloc(bytes);
    must(at != NULL);
    wire_arena_init(&arena, at, bytes);
    wire_init(r->api->response, &a);
    a.results_by_topic_v3_and_below.items = wire_items(
        &arena, &wire_add_partitions_to_txn_response_add_partitions_to_txn_topic_result_struct,
        (uint32_t)q->v3_and_below_topics.count);
    for (int32_t i = 0; i < q->v3_and_below_topics.count; i++) {
        const struct wire_add_partitions_to_txn_request_add_partitions_to_txn_topic *topic =
            &q->v3_and_below_topics.items[i];
        struct wire_add_partitions_to_txn_response_add_partitions_to_txn_topic_result *to =
            &a.results_by_topic_v3_and_below.items[a.results_by_topic_v3_and_below.count++];
        to->name = topic->name;
        to->results_by_partition.items = wire_items(
            &arena,
            &wire_add_partitions_to_txn_response_add_partitions_to_txn_partition_result_struct,
            (uint32_t)topic->partitions.count);
        must(to->results_by_partition.items);
        for (int32_t k = 0; k < topic->partitions.count; k++) {
            bool exists = parts_exist(t, topic, topic->partitions.items[k]);
            to->results_by_partition.items[k].partition_index = topic->partitions.items[k];
            to->results_by_partition.items[k].partition_error_code =
                exists ? KERR_OPERATION_NOT_ATTEMPTED : KERR_UNKNOWN_TOPIC_OR_PARTITION;
        }
        to->results_by_partition.count = topic->partitions.count;
    }
    int64_t size = wire_size(r->api->response, r->version, &a);
    must(size >= 0);
    uint8_t *out = malloc((size_t)size + HEADER_ROOM);
    must(out != NULL);
    struct put w = put_of(out, (uint32_t)size + HEADER_ROOM);
    wire_header_answer(&w, r->api, r->version, from->correlation_id);
    int rc = wire_encode(r->api->response, r->version, &a, &w);
    must(rc == ERR_OK && !w.bad);
    server_errors_count(t->config.core->counters, r->api, r->version, &a);
    t->config.answer(t->config.user, from->shard, from->token, view_of(out, put_len(&w)));
    free(out);
    free(at);
}

/* Kafka KafkaApis.handleAddPartitionsToTransactionRequest: all of them, or none. */
static bool
add_checked(struct server_txn *t, const struct server_coord_origin *from,
            const struct coord_request *r)
{
    const struct wire_add_partitions_to_txn_request *q = r->body;
    if (r->version >= ADD_BATCHED_SINCE) /* of brokers, which lead what they ask for */
        return false;
    for (int32_t i = 0; i < q->v3_and_below_topics.count; i++)
        for (int32_t k = 0; k < q->v3_and_below_topics.items[i].partitions.count; k++)
            if (!parts_exist(t, &q->v3_and_below_topics.items[i],
                             q->v3_and_below_topics.items[i].partitions.items[k])) {
                add_refuse(t, from, r);
                return true;
            }
    return false;
}

bool
server_txn_request(struct server_txn *t, int32_t partition, const struct server_coord_origin *from,
                   const struct coord_request *r, int64_t now_ms)
{
    if (r->api->key == WIRE_API_ADD_PARTITIONS_TO_TXN)
        return add_checked(t, from, r);
    if (r->api->key != WIRE_API_TXN_OFFSET_COMMIT)
        return false;
    const struct wire_txn_offset_commit_request *q = r->body;
    int32_t count = partitions_of(t, SERVER_TRANSACTIONS);
    server_verify_request(t->verify, partition,
                          count ? javahash_partition(q->transactional_id, count) : 0, from, r,
                          now_ms);
    return true;
}

void
server_txn_answered(struct server_txn *t, uint64_t token, struct view bytes)
{
    server_verify_answered(t->verify, token, bytes);
}

void
server_txn_done(struct server_txn *t, uint64_t token, int err, struct view body, int64_t now_ms)
{
    server_markers_done(t->markers, token, err, body, now_ms);
}

/* ---- the turn ---- */

/* A block ahead of need: an error of the log ends the process, whose loop looks at it. */
static void
ids_need(struct server_txn *t)
{
    if (t->spare.next != t->spare.limit || t->ids.limit - t->ids.next >= IDS_LOW)
        return;
    struct server_core *core = t->config.core;
    if (server_ids_block(core, &t->spare.next, &t->spare.limit) == ERR_OK)
        t->spare.index = core->image.index;
    else
        t->spare = (struct block){0};
}

int64_t
server_txn_step(struct server_txn *t, int64_t now_ms)
{
    int32_t offsets = partitions_of(t, SERVER_GROUPS);
    if (offsets)
        t->machine.offsets_partitions_count = offsets;
    if (partitions_of(t, SERVER_TRANSACTIONS))
        ids_need(t);
    return server_verify_step(t->verify, now_ms);
}

int64_t
server_txn_markers(struct server_txn *t, int64_t now_ms)
{
    return server_markers_step(t->markers, now_ms);
}
