/* lens_agree.h: lens against walker on any bytes, for unit tests and fuzzing.  Each function aborts
 * (must) where the two differ, and returns whether the bytes were well formed. */
#ifndef SLUICE_TESTS_WIRE_LENS_AGREE_H
#define SLUICE_TESTS_WIRE_LENS_AGREE_H

#include "core/base/err.h"
#include "core/wire/lens.h"
#include "core/wire/wire_gen.h"

enum { AGREE_MEMORY_BYTES = 4 << 20 };

static _Alignas(16) uint8_t agree_memory[AGREE_MEMORY_BYTES];
static struct wire_arena agree_arena;

static inline int
agree_decode(const struct wire_message *m, int16_t version, struct view body, void *out)
{
    wire_arena_init(&agree_arena, agree_memory, sizeof agree_memory);
    return wire_decode(m, version, body, out, &agree_arena);
}

static inline void
agree_topic(struct view name, const uint8_t *id, struct view walker_name, const uint8_t *walker_id)
{
    static const uint8_t zero[16];
    must(view_equal(name, walker_name));
    must(memcmp(id ? id : zero, walker_id, 16) == 0);
}

/* Reads to the end with the lens alone. */
static inline int
agree_walk_produce(struct view body, int16_t version)
{
    struct lens_produce l;
    int e = lens_produce_begin(body, version, &l);
    for (uint32_t i = 0; e == ERR_OK && i < l.topic_count; i++) {
        struct lens_produce_topic t;
        e = lens_produce_next_topic(&l, &t);
        for (uint32_t j = 0; e == ERR_OK && j < t.partition_count; j++) {
            struct lens_produce_partition p;
            e = lens_produce_next_partition(&l, &p);
        }
        if (e == ERR_OK)
            e = lens_produce_end_topic(&l);
    }
    return e == ERR_OK ? lens_produce_end(&l) : e;
}

static inline void
agree_produce_topic(struct lens_produce *l, const struct wire_produce_request_topic_produce_data *r)
{
    struct lens_produce_topic t;
    must(lens_produce_next_topic(l, &t) == ERR_OK);
    agree_topic(t.name, t.topic_id, r->name, r->topic_id);
    must((int64_t)t.partition_count == r->partition_data.count);
    for (uint32_t j = 0; j < t.partition_count; j++) {
        const struct wire_produce_request_partition_produce_data *q = &r->partition_data.items[j];
        struct lens_produce_partition p;
        must(lens_produce_next_partition(l, &p) == ERR_OK);
        must(p.index == q->index);
        must(p.records.at == q->records.at);
        must(p.records.len == q->records.len);
    }
    must(lens_produce_end_topic(l) == ERR_OK);
}

enum { AGREE_PIECES = 8, AGREE_SKELETON_BYTES = 4096 };

/* The request in pieces of some sizes, without its records, and the same in one piece. */
static inline void
agree_skeleton(struct view body, int16_t version, bool well_formed)
{
    static uint8_t out[AGREE_SKELETON_BYTES];
    struct view pieces[AGREE_PIECES];
    uint32_t count = 0, at = 0;
    for (; count < AGREE_PIECES - 1 && at < body.len; at += pieces[count++].len) {
        uint32_t len = 1 + (body.at[at] * 7u + count * 13u) % (body.len / 4 + 1);
        pieces[count] = view_of(body.at + at, len < body.len - at ? len : body.len - at);
    }
    pieces[count++] = view_of(body.len ? body.at + at : body.at, body.len - at);
    struct rope rope;
    must(rope_init(&rope, pieces, count, body.len));
    struct lens_skeleton k = {.out = out, .room = sizeof out};
    if (!lens_skeleton(&k, &rope, 0, version))
        return;
    must(well_formed);
    struct lens_produce l, w;
    must(lens_produce_begin(view_of(out, k.len), version, &l) == ERR_OK);
    must(lens_produce_begin(body, version, &w) == ERR_OK);
    l.elided = true;
    must(view_equal(l.transactional_id, w.transactional_id));
    must(!l.transactional_id.at == !w.transactional_id.at);
    must(l.acks == w.acks && l.topic_count == w.topic_count);
    for (uint32_t i = 0; i < w.topic_count; i++) {
        struct lens_produce_topic t, u;
        must(lens_produce_next_topic(&l, &t) == ERR_OK);
        must(lens_produce_next_topic(&w, &u) == ERR_OK);
        must(view_equal(t.name, u.name) && t.partition_count == u.partition_count);
        must(!t.topic_id == !u.topic_id);
        must(!u.topic_id || memcmp(t.topic_id, u.topic_id, 16) == 0);
        for (uint32_t j = 0; j < u.partition_count; j++) {
            struct lens_produce_partition p, q;
            must(lens_produce_next_partition(&l, &p) == ERR_OK);
            must(lens_produce_next_partition(&w, &q) == ERR_OK);
            must(p.index == q.index && !p.records.at && p.elided_bytes == q.records.len);
            must(q.records.len == 0 || q.records.at == body.at + p.elided_at);
        }
        must(lens_produce_end_topic(&l) == ERR_OK);
        must(lens_produce_end_topic(&w) == ERR_OK);
    }
    must(lens_produce_end(&l) == ERR_OK);
}

