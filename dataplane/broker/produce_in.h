/* produce_in.h: what the produce_*.c files share. */
#ifndef SLUICE_BROKER_PRODUCE_IN_H
#define SLUICE_BROKER_PRODUCE_IN_H

#include "core/shm/table.h"
#include "core/wire/batch.h"
#include "core/wire/lens.h"
#include "dataplane/broker/shard.h"

enum {
    /* Records of a batch that are named one by one when it is refused (Kafka: all of them). */
    PRODUCE_RECORD_ERRORS_MAX = 1000,
    PRODUCE_ERROR_TEXT_MAX = 384, /* of one of them: longest text, topic name, numbers */
};

/* Gives the batch the codec that its topic stores, when the topic has one and the batch has another
 * (Kafka LogValidator).  *records and *info are then of the new batch, which lies in *block (NULL:
 * nothing was done; the caller gives it back with buddy_give).  KERR_NONE; ERR_AGAIN: no memory
 * just now; KERR_MESSAGE_TOO_LARGE: over max.message.bytes now, or over SHARD_ANSWER_BLOCK_MAX;
 * KERR_UNKNOWN_SERVER_ERROR: no memory for the codec.  Costs the codec's time on this shard. */
must_check int produce_recode(struct shard *s, const struct table_topic_config *c,
                              struct view *records, struct batch_info *info, void **block,
                              const char **why);

/* Tells which records were the reason that a batch was refused with out->error (info->bad_records >
 * 0), in Kafka's words, as out->record_errors and out->error_message; they lie in the block that is
 * returned, for the caller to give back with buddy_give once the answer is written.  NULL: no
 * memory; the answer then says less. */
must_check void *produce_errors(struct buddy *memory, struct view records,
                                const struct batch_rules *rules, const struct batch_info *info,
                                const struct table_topic_fact *topic,
                                struct lens_produce_result *out);

/* Bytes that they take in an answer beyond what one without them takes. */
uint32_t produce_errors_bytes(const struct lens_produce_result *out);

#endif
