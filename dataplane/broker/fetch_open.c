/* fetch_open.c: the working set of a Fetch request.
 *
 * The body is read twice: `measure` proves it well-formed and counts, then, with the memory in
 * hand, `fill` takes it over.  So a malformed or a delayed request changes no session. One block of
 * the shard's memory: struct fetch, topics, partitions, order, text of the keys. */
#include "dataplane/broker/fetch_in.h"

#include "core/base/err.h"
#include "core/wire/kerr.h"
#include "dataplane/broker/shard.h"

#include <sys/mman.h>

enum { FETCH_IDS_SINCE = 13, KEY_BYTES_MAX = 252, ID_BYTES = 16 };

int
fetch_init(struct shard *s, uint32_t sessions_max, struct fetch_state **out)
{
    size_t books = buddy_footprint(FETCH_SESSION_BYTES) + sizeof(struct buddy *);
    size_t bytes = FETCH_SESSION_BYTES + sizeof(struct fetch_state) + books +
                   FETCH_WAITS_MAX * sizeof(struct heap_node *) + session_footprint(sessions_max) +
                   4 * 16;
    uint8_t *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED)
        return ERR_FULL;
    struct wire_arena rest; /* all zero, aligned pieces */
    wire_arena_init(&rest, at + FETCH_SESSION_BYTES, bytes - FETCH_SESSION_BYTES);
    struct fetch_state *f = wire_arena_take(&rest, sizeof *f);
    f->memory = at;
    f->memory_bytes = bytes;
    struct buddy *blocks =
        buddy_init(wire_arena_take(&rest, books), at, FETCH_SESSION_BYTES, SESSION_BLOCK_MAX);
    heap_init(&f->waits, wire_arena_take(&rest, FETCH_WAITS_MAX * sizeof(struct heap_node *)),
              FETCH_WAITS_MAX);
    uint64_t seed = (uint64_t)s->clock.ops->wall_ms(s->clock.self) ^
                    s->clock.ops->now_ns(s->clock.self) << 20 ^ s->config.shard;
    f->sessions = session_init(wire_arena_take(&rest, session_footprint(sessions_max)),
                               sessions_max, blocks, seed);
    list_init(&f->retry);
    list_init(&f->cold);
    list_init(&f->asks);
    list_init(&f->holding);
    *out = f;
    return ERR_OK;
}

void
fetch_free(struct fetch_state *f)
{
    if (f)
        munmap(f->memory, f->memory_bytes);
}

struct size {
    uint64_t topics, parts, text;
};

static struct view
key_of(struct view name, const uint8_t *id)
{
    return id ? view_of(id, ID_BYTES) : name;
}

static int
measure(struct view body, int16_t version, struct lens_fetch *head, struct size *out)
{
    struct lens_fetch l;
    int err = lens_fetch_begin(body, version, &l);
    *head = l;
    for (uint32_t i = 0; !err && i < l.topic_count; i++) {
        struct lens_fetch_topic t;
        struct lens_fetch_partition p;
        err = lens_fetch_next_topic(&l, &t);
        if (err)
            break;
        for (uint32_t k = 0; !err && k < t.partition_count; k++)
            err = lens_fetch_next_partition(&l, &p);
        if (!err)
            err = lens_fetch_end_topic(&l);
        out->topics++;
        out->parts += t.partition_count;
        out->text += key_of(t.name, t.topic_id).len;
    }
    if (!err)
        err = lens_fetch_forgotten(&l);
    for (uint32_t i = 0; !err && i < l.forgotten_count; i++) {
        struct lens_fetch_forgotten t;
        err = lens_fetch_next_forgotten(&l, &t);
    }
    return err ? err : lens_fetch_end(&l);
}

/* Carves the block; the caller zeroed the head only. */
static struct fetch *
carve(void *block, const struct size *size, uint8_t **text)
{
    struct fetch *f = block;
    *f = (struct fetch){0};
    f->topics = (struct fetch_topic *)(void *)(f + 1);
    f->parts = (struct fetch_part *)(void *)(f->topics + size->topics);
    f->order = (uint32_t *)(void *)(f->parts + size->parts);
    *text = (uint8_t *)(f->order + size->parts);
    list_init(&f->retry);
    list_init(&f->holding);
    return f;
}

static uint64_t
block_bytes(const struct size *size)
{
    return sizeof(struct fetch) + size->topics * sizeof(struct fetch_topic) +
           size->parts * (sizeof(struct fetch_part) + sizeof(uint32_t)) + size->text;
}

