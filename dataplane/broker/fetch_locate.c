/* fetch_locate.c: the owner's side of a fetch: what one partition has for it, and the watches.
 *
 * route_part.watchers holds two kinds of nodes that begin alike (list, then kind): partitions of
 * fetches of this shard (struct fetch_part, FETCH_LOCAL_WATCH) and parked jobs of others
 * (JOB_WATCH, JOB_LOCATE). A change of the partition empties the list; what still waits comes back
 * by itself. So a change costs as much as there are watchers of this partition, whoever else waits.
 * Source: Kafka ReplicaManager.readFromLog, Partition.fetchRecords, UnifiedLog.read. */
#include "dataplane/broker/fetch_in.h"

#include "core/base/err.h"
#include "core/wire/kerr.h"
#include "dataplane/broker/shard.h"

_Static_assert(offsetof(struct job, link) == 0 && offsetof(struct fetch_part, link) == 0 &&
                   offsetof(struct job, kind) == offsetof(struct fetch_part, kind),
               "watchers of both kinds begin alike");

struct route_part *
fetch_partition(struct shard *s, const uint8_t id[16], int32_t partition, int16_t *error)
{
    struct route_topic *t = route_by_id(s->route, id);
    if (!t || partition < 0 || (uint32_t)partition >= t->fact.partition_count) {
        *error = KERR_UNKNOWN_TOPIC_OR_PARTITION;
        return NULL;
    }
    struct route_part *p = route_part(t, partition);
    *error = p ? KERR_NONE : KERR_NOT_LEADER_OR_FOLLOWER;
    return p;
}

static int16_t
epoch_error(const struct route_part *p, int32_t asked)
{
    if (asked < 0 || asked == p->leader_epoch)
        return KERR_NONE;
    return asked < p->leader_epoch ? KERR_FENCED_LEADER_EPOCH : KERR_UNKNOWN_LEADER_EPOCH;
}

/* Whether this shard may read the partition at all. */
static int16_t
access_error(struct shard *s, const struct job *j, struct route_part **out,
             struct plog_facts *facts)
{
    int16_t error;
    struct route_part *p = fetch_partition(s, j->topic_id, j->partition, &error);
    *out = p;
    if (!p)
        return error;
    if (!p->log || s->fenced)
        return KERR_NOT_LEADER_OR_FOLLOWER;
    error = epoch_error(p, j->u.locate.leader_epoch);
    if (error != KERR_NONE)
        return error;
    if (p->leader_id != s->node_id)
        return KERR_NOT_LEADER_OR_FOLLOWER;
    plog_facts(p->log, facts);
    return facts->state == PLOG_ONLINE ? KERR_NONE : KERR_KAFKA_STORAGE_ERROR;
}

static int16_t
locate_error(int err)
{
    switch (err) {
    case ERR_OK:
        return KERR_NONE;
    case ERR_NOT_FOUND:
        return KERR_OFFSET_OUT_OF_RANGE;
    case ERR_IO:
        return KERR_KAFKA_STORAGE_ERROR;
    case ERR_CORRUPT:
        return KERR_CORRUPT_MESSAGE;
    default:
        return KERR_UNKNOWN_SERVER_ERROR;
    }
}

/* Whether the log of who asks is a part of ours up to its offset (KIP-595); sets `diverging` if
 * not.  Source: Kafka Partition.readRecords. */
static int16_t
compare_epochs(struct job *j, const struct route_part *p, const struct plog_facts *facts)
{
    int32_t fetched = j->u.locate.fetched_epoch;
    if (fetched < 0)
        return KERR_NONE;
    struct plog_epoch_end end = plog_epoch_end(p->log, fetched, p->leader_epoch);
    if (end.epoch < 0 || j->u.locate.offset < facts->log_start_offset)
        return KERR_OFFSET_OUT_OF_RANGE;
    if (end.epoch < fetched || end.offset < j->u.locate.offset)
        j->u.locate.diverging = end;
    return KERR_NONE;
}

static void
nothing_found(struct job *j)
{
    j->u.locate.range.len = 0;
    j->u.locate.high_watermark = -1;
    j->u.locate.last_stable_offset = -1;
    j->u.locate.log_start_offset = -1;
    j->u.locate.diverging = (struct plog_epoch_end){-1, -1};
    j->u.locate.aborted_count = 0;
}

static void
tell_facts(struct job *j, const struct plog_facts *facts)
{
    j->u.locate.high_watermark = facts->high_watermark;
    j->u.locate.last_stable_offset = facts->last_stable_offset;
    j->u.locate.log_start_offset = facts->log_start_offset;
}

