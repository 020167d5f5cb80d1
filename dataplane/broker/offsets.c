/* offsets.c: ListOffsets.
 *
 * Every partition is one JOB_TIME, for own partitions too (those come back inside shard_submit), at
 * most OFFSETS_JOBS_MAX out at a time.  The working set is one block of the shard's memory; room
 * for the answer is reserved before the first job leaves, so that finishing cannot fail.
 *
 * The last fetchable offset is the high watermark, for who reads committed data the last stable
 * offset; there are no followers to whom Kafka would tell the log end.  By time only what can be
 * read is told: Kafka looks at records below the log start too, until their segment is removed.
 * Source: Kafka ReplicaManager.fetchOffset, Partition.fetchOffsetForTimestamp,
 * UnifiedLog.fetchOffsetByTimestamp. */
#include "dataplane/broker/offsets.h"

#include "core/base/err.h"
#include "core/wire/batch.h"
#include "core/wire/kerr.h"
#include "core/wire/wire_gen.h"
#include "dataplane/broker/fetch_in.h"
#include "dataplane/broker/shard.h"

enum {
    OFFSETS_PARTS_MAX = 32768, /* of one request; more: malformed */
    OFFSETS_JOBS_MAX = 1024,
    HEAD_BYTES = 32,
    TOPIC_BYTES = 16, /* beside its name */
    PART_BYTES = 32,
    READ_COMMITTED = 1, /* isolation level */
};

/* Special timestamps of a request. */
enum {
    TIME_LATEST = -1,
    TIME_EARLIEST = -2,
    TIME_MAX = -3,
    TIME_EARLIEST_LOCAL = -4,
    TIME_LATEST_TIERED = -5,
    TIME_EARLIEST_PENDING_UPLOAD = -6,
};

#define OFFSET_UNKNOWN INT64_C(-1)
#define OFFSET_PENDING INT64_C(-2) /* a job that has not been looked at */

struct topic {
    struct view name;
    uint8_t id[16];
    bool known;
    uint32_t part_count;
};

struct part {
    uint32_t topic;
    int32_t partition, epoch_asked;
    int16_t error;
    bool again; /* named before in this request */
    int64_t timestamp, offset, found_ms;
    int32_t found_epoch;
};

struct offsets {
    struct req *req;
    bool starting, read_committed;
    uint32_t topic_count, part_count, next, jobs_out;
    struct topic *topics;
    struct part *parts;
};

static bool
time_supported(int64_t timestamp, int16_t version)
{
    static const int16_t since[] = {
        [-TIME_LATEST] = 1,        [-TIME_EARLIEST] = 1,
        [-TIME_MAX] = 7,           [-TIME_EARLIEST_LOCAL] = 8,
        [-TIME_LATEST_TIERED] = 9, [-TIME_EARLIEST_PENDING_UPLOAD] = 11};
    if (timestamp >= 0)
        return true;
    return timestamp >= TIME_EARLIEST_PENDING_UPLOAD && version >= since[-timestamp];
}

/* ---- the request ---- */

static uint64_t
mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/* Partitions that are named twice get INVALID_REQUEST, and are answered once.  slots: zeroed, mask
 * + 1 of them. */
static void
mark_duplicates(struct offsets *o, uint64_t seed, uint32_t *slots, uint32_t mask)
{
    for (uint32_t i = 0; i < o->part_count; i++) {
        struct part *p = &o->parts[i];
        const struct view name = o->topics[p->topic].name;
        uint64_t h = seed ^ (uint32_t)p->partition;
        for (uint32_t k = 0; k < name.len; k++)
            h = mix(h * 257 + name.at[k]);
        uint32_t at = (uint32_t)mix(h) & mask;
        for (; slots[at]; at = (at + 1) & mask) {
            struct part *q = &o->parts[slots[at] - 1];
            if (q->partition == p->partition && view_equal(o->topics[q->topic].name, name)) {
                p->error = q->error = KERR_INVALID_REQUEST;
                p->again = true;
                break;
            }
        }
        if (!slots[at])
            slots[at] = i + 1;
    }
}