/* The entry of a topic; neighbours of one topic share theirs, as in Kafka's answers. */
static struct fetch_topic *
add_topic(struct shard *s, struct fetch *f, struct view key, uint8_t **text)
{
    if (f->topic_count && view_equal(f->topics[f->topic_count - 1].key, key))
        return &f->topics[f->topic_count - 1];
    struct fetch_topic *t = &f->topics[f->topic_count++];
    *t = (struct fetch_topic){.key = {*text, key.len}};
    if (key.len)
        memcpy(*text, key.at, key.len);
    *text += key.len;
    const struct route_topic *r =
        f->uses_ids ? route_by_id(s->route, key.at) : route_by_name(s->route, key);
    if (r) {
        memcpy(t->id, r->fact.id, sizeof t->id);
        t->known = true;
    }
    return t;
}

/* A follower is nobody's here: what Kafka answers to a replica that is not in the assignment. */
static int16_t
follower_error(const struct route_part *p, int32_t asked)
{
    if (asked < 0)
        return KERR_NOT_LEADER_OR_FOLLOWER;
    return asked < p->leader_epoch ? KERR_FENCED_LEADER_EPOCH : KERR_UNKNOWN_LEADER_EPOCH;
}

static void
add_part(struct shard *s, struct fetch *f, const struct fetch_topic *t, int32_t partition,
         const struct session_params *params, int32_t session_part)
{
    struct fetch_part *p = &f->parts[f->part_count++];
    *p = (struct fetch_part){.kind = FETCH_LOCAL_WATCH,
                             .partition = partition,
                             .topic = (uint32_t)(t - f->topics),
                             .session_part = session_part,
                             .leader_epoch = -1,
                             .params = *params,
                             .high_watermark = -1,
                             .last_stable_offset = -1,
                             .log_start_offset = -1,
                             .diverging = {-1, -1},
                             .fetch = f};
    list_init(&p->link);
    const struct route_part *r = NULL;
    if (t->known)
        r = fetch_partition(s, t->id, partition, &p->error);
    else
        p->error = f->uses_ids ? KERR_UNKNOWN_TOPIC_ID : KERR_UNKNOWN_TOPIC_OR_PARTITION;
    p->stranger = p->error == KERR_UNKNOWN_TOPIC_ID || p->error == KERR_UNKNOWN_TOPIC_OR_PARTITION;
    f->stranger_count += p->stranger;
    p->local = true; /* an error stays here, too */
    if (!r)
        return;
    p->leader_epoch = r->leader_epoch;
    p->owner = (uint16_t)r->owner;
    p->local = r->owner == s->config.shard;
    if (f->replica_id >= 0) {
        p->error = follower_error(r, params->leader_epoch);
        p->local = true;
    }
}

static struct session_params
params_of(const struct lens_fetch_partition *p)
{
    return (struct session_params){p->fetch_offset, p->leader_epoch, p->last_fetched_epoch,
                                   p->max_bytes};
}

static void
fill_from_request(struct shard *s, struct fetch *f, struct lens_fetch *l, uint8_t *text)
{
    for (uint32_t i = 0; i < l->topic_count; i++) {
        struct lens_fetch_topic t;
        struct lens_fetch_partition p;
        must(lens_fetch_next_topic(l, &t) == ERR_OK); /* measure has read all this */
        const struct fetch_topic *topic = add_topic(s, f, key_of(t.name, t.topic_id), &text);
        for (uint32_t k = 0; k < t.partition_count; k++) {
            must(lens_fetch_next_partition(l, &p) == ERR_OK);
            struct session_params params = params_of(&p);
            add_part(s, f, topic, p.index, &params, SESSION_NO_PART);
        }
        must(lens_fetch_end_topic(l) == ERR_OK);
    }
}

/* Changes the session as the request says.  ERR_LIMIT: it has no room. */
static int
update_session(struct session_cache *c, struct session *session, struct lens_fetch *l)
{
    int err = ERR_OK;
    for (uint32_t i = 0; i < l->topic_count; i++) {
        struct lens_fetch_topic t;
        struct lens_fetch_partition p;
        must(lens_fetch_next_topic(l, &t) == ERR_OK);
        for (uint32_t k = 0; k < t.partition_count; k++) {
            int32_t part;
            must(lens_fetch_next_partition(l, &p) == ERR_OK);
            struct session_params params = params_of(&p);
            if (!err)
                err = session_put(c, session, key_of(t.name, t.topic_id), p.index, &params, &part);
        }
        must(lens_fetch_end_topic(l) == ERR_OK);
    }
    must(lens_fetch_forgotten(l) == ERR_OK);
    for (uint32_t i = 0; i < l->forgotten_count; i++) {
        struct lens_fetch_forgotten t;
        must(lens_fetch_next_forgotten(l, &t) == ERR_OK);
        for (uint32_t k = 0; !err && k < t.partition_count; k++)
            session_forget(c, session, key_of(t.name, t.topic_id), cur_i32(&t.partitions));
    }
    return err;
}

