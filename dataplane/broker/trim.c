/* trim.c: see trim.h.  Source: Kafka KafkaApis.handleDeleteRecordsRequest,
 * ReplicaManager.deleteRecordsOnLocalLog, Partition.deleteRecordsOnLeader. */
#include "dataplane/broker/trim.h"

#include "core/base/err.h"
#include "core/wire/kerr.h"
#include "core/wire/wire_gen.h"
#include "dataplane/broker/alter_dirs.h"
#include "dataplane/broker/asks.h"
#include "dataplane/broker/fetch_in.h"
#include "dataplane/broker/shard.h"

enum { TOPIC_BYTES = 16, PART_BYTES = 24 };

typedef struct wire_delete_records_response_delete_records_partition_result trim_result;

static void
respond(struct shard *s, const struct asks *o)
{
    struct wire_delete_records_response a;
    wire_init(o->req->api->response, &a);
    wire_arena_reset(&s->scratch);
    a.topics.count = (int32_t)o->topic_count;
    a.topics.items =
        wire_items(&s->scratch, &wire_delete_records_response_delete_records_topic_result_struct,
                   o->topic_count);
    must(a.topics.items);
    const struct asks_part *p = o->parts;
    for (uint32_t i = 0; i < o->topic_count; i++) {
        uint32_t count = o->topics[i].part_count;
        trim_result *to =
            wire_items(&s->scratch,
                       &wire_delete_records_response_delete_records_partition_result_struct, count);
        must(to);
        a.topics.items[i].name = o->topics[i].name;
        a.topics.items[i].partitions.count = (int32_t)count;
        a.topics.items[i].partitions.items = to;
        for (uint32_t k = 0; k < count; k++, p++, to++) {
            to->partition_index = p->partition;
            to->error_code = p->error;
            to->low_watermark = p->error == KERR_NONE ? p->ask.found : -1;
        }
    }
    asks_answer(s, o, &a);
}

enum req_verdict
trim_start(struct shard *s, struct req *r, struct view body)
{
    struct wire_delete_records_request q;
    if (wire_decode(r->api->request, r->version, body, &q, &s->scratch))
        return REQ_BAD;
    struct asks_size size = {.topic_bytes = TOPIC_BYTES, .part_bytes = PART_BYTES};
    for (int32_t i = 0; i < q.topics.count; i++) {
        size.topics++;
        size.text += q.topics.items[i].name.len;
        if (q.topics.items[i].partitions.count > 0)
            size.parts += (uint64_t)q.topics.items[i].partitions.count;
    }
    struct asks *o;
    enum req_verdict verdict = asks_open(s, r, &size, &o);
    if (verdict != REQ_PENDING)
        return verdict;
    for (int32_t i = 0; i < q.topics.count; i++) {
        const struct wire_delete_records_request_delete_records_topic *from = &q.topics.items[i];
        const struct asks_topic *t = asks_topic(s, o, from->name);
        for (int32_t k = 0; k < from->partitions.count; k++) {
            struct asks_part *p = asks_part(o, from->partitions.items[k].partition_index);
            p->ask.offset = from->partitions.items[k].offset;
            if (t->internal)
                p->error = KERR_INVALID_TOPIC_EXCEPTION;
        }
    }
    o->job_kind = JOB_TRIM;
    o->respond = respond;
    return asks_start(s, o);
}

/* ---- owner ---- */

static int16_t
access_error(struct shard *s, const struct job *j, struct route_part **out)
{
    int16_t error;
    struct route_part *p = fetch_partition(s, j->topic_id, j->partition, &error);
    if (!p)
        return error;
    if (!p->log || s->fenced || p->leader_id != s->node_id)
        return KERR_NOT_LEADER_OR_FOLLOWER;
    const struct route_topic *t = route_by_row(s->route, p->topic);
    must(t); /* fetch_partition found it by the same topic */
    *out = p;
    return t->fact.config.cleanup_delete ? KERR_NONE : KERR_POLICY_VIOLATION;
}

/* False: the journal cannot take it now. */
static bool
carry_out(struct shard *s, struct job *j)
{
    struct route_part *p = NULL;
    struct store_trimmed done = {0};
    int error = access_error(s, j, &p);
    if (error == KERR_NONE)
        error = store_trim(s->store, p->log, j->u.ask.offset, &done);
    if (error == ERR_AGAIN)
        return false;
    j->error = (int16_t)error;
    j->u.ask.found = done.log_start_offset;
    if (error == KERR_NONE && done.lsn)
        must(shard_wait_durable(s, done.lsn, true, NULL, j));
    else
        shard_return(s, j);
    return true;
}

void
trim_carry_out(struct shard *s, struct job *j)
{
    if (!carry_out(s, j))
        list_push_back(&s->trims, &j->link);
}

void
trim_retry(struct shard *s)
{
    struct list *first;
    while ((first = list_first(&s->trims))) {
        struct job *j = list_item(first, struct job, link);
        list_remove(first);
        if (!(j->kind == JOB_MOVE_LOG ? alter_dirs_try(s, j) : carry_out(s, j))) {
            list_push_back(s->trims.next, &j->link);
            return;
        }
    }
}
