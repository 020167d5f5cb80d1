/* fetch_answer.c: the response of a Fetch, and the session brought in line with it.
 *
 * Order as Kafka's: partitions as they were asked for, then those that nobody knows; neighbours of
 * one topic share its entry.  An incremental answer leaves out what has no news.  The session is
 * changed only once the answer is written, so a lack of memory can be retried. */
#include "dataplane/broker/fetch_in.h"

#include "core/wire/kerr.h"
#include "core/wire/wire_gen.h"
#include "dataplane/broker/shard.h"

enum { HEAD_BYTES = 64, TOPIC_BYTES = 48, PART_BYTES = 112, ABORTED_BYTES = 16, LEADER_SINCE = 16 };

static struct session_result
result_of(const struct fetch_part *p)
{
    return (struct session_result){.error = p->error,
                                   .diverging = p->diverging.epoch >= 0,
                                   .records_bytes = p->records_bytes,
                                   .high_watermark = p->high_watermark,
                                   .log_start_offset = p->log_start_offset};
}

/* A session for the partitions of this answer; NULL when none can be had. */
static struct session *
make_session(struct shard *s, const struct fetch *f)
{
    struct session_cache *c = s->fetch->sessions;
    struct session *session =
        session_create(c, f->uses_ids, f->part_count, s->now_ns / CLOCK_NS_PER_MS);
    for (uint32_t i = 0; session && i < f->part_count; i++) {
        const struct fetch_part *p = &f->parts[f->order[i]];
        int32_t part;
        if (session_put(c, session, f->topics[p->topic].key, p->partition, &p->params, &part)) {
            session_remove(c, session);
            return NULL;
        }
        session->parts[part].high_watermark = p->high_watermark;
        session->parts[part].log_start_offset = p->log_start_offset;
    }
    return session;
}

static void
put_in_order(struct fetch *f)
{
    uint32_t known = 0, stranger = f->part_count - f->stranger_count;
    for (uint32_t i = 0; i < f->part_count; i++)
        f->order[f->parts[i].stranger ? stranger++ : known++] = i;
}

/* Drops what is not answered from the order; returns how many are left. */
static uint32_t
select_news(struct fetch *f, const struct session *session)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < f->part_count; i++) {
        struct fetch_part *p = &f->parts[f->order[i]];
        struct session_result r = result_of(p);
        if (!session || session_news(&session->parts[p->session_part], &r))
            f->order[count++] = f->order[i];
    }
    return count;
}

/* Partitions of the same topic from place i of the order on. */
static uint32_t
run_length(const struct fetch *f, uint32_t i, uint32_t count)
{
    uint32_t end = i + 1;
    while (end < count && f->parts[f->order[end]].topic == f->parts[f->order[i]].topic)
        end++;
    return end - i;
}

/* Who reads committed data is told what to leave out; others, and where there is an error or a
 * diverging epoch, nothing.  Kafka: null, but an empty list for who reads committed and from where
 * errors are made. */
static bool
set_aborted(struct shard *s, const struct fetch *f, const struct fetch_part *p,
            struct lens_fetch_result *r)
{
    static const struct lens_fetch_aborted none[1];
    bool read = p->error == KERR_NONE && p->diverging.epoch < 0;
    if (p->stranger || (f->read_committed && read))
        r->aborted = none;
    if (p->records_bytes == 0 || p->aborted_count == 0)
        return true;
    wire_arena_reset(&s->scratch);
    struct lens_fetch_aborted *all = wire_arena_take(&s->scratch, p->aborted_count * sizeof *all);
    if (!all)
        return false;
    for (uint32_t i = 0; i < p->aborted_count; i++)
        all[i] = (struct lens_fetch_aborted){p->aborted[i].producer_id, p->aborted[i].first};
    r->aborted = all;
    r->aborted_count = p->aborted_count;
    return true;
}

