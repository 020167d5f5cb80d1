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
    /* Bytes of a batch in pieces from which on a loan to another shard costs less than a copy; of
     * one that is in memory it does so from PRODUCE_STAGE_MIN on. */
    PRODUCE_LEND_MIN = 8 << 10,
};

/* One partition of the request that is being carried out; at the owner of a batch that another
 * shard has lent without checking it, that batch. */
struct produce_step {
    const struct lens_produce_topic *lens; /* NULL at such an owner */
    struct route_topic *topic;             /* NULL: unknown */
    struct lens_produce_partition in;
    struct rope *pieces; /* in.elided_bytes of it, from pieces_at on, are the records; NULL: they
                          * are in.records */
    uint32_t pieces_at;
    bool first, last; /* of its topic */
    bool trusted;     /* a coordinator wrote it */
    int16_t version;  /* of Produce */
    int64_t now_ms;   /* by which its times are judged */
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

/* Of the records, wherever they lie. */
static inline uint32_t
produce_records_bytes(const struct produce_step *step)
{
    return step->pieces ? step->in.elided_bytes : step->in.records.len;
}

/* ---- produce_step.c: a batch at the shard that appends it ---- */

/* Counts a refusal, also by its reason when the drop table knows it. */
void produce_refusal_count(struct shard *s, int16_t error, struct view records);
/* step->rules: those of the topic. */
void produce_rules(struct produce_step *step);
/* batch_check of in.records by the rules of the topic: info, rules, out.error_message.  KERR_*. */
must_check int produce_check(struct produce_step *step);
/* What an append to an own log gave, counted: a Kafka error code or ERR_AGAIN; a duplicate counts
 * as appended. */
must_check int produce_appended(struct shard *s, const struct batch_info *info, int error);
/* Appends step->batch, or what is staged.  The same codes. */
must_check int produce_store(struct shard *s, struct produce_step *step, struct route_part *p,
                             struct store_appended *out);
/* Gives back what the step holds; what is staged still was refused. */
void produce_step_end(struct shard *s, struct produce_step *step);

/* ---- produce_lend.c: large records of a log of another shard ---- */

/* A job that lends the records to their owner where they were received.  KERR_NONE: *out;
 * ERR_AGAIN: no job, no memory; ERR_LIMIT: they have to be copied; else a Kafka error code to
 * refuse them with. */
must_check int produce_lend(struct shard *s, struct req *r, struct produce_step *step,
                            const struct route_part *p, struct job **out);
/* What every JOB_APPEND says, but its records, info and transactional id. */
void produce_job_set(struct job *j, struct req *r, const struct produce_step *step,
                     const struct route_part *p);
/* Whether the records are one batch that may be copied before it is known to be good; then *info is
 * what its header says. */
bool produce_may_stage(const struct produce_step *step, struct batch_info *info);

/* ---- produce_home.c ---- */

/* acks=0 has no answer that could carry an error: Kafka closes the connection instead. */
static inline bool
produce_fails(const struct req *r)
{
    return r->no_answer && r->u.produce.failed;
}
/* Once all is carried out and every job is home: writes into the answer why owners refused. */
void produce_explain(struct shard *s, struct req *r);

/* ---- produce_pieces.c: large records, and those of a request in pieces ---- */

/* Before the check of records that are in pieces, or of PRODUCE_STAGE_MIN bytes or more: copies
 * them to where they will lie in the log, with their crc in the same pass (step->staged); when that
 * is not possible, those in pieces as produce_collect.  KERR_NONE: in.records can be read;
 * ERR_AGAIN: the store cannot take them now, or there is no memory. */
must_check int produce_take(struct shard *s, struct produce_step *step, const struct route_part *p);
/* Copies records that are in pieces into a block of memory, with room for the transactional id
 * behind.  KERR_NONE: in.records are in memory; ERR_AGAIN: no memory just now. */
must_check int produce_collect(struct shard *s, struct produce_step *step);
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
