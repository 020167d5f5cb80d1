/* req.c: the table of what is offered, the pool of requests, and how a request ends.
 *
 * I1 A request is in exactly one place: the pool's free list, or its connection's list, or
 * (orphaned) nowhere but in the pieces of work that point to it. I2 generation grows each time a
 * place in the pool is used, so that (generation, index) names one request for ever (forward.c). */
#include "dataplane/broker/req.h"

#include "core/base/err.h"
#include "core/wire/wire_gen.h"
#include "dataplane/broker/alter_dirs.h"
#include "dataplane/broker/asks.h"
#include "dataplane/broker/epochs.h"
#include "dataplane/broker/fetch.h"
#include "dataplane/broker/forward.h"
#include "dataplane/broker/logdirs.h"
#include "dataplane/broker/markers.h"
#include "dataplane/broker/metadata.h"
#include "dataplane/broker/offsets.h"
#include "dataplane/broker/produce.h"
#include "dataplane/broker/producers.h"
#include "dataplane/broker/scatter.h"
#include "dataplane/broker/shard.h"
#include "dataplane/broker/trim.h"
#include "dataplane/broker/versions.h"

#include <stdlib.h>

enum { REQ_KEYS_MAX = 128, REQ_LENGTH_BYTES = 4, REQ_HEADER_ANSWER_BYTES = 16 };

static const struct req_handler handlers[] = {
    {WIRE_API_PRODUCE, produce_start, produce_abandon},
    {WIRE_API_FETCH, fetch_start, fetch_abandon},
    {WIRE_API_LIST_OFFSETS, offsets_start, offsets_abandon},
    {WIRE_API_METADATA, metadata_start, forward_abandon},
    {WIRE_API_OFFSET_COMMIT, forward_start, forward_abandon},
    {WIRE_API_OFFSET_FETCH, forward_start, forward_abandon},
    {WIRE_API_FIND_COORDINATOR, forward_start, forward_abandon},
    {WIRE_API_JOIN_GROUP, forward_wait_start, forward_abandon},
    {WIRE_API_HEARTBEAT, forward_start, forward_abandon},
    {WIRE_API_LEAVE_GROUP, forward_start, forward_abandon},
    {WIRE_API_SYNC_GROUP, forward_wait_start, forward_abandon},
    {WIRE_API_DESCRIBE_GROUPS, forward_start, forward_abandon},
    {WIRE_API_LIST_GROUPS, forward_start, forward_abandon},
    {WIRE_API_API_VERSIONS, versions_start, NULL},
    {WIRE_API_CREATE_TOPICS, forward_start, forward_abandon},
    {WIRE_API_DELETE_TOPICS, forward_start, forward_abandon},
    {WIRE_API_DELETE_RECORDS, trim_start, asks_abandon},
    {WIRE_API_INIT_PRODUCER_ID, forward_start, forward_abandon},
    {WIRE_API_OFFSET_FOR_LEADER_EPOCH, epochs_start, asks_abandon},
    {WIRE_API_ADD_PARTITIONS_TO_TXN, forward_start, forward_abandon},
    {WIRE_API_ADD_OFFSETS_TO_TXN, forward_start, forward_abandon},
    {WIRE_API_END_TXN, forward_start, forward_abandon},
    {WIRE_API_WRITE_TXN_MARKERS, markers_start, markers_abandon},
    {WIRE_API_TXN_OFFSET_COMMIT, forward_start, forward_abandon},
    {WIRE_API_DESCRIBE_CONFIGS, forward_start, forward_abandon},
    {WIRE_API_ALTER_CONFIGS, forward_start, forward_abandon},
    {WIRE_API_ALTER_REPLICA_LOG_DIRS, alter_dirs_start, asks_abandon},
    {WIRE_API_DESCRIBE_LOG_DIRS, logdirs_start, asks_abandon},
    {WIRE_API_CREATE_PARTITIONS, forward_start, forward_abandon},
    {WIRE_API_DELETE_GROUPS, forward_start, forward_abandon},
    {WIRE_API_ELECT_LEADERS, forward_start, forward_abandon},
    {WIRE_API_INCREMENTAL_ALTER_CONFIGS, forward_start, forward_abandon},
    {WIRE_API_ALTER_PARTITION_REASSIGNMENTS, forward_start, forward_abandon},
    {WIRE_API_LIST_PARTITION_REASSIGNMENTS, forward_start, forward_abandon},
    {WIRE_API_OFFSET_DELETE, forward_start, forward_abandon},
    {WIRE_API_DESCRIBE_CLIENT_QUOTAS, forward_start, forward_abandon},
    {WIRE_API_ALTER_CLIENT_QUOTAS, forward_start, forward_abandon},
    {WIRE_API_DESCRIBE_QUORUM, forward_start, forward_abandon},
    {WIRE_API_UPDATE_FEATURES, forward_start, forward_abandon},
    {WIRE_API_DESCRIBE_CLUSTER, forward_start, forward_abandon},
    {WIRE_API_DESCRIBE_PRODUCERS, producers_start, scatter_abandon},
    {WIRE_API_UNREGISTER_BROKER, forward_start, forward_abandon},
    {WIRE_API_DESCRIBE_TRANSACTIONS, forward_start, forward_abandon},
    {WIRE_API_LIST_TRANSACTIONS, forward_start, forward_abandon},
    {WIRE_API_CONSUMER_GROUP_HEARTBEAT, forward_start, forward_abandon},
    {WIRE_API_CONSUMER_GROUP_DESCRIBE, forward_start, forward_abandon},
    {WIRE_API_GET_TELEMETRY_SUBSCRIPTIONS, forward_start, forward_abandon},
    {WIRE_API_PUSH_TELEMETRY, forward_start, forward_abandon},
    {WIRE_API_LIST_CONFIG_RESOURCES, forward_start, forward_abandon},
    {WIRE_API_DESCRIBE_TOPIC_PARTITIONS, forward_start, forward_abandon},
};

