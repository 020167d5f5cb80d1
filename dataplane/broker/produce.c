/* produce.c: see produce.h.
 *
 * A request is read twice: the first pass checks its form as a whole (a malformed request appends
 * nothing) and how large the answer can get; the second carries the partitions out, one step each,
 * and writes the answer as it goes.  Batches of own partitions are appended at once; those of other
 * shards are checked, copied once and sent as JOB_APPEND, whose result is patched into the answer
 * later: job `part` is the place of the partition in the answer's bytes.
 *
 * The records of a request in pieces are copied by produce_pieces.c, each partition's when its turn
 * comes.
 *
 * I1 A step either happened (steps_done counts it, its answer is written) or left no trace, so a
 *    request that got REQ_AGAIN goes on where it stopped.
 * I2 A batch keeps its block until its job is home, so a request that waits for memory never holds
 *    what another one needs to end.
 * Source: Kafka KafkaApis.handleProduceRequest, ReplicaManager.appendRecords. */
#include "dataplane/broker/produce.h"

#include "core/base/err.h"
#include "core/wire/batch.h"
#include "core/wire/kerr.h"
#include "core/wire/lens.h"
#include "core/wire/wire_gen.h"
#include "dataplane/broker/inner.h"
#include "dataplane/broker/markers.h"
#include "dataplane/broker/produce_in.h"
#include "dataplane/broker/shard.h"

enum {
    /* Bounds of what one answer takes, without names and messages. */
    ANSWER_FIXED_BYTES = 32,
    ANSWER_TOPIC_BYTES = 32,
    ANSWER_PARTITION_BYTES = 64,
    /* Places in a partition of the answer (versions 3 to 13). */
    ANSWER_AT_ERROR = 4,
    ANSWER_AT_OFFSET = 6,
    ANSWER_AT_TIME = 14,
    ANSWER_AT_START = 22,
    ANSWER_START_SINCE = 5, /* version that has log_start_offset */
    ZSTD_SINCE = 7,
};

/* Sent by control itself. */
static bool
trusted(const struct req *r)
{
    return r->conn->listener == INNER_LISTENER;
}

static bool
acks_ok(int16_t acks)
{
    return acks >= -1 && acks <= 1;
}

/* Reads the request to its end.  ERR_CORRUPT: malformed. */
static int
request_measure(struct view body, const struct req *r, int16_t *acks, uint64_t *answer_bytes)
{
    struct lens_produce l;
    int err = lens_produce_begin(body, r->version, &l);
    if (err)
        return err;
    l.elided = r->pieces != NULL;
    *acks = l.acks;
    *answer_bytes = ANSWER_FIXED_BYTES;
    for (uint32_t i = 0; i < l.topic_count; i++) {
        struct lens_produce_topic t;
        if ((err = lens_produce_next_topic(&l, &t)))
            return err;
        *answer_bytes +=
            ANSWER_TOPIC_BYTES + t.name.len + (uint64_t)t.partition_count * ANSWER_PARTITION_BYTES;
        for (uint32_t k = 0; k < t.partition_count; k++) {
            struct lens_produce_partition p;
            if ((err = lens_produce_next_partition(&l, &p)))
                return err;
        }
        if ((err = lens_produce_end_topic(&l)))
            return err;
    }
    return lens_produce_end(&l);
}

/* Whether what a producer sent says that it is of an old format (Kafka refuses it as INVALID_RECORD
 * like others). */
static bool
old_format(struct view records)
{
    return records.len > BATCH_AT_MAGIC && records.at[BATCH_AT_MAGIC] < 2;
}

