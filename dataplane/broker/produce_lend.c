/* produce_lend.c: see produce_in.h.
 *
 * A large batch for a log of another shard stays where it was received: in the stream's block, or
 * in the frames of the device.  Its job tells the owner where; the owner copies it from there to
 * its place in the log, and home has the bytes again (mesh_give_back) before they are durable.  So
 * they are copied once, as those of own logs are.
 *
 * The owner checks the batch too, in the pass that copies it; but one that is compressed and lies
 * in one piece is checked here: that costs much more than the copy, and an owner whose logs
 * everybody writes to has enough to do.
 *
 * Copied first, as small ones are, is what has to wait or to change before it is appended
 * (produce_may_stage), and all of a request while the stream keeps as much as it may.
 *
 * I1 r->u.produce.kept is not 0 while `lent` jobs are out, and covers what the call that kept it
 * was lent: a later call of the same request may find its bytes elsewhere, and lends nothing before
 *    those are back. */
#include "core/base/err.h"
#include "core/base/mutant.h"
#include "core/wire/kerr.h"
#include "dataplane/broker/inner.h"
#include "dataplane/broker/produce_in.h"

bool
produce_may_stage(const struct produce_step *step, struct batch_info *info)
{
    const struct table_topic_config *c = &step->topic->fact.config;
    uint8_t bytes[BATCH_HEADER_BYTES];
    struct view header = step->in.records;
    uint32_t len = produce_records_bytes(step);
    if (len < BATCH_HEADER_BYTES)
        return false;
    if (step->pieces) {
        rope_read(step->pieces, step->pieces_at, bytes, sizeof bytes);
        header = view_of(bytes, sizeof bytes);
    }
    if (batch_header(header, info) != ERR_OK || info->bytes != len)
        return false;
    uint32_t codec = info->attributes & BATCH_CODEC_MASK;
    return info->bytes <= c->max_message_bytes &&
           (c->compression >= BATCH_CODECS || c->compression == codec) &&
           !(info->attributes & BATCH_TRANSACTIONAL);
}

void
produce_job_set(struct job *j, struct req *r, const struct produce_step *step,
                const struct route_part *p)
{
    j->kind = JOB_APPEND;
    j->owner = (uint16_t)p->owner;
    j->topic = p->topic;
    j->partition = p->partition;
    memcpy(j->topic_id, p->topic_id, sizeof j->topic_id);
    j->req = r;
    j->u.append.pieces = NULL;
    j->u.append.lent = j->u.append.unchecked = j->u.append.given_back = false;
    j->u.append.why = NULL;
    j->u.append.transactional_id = (struct view){0};
    j->u.append.guard = 0;
    j->u.append.acks = r->u.produce.acks;
    j->u.append.version = step->version;
    j->u.append.trusted = step->trusted;
    j->u.append.now_ms = step->now_ms;
}

/* Where the records lie, into memory of the job.  False: there is none. */
static bool
pieces_tell(struct shard *s, struct produce_step *step, struct job *j)
{
    size_t room;
    struct view *list = buddy_take(s->memory, step->pieces->count * sizeof *list, &room);
    if (!list)
        return false;
    uint32_t at = step->pieces_at, left = step->in.elided_bytes, count = 0;
    for (; left > 0; count++) {
        list[count] = rope_view(step->pieces, at, left);
        at += list[count].len;
        left -= list[count].len;
    }
    j->u.append.pieces = list;
    j->u.append.piece_count = count;
    j->u.append.records = (struct view){.len = step->in.elided_bytes};
    return true;
}

static struct job *
job_lend(struct shard *s, struct req *r, struct produce_step *step, const struct route_part *p)
{
    struct job *j = mesh_job(s->mesh);
    if (!j)
        return NULL;
    produce_job_set(j, r, step, p);
    j->u.append.records = step->in.records;
    if (step->pieces && !pieces_tell(s, step, j)) {
        mesh_done(s->mesh, j);
        return NULL;
    }
    j->u.append.lent = true;
    j->u.append.info = step->info;
    return j;
}

int
produce_lend(struct shard *s, struct req *r, struct produce_step *step, const struct route_part *p,
             struct job **out)
{
    stream_kept kept = r->u.produce.kept;
    struct batch_info info;
    if ((kept && r->begun) || /* I1 */
        produce_records_bytes(step) < PRODUCE_LEND_MIN || !produce_may_stage(step, &info))
        return ERR_LIMIT;
    bool check = !step->pieces && info.attributes & BATCH_CODEC_MASK;
    step->info = info;
    int error = check ? produce_check(step) : KERR_NONE;
    if (error != KERR_NONE)
        return error;
    if (!kept)
        kept = s->stream.ops->keep(s->stream.self, r->conn->id, r->front_bytes);
    if (!kept)
        return ERR_LIMIT;
    struct job *j = job_lend(s, r, step, p);
    if (!j) {
        if (!r->u.produce.kept)
            s->stream.ops->release(s->stream.self, kept);
        return ERR_AGAIN;
    }
    if (!r->u.produce.kept && mutant(MUTANT_BROKER_LENT_EARLY))
        s->stream.ops->release(s->stream.self, kept);
    j->u.append.unchecked = !check;
    r->u.produce.kept = kept;
    r->u.produce.lent++;
    counters_add(&s->counters, COUNTER_PRODUCE_LENT, info.bytes);
    *out = j;
    return KERR_NONE;
}
