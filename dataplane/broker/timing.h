/* timing.h: how long requests take, stage by stage, and how long turns are.
 *
 * Stages are told apart by the clock of turns, read once a turn: a stage that begins and ends in
 * one turn counts as none.  Only what a handler itself takes, and what a turn takes, is read from
 * the clock: of one request in TIMING_SAMPLE, and a few times a turn. */
#ifndef SLUICE_BROKER_TIMING_H
#define SLUICE_BROKER_TIMING_H

#include "core/base/clock.h"
#include "core/shm/hists.h"
#include "core/shm/slow.h"

#include <stdbool.h>

struct shard;
struct req;

enum {
    TIMING_SAMPLE = 64,
    TIMING_STALL_NS = 1000000,
    TIMING_SPAN_NS = 200000, /* what took less did not make a request slow */
    TIMING_SPANS = 64,       /* of each kind */
};

/* Where a turn is. */
enum timing_place { TIMING_REQUESTS, TIMING_DISK, TIMING_TIMERS, TIMING_SEND, TIMING_PLACES };

/* What may make requests slow. */
enum timing_cause { TIMING_FRAME, TIMING_EXTENT, TIMING_TURN, TIMING_CAUSES };

/* The last that took TIMING_SPAN_NS or more. */
struct timing_spans {
    uint32_t next;
    struct timing_span {
        uint64_t end_ns, ns; /* 0: none yet */
        enum timing_place place;
    } span[TIMING_SPANS];
};

struct timing {
    uint32_t requests;               /* for the sample */
    uint64_t lap_ns;                 /* when the last lap ended */
    uint64_t laps_ns[TIMING_PLACES]; /* of this turn */
    uint64_t longest_ns;             /* of all turns */
    struct timing_spans causes[TIMING_CAUSES];
    struct slow slow;
};

/* True when the handler of this request is to be measured. */
static inline bool
timing_sampled(struct timing *t)
{
    return t->requests++ % TIMING_SAMPLE == 0;
}

/* What its handler took; only for those that are sampled. */
void timing_handler(struct shard *s, const struct req *r, uint64_t ns);
/* The answer is out, to the last byte.  Of a Produce that is among the slowest it is kept (slow.h)
 * what took longest while it was under way. */
void timing_left(struct shard *s, const struct req *r);

/* The frames of the journal, and the large batches beside it, that the last step of the store found
 * written. */
void timing_writes(struct shard *s);

/* A turn, from its begin; what was done since the last lap belongs to `place`. */
void timing_turn_begin(struct shard *s);
void timing_lap(struct shard *s, enum timing_place place);
void timing_turn_end(struct shard *s);

#endif