static void
fill_from_session(struct shard *s, struct fetch *f, const struct session *session, int32_t *seen,
                  uint8_t *text)
{
    for (int32_t i = session->part_first; i != SESSION_NO_PART; i = session->parts[i].next) {
        const struct session_part *p = &session->parts[i];
        if (seen[p->topic] == 0) {
            add_topic(s, f, session_topic(session, p), &text);
            seen[p->topic] = (int32_t)f->topic_count;
        }
        add_part(s, f, &f->topics[seen[p->topic] - 1], p->partition, &p->params, i);
    }
}

/* An incremental request: session changed, partitions from it. */
static void
fill_incremental(struct shard *s, struct fetch *f, struct session *session, struct lens_fetch *l,
                 uint8_t *text)
{
    struct session_cache *c = s->fetch->sessions;
    struct lens_fetch again = *l;
    if (update_session(c, session, l)) {
        session_remove(c, session);
        f->kind = SESSION_ERROR;
        f->error = KERR_FETCH_SESSION_ID_NOT_FOUND; /* the client begins anew */
        return;
    }
    if (!session_commit(c, session, s->now_ns / CLOCK_NS_PER_MS)) {
        f->kind = SESSION_LESS;
        fill_from_request(s, f, &again, text);
        return;
    }
    f->session_epoch = session->epoch;
    wire_arena_reset(&s->scratch);
    int32_t *seen = wire_arena_take(&s->scratch, session->topic_room * sizeof *seen);
    must(seen);
    fill_from_session(s, f, session, seen, text);
}

_Static_assert(SESSION_PARTS_MAX * sizeof(int32_t) < SHARD_SCRATCH_BYTES, "topics of a session");

enum req_verdict
fetch_open(struct shard *s, struct req *r, struct view body, struct fetch **out)
{
    struct lens_fetch head;
    struct size size = {0};
    if (measure(body, r->version, &head, &size) || size.parts > FETCH_PARTS_MAX)
        return REQ_BAD;
    bool uses_ids = r->version >= FETCH_IDS_SINCE;
    bool full =
        head.session_epoch == SESSION_EPOCH_INITIAL || head.session_epoch == SESSION_EPOCH_FINAL;
    const struct session *known = full ? NULL : session_find(s->fetch->sessions, head.session_id);
    if (known) {
        size.topics += known->topic_count;
        size.parts += known->part_count;
        size.text += (uint64_t)known->topic_count * (known->uses_ids ? ID_BYTES : KEY_BYTES_MAX);
    }
    size_t room;
    void *block = buddy_take(s->memory, block_bytes(&size), &room);
    if (!block)
        return block_bytes(&size) > SHARD_ANSWER_BLOCK_MAX ? REQ_BAD : REQ_AGAIN;
    uint8_t *text;
    struct fetch *f = carve(block, &size, &text);
    f->req = r;
    f->version = r->version;
    f->uses_ids = uses_ids;
    f->read_committed = head.isolation_level == 1;
    f->replica_id = head.replica_id;
    f->max_bytes =
        head.max_bytes < (int64_t)s->fetch_bytes_max ? head.max_bytes : (int32_t)s->fetch_bytes_max;
    if (r->metered && (uint64_t)f->max_bytes > quota_most(&r->quota))
        f->max_bytes = (int32_t)quota_most(&r->quota);
    f->min_bytes = head.min_bytes < f->max_bytes ? head.min_bytes : f->max_bytes;
    if (head.max_wait_ms > 0)
        f->deadline_ns = s->now_ns + (uint64_t)head.max_wait_ms * CLOCK_NS_PER_MS;
    else
        f->expired = true;
    struct session *session;
    f->session_id = head.session_id;
    f->kind = session_open(s->fetch->sessions, uses_ids, head.session_id, head.session_epoch,
                           &f->error, &session);
    if (f->kind == SESSION_INCREMENTAL)
        fill_incremental(s, f, session, &head, text);
    else if (f->kind != SESSION_ERROR)
        fill_from_request(s, f, &head, text);
    *out = f;
    return REQ_PENDING;
}
