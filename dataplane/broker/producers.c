/* producers.c: see producers.h.  The owner writes the list into memory of the home shard; when that
 * is too small it is asked again with more.  Where memory is short for a list, its partition is
 * answered with REQUEST_TIMED_OUT, which clients try again.
 * Source: Kafka KafkaApis.handleDescribeProducersRequest, UnifiedLog.activeProducers. */
#include "dataplane/broker/producers.h"

#include "core/base/err.h"
#include "core/wire/kerr.h"
#include "core/wire/wire_gen.h"
#include "dataplane/broker/scatter.h"
#include "dataplane/broker/shard.h"

static uint64_t
count_parts(const void *request)
{
    const struct wire_describe_producers_request *q = request;
    uint64_t n = 0;
    for (int32_t i = 0; i < q->topics.count; i++) {
        int32_t parts = q->topics.items[i].partition_indexes.count;
        n += parts > 0 ? (uint64_t)parts : 0;
    }
    return n;
}

static void
fill(struct scatter *c)
{
    const struct wire_describe_producers_request *q = c->request;
    struct scatter_part *p = c->parts;
    for (int32_t i = 0; i < q->topics.count; i++)
        for (int32_t n = 0; n < q->topics.items[i].partition_indexes.count; n++)
            *p++ =
                (struct scatter_part){.topic = q->topics.items[i].name,
                                      .partition = q->topics.items[i].partition_indexes.items[n]};
}

static void
ask(struct shard *s, struct scatter *c, uint32_t part, struct job *j)
{
    (void)s;
    j->u.producers.out = c->parts[part].list;
    j->u.producers.room = c->parts[part].room;
}

static bool
take(struct shard *s, struct scatter *c, uint32_t part, struct job *j)
{
    struct scatter_part *p = &c->parts[part];
    uint32_t count = j->u.producers.count;
    p->error = j->error;
    p->count = j->error == KERR_NONE ? count : 0;
    if (p->count <= p->room)
        return false;
    if (p->list)
        buddy_give(s->memory, p->list);
    size_t room = 0;
    uint64_t bytes = (uint64_t)count * sizeof(struct plog_producer);
    p->list = shard_answer_room(s, bytes) ? buddy_take(s->memory, bytes, &room) : NULL;
    p->room = (uint32_t)(room / sizeof(struct plog_producer));
    if (p->list) {
        ask(s, c, part, j);
        return true;
    }
    p->error = KERR_REQUEST_TIMED_OUT;
    p->count = 0;
    return false;
}

static bool
answer_part(struct shard *s, const struct scatter_part *p, bool lists,
            struct wire_describe_producers_response_partition_response *to)
{
    to->partition_index = p->partition;
    to->error_code = p->count && !lists ? KERR_REQUEST_TIMED_OUT : p->error;
    if (p->error == KERR_UNKNOWN_TOPIC_OR_PARTITION)
        to->error_message = view_of_text(kerr_message(p->error));
    uint32_t count = lists ? p->count : 0;
    const struct plog_producer *from = p->list;
    struct wire_describe_producers_response_producer_state *all =
        wire_items(&s->scratch, &wire_describe_producers_response_producer_state_struct, count);
    if (!all)
        return false;
    for (uint32_t i = 0; i < count; i++)
        all[i] = (struct wire_describe_producers_response_producer_state){
            .producer_id = from[i].id,
            .producer_epoch = from[i].epoch,
            .last_sequence = from[i].last_sequence,
            .last_timestamp = from[i].last_ms,
            .coordinator_epoch = from[i].coordinator_epoch,
            .current_txn_start_offset = from[i].txn_first,
        };
    to->active_producers.items = all;
    to->active_producers.count = (int32_t)count;
    return true;
}

/* The answer with the lists of the producers, or without them. */
static enum req_verdict
answer(struct shard *s, struct scatter *c, bool lists)
{
    const struct wire_describe_producers_request *q = c->request;
    struct wire_describe_producers_response a;
    uint32_t topics = q->topics.count > 0 ? (uint32_t)q->topics.count : 0;
    wire_init(c->req->api->response, &a);
    wire_arena_reset(&s->scratch);
    a.topics.count = (int32_t)topics;
    a.topics.items =
        wire_items(&s->scratch, &wire_describe_producers_response_topic_response_struct, topics);
    const struct scatter_part *p = c->parts;
    for (uint32_t i = 0; i < topics; i++) {
        struct wire_describe_producers_response_topic_response *t =
            a.topics.items ? &a.topics.items[i] : NULL;
        int32_t parts = q->topics.items[i].partition_indexes.count;
        if (!t)
            return REQ_AGAIN;
        t->name = q->topics.items[i].name;
        t->partitions.count = parts > 0 ? parts : 0;
        t->partitions.items =
            wire_items(&s->scratch, &wire_describe_producers_response_partition_response_struct,
                       (uint32_t)t->partitions.count);
        if (!t->partitions.items)
            return REQ_AGAIN;
        for (int32_t n = 0; n < parts; n++, p++)
            if (!answer_part(s, p, lists, &t->partitions.items[n]))
                return REQ_AGAIN;
    }
    return req_answer_struct(s, c->req, &a);
}

static enum req_verdict
respond(struct shard *s, struct scatter *c)
{
    enum req_verdict verdict = answer(s, c, true);
    return verdict == REQ_AGAIN ? answer(s, c, false) : verdict;
}

static const struct scatter_kind kind = {
    .job = JOB_PRODUCERS,
    .request_bytes = sizeof(struct wire_describe_producers_request),
    .count = count_parts,
    .fill = fill,
    .ask = ask,
    .take = take,
    .respond = respond,
};

enum req_verdict
producers_start(struct shard *s, struct req *r, struct view body)
{
    return scatter_start(s, r, body, &kind);
}

void
producers_list(struct shard *s, struct job *j)
{
    const struct route_part *p = scatter_part_of(s, j);
    j->u.producers.count = 0;
    if (p)
        j->u.producers.count = plog_producers(p->log, j->u.producers.out, j->u.producers.room);
    shard_return(s, j);
}