static void
fill(struct shard *s, struct offsets *o, const struct wire_list_offsets_request *q, int16_t version,
     uint8_t *text)
{
    for (int32_t i = 0; i < q->topics.count; i++) {
        const struct wire_list_offsets_request_list_offsets_topic *t = &q->topics.items[i];
        struct topic *topic = &o->topics[o->topic_count++];
        *topic = (struct topic){.name = {text, t->name.len},
                                .part_count = (uint32_t)t->partitions.count};
        if (t->name.len)
            memcpy(text, t->name.at, t->name.len);
        text += t->name.len;
        const struct route_topic *known = route_by_name(s->route, topic->name);
        if (known) {
            topic->known = true;
            memcpy(topic->id, known->fact.id, sizeof topic->id);
        }
        for (int32_t k = 0; k < t->partitions.count; k++)
            o->parts[o->part_count++] =
                (struct part){.topic = o->topic_count - 1,
                              .partition = t->partitions.items[k].partition_index,
                              .epoch_asked = t->partitions.items[k].current_leader_epoch,
                              .timestamp = t->partitions.items[k].timestamp,
                              .offset = OFFSET_UNKNOWN,
                              .found_ms = -1,
                              .found_epoch = -1};
    }
    for (uint32_t i = 0; i < o->part_count; i++) {
        struct part *p = &o->parts[i];
        if (!time_supported(p->timestamp, version))
            p->error = KERR_UNSUPPORTED_VERSION;
        else if (!o->topics[p->topic].known)
            p->error = KERR_UNKNOWN_TOPIC_OR_PARTITION;
    }
}

/* Makes the working set and reserves the answer.  REQ_PENDING, REQ_AGAIN (nothing is kept),
 * REQ_BAD. */
static enum req_verdict
open_request(struct shard *s, struct req *r, struct view body, struct offsets **out)
{
    struct wire_list_offsets_request q;
    int err = wire_decode(r->api->request, r->version, body, &q, &s->scratch);
    if (err)
        return REQ_BAD;
    uint64_t parts = 0, text = 0;
    for (int32_t i = 0; i < q.topics.count; i++) {
        parts += q.topics.items[i].partitions.count > 0
                     ? (uint64_t)q.topics.items[i].partitions.count
                     : 0;
        text += q.topics.items[i].name.len;
    }
    uint64_t topics = q.topics.count > 0 ? (uint64_t)q.topics.count : 0;
    if (parts > OFFSETS_PARTS_MAX || topics > OFFSETS_PARTS_MAX)
        return REQ_BAD;
    uint64_t answer = HEAD_BYTES + topics * TOPIC_BYTES + text + parts * PART_BYTES + HEAD_BYTES;
    uint64_t bytes =
        sizeof(struct offsets) + topics * sizeof(struct topic) + parts * sizeof(struct part) + text;
    size_t room;
    struct offsets *o = NULL;
    if (bytes > SHARD_ANSWER_BLOCK_MAX || answer > SHARD_ANSWER_BLOCK_MAX)
        return REQ_BAD;
    if (answer_reserve(&r->answer, s->memory, (uint32_t)answer))
        o = buddy_take(s->memory, bytes, &room);
    if (!o)
        return REQ_AGAIN;
    *o = (struct offsets){
        .req = r, .starting = true, .read_committed = q.isolation_level == READ_COMMITTED};
    o->topics = (struct topic *)(void *)(o + 1);
    o->parts = (struct part *)(void *)(o->topics + topics);
    fill(s, o, &q, r->version, (uint8_t *)(o->parts + parts));
    uint32_t slots = 4;
    while (slots < 2 * o->part_count)
        slots *= 2;
    wire_arena_reset(&s->scratch); /* q is not used any more */
    uint32_t *table = wire_arena_take(&s->scratch, slots * sizeof *table);
    must(table);
    mark_duplicates(o, r->arrived_ns, table, slots - 1);
    *out = o;
    return REQ_PENDING;
}

_Static_assert(4 * OFFSETS_PARTS_MAX * sizeof(uint32_t) < SHARD_SCRATCH_BYTES,
               "table of partitions");

/* ---- the answer ---- */

/* Writes what is told of the partitions of a topic; how many there are. */
static uint32_t
tell(const struct part *p, uint32_t count, int16_t version,
     struct wire_list_offsets_response_list_offsets_partition_response *to)
{
    uint32_t told = 0;
    for (uint32_t i = 0; i < count; i++, p++) {
        if (p->again)
            continue;
        to[told].partition_index = p->partition;
        to[told].error_code = p->error;
        to[told].timestamp = p->found_ms;
        to[told].offset = p->offset;
        if (version >= 4)
            to[told].leader_epoch = p->found_epoch;
        told++;
    }
    return told;
}

