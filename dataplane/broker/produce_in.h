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
    PRODUCE_STAGE_MIN = 32 << 10, /* bytes: smaller ones are in the cache when they are checked */
};

/* One partition of the request that is being carried out. */
struct produce_step {
    const struct lens_produce_topic *lens;
    struct route_topic *topic; /* NULL: unknown */
    struct lens_produce_partition in;
    bool first, last; /* of its topic */
    struct view transactional_id;
    struct batch_rules rules;
    struct batch_info info;
    struct view batch; /* what is appended: the records as they came, or in another codec */
    void *block;       /* where they lie then; NULL */
    void *error_block; /* what `out` says of single records; NULL */
    void *collected;   /* in.records, of a request in pieces; NULL */
    bool staged;       /* they are in the journal's arena too (store_stage), and `crc` is theirs */
    uint32_t crc;
    struct lens_produce_result out;
};

/* ---- produce_pieces.c: large records, and those of a request in pieces ---- */

/* Before the check of records that are in pieces, or of PRODUCE_STAGE_MIN bytes or more: copies
 * them to where they will lie in the log, with their crc in the same pass (step->staged); when that
 * is not possible, those in pieces as produce_collect.  KERR_NONE: in.records can be read;
 * ERR_AGAIN: the store cannot take them now, or there is no memory. */
must_check int produce_take(struct shard *s, const struct req *r, struct produce_step *step,
                            const struct route_part *p);
/* Copies records that are in pieces into a block of memory, with room for the transactional id
 * behind.  KERR_NONE: in.records are in memory; ERR_AGAIN: no memory just now. */
must_check int produce_collect(struct shard *s, const struct req *r, struct produce_step *step);
/* step->batch in a block of its own that is given to the caller, with room for `more` bytes behind,
 * at most the length of the transactional id.  NULL: no memory. */
must_check uint8_t *produce_copy(struct shard *s, struct produce_step *step, uint32_t more);

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