int
fetch_read(struct shard *s, struct job *j)
{
    struct plog_facts facts;
    struct route_part *p;
    int64_t offset = j->u.locate.offset;
    nothing_found(j);
    j->error = access_error(s, j, &p, &facts);
    if (j->error == KERR_NONE)
        j->error = compare_epochs(j, p, &facts);
    if (j->error != KERR_NONE)
        return ERR_OK;
    if (j->u.locate.diverging.epoch >= 0) {
        tell_facts(j, &facts);
        return ERR_OK;
    }
    if (offset < facts.log_start_offset || offset > facts.log_end_offset) {
        j->error = KERR_OFFSET_OUT_OF_RANGE;
        return ERR_OK;
    }
    int64_t end = j->u.locate.read_committed ? facts.last_stable_offset : facts.high_watermark;
    bool readable = offset < end, again = false;
    if (readable && j->u.locate.max_bytes < 0) {
        j->error = KERR_UNKNOWN_SERVER_ERROR; /* as Kafka: LogSegment.read throws */
        return ERR_OK;
    }
    if (readable && (j->u.locate.max_bytes > 0 || j->u.locate.at_least_one)) {
        int err = store_locate(s->store, p->log, offset, end, (uint32_t)j->u.locate.max_bytes,
                               j->u.locate.at_least_one, &j->u.locate.range);
        if (err == ERR_OK && j->u.locate.read_committed)
            err = fetch_find_aborted(s, p->log, j);
        j->error = err == ERR_AGAIN ? KERR_NONE : locate_error(err);
        again = err == ERR_AGAIN;
        if (err)
            j->u.locate.range.len = 0;
        if (j->error != KERR_NONE)
            return ERR_OK;
    }
    tell_facts(j, &facts);
    return again ? ERR_AGAIN : ERR_OK;
}

void
fetch_ask_later(struct shard *s, struct job *j)
{
    list_push_back(&s->fetch->asks, &j->link);
    uint64_t at = s->now_ns + FETCH_RETRY_MS * CLOCK_NS_PER_MS;
    if (at < s->fetch_ns)
        s->fetch_ns = at;
}

/* Sends a job home, with what of its range is in memory and may be held. */
static void
bring(struct shard *s, struct job *j)
{
    bool files = j->u.locate.lend >= (j->u.locate.give_up_ns ? LEND_READ : LEND_READY);
    j->u.locate.held =
        j->u.locate.hold && j->u.locate.range.len > 0 &&
        store_hold_ready(s->store, &j->u.locate.range, files, j->u.locate.hold) == ERR_OK;
    shard_return(s, j);
}

/* Nothing is there that its reader does not have, and more may come. */
static bool
nothing_yet(const struct job *j)
{
    int64_t end =
        j->u.locate.read_committed ? j->u.locate.last_stable_offset : j->u.locate.high_watermark;
    return j->error == KERR_NONE && j->u.locate.diverging.epoch < 0 && j->u.locate.offset >= end;
}

void
fetch_locate(struct shard *s, struct job *j)
{
    bool parked = j->u.locate.parked;
    j->u.locate.parked = false;
    if (fetch_read(s, j) == ERR_AGAIN) {
        if (j->u.locate.give_up_ns == 0)
            j->u.locate.give_up_ns = s->now_ns + FETCH_COLD_MS * CLOCK_NS_PER_MS;
        if (s->now_ns < j->u.locate.give_up_ns) {
            fetch_ask_later(s, j);
            return;
        }
    } else if (j->u.locate.park && !j->cancelled && nothing_yet(j)) {
        int16_t error;
        struct route_part *p = fetch_partition(s, j->topic_id, j->partition, &error);
        must(p); /* it was just read */
        if (!parked)
            counters_add(&s->counters, COUNTER_FETCH_WAITS, 1);
        j->u.locate.parked = true;
        list_push_back(&p->watchers, &j->link);
        return;
    }
    bring(s, j);
}

void
fetch_tell(struct shard *s, struct job *j)
{
    if (j->kind == JOB_LOCATE) {
        fetch_locate(s, j);
        return;
    }
    /* Files to be read first: home asks in another way. */
    j->u.locate.told = fetch_read(s, j) == ERR_OK;
    bring(s, j);
}

void
fetch_watch(struct shard *s, struct job *j)
{
    int16_t error;
    struct plog_facts facts;
    struct route_part *p = fetch_partition(s, j->topic_id, j->partition, &error);
    if (!j->cancelled && p && p->log && p->leader_id == s->node_id && !s->fenced) {
        plog_facts(p->log, &facts);
        if (facts.state == PLOG_ONLINE && facts.high_watermark == j->u.locate.seen) {
            list_push_back(&p->watchers, &j->link);
            return;
        }
    }
    fetch_tell(s, j); /* not as home saw it any more */
}

void
fetch_unwatch(struct shard *s, struct job *j)
{
    must(j->kind == JOB_WATCH || j->kind == JOB_LOCATE);
    bool watch = j->kind == JOB_WATCH;
    if (!watch && !j->u.locate.parked)
        return; /* it waits for a file, and no longer than that */
    list_remove(&j->link);
    if (watch)
        shard_return(s, j);
    else
        fetch_locate(s, j); /* home knows nothing of it yet */
}
