/* produce_home.c: see produce.h: what JOB_APPEND brings home to its request.
 *
 * The answer was written when the job was sent, with room for its numbers; these are patched in as
 * jobs come.  Why a batch was refused takes more room, and would move what other jobs still have to
 * patch: such jobs are kept in r->u.produce.refused until all are home. */
#include "core/base/err.h"
#include "core/base/mutant.h"
#include "core/wire/kerr.h"
#include "core/wire/lens.h"
#include "dataplane/broker/produce.h"
#include "dataplane/broker/produce_in.h"

enum {
    /* Places in a partition of the answer (versions 3 to 13). */
    ANSWER_AT_ERROR = 4,
    ANSWER_AT_OFFSET = 6,
    ANSWER_AT_TIME = 14,
    ANSWER_AT_START = 22,
    ANSWER_START_SINCE = 5,   /* version that has log_start_offset */
    ANSWER_REASONS_SINCE = 8, /* and record_errors and error_message */
    ANSWER_BARE_MAX = 64,     /* bytes of a partition without reasons */
};

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

/* ---- what a job holds ---- */

/* One job less that has bytes of `kept`. */
static void
lent_end(struct shard *s, const struct job *j)
{
    struct req *r = j->req;
    if (j->u.append.pieces)
        buddy_give(s->memory, (void *)(uintptr_t)j->u.append.pieces);
    must(r->u.produce.lent > 0);
    if (--r->u.produce.lent > 0 || mutant(MUTANT_BROKER_LENT_NEVER))
        return;
    if (!mutant(MUTANT_BROKER_LENT_EARLY))
        s->stream.ops->release(s->stream.self, r->u.produce.kept);
    r->u.produce.kept = 0;
}

void
produce_lent_back(struct shard *s, const struct job *j)
{
    lent_end(s, j);
}

static void
job_end(struct shard *s, struct job *j)
{
    if (!j->u.append.lent)
        buddy_give(s->memory, (void *)(uintptr_t)j->u.append.records.at);
    else if (!j->u.append.given_back || mutant(MUTANT_BROKER_LENT_TWICE))
        lent_end(s, j);
    mesh_done(s->mesh, j);
}

/* ---- reasons ---- */

static bool
has_reason(const struct req *r, const struct job *j)
{
    return j->error != KERR_NONE && j->u.append.unchecked && j->u.append.why != NULL && r->conn &&
           !r->no_answer && r->version >= ANSWER_REASONS_SINCE;
}

/* The last part of the answer first: what is put in there moves none that comes after it. */
static void
refused_keep(struct req *r, struct job *j)
{
    struct list *at = r->u.produce.refused.next;
    while (at != &r->u.produce.refused && list_item(at, struct job, link)->part > j->part)
        at = at->next;
    list_push_back(at, &j->link);
}

/* Puts `entry` in the place of the `bare` bytes that the answer has at `at`. */
static void
answer_replace(struct answer *a, uint32_t at, uint32_t bare, struct view entry)
{
    memmove(a->bytes + at + entry.len, a->bytes + at + bare, a->len - at - bare);
    memcpy(a->bytes + at, entry.at, entry.len);
    a->len += entry.len - bare;
}

/* The records of a refused batch in one piece; *block for the caller to give back.  len 0: no
 * memory. */
static struct view
records_of(struct shard *s, const struct job *j, void **block)
{
    struct view records = j->u.append.records;
    size_t room;
    *block = NULL;
    if (!j->u.append.pieces)
        return records;
    struct rope rope;
    must(rope_init(&rope, j->u.append.pieces, j->u.append.piece_count, records.len));
    *block = buddy_take(s->memory, records.len, &room);
    if (!*block)
        return (struct view){0};
    rope_read(&rope, 0, *block, records.len);
    return view_of(*block, records.len);
}

/* out->record_errors, as where a shard refuses a batch for itself.  Blocks for the caller to give
 * back; NULL: there are none. */
static void
records_explain(struct shard *s, const struct job *j, struct lens_produce_result *out,
                void *blocks[2])
{
    const struct route_topic *topic = route_by_row(s->route, j->topic);
    blocks[0] = blocks[1] = NULL;
    if (j->u.append.info.bad_records == 0 || !topic)
        return;
    struct produce_step step = {.topic = (struct route_topic *)(uintptr_t)topic,
                                .trusted = j->u.append.trusted,
                                .now_ms = j->u.append.now_ms};
    struct view records = records_of(s, j, &blocks[0]);
    if (!records.len)
        return;
    produce_rules(&step);
    blocks[1] =
        produce_errors(s->memory, records, &step.rules, &j->u.append.info, &topic->fact, out);
}

/* Without memory the answer says less. */
static void
reason_write(struct shard *s, struct req *r, const struct job *j)
{
    struct lens_produce_result out = {.index = j->partition,
                                      .error = j->error,
                                      .base_offset = -1,
                                      .log_append_time_ms = -1,
                                      .log_start_offset = -1,
                                      .leader_id = -1,
                                      .leader_epoch = -1};
    uint8_t bare[ANSWER_BARE_MAX];
    struct put w = put_of(bare, sizeof bare);
    lens_produce_answer_partition(&w, r->version, &out);
    must(!w.bad);
    uint32_t bare_bytes = put_len(&w);
    void *blocks[2];
    out.error_message = j->u.append.why;
    records_explain(s, j, &out, blocks);
    uint32_t most = bare_bytes + produce_errors_bytes(&out);
    wire_arena_reset(&s->scratch);
    uint8_t *entry = wire_arena_take(&s->scratch, most);
    if (entry && answer_reserve(&r->answer, s->memory, most)) {
        w = put_of(entry, most);
        lens_produce_answer_partition(&w, r->version, &out);
        must(!w.bad);
        answer_replace(&r->answer, j->part, bare_bytes, view_of(entry, put_len(&w)));
    }
    for (int i = 0; i < 2; i++)
        if (blocks[i])
            buddy_give(s->memory, blocks[i]);
}

static struct job *
refused_take(struct req *r)
{
    struct list *first = list_first(&r->u.produce.refused);
    if (!first)
        return NULL;
    list_remove(first);
    return list_item(first, struct job, link);
}

void
produce_explain(struct shard *s, struct req *r)
{
    struct job *j;
    if (!r->u.produce.carried_out || r->u.produce.jobs)
        return;
    while ((j = refused_take(r))) {
        reason_write(s, r, j);
        job_end(s, j);
    }
}

void
produce_abandon(struct shard *s, struct req *r)
{
    struct job *j;
    while ((j = refused_take(r)))
        job_end(s, j);
}

/* ---- back home ---- */

void
produce_back(struct shard *s, struct job *j)
{
    struct req *r = j->req;
    if (j->error != KERR_NONE) {
        /* What was lent in pieces has a magic that is known. */
        struct view records = j->u.append.records;
        produce_refusal_count(s, j->error, records.at ? records : (struct view){0});
        r->u.produce.failed = true;
    }
    if (!r->no_answer)
        answer_patch(r, j);
    s->appends_out--;
    r->u.produce.jobs--;
    if (has_reason(r, j))
        refused_keep(r, j);
    else
        job_end(s, j);
    produce_explain(s, r);
    if (!req_piece_back(s, r) || r->pending || !r->u.produce.carried_out)
        return;
    if (produce_fails(r))
        req_fail(s, r, COUNTERS);
    else
        req_finish(s, r);
}
