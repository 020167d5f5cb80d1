/* produce_pieces.c: see produce_in.h.
 *
 * The records of an own partition go to the journal's arena in one pass, with every checksum that
 * they need, and leave it again when they are refused (store_unstage): those of a request in pieces
 * from the frames of the device, large ones of others from the stream's block, those that another
 * shard has lent from where that one received them.  That is not for those that somebody must read
 * before the log's place for them is known: of transactions (which may have to wait for their
 * coordinator), those that get another codec, and those that begin a segment.  Of a request in
 * pieces these go into a block first. */
#include "core/base/err.h"
#include "core/wire/kerr.h"
#include "dataplane/broker/produce_in.h"

/* The records of the request in pieces, one stretch after the other, into a staged place. */
static void
put_pieces(struct shard *s, struct rope *pieces, uint32_t at, uint32_t len)
{
    while (len) {
        struct view v = rope_view(pieces, at, len);
        store_stage_put(s->store, v.at, v.len);
        at += v.len;
        len -= v.len;
    }
}

/* KERR_NONE: done; ERR_AGAIN; ERR_LIMIT: they have to be in memory first. */
static int
stage(struct shard *s, struct produce_step *step, const struct route_part *p)
{
    const uint8_t *to;
    struct batch_info info;
    uint32_t len = produce_records_bytes(step);
    if (p->owner != s->config.shard || !produce_may_stage(step, &info))
        return ERR_LIMIT;
    int err = store_stage(s->store, p->log, &info, s->now_ms, &to);
    if (err != ERR_OK)
        return err == ERR_AGAIN ? ERR_AGAIN : ERR_LIMIT; /* store_append says why */
    if (step->pieces) {
        put_pieces(s, step->pieces, step->pieces_at, len);
        step->in.records = view_of(to, len);
    } else {
        store_stage_put(s->store, step->in.records.at, len);
    }
    step->crc = store_stage_crc(s->store);
    step->staged = true;
    return KERR_NONE;
}

int
produce_take(struct shard *s, struct produce_step *step, const struct route_part *p)
{
    int err = stage(s, step, p);
    return err == ERR_LIMIT ? produce_collect(s, step) : err;
}

int
produce_collect(struct shard *s, struct produce_step *step)
{
    if (!step->pieces)
        return KERR_NONE;
    uint32_t len = step->in.elided_bytes;
    if (len == 0)
        return KERR_NONE;
    size_t room;
    step->collected = buddy_take(s->memory, (size_t)len + step->transactional_id.len, &room);
    if (!step->collected)
        return ERR_AGAIN;
    rope_read(step->pieces, step->pieces_at, step->collected, len);
    counters_add(&s->counters, COUNTER_PRODUCE_COLLECTED, len);
    step->in.records = view_of(step->collected, len);
    return KERR_NONE;
}

uint8_t *
produce_copy(struct shard *s, struct produce_step *step, uint32_t more)
{
    size_t room;
    uint8_t *copy = step->collected;
    must(more <= step->transactional_id.len);
    if (copy && step->batch.at == copy) {
        step->collected = NULL;
        return copy;
    }
    copy = buddy_take(s->memory, (size_t)step->batch.len + more, &room);
    if (copy)
        memcpy(copy, step->batch.at, step->batch.len);
    return copy;
}
