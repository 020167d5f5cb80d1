/* asks.h: a request that asks each of its partitions one thing, answered by their owners.
 *
 * One job a partition, for own partitions too (those come back inside shard_submit), at most
 * ASKS_JOBS_MAX out at a time.  The working set is one block of the shard's memory; room for the
 * answer is reserved before the first job leaves, so that finishing cannot fail.
 *
 * An API brings three parts: its start function (decodes, asks_open, asks_topic, asks_part,
 * asks_start), a function that writes the answer, and the owner's side, which fills j->u.ask. */
#ifndef SLUICE_BROKER_ASKS_H
#define SLUICE_BROKER_ASKS_H

#include "dataplane/broker/req.h"

enum {
    ASKS_PARTS_MAX = 32768, /* of one request; more: malformed */
    ASKS_JOBS_MAX = 1024,
};

struct asks_topic {
    struct view name; /* in the working set */
    uint8_t id[16];
    bool known, internal;
    uint32_t part_count;
};

struct asks_part {
    uint32_t topic;
    int32_t partition;
    int16_t error; /* not KERR_NONE before asks_start: nobody is asked */
    struct job_ask ask;
};

struct asks {
    struct req *req;
    bool starting;
    uint8_t job_kind;
    uint32_t topic_count, part_count, topic_room, part_room, text_left, next, jobs_out;
    uint8_t *text;
    struct asks_topic *topics;
    struct asks_part *parts;
    void (*respond)(struct shard *s, const struct asks *o); /* by asks_answer */
};

struct asks_size {
    uint64_t topics, parts, text;     /* of the request */
    uint32_t topic_bytes, part_bytes; /* of the answer, without names */
};

/* Makes the working set and reserves the answer.  REQ_PENDING, REQ_AGAIN (nothing is kept),
 * REQ_BAD. */
enum req_verdict asks_open(struct shard *s, struct req *r, const struct asks_size *size,
                           struct asks **out);
/* Adds a topic (the name is copied), and a partition of the topic added last. */
struct asks_topic *asks_topic(struct shard *s, struct asks *o, struct view name);
struct asks_part *asks_part(struct asks *o, int32_t partition);
enum req_verdict asks_start(struct shard *s, struct asks *o);
/* Encodes the answer; its room was reserved. */
void asks_answer(struct shard *s, const struct asks *o, const void *body);

void asks_abandon(struct shard *s, struct req *r);
void asks_back(struct shard *s, struct job *j); /* a job is home */

#endif
