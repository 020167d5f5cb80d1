/* scatter.h: a request that is one job for each partition it names: WriteTxnMarkers,
 * DescribeProducers.
 *
 * Own partitions are jobs too (they come back inside shard_submit), at most SCATTER_JOBS_MAX are
 * out at a time.  The decoded request lives in one block of the shard's memory until the answer is
 * made, in which the partitions stand in the order of the request. */
#ifndef SLUICE_BROKER_SCATTER_H
#define SLUICE_BROKER_SCATTER_H

#include "dataplane/broker/req.h"

enum { SCATTER_PARTS_MAX = 32768, SCATTER_JOBS_MAX = 1024 };

struct scatter_part {
    struct view topic;
    const void *of; /* the kind's: what of the request it belongs to */
    int32_t partition;
    int16_t error;
    void *list; /* the kind's: memory of the shard, given back at the end; or NULL */
    uint32_t count, room;
};

struct scatter {
    struct req *req; /* NULL: abandoned */
    const struct scatter_kind *kind;
    void *request; /* wire struct */
    bool starting;
    uint32_t count, next, jobs_out;
    struct scatter_part *parts;
};

/* What differs between the APIs. */
struct scatter_kind {
    enum job_kind job;
    size_t request_bytes; /* of the wire struct */
    /* Counts partitions and names of a request, which fill puts into parts. */
    uint64_t (*count)(const void *request);
    void (*fill)(struct scatter *c);
    /* Says what the job is to do for a part. */
    void (*ask)(struct shard *s, struct scatter *c, uint32_t part, struct job *j);
    /* Takes the result of j.  True: the job is to be carried out once more. */
    bool (*take)(struct shard *s, struct scatter *c, uint32_t part, struct job *j);
    /* Makes the answer.  REQ_DONE; REQ_AGAIN: no memory (the connection is closed then). */
    enum req_verdict (*respond)(struct shard *s, struct scatter *c);
};

/* Handler of a request of that kind. */
enum req_verdict scatter_start(struct shard *s, struct req *r, struct view body,
                               const struct scatter_kind *kind);
void scatter_abandon(struct shard *s, struct req *r);
/* A job came home. */
void scatter_back(struct shard *s, struct job *j);

/* Owner: the live partition of a job, its log online and ours to write; or NULL and j->error. */
struct route_part *scatter_part_of(struct shard *s, struct job *j);

#endif
