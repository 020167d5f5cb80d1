/* fetch_ask.c: what a fetch asks the shards of its partitions, and what it is told.
 *
 * One message there, one back: the owner tells what there is and holds the front of it, if it is in
 * memory, in the same job.  A request for one partition alone may wait there: its JOB_LOCATE is
 * parked while there is nothing, and what a file was read for is held for it.  Others know first
 * what all their partitions have, and park a JOB_WATCH at each; what fires brings the news, and the
 * records, with it.
 *
 * I1 A hold is used for the answer, or goes back as soon as it is known that it is not: when the
 *    part gives nothing to the answer, when the request waits, and FETCH_HOLD_MS after it came, if
 *    other partitions let it wait so long (they may be read from files).
 * I2 A job that is out owns its room for a hold and for aborted transactions; a JOB_WATCH has none
 *    for the latter, as its part may be answered from what was known before. */
#include "core/base/err.h"
#include "dataplane/broker/fetch_in.h"

/* Of several partitions a file that is read for one is not held, since others are probably read,
 * too; nor what may lie behind more than is sent in one go. */
static enum job_lend
lend_of(const struct fetch *f, uint32_t part)
{
    int64_t before = 0;
    if (f->part_count == 1)
        return LEND_READ;
    if (part >= CONN_PINS_MAX)
        return LEND_CACHED;
    for (uint32_t i = 0; i < part; i++)
        before += f->parts[i].params.max_bytes > 0 ? f->parts[i].params.max_bytes : 0;
    return before < STREAM_SEND_BYTES_MAX ? LEND_READY : LEND_CACHED;
}

static struct job *
job_for(struct shard *s, struct fetch *f, uint32_t part, enum job_kind kind)
{
    struct job *j = mesh_job(s->mesh);
    if (!j)
        return NULL;
    const struct fetch_part *p = &f->parts[part];
    j->kind = (uint8_t)kind;
    j->owner = p->owner;
    memcpy(j->topic_id, f->topics[p->topic].id, sizeof j->topic_id);
    j->partition = p->partition;
    j->req = f->req;
    j->part = part;
    j->u.locate.offset = p->params.fetch_offset;
    j->u.locate.leader_epoch = p->params.leader_epoch;
    j->u.locate.fetched_epoch = p->params.fetched_epoch;
    j->u.locate.max_bytes = p->params.max_bytes < f->max_bytes ? p->params.max_bytes : f->max_bytes;
    j->u.locate.at_least_one = true; /* whether it is the first is not known yet */
    j->u.locate.give_up_ns = 0;
    j->u.locate.read_committed = f->read_committed;
    j->u.locate.aborted = NULL;
    j->u.locate.aborted_room = 0;
    j->u.locate.lend = (uint8_t)lend_of(f, part);
    j->u.locate.park = j->u.locate.parked = j->u.locate.told = j->u.locate.held = false;
    j->u.locate.hold = buddy_used(s->memory) <= FETCH_HOLD_MEMORY ? holds_take(s) : NULL;
    f->req->pending++;
    f->jobs_out++;
    return j;
}

/* The job is a watch from now on, whatever it is. */
static void
watch_begin(struct shard *s, struct fetch_part *p, struct job *j)
{
    s->fetch->watches_out++;
    p->watch = j;
    p->cancelled = false;
}

/* Lets the only job of a request wait at its owner until its deadline. */
static void
park(struct shard *s, struct fetch *f, struct fetch_part *p, struct job *j)
{
    if (f->part_count > 1 || f->expired || f->min_bytes <= 0 || f->replica_id >= 0 ||
        s->fetch->watches_out == FETCH_WATCHES_MAX ||
        !heap_add(&s->fetch->waits, &f->wait, f->deadline_ns))
        return;
    f->parked = true;
    j->u.locate.park = true;
    watch_begin(s, p, j);
    if (f->deadline_ns < s->fetch_ns)
        s->fetch_ns = f->deadline_ns;
}