static inline bool
agree_produce(struct view body, int16_t version)
{
    struct wire_produce_request r;
    int e = agree_decode(&wire_produce_request_message, version, body, &r);
    int lens_e = agree_walk_produce(body, version);
    if (e == ERR_LIMIT) /* the lens has no arena to fill */
        return false;
    must(e == lens_e);
    agree_skeleton(body, version, e == ERR_OK);
    if (e != ERR_OK)
        return false;
    struct lens_produce l;
    must(lens_produce_begin(body, version, &l) == ERR_OK);
    must(l.transactional_id.at == r.transactional_id.at);
    must(l.transactional_id.len == r.transactional_id.len);
    must(l.acks == r.acks);
    must(l.timeout_ms == r.timeout_ms);
    must((int64_t)l.topic_count == r.topic_data.count);
    for (uint32_t i = 0; i < l.topic_count; i++)
        agree_produce_topic(&l, &r.topic_data.items[i]);
    must(lens_produce_end(&l) == ERR_OK);
    return true;
}

static inline int
agree_walk_fetch(struct view body, int16_t version)
{
    struct lens_fetch l;
    int e = lens_fetch_begin(body, version, &l);
    for (uint32_t i = 0; e == ERR_OK && i < l.topic_count; i++) {
        struct lens_fetch_topic t;
        e = lens_fetch_next_topic(&l, &t);
        for (uint32_t j = 0; e == ERR_OK && j < t.partition_count; j++) {
            struct lens_fetch_partition p;
            e = lens_fetch_next_partition(&l, &p);
        }
        if (e == ERR_OK)
            e = lens_fetch_end_topic(&l);
    }
    if (e == ERR_OK)
        e = lens_fetch_forgotten(&l);
    for (uint32_t i = 0; e == ERR_OK && i < l.forgotten_count; i++) {
        struct lens_fetch_forgotten t;
        e = lens_fetch_next_forgotten(&l, &t);
    }
    return e == ERR_OK ? lens_fetch_end(&l) : e;
}

static inline void
agree_fetch_topic(struct lens_fetch *l, const struct wire_fetch_request_fetch_topic *r)
{
    struct lens_fetch_topic t;
    must(lens_fetch_next_topic(l, &t) == ERR_OK);
    agree_topic(t.name, t.topic_id, r->topic, r->topic_id);
    must((int64_t)t.partition_count == r->partitions.count);
    for (uint32_t j = 0; j < t.partition_count; j++) {
        const struct wire_fetch_request_fetch_partition *q = &r->partitions.items[j];
        struct lens_fetch_partition p;
        must(lens_fetch_next_partition(l, &p) == ERR_OK);
        must(p.index == q->partition);
        must(p.leader_epoch == q->current_leader_epoch);
        must(p.last_fetched_epoch == q->last_fetched_epoch);
        must(p.fetch_offset == q->fetch_offset);
        must(p.log_start_offset == q->log_start_offset);
        must(p.max_bytes == q->partition_max_bytes);
    }
    must(lens_fetch_end_topic(l) == ERR_OK);
}

static inline void
agree_fetch_forgotten(struct lens_fetch *l, const struct wire_fetch_request_forgotten_topic *r)
{
    struct lens_fetch_forgotten t;
    must(lens_fetch_next_forgotten(l, &t) == ERR_OK);
    agree_topic(t.name, t.topic_id, r->topic, r->topic_id);
    must((int64_t)t.partition_count == r->partitions.count);
    for (uint32_t j = 0; j < t.partition_count; j++)
        must(cur_i32(&t.partitions) == r->partitions.items[j]);
    must(!t.partitions.bad);
    must(cur_left(&t.partitions) == 0);
}

static inline void
agree_fetch_fixed(const struct lens_fetch *l, const struct wire_fetch_request *r)
{
    must(l->max_wait_ms == r->max_wait_ms);
    must(l->min_bytes == r->min_bytes);
    must(l->max_bytes == r->max_bytes);
    must(l->isolation_level == r->isolation_level);
    must(l->session_id == r->session_id);
    must(l->session_epoch == r->session_epoch);
    must((int64_t)l->topic_count == r->topics.count);
}

static inline bool
agree_fetch(struct view body, int16_t version)
{
    struct wire_fetch_request r;
    int e = agree_decode(&wire_fetch_request_message, version, body, &r);
    int lens_e = agree_walk_fetch(body, version);
    if (e == ERR_LIMIT)
        return false;
    must(e == lens_e);
    if (e != ERR_OK)
        return false;
    struct lens_fetch l;
    must(lens_fetch_begin(body, version, &l) == ERR_OK);
    agree_fetch_fixed(&l, &r);
    for (uint32_t i = 0; i < l.topic_count; i++)
        agree_fetch_topic(&l, &r.topics.items[i]);
    must(lens_fetch_forgotten(&l) == ERR_OK);
    must((int64_t)l.forgotten_count == r.forgotten_topics_data.count);
    for (uint32_t i = 0; i < l.forgotten_count; i++)
        agree_fetch_forgotten(&l, &r.forgotten_topics_data.items[i]);
    must(lens_fetch_end(&l) == ERR_OK);
    must(view_equal(l.rack_id, r.rack_id));
    must(l.replica_id == (version < 15 ? r.replica_id : r.replica_state.replica_id));
    must(l.replica_epoch == r.replica_state.replica_epoch);
    return true;
}

#endif