const struct req_handler *
req_handlers(uint32_t *count)
{
    *count = sizeof handlers / sizeof handlers[0];
    return handlers;
}

const struct req_handler *
req_handler(int16_t key)
{
    for (uint32_t i = 0; i < sizeof handlers / sizeof handlers[0]; i++) {
        if (handlers[i].key == key)
            return &handlers[i];
    }
    return NULL;
}

int
req_pool_init(struct shard *s, uint32_t count)
{
    s->reqs = calloc(count, sizeof *s->reqs);
    if (!s->reqs)
        return ERR_FULL;
    s->req_count = count;
    list_init(&s->reqs_free);
    for (uint32_t i = 0; i < count; i++) {
        s->reqs[i].index = i;
        list_init(&s->reqs[i].held);
        list_push_back(&s->reqs_free, &s->reqs[i].link);
    }
    return ERR_OK;
}

struct req *
req_take(struct shard *s)
{
    struct list *first = list_first(&s->reqs_free);
    if (!first)
        return NULL;
    list_remove(first);
    struct req *r = list_item(first, struct req, link);
    r->generation++;
    r->done = r->no_answer = r->forwarded = r->begun = r->metered = false;
    r->throttle_ms = 0;
    r->pending = 0;
    memset(&r->u, 0, sizeof r->u);
    r->arrived_ns = r->begun_ns = r->done_ns = s->now_ns;
    r->kind = HISTS_OTHER;
    return r;
}

void
req_give(struct shard *s, struct req *r)
{
    must(r->pending == 0);
    holds_end(s, r);
    answer_free(&r->answer, s->memory);
    r->conn = NULL;
    list_remove(&r->link);
    list_push_back(s->reqs_free.next, &r->link); /* last in, first out: warm */
}

static enum req_verdict
refuse(struct shard *s, enum counter why)
{
    counters_add(&s->counters, why, 1);
    return REQ_FAILED;
}

/* What a request counts for.  What it costs is known only when it is done, so a client pays for it
 * with its next one. */
static void
meter(struct shard *s, struct req *r, struct view request, struct view client_id)
{
    int16_t key = r->api->key;
    r->metered = true;
    r->quota = (struct quota_claim){0};
    r->cost = quota_claim(&s->quota, QUOTAS_REQUEST, client_id, s->now_ns);
    r->throttle_ms = quota_owed(&s->quota, QUOTAS_REQUEST, &r->cost, s->now_ns);
    if (key == WIRE_API_FETCH)
        r->quota = quota_claim(&s->quota, QUOTAS_FETCH, client_id, s->now_ns);
    if (key != WIRE_API_PRODUCE)
        return;
    r->quota = quota_claim(&s->quota, QUOTAS_PRODUCE, client_id, s->now_ns);
    uint32_t ms = quota_charge(&s->quota, QUOTAS_PRODUCE, &r->quota,
                               r->pieces ? r->pieces->bytes : request.len, s->now_ns);
    r->throttle_ms = ms > r->throttle_ms ? ms : r->throttle_ms;
}

static enum hists_kind
kind_of(const struct req_handler *h)
{
    if (h->key == WIRE_API_PRODUCE)
        return HISTS_PRODUCE;
    if (h->key == WIRE_API_FETCH)
        return HISTS_FETCH;
    return h->start == forward_start        ? HISTS_FORWARD
           : h->start == forward_wait_start ? HISTS_GROUP
                                            : HISTS_OTHER;
}

