/* produce_owner.c: see produce.h.
 *
 * A batch that its home has not checked goes the same way as one of a connection of this shard
 * (produce_step.c): copied to its place in the log with its checksums in one pass, checked there,
 * and taken back when it is refused.  Home has its bytes again as soon as they are in the log, the
 * job only when they are durable. */
#include "core/base/err.h"
#include "core/wire/kerr.h"
#include "dataplane/broker/markers.h"
#include "dataplane/broker/produce.h"
#include "dataplane/broker/produce_in.h"

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

static int
checked_append(struct shard *s, struct route_part *p, struct job *j, struct store_appended *out)
{
    const struct batch_info *info = &j->u.append.info;
    return produce_appended(
        s, info,
        store_append(s->store, p->log, info, j->u.append.records, p->leader_epoch, s->now_ms, out));
}

/* KERR_*, or ERR_AGAIN: nothing happened. */
static int
unchecked_append(struct shard *s, struct route_part *p, struct job *j, struct store_appended *out)
{
    struct rope rope;
    struct produce_step step = {.topic = route_by_row(s->route, j->topic),
                                .in.index = j->partition,
                                .trusted = j->u.append.trusted,
                                .version = j->u.append.version,
                                .now_ms = j->u.append.now_ms};
    if (j->u.append.pieces) {
        uint32_t bytes = j->u.append.records.len;
        must(rope_init(&rope, j->u.append.pieces, j->u.append.piece_count, bytes));
        step.pieces = &rope;
        step.in.elided_bytes = bytes;
    } else {
        step.in.records = j->u.append.records;
    }
    int error = produce_take(s, &step, p);
    if (error == KERR_NONE)
        error = produce_check(&step);
    step.batch = step.in.records;
    if (error == KERR_NONE)
        error = produce_store(s, &step, p, out);
    if (error != ERR_AGAIN) {
        j->u.append.info = step.info;
        j->u.append.why = step.out.error_message;
    }
    produce_step_end(s, &step);
    return error;
}

/* The batch is in the log: its bytes go home before the job does. */
static void
lent_return(struct shard *s, struct job *j)
{
    if (!j->u.append.lent)
        return;
    j->u.append.given_back = true;
    mesh_give_back(s->mesh, j);
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
    int error =
        j->u.append.unchecked ? unchecked_append(s, p, j, &done) : checked_append(s, p, j, &done);
    if (error == ERR_AGAIN)
        return false;
    j->error = (int16_t)error;
    if (error == KERR_NONE) {
        j->u.append.base_offset = done.base_offset;
        j->u.append.log_append_time_ms = done.log_append_time_ms;
        j->u.append.log_start_offset = plog_log_start(p->log);
    }
    bool waits =
        j->u.append.acks != 0 && !route_by_row(s->route, j->topic)->fact.config.write_caching;
    if (error == KERR_NONE && waits) {
        lent_return(s, j);
        must(shard_wait_durable(s, done.lsn, done.held, NULL, j));
    } else {
        shard_return(s, j);
    }
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
