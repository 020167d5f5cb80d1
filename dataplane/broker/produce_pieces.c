/* produce_pieces.c: see produce_in.h.
 *
 * The records of an own partition go from the frames of the device to the journal's arena in one
 * pass, are checked there, and leave it again when they are refused (store_unstage).  Into a block
 * first go those that somebody must read before the log's place for them is known, or that travel:
 * of other shards, of transactions (which may have to wait for their coordinator), those that get
 * another codec, and those that begin a segment. */
#include "core/base/err.h"
#include "core/wire/kerr.h"
#include "dataplane/broker/produce_in.h"

static uint32_t
place_of(const struct req *r, const struct produce_step *step)
{
    uint64_t at = r->header_bytes + step->in.elided_at; /* both of a request that is there */
    must(at <= r->pieces->bytes && step->in.elided_bytes <= r->pieces->bytes - at);
    return (uint32_t)at;
}

/* Whether the batch may be copied before it is known to be good. */
static bool
may_stage(const struct table_topic_config *c, const struct produce_step *step,
          const struct batch_info *info)
{
    uint32_t codec = info->attributes & BATCH_CODEC_MASK;
    return info->bytes == step->in.elided_bytes && info->bytes <= c->max_message_bytes &&
           (c->compression >= BATCH_CODECS || c->compression == codec) &&
           !(info->attributes & BATCH_TRANSACTIONAL);
}

int
produce_stage(struct shard *s, const struct req *r, struct produce_step *step,
              const struct route_part *p)
{
    uint8_t header[BATCH_HEADER_BYTES], *to;
    struct batch_info info;
    uint32_t at = place_of(r, step), len = step->in.elided_bytes;
    if (p->owner != s->config.shard || len < sizeof header)
        return ERR_LIMIT;
    rope_read(r->pieces, at, header, sizeof header);
    if (batch_header(view_of(header, sizeof header), &info) != ERR_OK ||
        !may_stage(&step->topic->fact.config, step, &info))
        return ERR_LIMIT;
    int err = store_stage(s->store, p->log, &info, s->now_ms, &to);
    if (err != ERR_OK)
        return err == ERR_AGAIN ? ERR_AGAIN : ERR_LIMIT; /* store_append says why */
    memcpy(to, header, BATCH_AT_ATTRIBUTES);
    step->crc = rope_read_crc(r->pieces, at + BATCH_AT_ATTRIBUTES, to + BATCH_AT_ATTRIBUTES,
                              len - BATCH_AT_ATTRIBUTES, 0);
    step->staged = true;
    step->in.records = view_of(to, len);
    return KERR_NONE;
}

int
produce_collect(struct shard *s, const struct req *r, struct produce_step *step)
{
    uint32_t at = place_of(r, step), len = step->in.elided_bytes;
    if (len == 0)
        return KERR_NONE;
    size_t room;
    step->collected = buddy_take(s->memory, (size_t)len + step->transactional_id.len, &room);
    if (!step->collected)
        return ERR_AGAIN;
    rope_read(r->pieces, at, step->collected, len);
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
