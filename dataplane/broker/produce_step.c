/* produce_step.c: see produce_in.h: what becomes of one batch at the shard that appends it. */
#include "core/base/err.h"
#include "core/wire/kerr.h"
#include "core/wire/wire_gen.h"
#include "dataplane/broker/produce_in.h"

enum { ZSTD_SINCE = 7 };

/* Whether what a producer sent says that it is of an old format (Kafka refuses it as INVALID_RECORD
 * like others). */
static bool
old_format(struct view records)
{
    return records.len > BATCH_AT_MAGIC && records.at[BATCH_AT_MAGIC] < 2;
}

void
produce_refusal_count(struct shard *s, int16_t error, struct view records)
{
    counters_add(&s->counters, COUNTER_PRODUCE_ERRORS, 1);
    counters_error(&s->counters, WIRE_API_PRODUCE, error);
    switch (error) {
    case KERR_CORRUPT_MESSAGE:
        counters_add(&s->counters, DROP_BATCH_CORRUPT, 1);
        break;
    case KERR_MESSAGE_TOO_LARGE:
        counters_add(&s->counters, DROP_BATCH_SIZE, 1);
        break;
    case KERR_INVALID_RECORD:
        counters_add(&s->counters, old_format(records) ? DROP_BATCH_MAGIC : DROP_BATCH_RECORD, 1);
        break;
    case KERR_INVALID_TIMESTAMP:
    case KERR_UNSUPPORTED_COMPRESSION_TYPE:
        counters_add(&s->counters, DROP_BATCH_RECORD, 1);
        break;
    case KERR_OUT_OF_ORDER_SEQUENCE_NUMBER:
    case KERR_INVALID_PRODUCER_EPOCH:
    case KERR_UNKNOWN_PRODUCER_ID:
        counters_add(&s->counters, DROP_BATCH_SEQUENCE, 1);
        break;
    default:
        break;
    }
}

void
produce_rules(struct produce_step *step)
{
    const struct table_topic_config *c = &step->topic->fact.config;
    step->rules = (struct batch_rules){
        .bytes_max = c->max_message_bytes,
        .keys_required = c->cleanup_compact,
        .log_append_time = c->log_append_time,
        .coordinator = step->trusted,
        .before_max_ms = c->timestamp_before_max_ms,
        .after_max_ms = c->timestamp_after_max_ms,
        .now_ms = step->now_ms,
        .walk_compressed = true,
        .crc_known = step->staged,
        .crc = step->crc,
    };
}

int
produce_check(struct produce_step *step)
{
    produce_rules(step);
    int error = batch_check(step->in.records, &step->rules, &step->info, &step->out.error_message);
    if (error != KERR_NONE)
        return error;
    if ((step->info.attributes & BATCH_CODEC_MASK) == BATCH_ZSTD && step->version < ZSTD_SINCE)
        return KERR_UNSUPPORTED_COMPRESSION_TYPE;
    /* Kafka: nobody is authorized to write to a transaction without a name. */
    if (step->info.attributes & BATCH_TRANSACTIONAL && !step->transactional_id.at && !step->trusted)
        return KERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    return KERR_NONE;
}

int
produce_appended(struct shard *s, const struct batch_info *info, int error)
{
    if (error == KERR_DUPLICATE_SEQUENCE_NUMBER) {
        counters_add(&s->counters, COUNTER_PRODUCE_DUPLICATES, 1);
        return KERR_NONE;
    }
    if (error == KERR_NONE) {
        counters_add(&s->counters, COUNTER_PRODUCE_BATCHES, 1);
        counters_add(&s->counters, COUNTER_PRODUCE_RECORDS, (uint64_t)info->record_count);
        counters_add(&s->counters, COUNTER_PRODUCE_BYTES, info->bytes);
        hists_add(&s->counters, HIST_BATCH_BYTES, (uint64_t)info->bytes << HISTS_BYTES_SHIFT);
    }
    return error;
}

int
produce_store(struct shard *s, struct produce_step *step, struct route_part *p,
              struct store_appended *out)
{
    if (step->staged) {
        step->staged = false;
        int error = store_append_staged(s->store, &step->info, p->leader_epoch, s->now_ms, out);
        if (error != ERR_LIMIT)
            return produce_appended(s, &step->info, error);
        error = produce_collect(s, step);
        if (error != KERR_NONE)
            return error;
        step->batch = step->in.records;
    }
    return produce_appended(
        s, &step->info,
        store_append(s->store, p->log, &step->info, step->batch, p->leader_epoch, s->now_ms, out));
}

void
produce_step_end(struct shard *s, struct produce_step *step)
{
    if (step->block)
        buddy_give(s->memory, step->block);
    if (step->error_block)
        buddy_give(s->memory, step->error_block);
    if (step->collected)
        buddy_give(s->memory, step->collected);
    if (step->staged)
        store_unstage(s->store);
    step->block = step->error_block = step->collected = NULL;
    step->staged = false;
}