static bool
write_part(struct shard *s, struct fetch *f, const struct fetch_part *p)
{
    struct answer *a = &f->req->answer;
    const struct lens_fetch_diverging diverging = {p->diverging.epoch, p->diverging.offset};
    struct lens_fetch_result r = {.index = p->partition,
                                  .error = p->error,
                                  .high_watermark = p->high_watermark,
                                  .last_stable_offset = p->last_stable_offset,
                                  .log_start_offset = p->log_start_offset,
                                  .records_bytes = p->records_bytes,
                                  .leader_id = -1,
                                  .leader_epoch = -1,
                                  .diverging = p->diverging.epoch >= 0 ? &diverging : NULL};
    if (!set_aborted(s, f, p, &r))
        return false;
    if (f->version >= LEADER_SINCE && p->leader_epoch >= 0 &&
        (p->error == KERR_NOT_LEADER_OR_FOLLOWER || p->error == KERR_FENCED_LEADER_EPOCH)) {
        r.leader_id = s->node_id;
        r.leader_epoch = p->leader_epoch;
    }
    struct put w = answer_writer(a);
    lens_fetch_answer_partition(&w, f->version, &r);
    must(!w.bad);
    answer_commit(a, &w);
    if (p->records_bytes && !answer_add_range(a, s->memory, p->owner, &p->range))
        return false;
    w = answer_writer(a);
    lens_fetch_answer_end_partition_tags(&w, f->version, &r);
    must(!w.bad);
    answer_commit(a, &w);
    if (p->error != KERR_NONE) {
        counters_add(&s->counters, COUNTER_FETCH_ERRORS, 1);
        counters_error(&s->counters, WIRE_API_FETCH, p->error);
    }
    return true;
}

static bool
write_topics(struct shard *s, struct fetch *f, uint32_t count)
{
    struct answer *a = &f->req->answer;
    for (uint32_t i = 0; i < count;) {
        const struct fetch_topic *t = &f->topics[f->parts[f->order[i]].topic];
        uint32_t run = run_length(f, i, count);
        struct lens_fetch_topic head = {.partition_count = run};
        if (f->uses_ids)
            head.topic_id = t->key.at;
        else
            head.name = t->key;
        struct put w = answer_writer(a);
        lens_fetch_answer_topic(&w, f->version, &head);
        must(!w.bad);
        answer_commit(a, &w);
        for (uint32_t limit = i + run; i < limit; i++) {
            if (!write_part(s, f, &f->parts[f->order[i]]))
                return false;
        }
        w = answer_writer(a);
        lens_fetch_answer_end_topic(&w, f->version);
        must(!w.bad);
        answer_commit(a, &w);
    }
    return true;
}

static bool
write_answer(struct shard *s, struct fetch *f, int16_t error, int32_t session_id, uint32_t count)
{
    uint64_t bytes = HEAD_BYTES;
    uint32_t topics = 0;
    for (uint32_t i = 0; i < count; i += run_length(f, i, count)) {
        bytes += TOPIC_BYTES + f->topics[f->parts[f->order[i]].topic].key.len;
        topics++;
    }
    bytes += (uint64_t)count * PART_BYTES;
    for (uint32_t i = 0; i < count; i++)
        bytes += (uint64_t)f->parts[f->order[i]].aborted_count * ABORTED_BYTES;
    if (bytes > UINT32_MAX || !req_answer_begin(s, f->req, (uint32_t)bytes))
        return false;
    struct put w = answer_writer(&f->req->answer);
    lens_fetch_answer_begin(&w, f->version, (int32_t)f->req->throttle_ms, error, session_id,
                            topics);
    must(!w.bad);
    answer_commit(&f->req->answer, &w);
    if (!write_topics(s, f, count)) {
        answer_free(&f->req->answer, s->memory);
        return false;
    }
    w = answer_writer(&f->req->answer);
    lens_fetch_answer_end(&w, f->version);
    must(!w.bad);
    answer_commit(&f->req->answer, &w);
    if (error != KERR_NONE)
        counters_error(&s->counters, WIRE_API_FETCH, error);
    return true;
}