/* Counts a refusal, also by its reason when the drop table knows it. */
static void
refusal_count(struct shard *s, int16_t error, struct view records)
{
    counters_add(&s->counters, COUNTER_PRODUCE_ERRORS, 1);
    counters_error(&s->counters, WIRE_API_PRODUCE, error);
    switch (error) {
    case KERR_CORRUPT_MESSAGE:
        counters_add(&s->counters, DROP_BATCH_CORRUPT, 1);
        break;
    case KERR_MESSAGE_TOO_LARGE:
        counters_add(&s->counters, DROP_BATCH_SIZE, 1);
        break;
    case KERR_INVALID_RECORD:
        counters_add(&s->counters, old_format(records) ? DROP_BATCH_MAGIC : DROP_BATCH_RECORD, 1);
        break;
    case KERR_INVALID_TIMESTAMP:
    case KERR_UNSUPPORTED_COMPRESSION_TYPE:
        counters_add(&s->counters, DROP_BATCH_RECORD, 1);
        break;
    case KERR_OUT_OF_ORDER_SEQUENCE_NUMBER:
    case KERR_INVALID_PRODUCER_EPOCH:
    case KERR_UNKNOWN_PRODUCER_ID:
        counters_add(&s->counters, DROP_BATCH_SEQUENCE, 1);
        break;
    default:
        break;
    }
}

/* A Kafka error code for what can be said before the log is asked; *part when KERR_NONE. */
static int16_t
step_find(const struct shard *s, const struct req *r, const struct produce_step *step,
          struct route_part **part)
{
    if (!step->topic)
        return step->lens->topic_id ? KERR_UNKNOWN_TOPIC_ID : KERR_UNKNOWN_TOPIC_OR_PARTITION;
    struct route_part *p = route_part(step->topic, step->in.index);
    if (!p)
        return KERR_UNKNOWN_TOPIC_OR_PARTITION;
    if (!acks_ok(r->u.produce.acks))
        return KERR_INVALID_REQUIRED_ACKS;
    if (step->topic->fact.internal && !trusted(r))
        return KERR_INVALID_TOPIC_EXCEPTION;
    if (s->fenced || p->leader_id != s->node_id)
        return KERR_NOT_LEADER_OR_FOLLOWER;
    if (p->owner == s->config.shard && !p->log)
        return KERR_NOT_LEADER_OR_FOLLOWER;
    /* The one replica is all the ISR there is. */
    if (r->u.produce.acks == -1 && step->topic->fact.config.min_insync_replicas > 1)
        return KERR_NOT_ENOUGH_REPLICAS;
    *part = p;
    return KERR_NONE;
}

static int16_t
step_check(const struct shard *s, const struct req *r, struct produce_step *step)
{
    const struct table_topic_config *c = &step->topic->fact.config;
    step->rules = (struct batch_rules){
        .bytes_max = c->max_message_bytes,
        .keys_required = c->cleanup_compact,
        .log_append_time = c->log_append_time,
        .coordinator = trusted(r),
        .before_max_ms = c->timestamp_before_max_ms,
        .after_max_ms = c->timestamp_after_max_ms,
        .now_ms = s->now_ms,
        .walk_compressed = true,
        .crc_known = step->staged,
        .crc = step->crc,
    };
    int error = batch_check(step->in.records, &step->rules, &step->info, &step->out.error_message);
    if (error != KERR_NONE)
        return (int16_t)error;
    if ((step->info.attributes & BATCH_CODEC_MASK) == BATCH_ZSTD && r->version < ZSTD_SINCE)
        return KERR_UNSUPPORTED_COMPRESSION_TYPE;
    /* Kafka: nobody is authorized to write to a transaction without a name. */
    if (step->info.attributes & BATCH_TRANSACTIONAL && !step->transactional_id.at && !trusted(r))
        return KERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    return KERR_NONE;
}

/* What an append to an own log gave, counted: a Kafka error code or ERR_AGAIN; a duplicate counts
 * as appended. */