static void
respond(struct shard *s, struct offsets *o)
{
    struct wire_list_offsets_response a;
    struct req *r = o->req;
    wire_init(r->api->response, &a);
    wire_arena_reset(&s->scratch);
    a.topics.count = 0;
    a.topics.items =
        wire_items(&s->scratch, &wire_list_offsets_response_list_offsets_topic_response_struct,
                   o->topic_count);
    must(a.topics.items);
    const struct part *p = o->parts;
    for (uint32_t i = 0; i < o->topic_count; i++) {
        uint32_t count = o->topics[i].part_count;
        struct wire_list_offsets_response_list_offsets_topic_response *t =
            &a.topics.items[a.topics.count];
        t->name = o->topics[i].name;
        t->partitions.items = wire_items(
            &s->scratch, &wire_list_offsets_response_list_offsets_partition_response_struct, count);
        must(t->partitions.items);
        t->partitions.count = (int32_t)tell(p, count, r->version, t->partitions.items);
        a.topics.count += t->partitions.count > 0;
        p += count;
    }
    must(req_answer_struct(s, r, &a) == REQ_DONE); /* its room was reserved */
}

_Static_assert(
    OFFSETS_PARTS_MAX *(sizeof(struct wire_list_offsets_response_list_offsets_partition_response) +
                        sizeof(struct wire_list_offsets_response_list_offsets_topic_response) +
                        32) < SHARD_SCRATCH_BYTES,
    "an answer fits into the scratch memory");

/* ---- home ---- */

/* Sends what may be sent.  False: jobs are short and none is out that would go on here. */
static bool
pump(struct shard *s, struct offsets *o)
{
    for (; o->next < o->part_count; o->next++) {
        struct part *p = &o->parts[o->next];
        if (p->error != KERR_NONE)
            continue;
        const struct topic *t = &o->topics[p->topic];
        const struct route_part *route = fetch_partition(s, t->id, p->partition, &p->error);
        if (!route)
            continue;
        struct job *j = o->jobs_out < OFFSETS_JOBS_MAX ? mesh_job(s->mesh) : NULL;
        if (!j)
            return o->jobs_out > 0;
        j->kind = JOB_TIME;
        j->owner = (uint16_t)route->owner;
        j->topic = route->topic;
        j->partition = p->partition;
        memcpy(j->topic_id, t->id, sizeof j->topic_id);
        j->req = o->req;
        j->part = o->next;
        j->u.time.timestamp = p->timestamp;
        j->u.time.leader_epoch = p->epoch_asked;
        j->u.time.read_committed = o->read_committed;
        j->u.time.offset = OFFSET_PENDING;
        o->req->pending++;
        o->jobs_out++;
        shard_submit(s, j);
    }
    return true;
}

enum req_verdict
offsets_start(struct shard *s, struct req *r, struct view body)
{
    struct offsets *o;
    r->u.offsets = NULL;
    enum req_verdict verdict = open_request(s, r, body, &o);
    if (verdict != REQ_PENDING)
        return verdict;
    r->u.offsets = o;
    bool sent = pump(s, o);
    o->starting = false;
    if (o->jobs_out)
        return REQ_PENDING;
    if (sent)
        respond(s, o);
    r->u.offsets = NULL;
    buddy_give(s->memory, o);
    return sent ? REQ_DONE : REQ_AGAIN;
}

void
offsets_abandon(struct shard *s, struct req *r)
{
    struct offsets *o = r->u.offsets;
    if (!o)
        return;
    o->req = NULL;
    o->next = o->part_count; /* nothing more is sent */
    if (o->jobs_out == 0)
        buddy_give(s->memory, o);
}

void
offsets_back(struct shard *s, struct job *j)
{
    struct req *r = j->req;
    struct offsets *o = r->u.offsets;
    struct part *p = &o->parts[j->part];
    p->error = j->error;
    if (j->error == KERR_NONE) {
        p->offset = j->u.time.offset;
        p->found_ms = j->u.time.found_ms;
        p->found_epoch = j->u.time.found_epoch;
    }
    o->jobs_out--;
    mesh_done(s->mesh, j);
    bool abandoned = o->req == NULL;
    if (abandoned && o->jobs_out == 0)
        buddy_give(s->memory, o);
    if (!req_piece_back(s, r) || abandoned || o->starting)
        return;
    bool sent = pump(s, o);
    if (o->jobs_out)
        return;
    must(sent); /* jobs cannot be short: one has just been given back */
    respond(s, o);
    r->u.offsets = NULL;
    buddy_give(s->memory, o);
    req_finish(s, r);
}

/* ---- owner ---- */