static uint64_t
bytes_of(const struct fetch *f, uint32_t count)
{
    uint64_t bytes = HEAD_BYTES;
    for (uint32_t i = 0; i < count; i++)
        bytes += PART_BYTES + f->parts[f->order[i]].records_bytes;
    return bytes;
}

/* Counts the answer against the client's quota.  True: it is over it, gets nothing, and is left
 * alone for r->throttle_ms; what it did not get does not count. */
static bool
over_quota(struct shard *s, struct fetch *f, uint64_t bytes)
{
    struct req *r = f->req;
    if (!r->metered)
        return false;
    uint32_t ms = quota_charge(&s->quota, QUOTAS_FETCH, &r->quota, bytes, s->now_ns);
    r->throttle_ms = ms > r->throttle_ms ? ms : r->throttle_ms;
    if (r->throttle_ms)
        quota_return(&s->quota, QUOTAS_FETCH, &r->quota, bytes, s->now_ns);
    return r->throttle_ms > 0;
}

/* What is held goes with the answer. */
static void
hand_over_holds(struct shard *s, struct fetch *f, uint32_t count)
{
    struct answer *a = &f->req->answer;
    uint32_t range = 0;
    if (list_empty(&f->holding))
        return;
    for (uint32_t i = 0; i < count; i++) {
        struct fetch_part *p = &f->parts[f->order[i]];
        if (p->records_bytes == 0)
            continue;
        must(range < a->range_count);
        a->ranges[range++].hold = p->hold;
        p->hold = NULL;
    }
    holds_keep(s, f->req);
}

static void
count_bytes(struct shard *s, const struct fetch *f, uint32_t count)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < count; i++)
        bytes += f->parts[f->order[i]].records_bytes;
    counters_add(&s->counters, COUNTER_FETCH_BYTES, bytes);
}

/* An empty answer; the session, which was begun anew or is at its next epoch, knows nothing of it.
 */
static bool
throttled(struct shard *s, struct fetch *f)
{
    if (!write_answer(s, f, f->error, f->kind == SESSION_INCREMENTAL ? f->session_id : 0, 0))
        return false;
    conn_mute(s, f->req->conn, f->req->throttle_ms);
    return true;
}

bool
fetch_respond(struct shard *s, struct fetch *f)
{
    struct session_cache *c = s->fetch->sessions;
    struct session *session = NULL, *made = NULL;
    int16_t error = f->error;
    int32_t session_id = 0;
    uint32_t count = 0;
    put_in_order(f);
    uint64_t bytes = bytes_of(f, f->part_count); /* before the order is changed */
    if (over_quota(s, f, bytes))
        return throttled(s, f);
    if (f->kind == SESSION_FULL) {
        made = make_session(s, f);
        session_id = made ? made->id : 0;
    } else if (f->kind == SESSION_INCREMENTAL) {
        session_id = f->session_id;
        session = session_find(c, session_id);
        if (session && !session_current(c, session_id, f->session_epoch))
            error = KERR_INVALID_FETCH_SESSION_EPOCH; /* another request went on with it */
    }
    if (error == KERR_NONE)
        count = select_news(f, session); /* evicted meanwhile: everything is news */
    if (!write_answer(s, f, error, session_id, count)) {
        if (made)
            session_remove(c, made);
        if (f->req->metered)
            quota_return(&s->quota, QUOTAS_FETCH, &f->req->quota, bytes, s->now_ns);
        return false;
    }
    for (uint32_t i = 0; session && i < count; i++) {
        const struct fetch_part *p = &f->parts[f->order[i]];
        struct session_result r = result_of(p);
        session_answered(session, p->session_part, &r);
    }
    count_bytes(s, f, count);
    hand_over_holds(s, f, count);
    return true;
}