static int
appended(struct shard *s, const struct batch_info *info, int error)
{
    if (error == KERR_DUPLICATE_SEQUENCE_NUMBER) {
        counters_add(&s->counters, COUNTER_PRODUCE_DUPLICATES, 1);
        return KERR_NONE;
    }
    if (error == KERR_NONE) {
        counters_add(&s->counters, COUNTER_PRODUCE_BATCHES, 1);
        counters_add(&s->counters, COUNTER_PRODUCE_RECORDS, (uint64_t)info->record_count);
        counters_add(&s->counters, COUNTER_PRODUCE_BYTES, info->bytes);
        hists_add(&s->counters, HIST_BATCH_BYTES, (uint64_t)info->bytes << HISTS_BYTES_SHIFT);
    }
    return error;
}

static int
step_append_log(struct shard *s, struct req *r, struct produce_step *step, struct route_part *p,
                struct store_appended *out)
{
    if (step->staged) {
        step->staged = false;
        int error = store_append_staged(s->store, &step->info, p->leader_epoch, s->now_ms, out);
        if (error != ERR_LIMIT)
            return appended(s, &step->info, error);
        error = produce_collect(s, r, step);
        if (error != KERR_NONE)
            return error;
        step->batch = step->in.records;
    }
    return appended(
        s, &step->info,
        store_append(s->store, p->log, &step->info, step->batch, p->leader_epoch, s->now_ms, out));
}

static int64_t
log_start(const struct route_part *p)
{
    struct plog_facts facts;
    plog_facts(p->log, &facts);
    return facts.log_start_offset;
}

/* Copies the batch and sends it to its owner.  KERR_*, or ERR_AGAIN: no job, no memory. */
static int
step_send(struct shard *s, struct req *r, struct produce_step *step, const struct route_part *p,
          struct job **out)
{
    uint32_t len = step->batch.len;
    struct view name = step->transactional_id;
    if ((uint64_t)len + name.len > SHARD_ANSWER_BLOCK_MAX)
        return KERR_MESSAGE_TOO_LARGE;
    struct job *j = mesh_job(s->mesh);
    if (!j)
        return ERR_AGAIN;
    uint8_t *copy = produce_copy(s, step, name.len);
    if (!copy) {
        mesh_done(s->mesh, j);
        return ERR_AGAIN;
    }
    if (name.len)
        memcpy(copy + len, name.at, name.len);
    j->kind = JOB_APPEND;
    j->owner = (uint16_t)p->owner;
    j->topic = p->topic;
    j->partition = p->partition;
    memcpy(j->topic_id, p->topic_id, sizeof j->topic_id);
    j->req = r;
    j->u.append.records = view_of(copy, len);
    j->u.append.info = step->info;
    j->u.append.acks = r->u.produce.acks;
    j->u.append.transactional_id = view_of(name.at ? copy + len : NULL, name.len);
    j->u.append.guard = 0;
    j->u.append.version = r->version;
    j->u.append.trusted = trusted(r);
    *out = j;
    return KERR_NONE;
}

/* Appends to an own log; what has to wait becomes a job.  KERR_*, or ERR_AGAIN. */
static int
step_append_own(struct shard *s, struct req *r, struct produce_step *step, struct route_part *p,
                struct job **j)
{
    struct store_appended done;
    int error = KERR_NONE;
    if (step->info.attributes & BATCH_TRANSACTIONAL) {
        uint64_t ask;
        struct vouch_batch b = {&step->info, r->version, trusted(r), 0};
        error = vouch_begins(s, p, &b, &ask);
        /* Batches of its producer may wait there as jobs: it must not overtake them. */
        if (error == KERR_NONE && (ask != 0 || !list_empty(&s->appends)))
            return step_send(s, r, step, p, j);
    }
    if (error == KERR_NONE)
        error = step_append_log(s, r, step, p, &done);
    if (error != KERR_NONE)
        return error;
    if (!step->topic->fact.config.write_caching) {
        r->u.produce.lsn = done.lsn > r->u.produce.lsn ? done.lsn : r->u.produce.lsn;
        r->u.produce.held |= done.held;
    }
    step->out.base_offset = done.base_offset;
    step->out.log_append_time_ms = done.log_append_time_ms;
    step->out.log_start_offset = log_start(p);
    return KERR_NONE;
}