/* The epoch of the batch that holds `offset`, an offset of the log below the high watermark. */
static int
epoch_at(struct shard *s, struct job *j, struct plog *log, int64_t offset, int32_t *epoch)
{
    struct plog_facts facts;
    struct store_range range;
    plog_facts(log, &facts);
    *epoch = facts.leader_epoch;
    if (facts.leader_epoch <= 0) /* epochs only grow: they are all 0 */
        return ERR_OK;
    int err = store_locate(s->store, log, offset, facts.high_watermark, 1, true, &range);
    if (err == ERR_AGAIN) {
        fetch_ask_later(s, j);
        return err;
    }
    if (err)
        return err;
    err = store_hold(s->store, &range, shard_waiter_job(j), &s->hold);
    if (err)
        return err;
    struct batch_info info;
    if (s->hold.span_count == 0 || batch_header(s->hold.spans[0], &info))
        err = ERR_CORRUPT;
    else
        *epoch = info.leader_epoch;
    store_release(s->store, &s->hold);
    return err;
}

static int16_t
access_error(struct shard *s, const struct job *j, struct route_part **out,
             struct plog_facts *facts)
{
    int16_t error;
    struct route_part *p = fetch_partition(s, j->topic_id, j->partition, &error);
    if (!p)
        return error;
    int32_t asked = j->u.time.leader_epoch;
    if (!p->log || s->fenced)
        return KERR_NOT_LEADER_OR_FOLLOWER;
    if (asked >= 0 && asked != p->leader_epoch)
        return asked < p->leader_epoch ? KERR_FENCED_LEADER_EPOCH : KERR_UNKNOWN_LEADER_EPOCH;
    if (p->leader_id != s->node_id)
        return KERR_NOT_LEADER_OR_FOLLOWER;
    plog_facts(p->log, facts);
    *out = p;
    return facts->state == PLOG_ONLINE ? KERR_NONE : KERR_KAFKA_STORAGE_ERROR;
}

/* The first offset that who asks may not see. */
static int64_t
fetchable(const struct job *j, const struct plog_facts *facts)
{
    return j->u.time.read_committed ? facts->last_stable_offset : facts->high_watermark;
}

/* The first record of that time, or the one with the largest. */
static int
find_time(struct shard *s, struct job *j, struct plog *log, const struct plog_facts *facts)
{
    if (j->u.time.offset == OFFSET_PENDING) {
        int64_t offset, found_ms;
        int64_t time = j->u.time.timestamp == TIME_MAX ? STORE_TIME_MAX : j->u.time.timestamp;
        int err = store_find_time(s->store, log, time, shard_waiter_job(j), &offset, &found_ms);
        if (err)
            return err;
        if (offset < 0 || offset >= fetchable(j, facts)) {
            j->u.time.offset = OFFSET_UNKNOWN;
            return ERR_OK;
        }
        j->u.time.offset = offset;
        j->u.time.found_ms = found_ms;
    }
    return epoch_at(s, j, log, j->u.time.offset, &j->u.time.found_epoch);
}

/* Fills the job.  ERR_AGAIN: it is carried out again when a read has ended. */
static int
find(struct shard *s, struct job *j, const struct route_part *p, const struct plog_facts *facts)
{
    if (j->u.time.offset == OFFSET_PENDING) {
        j->u.time.found_ms = -1;
        j->u.time.found_epoch = -1;
    }
    switch (j->u.time.timestamp) {
    case TIME_LATEST:
        j->u.time.offset = fetchable(j, facts);
        j->u.time.found_epoch = p->leader_epoch;
        return ERR_OK;
    case TIME_EARLIEST:
    case TIME_EARLIEST_LOCAL:
        j->u.time.offset = facts->log_start_offset;
        j->u.time.found_epoch = p->leader_epoch; /* of the records to come */
        if (facts->log_start_offset >= facts->high_watermark)
            return ERR_OK;
        return epoch_at(s, j, p->log, facts->log_start_offset, &j->u.time.found_epoch);
    case TIME_LATEST_TIERED:
    case TIME_EARLIEST_PENDING_UPLOAD:
        j->u.time.offset = OFFSET_UNKNOWN; /* nothing is tiered */
        return ERR_OK;
    default:
        return find_time(s, j, p->log, facts);
    }
}

void
offsets_find(struct shard *s, struct job *j)
{
    struct route_part *p = NULL;
    struct plog_facts facts;
    j->error = access_error(s, j, &p, &facts);
    if (j->error == KERR_NONE) {
        int err = find(s, j, p, &facts);
        if (err == ERR_AGAIN)
            return;
        if (err == ERR_NOT_FOUND)
            j->error = KERR_UNKNOWN_TOPIC_OR_PARTITION; /* deleted while it was read */
        else if (err)
            j->error = err == ERR_IO ? KERR_KAFKA_STORAGE_ERROR : KERR_UNKNOWN_SERVER_ERROR;
    }
    shard_return(s, j);
}

void
offsets_read_done(struct shard *s, struct job *j)
{
    offsets_find(s, j);
}