bool
fetch_ask(struct shard *s, struct fetch *f)
{
    for (; f->ask_next < f->part_count; f->ask_next++) {
        struct fetch_part *p = &f->parts[f->ask_next];
        if (p->local || p->watch || p->fresh)
            continue;
        must(!p->hold);
        struct job *j =
            f->locating < FETCH_LOCATES_MAX ? job_for(s, f, f->ask_next, JOB_LOCATE) : NULL;
        if (!j)
            return false;
        f->locating++;
        j->u.locate.aborted = p->aborted;
        j->u.locate.aborted_room = p->aborted_room;
        park(s, f, p, j);
        shard_submit(s, j);
    }
    return true;
}

bool
fetch_ask_watch(struct shard *s, struct fetch *f, uint32_t part)
{
    struct fetch_part *p = &f->parts[part];
    if (p->watch)
        return true;
    if (s->fetch->watches_out == FETCH_WATCHES_MAX)
        return false;
    struct job *j = job_for(s, f, part, JOB_WATCH);
    if (!j)
        return false;
    j->u.locate.seen = p->high_watermark;
    watch_begin(s, p, j);
    shard_submit(s, j);
    return true;
}

void
fetch_ask_back(struct shard *s, struct fetch *f)
{
    for (uint32_t i = 0; i < f->part_count; i++) {
        struct fetch_part *p = &f->parts[i];
        if (p->watch && !p->cancelled) {
            p->cancelled = true;
            shard_cancel(s, p->watch);
        }
    }
}

void
fetch_drop_hold(struct shard *s, struct fetch_part *p)
{
    if (p->hold)
        holds_drop(s, p->owner, p->hold);
    p->hold = NULL;
}

void
fetch_drop_holds(struct shard *s, struct fetch *f)
{
    if (list_empty(&f->holding))
        return;
    list_remove(&f->holding);
    for (uint32_t i = 0; i < f->part_count; i++)
        fetch_drop_hold(s, &f->parts[i]);
}

void
fetch_take_facts(struct fetch_part *p, const struct job *j)
{
    p->error = j->error;
    p->high_watermark = j->u.locate.high_watermark;
    p->last_stable_offset = j->u.locate.last_stable_offset;
    p->log_start_offset = j->u.locate.log_start_offset;
    p->diverging = j->u.locate.diverging;
    p->range = j->u.locate.range;
    p->aborted_count = j->u.locate.aborted_count;
}

static void
take_hold(struct shard *s, struct fetch *f, struct fetch_part *p, struct job *j)
{
    must(!p->hold);
    if (!j->u.locate.held)
        return;
    p->hold = j->u.locate.hold;
    j->u.locate.hold = NULL;
    if (!list_empty(&f->holding))
        return;
    list_push_back(&s->fetch->holding, &f->holding);
    f->held_ns = s->now_ns;
    uint64_t at = s->now_ns + FETCH_HOLD_MS * CLOCK_NS_PER_MS;
    if (at < s->fetch_ns)
        s->fetch_ns = at;
}

/* It is not parked any more. */
static void
watch_end(struct shard *s, struct fetch *f, struct fetch_part *p, struct job *j)
{
    p->watch = NULL;
    s->fetch->watches_out--;
    j->u.locate.park = false;
    j->cancelled = 0;
    if (f->parked)
        heap_remove(&s->fetch->waits, &f->wait);
    f->parked = false;
}

/* Whether what a watch tells is news to a part: what is settled stays as it is. */
static bool
wanted(const struct fetch *f, const struct job *j)
{
    return j->u.locate.told && (f->waiting || j->part >= f->settled) &&
           j->u.locate.aborted_count <= j->u.locate.aborted_room;
}

bool
fetch_take(struct shard *s, struct fetch *f, struct job *j)
{
    struct fetch_part *p = &f->parts[j->part];
    bool watch = j->kind == JOB_WATCH;
    must(!watch || p->watch == j);
    if (p->watch == j)
        watch_end(s, f, p, j);
    if (!watch && !f->ended && fetch_more_aborted(s, p, j)) {
        shard_submit(s, j);
        return true;
    }
    if (!f->ended && (!watch || wanted(f, j))) {
        fetch_take_facts(p, j);
        take_hold(s, f, p, j);
        p->fresh = watch;
    }
    if (j->u.locate.hold && j->u.locate.held)
        holds_drop(s, j->owner, j->u.locate.hold);
    else if (j->u.locate.hold)
        holds_give(s, j->u.locate.hold, false);
    f->jobs_out--;
    f->locating -= !watch;
    mesh_done(s->mesh, j);
    return false;
}