/* Writes the step into the answer; returns the place of the partition in its bytes.  The room was
 * reserved for everything but messages, and a message is left out when there is none for it. */
static uint32_t
step_answer(struct shard *s, struct req *r, struct produce_step *step)
{
    if (r->no_answer)
        return 0;
    if (step->out.error_message &&
        !answer_reserve(&r->answer, s->memory,
                        r->answer.room - r->answer.len + produce_errors_bytes(&step->out))) {
        step->out.error_message = NULL;
        step->out.record_error_count = 0;
    }
    struct put w = answer_writer(&r->answer);
    if (step->first)
        lens_produce_answer_topic(&w, r->version, step->lens);
    uint32_t at = r->answer.len + put_len(&w);
    if (step->lens->partition_count)
        lens_produce_answer_partition(&w, r->version, &step->out);
    if (step->last)
        lens_produce_answer_end_topic(&w, r->version);
    answer_commit(&r->answer, &w);
    return at;
}

/* KERR_* or ERR_AGAIN; *j when the batch is on its way to another shard. */
static int
step_append(struct shard *s, struct req *r, struct produce_step *step, struct job **j)
{
    struct route_part *p = NULL;
    int error = step_find(s, r, step, &p);
    if (error == KERR_NONE && (r->pieces || step->in.records.len >= PRODUCE_STAGE_MIN))
        error = produce_take(s, r, step, p);
    if (error == KERR_NONE)
        error = step_check(s, r, step);
    step->batch = step->in.records;
    if (error == KERR_NONE)
        error = produce_recode(s, &step->topic->fact.config, &step->batch, &step->info,
                               &step->block, &step->out.error_message);
    if (error != KERR_NONE)
        return error;
    return p->owner == s->config.shard ? step_append_own(s, r, step, p, j)
                                       : step_send(s, r, step, p, j);
}

/* What the answer says of a refusal. */
static void
step_refused(struct shard *s, struct req *r, struct produce_step *step)
{
    refusal_count(s, step->out.error, step->in.records);
    r->u.produce.failed = true;
    if (step->info.bad_records == 0 || r->no_answer)
        return;
    const struct route_part *p = route_part(step->topic, step->in.index);
    if (p->owner == s->config.shard)
        step->out.log_start_offset = log_start(p);
    step->error_block = produce_errors(s->memory, step->in.records, &step->rules, &step->info,
                                       &step->topic->fact, &step->out);
}

static void
step_end(struct shard *s, struct produce_step *step)
{
    if (step->block)
        buddy_give(s->memory, step->block);
    if (step->error_block)
        buddy_give(s->memory, step->error_block);
    if (step->collected)
        buddy_give(s->memory, step->collected);
    if (step->staged)
        store_unstage(s->store);
    step->block = step->error_block = step->collected = NULL;
    step->staged = false;
}

/* False: not now; nothing happened. */
static bool
step_carry_out(struct shard *s, struct req *r, struct produce_step *step)
{
    struct job *j = NULL;
    step->out = (struct lens_produce_result){
        .index = step->in.index,
        .base_offset = -1,
        .log_append_time_ms = -1,
        .log_start_offset = -1,
        .leader_id = -1,
        .leader_epoch = -1,
    };
    step->info = (struct batch_info){0};
    int error = step_append(s, r, step, &j);
    if (error == ERR_AGAIN) {
        step_end(s, step);
        return false;
    }
    step->out.error = (int16_t)error;
    if (error != KERR_NONE)
        step_refused(s, r, step);
    uint32_t at = step_answer(s, r, step);
    if (j) {
        j->part = at;
        r->pending++;
        s->appends_out++;
        shard_submit(s, j);
    }
    step_end(s, step);
    return true;
}

static struct route_topic *
topic_find(const struct shard *s, const struct lens_produce_topic *t)
{
    return t->topic_id ? route_by_id(s->route, t->topic_id) : route_by_name(s->route, t->name);
}

