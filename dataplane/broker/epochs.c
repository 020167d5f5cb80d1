/* epochs.c: see epochs.h.  Source: Kafka ReplicaManager.lastOffsetForLeaderEpoch,
 * Partition.lastOffsetForLeaderEpoch. */
#include "dataplane/broker/epochs.h"

#include "core/base/err.h"
#include "core/wire/kerr.h"
#include "core/wire/wire_gen.h"
#include "dataplane/broker/asks.h"
#include "dataplane/broker/fetch_in.h"
#include "dataplane/broker/shard.h"

enum { TOPIC_BYTES = 16, PART_BYTES = 24 };

typedef struct wire_offset_for_leader_epoch_response_epoch_end_offset epochs_result;

static void
respond(struct shard *s, const struct asks *o)
{
    struct wire_offset_for_leader_epoch_response a;
    wire_init(o->req->api->response, &a);
    wire_arena_reset(&s->scratch);
    a.topics.count = (int32_t)o->topic_count;
    a.topics.items = wire_items(
        &s->scratch, &wire_offset_for_leader_epoch_response_offset_for_leader_topic_result_struct,
        o->topic_count);
    must(a.topics.items);
    const struct asks_part *p = o->parts;
    for (uint32_t i = 0; i < o->topic_count; i++) {
        uint32_t count = o->topics[i].part_count;
        epochs_result *to = wire_items(
            &s->scratch, &wire_offset_for_leader_epoch_response_epoch_end_offset_struct, count);
        must(to);
        a.topics.items[i].topic = o->topics[i].name;
        a.topics.items[i].partitions.count = (int32_t)count;
        a.topics.items[i].partitions.items = to;
        for (uint32_t k = 0; k < count; k++, p++, to++) {
            to->partition = p->partition;
            to->error_code = p->error;
            to->leader_epoch = p->error == KERR_NONE ? p->ask.found_epoch : -1;
            to->end_offset = p->error == KERR_NONE ? p->ask.found : -1;
        }
    }
    asks_answer(s, o, &a);
}

enum req_verdict
epochs_start(struct shard *s, struct req *r, struct view body)
{
    struct wire_offset_for_leader_epoch_request q;
    if (wire_decode(r->api->request, r->version, body, &q, &s->scratch))
        return REQ_BAD;
    struct asks_size size = {.topic_bytes = TOPIC_BYTES, .part_bytes = PART_BYTES};
    for (int32_t i = 0; i < q.topics.count; i++) {
        size.topics++;
        size.text += q.topics.items[i].topic.len;
        if (q.topics.items[i].partitions.count > 0)
            size.parts += (uint64_t)q.topics.items[i].partitions.count;
    }
    struct asks *o;
    enum req_verdict verdict = asks_open(s, r, &size, &o);
    if (verdict != REQ_PENDING)
        return verdict;
    for (int32_t i = 0; i < q.topics.count; i++) {
        const struct wire_offset_for_leader_epoch_request_offset_for_leader_topic *from =
            &q.topics.items[i];
        asks_topic(s, o, from->topic);
        for (int32_t k = 0; k < from->partitions.count; k++) {
            struct asks_part *p = asks_part(o, from->partitions.items[k].partition);
            p->ask.leader_epoch = from->partitions.items[k].current_leader_epoch;
            p->ask.epoch = from->partitions.items[k].leader_epoch;
        }
    }
    o->job_kind = JOB_EPOCH;
    o->respond = respond;
    return asks_start(s, o);
}

static int16_t
find(struct shard *s, struct job *j)
{
    int16_t error;
    struct plog_facts facts;
    const struct route_part *p = fetch_partition(s, j->topic_id, j->partition, &error);
    if (!p)
        return error;
    int32_t asked = j->u.ask.leader_epoch;
    if (!p->log || s->fenced)
        return KERR_NOT_LEADER_OR_FOLLOWER;
    if (asked >= 0 && asked != p->leader_epoch)
        return asked < p->leader_epoch ? KERR_FENCED_LEADER_EPOCH : KERR_UNKNOWN_LEADER_EPOCH;
    if (p->leader_id != s->node_id)
        return KERR_NOT_LEADER_OR_FOLLOWER;
    plog_facts(p->log, &facts);
    if (facts.state != PLOG_ONLINE)
        return KERR_KAFKA_STORAGE_ERROR;
    struct plog_epoch_end end = plog_epoch_end(p->log, j->u.ask.epoch, p->leader_epoch);
    j->u.ask.found_epoch = end.epoch;
    j->u.ask.found = end.offset;
    return KERR_NONE;
}

void
epochs_find(struct shard *s, struct job *j)
{
    j->error = find(s, j);
    shard_return(s, j);
}
