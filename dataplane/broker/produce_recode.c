/* produce_recode.c: see produce_in.h. */
#include "core/base/err.h"
#include "core/wire/batch_recode.h"
#include "core/wire/kerr.h"
#include "dataplane/broker/produce_in.h"

/* What a codec may add to bytes that do not compress, generously: snappy's worst case is a sixth.
 */
enum { GROWTH_DIVISOR = 4, GROWTH_BYTES = 1024 };

static int32_t
level_of(const struct table_topic_config *c)
{
    switch (c->compression) {
    case BATCH_GZIP:
        return c->gzip_level;
    case BATCH_LZ4:
        return c->lz4_level;
    case BATCH_ZSTD:
        return c->zstd_level;
    default:
        return 0;
    }
}

/* Room for the result: what the topic allows, less when the records are small as they are. */
static uint32_t
room_for(const struct table_topic_config *c, const struct batch_info *info)
{
    uint64_t room = c->max_message_bytes;
    uint64_t most = info->bytes + (uint64_t)info->bytes / GROWTH_DIVISOR + GROWTH_BYTES;
    if ((info->attributes & BATCH_CODEC_MASK) == BATCH_NONE && most < room)
        room = most;
    return room < SHARD_ANSWER_BLOCK_MAX ? (uint32_t)room : SHARD_ANSWER_BLOCK_MAX;
}

static int
refuse(int err, const char **why)
{
    *why = err == ERR_FULL ? "The record batch exceeds max.message.bytes under the topic's "
                             "compression.type"
                           : "The record batch cannot be recompressed";
    return err == ERR_FULL ? KERR_MESSAGE_TOO_LARGE : KERR_UNKNOWN_SERVER_ERROR;
}

int
produce_recode(struct shard *s, const struct table_topic_config *c, struct view *records,
               struct batch_info *info, void **block, const char **why)
{
    *block = NULL;
    if (c->compression >= BATCH_CODECS || c->compression == (info->attributes & BATCH_CODEC_MASK))
        return KERR_NONE;
    uint32_t room = room_for(c, info);
    size_t unasked;
    *block = buddy_take(s->memory, room, &unasked);
    if (!*block)
        return ERR_AGAIN;
    struct view out;
    struct batch_info fresh;
    int err = batch_recode(*records, info, (enum batch_codec)c->compression, level_of(c), *block,
                           room, &out);
    if (err != ERR_OK)
        return refuse(err, why); /* the caller gives the block back */
    must(batch_header(out, &fresh) == ERR_OK);
    fresh.found_timestamp_ms = info->found_timestamp_ms;
    *info = fresh;
    *records = out;
    counters_add(&s->counters, COUNTER_PRODUCE_RECOMPRESSED, 1);
    return KERR_NONE;
}