/* The second pass.  False: not now; steps_done says how far it came. */
static bool
request_carry_out(struct shard *s, struct req *r, struct lens_produce *l)
{
    uint32_t seen = 0;
    for (uint32_t i = 0; i < l->topic_count; i++) {
        struct lens_produce_topic t;
        must(lens_produce_next_topic(l, &t) == ERR_OK); /* request_measure read it all */
        struct produce_step step = {
            .lens = &t, .topic = topic_find(s, &t), .transactional_id = l->transactional_id};
        if (t.partition_count == 0 && seen++ >= r->u.produce.steps_done) {
            step.first = step.last = true;
            step_answer(s, r, &step);
            r->u.produce.steps_done++;
        }
        for (uint32_t k = 0; k < t.partition_count; k++) {
            must(lens_produce_next_partition(l, &step.in) == ERR_OK);
            if (seen++ < r->u.produce.steps_done)
                continue;
            step.first = k == 0;
            step.last = k + 1 == t.partition_count;
            if (!step_carry_out(s, r, &step))
                return false;
            r->u.produce.steps_done++;
        }
        must(lens_produce_end_topic(l) == ERR_OK);
    }
    return true;
}

/* The request's first call: sets its state up. */
static void
request_init(struct shard *s, struct req *r, int16_t acks)
{
    r->u.produce.steps_done = 0;
    r->u.produce.lsn = 0;
    r->u.produce.held = false;
    r->u.produce.acks = acks;
    r->u.produce.carried_out = r->u.produce.failed = false;
    r->no_answer = acks == 0;
    counters_add(&s->counters, COUNTER_PRODUCE_REQUESTS, 1);
}

static bool
request_answer_begin(struct shard *s, struct req *r, uint32_t topics, uint64_t bytes)
{
    if (!req_answer_begin(s, r, (uint32_t)bytes))
        return false;
    struct put w = answer_writer(&r->answer);
    lens_produce_answer_begin(&w, r->version, topics);
    answer_commit(&r->answer, &w);
    return true;
}

/* acks=0 has no answer that could carry an error: Kafka closes the connection instead. */
static bool
request_fails(const struct req *r)
{
    return r->no_answer && r->u.produce.failed;
}

enum req_verdict
produce_start(struct shard *s, struct req *r, struct view body)
{
    uint64_t bytes;
    int16_t acks;
    struct lens_produce l;
    if (request_measure(body, r, &acks, &bytes) || bytes > SHARD_ANSWER_BLOCK_MAX / 2)
        return REQ_BAD;
    must(lens_produce_begin(body, r->version, &l) == ERR_OK);
    l.elided = r->pieces != NULL;
    if (!r->begun)
        request_init(s, r, acks);
    if (!r->no_answer && r->answer.len == 0 && !request_answer_begin(s, r, l.topic_count, bytes))
        return REQ_AGAIN;
    if (!request_carry_out(s, r, &l))
        return REQ_AGAIN;
    if (!r->no_answer) {
        struct put w = answer_writer(&r->answer);
        lens_produce_answer_end(&w, r->version, (int32_t)r->throttle_ms);
        answer_commit(&r->answer, &w);
    }
    r->u.produce.carried_out = true;
    if (r->pending)
        counters_add(&s->counters, COUNTER_SCATTERED, 1);
    if (r->u.produce.lsn && !r->no_answer) {
        r->pending++;
        must(shard_wait_durable(s, r->u.produce.lsn, r->u.produce.held, r, NULL));
    }
    if (r->pending)
        return REQ_PENDING;
    return request_fails(r) ? REQ_FAILED : REQ_DONE;
}

/* ---- the owner's side ---- */

static struct route_part *
job_part(const struct shard *s, const struct job *j)
{
    struct route_topic *t = route_by_row(s->route, j->topic);
    if (!t || memcmp(t->fact.id, j->topic_id, sizeof j->topic_id) != 0)
        return NULL;
    struct route_part *p = route_part(t, j->partition);
    return p && p->owner == s->config.shard ? p : NULL;
}