enum req_verdict
req_start(struct shard *s, struct req *r, struct view request)
{
    struct wire_header h;
    if (wire_header_read(request, &h))
        return refuse(s, DROP_REQUEST_HEADER);
    const struct req_handler *handler = req_handler(h.api_key);
    if (!handler)
        return refuse(s, DROP_REQUEST_API);
    r->kind = (uint8_t)kind_of(handler);
    r->api = wire_api_find(h.api_key);
    r->version = h.api_version;
    r->correlation_id = h.correlation_id;
    r->header_bytes = h.bytes;
    wire_arena_reset(&s->scratch);
    if (h.api_version < r->api->version_min || h.api_version > r->api->version_max) {
        if (h.api_key == WIRE_API_API_VERSIONS)
            return versions_refuse(s, r);
        return refuse(s, DROP_REQUEST_VERSION);
    }
    if (s->quota.on && !r->begun && r->conn->listener != INNER_LISTENER)
        meter(s, r, request, h.client_id);
    struct view body = view_of(request.at + h.bytes, request.len - h.bytes);
    enum req_verdict verdict = handler->start(s, r, body);
    if (verdict == REQ_BAD)
        return refuse(s, DROP_REQUEST_BODY);
    return verdict;
}

bool
req_answer_begin(struct shard *s, struct req *r, uint32_t body_bytes)
{
    must(r->answer.len == 0);
    if (body_bytes > SHARD_ANSWER_BLOCK_MAX)
        return false;
    uint32_t bytes = REQ_LENGTH_BYTES + REQ_HEADER_ANSWER_BYTES + body_bytes;
    bool reserved = r->answer.room >= bytes; /* by the handler, before it began */
    if (!reserved &&
        (!shard_answer_room(s, body_bytes) || !answer_reserve(&r->answer, s->memory, bytes)))
        return false;
    struct put w = answer_writer(&r->answer);
    put_u32(&w, 0); /* answer_seal writes it */
    wire_header_answer(&w, r->api, r->version, r->correlation_id);
    answer_commit(&r->answer, &w);
    return true;
}

static void
error_count(void *user, int16_t key, int16_t error)
{
    counters_error(user, key, error);
}

enum req_verdict
req_answer_struct(struct shard *s, struct req *r, const void *body)
{
    int64_t bytes = wire_size(r->api->response, r->version, body);
    must(bytes >= 0); /* what we answer is always encodable */
    if (bytes > SHARD_ANSWER_BLOCK_MAX - REQ_LENGTH_BYTES - REQ_HEADER_ANSWER_BYTES)
        return refuse(s, DROP_REQUEST_SIZE);
    if (!req_answer_begin(s, r, (uint32_t)bytes))
        return REQ_AGAIN;
    struct put w = answer_writer(&r->answer);
    must(wire_encode(r->api->response, r->version, body, &w) == ERR_OK);
    answer_commit(&r->answer, &w);
    wire_errors(r->api, r->version, body, error_count, &s->counters);
    return REQ_DONE;
}

void
req_seal(struct req *r)
{
    uint32_t at = REQ_LENGTH_BYTES + (uint32_t)sizeof r->correlation_id +
                  (r->version >= r->api->flexible_min);
    if (r->no_answer || r->answer.len == 0)
        return;
    /* Those of Produce and Fetch have it where they were written. */
    if (r->throttle_ms && r->version >= r->api->throttle_min && r->api->key != WIRE_API_FETCH &&
        r->answer.len >= at + sizeof(uint32_t))
        set_u32(r->answer.bytes + at, r->throttle_ms);
    answer_seal(&r->answer);
}

void
req_finish(struct shard *s, struct req *r)
{
    must(!r->done);
    r->done = true;
    r->done_ns = s->now_ns;
    req_seal(r);
    if (r->conn)
        conn_mark(s, r->conn);
    else if (r->pending == 0)
        req_give(s, r);
}

void
req_fail(struct shard *s, struct req *r, uint32_t drop)
{
    if (r->conn)
        conn_close(s, r->conn, drop);
}

bool
req_piece_back(struct shard *s, struct req *r)
{
    must(r->pending > 0);
    r->pending--;
    if (r->conn || r->pending)
        return true;
    req_give(s, r);
    return false;
}

void
req_orphan(struct shard *s, struct req *r)
{
    struct conn *c = r->conn;
    must(c);
    list_remove(&r->link);
    c->request_count--;
    r->conn = NULL;
    if (!r->done) {
        const struct req_handler *handler = req_handler(r->api->key);
        /* Held while its handler looks at it: a piece that comes home at once must not free it. */
        r->pending++;
        if (handler && handler->abandon)
            handler->abandon(s, r);
        r->pending--;
        r->done = true;
    }
    if (r->pending == 0)
        req_give(s, r);
}
