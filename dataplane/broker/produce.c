/* produce.c: see produce.h.
 *
 * A request is read twice: the first pass checks its form as a whole (a malformed request appends
 * nothing) and how large the answer can get; the second carries the partitions out, one step each,
 * and writes the answer as it goes.  Batches of own partitions are appended at once; those of other
 * shards are sent to them as JOB_APPEND, whose result is written into the answer later
 * (produce_home.c): job `part` is the place of the partition in the answer's bytes.  Large ones are
 * lent as they were received (produce_lend.c), the others are checked and copied before.
 *
 * The records of a request in pieces are copied by produce_pieces.c, each partition's when its turn
 * comes.
 *
 * I1 A step either happened (steps_done counts it, its answer is written) or left no trace, so a
 *    request that got REQ_AGAIN goes on where it stopped.
 * I2 A batch keeps its block, or the received bytes that it lends, until its job is home at most,
 *    so a request that waits for memory never holds what another one needs to end.
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
    if (step->topic->fact.internal && !step->trusted)
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
    produce_job_set(j, r, step, p);
    j->u.append.records = view_of(copy, len);
    j->u.append.info = step->info;
    j->u.append.transactional_id = view_of(name.at ? copy + len : NULL, name.len);
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
        struct vouch_batch b = {&step->info, step->version, step->trusted, 0};
        error = vouch_begins(s, p, &b, &ask);
        /* Batches of its producer may wait there as jobs: it must not overtake them. */
        if (error == KERR_NONE && (ask != 0 || !list_empty(&s->appends)))
            return step_send(s, r, step, p, j);
    }
    if (error == KERR_NONE)
        error = produce_store(s, step, p, &done);
    if (error != KERR_NONE)
        return error;
    if (!step->topic->fact.config.write_caching) {
        r->u.produce.lsn = done.lsn > r->u.produce.lsn ? done.lsn : r->u.produce.lsn;
        r->u.produce.held |= done.held;
    }
    step->out.base_offset = done.base_offset;
    step->out.log_append_time_ms = done.log_append_time_ms;
    step->out.log_start_offset = plog_log_start(p->log);
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

/* Where the records of a request in pieces lie. */
static void
step_place(const struct req *r, struct produce_step *step)
{
    step->pieces = r->pieces;
    if (!r->pieces)
        return;
    uint64_t at = r->header_bytes + step->in.elided_at; /* both of a request that is there */
    must(at <= r->pieces->bytes && step->in.elided_bytes <= r->pieces->bytes - at);
    step->pieces_at = (uint32_t)at;
}

/* KERR_* or ERR_AGAIN; *j when the batch is on its way to another shard. */
static int
step_append(struct shard *s, struct req *r, struct produce_step *step, struct job **j)
{
    struct route_part *p = NULL;
    int error = step_find(s, r, step, &p);
    if (error == KERR_NONE && (r->pieces || step->in.records.len >= PRODUCE_STAGE_MIN)) {
        step_place(r, step);
        error = p->owner == s->config.shard ? ERR_LIMIT : produce_lend(s, r, step, p, j);
        if (error != ERR_LIMIT)
            return error;
        error = produce_take(s, step, p);
    }
    if (error == KERR_NONE)
        error = produce_check(step);
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
    produce_refusal_count(s, step->out.error, step->in.records);
    r->u.produce.failed = true;
    if (step->info.bad_records == 0 || r->no_answer)
        return;
    const struct route_part *p = route_part(step->topic, step->in.index);
    if (p->owner == s->config.shard)
        step->out.log_start_offset = plog_log_start(p->log);
    step->error_block = produce_errors(s->memory, step->in.records, &step->rules, &step->info,
                                       &step->topic->fact, &step->out);
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
    step->info.bad_records = 0;
    int error = step_append(s, r, step, &j);
    if (error == ERR_AGAIN) {
        produce_step_end(s, step);
        return false;
    }
    step->out.error = (int16_t)error;
    if (error != KERR_NONE)
        step_refused(s, r, step);
    uint32_t at = step_answer(s, r, step);
    if (j) {
        j->part = at;
        r->pending++;
        r->u.produce.jobs++;
        s->appends_out++;
        shard_submit(s, j);
    }
    produce_step_end(s, step);
    return true;
}

static struct route_topic *
topic_find(const struct shard *s, const struct lens_produce_topic *t)
{
    return t->topic_id ? route_by_id(s->route, t->topic_id) : route_by_name(s->route, t->name);
}

/* Of what a step has, only what is not written before it is read. */
static void
step_init(struct produce_step *step, const struct lens_produce_topic *lens,
          struct route_topic *topic)
{
    step->lens = lens;
    step->topic = topic;
    step->pieces = NULL;
    step->out.error_message = NULL;
    step->block = step->error_block = step->collected = NULL;
    step->staged = false;
}

/* The second pass.  False: not now; steps_done says how far it came. */
static bool
request_carry_out(struct shard *s, struct req *r, struct lens_produce *l)
{
    uint32_t seen = 0;
    for (uint32_t i = 0; i < l->topic_count; i++) {
        struct lens_produce_topic t;
        must(lens_produce_next_topic(l, &t) == ERR_OK); /* request_measure read it all */
        struct produce_step step;
        step_init(&step, &t, topic_find(s, &t));
        step.transactional_id = l->transactional_id;
        step.now_ms = s->now_ms;
        step.version = r->version;
        step.trusted = trusted(r);
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
    list_init(&r->u.produce.refused);
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
    produce_explain(s, r);
    if (r->pending)
        counters_add(&s->counters, COUNTER_SCATTERED, 1);
    if (r->u.produce.lsn && !r->no_answer) {
        r->pending++;
        must(shard_wait_durable(s, r->u.produce.lsn, r->u.produce.held, r, NULL));
    }
    if (r->pending)
        return REQ_PENDING;
    return produce_fails(r) ? REQ_FAILED : REQ_DONE;
}