/* Whether the batch may be appended now.  False: the job is on its way home, or waits for its
 * coordinator. */
static bool
job_begins(struct shard *s, struct route_part *p, struct job *j)
{
    uint64_t ask;
    struct vouch_batch b = {&j->u.append.info, j->u.append.version, j->u.append.trusted,
                            j->u.append.guard};
    if (!(b.info->attributes & BATCH_TRANSACTIONAL))
        return true;
    int error = vouch_begins(s, p, &b, &ask);
    if (error == KERR_NONE && ask == 0)
        return true;
    if (error == KERR_NONE) {
        vouch_ask(s, p, j, ask);
    } else {
        j->error = (int16_t)error;
        shard_return(s, j);
    }
    return false;
}

/* False: the store cannot take it now. */
static bool
job_append(struct shard *s, struct job *j)
{
    if (j->kind == JOB_MARKER)
        return markers_append(s, j);
    struct route_part *p = job_part(s, j);
    if (!p || !p->log || s->fenced) {
        j->error = KERR_NOT_LEADER_OR_FOLLOWER;
        shard_return(s, j);
        return true;
    }
    if (!job_begins(s, p, j))
        return true;
    struct store_appended done;
    int error = appended(s, &j->u.append.info,
                         store_append(s->store, p->log, &j->u.append.info, j->u.append.records,
                                      p->leader_epoch, s->now_ms, &done));
    if (error == ERR_AGAIN)
        return false;
    j->error = (int16_t)error;
    if (error == KERR_NONE) {
        j->u.append.base_offset = done.base_offset;
        j->u.append.log_append_time_ms = done.log_append_time_ms;
        j->u.append.log_start_offset = log_start(p);
    }
    bool waits =
        j->u.append.acks != 0 && !route_by_row(s->route, j->topic)->fact.config.write_caching;
    if (error == KERR_NONE && waits)
        must(shard_wait_durable(s, done.lsn, done.held, NULL, j));
    else
        shard_return(s, j);
    return true;
}

void
produce_append(struct shard *s, struct job *j)
{
    /* Behind those that wait: the batches of one producer must stay in order. */
    if (!list_empty(&s->appends) || !job_append(s, j))
        list_push_back(&s->appends, &j->link);
}

void
produce_retry(struct shard *s)
{
    struct list *first;
    while ((first = list_first(&s->appends))) {
        struct job *j = list_item(first, struct job, link);
        list_remove(first);
        if (!job_append(s, j)) {
            list_push_back(s->appends.next, &j->link);
            return;
        }
    }
}

/* ---- back home ---- */

static void
answer_patch(struct req *r, const struct job *j)
{
    uint8_t *at = r->answer.bytes + j->part;
    set_u16(at + ANSWER_AT_ERROR, (uint16_t)j->error);
    if (j->error != KERR_NONE)
        return; /* the offsets are -1 already */
    set_u64(at + ANSWER_AT_OFFSET, (uint64_t)j->u.append.base_offset);
    set_u64(at + ANSWER_AT_TIME, (uint64_t)j->u.append.log_append_time_ms);
    if (r->version >= ANSWER_START_SINCE)
        set_u64(at + ANSWER_AT_START, (uint64_t)j->u.append.log_start_offset);
}

void
produce_back(struct shard *s, struct job *j)
{
    struct req *r = j->req;
    if (j->error != KERR_NONE) {
        refusal_count(s, j->error, j->u.append.records);
        r->u.produce.failed = true;
    }
    if (!r->no_answer)
        answer_patch(r, j);
    buddy_give(s->memory, (void *)(uintptr_t)j->u.append.records.at);
    mesh_done(s->mesh, j);
    s->appends_out--;
    if (!req_piece_back(s, r) || r->pending || !r->u.produce.carried_out)
        return;
    if (request_fails(r))
        req_fail(s, r, COUNTERS);
    else
        req_finish(s, r);
}
