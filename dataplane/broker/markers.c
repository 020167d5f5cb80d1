/* markers.c: see markers.h.  Each (marker, partition) is one JOB_MARKER; at its owner it waits in
 * line with the appends, and goes home when the marker is durable. Source: Kafka
 * KafkaApis.handleWriteTxnMarkersRequest. */
#include "dataplane/broker/markers.h"

#include "core/base/err.h"
#include "core/wire/kerr.h"
#include "core/wire/wire_gen.h"
#include "dataplane/broker/forward.h"
#include "dataplane/broker/inner.h"
#include "dataplane/broker/scatter.h"
#include "dataplane/broker/shard.h"

static uint64_t
count_parts(const void *request)
{
    const struct wire_write_txn_markers_request *q = request;
    uint64_t n = 0;
    for (int32_t i = 0; i < q->markers.count; i++) {
        const struct wire_write_txn_markers_request_writable_txn_marker *m = &q->markers.items[i];
        for (int32_t k = 0; k < m->topics.count; k++) {
            int32_t parts = m->topics.items[k].partition_indexes.count;
            n += parts > 0 ? (uint64_t)parts : 0;
        }
    }
    return n;
}

static void
fill(struct scatter *c)
{
    const struct wire_write_txn_markers_request *q = c->request;
    struct scatter_part *p = c->parts;
    for (int32_t i = 0; i < q->markers.count; i++) {
        const struct wire_write_txn_markers_request_writable_txn_marker *m = &q->markers.items[i];
        for (int32_t k = 0; k < m->topics.count; k++) {
            const struct wire_i32_array *parts = &m->topics.items[k].partition_indexes;
            for (int32_t n = 0; n < parts->count; n++)
                *p++ = (struct scatter_part){
                    .topic = m->topics.items[k].name, .of = m, .partition = parts->items[n]};
        }
    }
}

static void
ask(struct shard *s, struct scatter *c, uint32_t part, struct job *j)
{
    (void)s;
    const struct wire_write_txn_markers_request_writable_txn_marker *m = c->parts[part].of;
    j->u.marker = (struct store_marker){
        .producer_id = m->producer_id,
        .producer_epoch = m->producer_epoch,
        .coordinator_epoch = m->coordinator_epoch,
        .version = m->transaction_version,
        .commit = m->transaction_result,
    };
}

static bool
take(struct shard *s, struct scatter *c, uint32_t part, struct job *j)
{
    (void)s;
    c->parts[part].error = j->error;
    return false;
}

/* One marker's topics, whose partitions begin at p; returns where the next begin. */
static const struct scatter_part *
answer_marker(struct shard *s, const struct wire_write_txn_markers_request_writable_txn_marker *m,
              struct wire_write_txn_markers_response_writable_txn_marker_result *to,
              const struct scatter_part *p)
{
    uint32_t topics = m->topics.count > 0 ? (uint32_t)m->topics.count : 0;
    to->producer_id = m->producer_id;
    to->topics.count = (int32_t)topics;
    to->topics.items = wire_items(
        &s->scratch, &wire_write_txn_markers_response_writable_txn_marker_topic_result_struct,
        topics);
    for (uint32_t k = 0; to->topics.items && k < topics; k++) {
        struct wire_write_txn_markers_response_writable_txn_marker_topic_result *t =
            &to->topics.items[k];
        int32_t parts = m->topics.items[k].partition_indexes.count;
        t->name = m->topics.items[k].name;
        t->partitions.count = parts > 0 ? parts : 0;
        t->partitions.items =
            wire_items(&s->scratch,
                       &wire_write_txn_markers_response_writable_txn_marker_partition_result_struct,
                       (uint32_t)t->partitions.count);
        if (!t->partitions.items)
            return NULL;
        for (int32_t n = 0; n < parts; n++, p++) {
            t->partitions.items[n].partition_index = p->partition;
            t->partitions.items[n].error_code = p->error;
        }
    }
    return to->topics.items ? p : NULL;
}

static enum req_verdict
respond(struct shard *s, struct scatter *c)
{
    const struct wire_write_txn_markers_request *q = c->request;
    struct wire_write_txn_markers_response a;
    uint32_t markers = q->markers.count > 0 ? (uint32_t)q->markers.count : 0;
    wire_init(c->req->api->response, &a);
    wire_arena_reset(&s->scratch);
    a.markers.count = (int32_t)markers;
    a.markers.items = wire_items(
        &s->scratch, &wire_write_txn_markers_response_writable_txn_marker_result_struct, markers);
    const struct scatter_part *p = a.markers.items ? c->parts : NULL;
    for (uint32_t i = 0; p && i < markers; i++)
        p = answer_marker(s, &q->markers.items[i], &a.markers.items[i], p);
    return p ? req_answer_struct(s, c->req, &a) : REQ_AGAIN;
}

static const struct scatter_kind kind = {
    .job = JOB_MARKER,
    .request_bytes = sizeof(struct wire_write_txn_markers_request),
    .count = count_parts,
    .fill = fill,
    .ask = ask,
    .take = take,
    .respond = respond,
};

/* Markers in internal topics change what coordinators hold. */
static bool
of_coordinators(struct shard *s, const struct req *r, struct view body)
{
    struct wire_write_txn_markers_request q;
    if (r->conn->listener == INNER_LISTENER)
        return false; /* control knows */
    wire_arena_reset(&s->scratch);
    if (wire_decode(r->api->request, r->version, body, &q, &s->scratch) != ERR_OK)
        return false;
    for (int32_t i = 0; i < q.markers.count; i++)
        for (int32_t k = 0; k < q.markers.items[i].topics.count; k++) {
            const struct route_topic *t =
                route_by_name(s->route, q.markers.items[i].topics.items[k].name);
            if (t && t->fact.internal)
                return true;
        }
    return false;
}

enum req_verdict
markers_start(struct shard *s, struct req *r, struct view body)
{
    if (!r->begun)
        r->forwarded = of_coordinators(s, r, body);
    return r->forwarded ? forward_start(s, r, body) : scatter_start(s, r, body, &kind);
}

void
markers_abandon(struct shard *s, struct req *r)
{
    if (r->forwarded)
        forward_abandon(s, r);
    else
        scatter_abandon(s, r);
}

bool
markers_append(struct shard *s, struct job *j)
{
    struct store_appended done;
    struct route_part *p = scatter_part_of(s, j);
    if (!p) {
        shard_return(s, j);
        return true;
    }
    int error =
        store_append_marker(s->store, p->log, &j->u.marker, p->leader_epoch, s->now_ms, &done);
    if (error == ERR_AGAIN)
        return false;
    j->error = (int16_t)error;
    if (error != KERR_NONE) {
        shard_return(s, j);
        return true;
    }
    counters_add(&s->counters, COUNTER_TXN_MARKERS, 1);
    must(shard_wait_durable(s, done.lsn, done.held, NULL, j));
    return true;
}
