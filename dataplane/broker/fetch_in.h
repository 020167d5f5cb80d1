/* fetch_in.h: what the files of fetch share.
 *
 * fetch.c         start, deadlines, waiting: which step is next
 * fetch_ask.c     jobs for partitions of other shards: what they ask, what they bring
 * fetch_open.c    memory of a shard; request and session -> struct fetch
 * fetch_locate.c  the owner's side: facts and a range of one partition, parked watches
 * fetch_aborted.c aborted transactions of what one who reads committed data is given
 * fetch_answer.c  struct fetch -> response, session brought in line with it */
#ifndef SLUICE_BROKER_FETCH_IN_H
#define SLUICE_BROKER_FETCH_IN_H

#include "core/base/heap.h"
#include "core/wire/lens.h"
#include "dataplane/broker/fetch.h"
#include "dataplane/broker/session.h"
#include "dataplane/broker/shard.h"

enum {
    FETCH_PARTS_MAX = SESSION_PARTS_MAX, /* partitions of one request; more: malformed */
    FETCH_LOCATES_MAX = 1024,            /* of one request, out at a time */
    FETCH_WATCHES_MAX = JOB_MAX / 2,     /* of one shard, parked at others: the rest is for work */
    FETCH_WAITS_MAX = 65536,             /* requests of one shard that wait for data */
    FETCH_SESSION_BYTES = 64 << 20,      /* sessions of one shard */
    FETCH_POLL_MS = 20,                  /* instead of a watch that could not be had */
    FETCH_RETRY_MS = 1,                  /* memory, jobs or an index were short */
    FETCH_HOLD_MS = HOLDS_WAIT_MS, /* so long a hold waits for other partitions of its fetch */
    FETCH_HOLD_MEMORY = SHARD_ANSWER_BYTES / 4, /* with more in use no fetch has room for holds */
    /* Partitions whose files must be read before it is known what they have.  Few at a time, so
     * that those who wait do not take the read buffers away from each other. */
    FETCH_COLD_FETCHES = 8, /* requests of one shard that such reads are made for, oldest first */
    FETCH_COLD_ASKS = 16,   /* jobs of other shards, the same */
    FETCH_COLD_AHEAD = 3,   /* partitions read ahead for one request */
    FETCH_COLD_LOOKS = 32,  /* then what one request has is enough, if it has min_bytes */
    FETCH_COLD_MS = 500,    /* so long also a request without time left waits for a first read */
    /* A range with more aborted transactions is made shorter, unless it is one batch. */
    FETCH_ABORTED_MAX = 16384,
};

struct fetch_topic {
    struct view key; /* name, or 16 bytes of id; in this block */
    uint8_t id[16];  /* of the live topic */
    bool known;      /* there is such a topic */
};

struct fetch_part {
    struct list link; /* in route_part.watchers.  As in struct job: link, then kind */
    uint8_t kind;     /* FETCH_LOCAL_WATCH */
    bool stranger;    /* our index does not know it: answered last, and no reason to end a wait */
    bool local;
    bool cancelled; /* the watch was asked back */
    bool fresh;     /* its watch has told what there is: it is not asked again in this round */
    int16_t error;
    uint16_t owner;
    int32_t partition;
    uint32_t topic;
    int32_t session_part;
    int32_t leader_epoch; /* to be told with NOT_LEADER_OR_FOLLOWER and FENCED_LEADER_EPOCH */
    struct session_params params;
    int64_t high_watermark, last_stable_offset, log_start_offset;
    struct plog_epoch_end diverging; /* epoch -1: it does not */
    struct store_range range;
    uint32_t records_bytes;         /* of the range, that go into the answer: all or none */
    struct stable_aborted *aborted; /* of the range; a block of the shard's memory */
    uint32_t aborted_count, aborted_room;
    struct job *watch;       /* parked at the owner, or on its way to be */
    struct store_hold *hold; /* the front of the range; NULL: not held */
    struct fetch *fetch;
};

enum { FETCH_LOCAL_WATCH = JOB_KINDS };

struct fetch {
    struct req *req;
    struct list retry;     /* in fetch_state.retry or .cold */
    struct heap_node wait; /* in fetch_state.waits: when to look whatever happens */
    uint64_t deadline_ns;
    struct list holding; /* in fetch_state.holding: a partition is held, since */
    uint64_t held_ns;
    bool ended; /* answered or abandoned: only jobs are still to come */
    bool waiting, expired;
    bool parked; /* its one job may wait at the owner; in fetch_state.waits */
    bool cold;   /* in fetch_state.cold: the partition at `settled` is being read */
    /* What settle has found in the partitions before `settled`: */
    bool any, enough, failed, more;
    uint32_t settled;
    int32_t budget; /* bytes that the answer still takes */
    int64_t bytes;
    uint32_t cold_at;                /* settled + 1 where it last met a cold one */
    uint32_t cold_looks, cold_ahead; /* cold partitions waited for; begun behind what is enough */
    uint64_t cold_ns;                /* until when to wait for a first one; 0: none was cold */
    enum session_kind kind;
    bool uses_ids, read_committed;
    int16_t version, error;
    int32_t session_id, session_epoch; /* the epoch that the session must still have */
    int32_t replica_id, min_bytes, max_bytes;
    uint32_t jobs_out, locating; /* jobs of this request; those of them that locate */
    uint32_t ask_next;           /* partitions before it have been asked for */
    uint32_t topic_count, part_count, stranger_count;
    struct fetch_topic *topics;
    struct fetch_part *parts;
    uint32_t *order; /* partitions in the order of the answer */
};

struct fetch_state {
    struct session_cache *sessions;
    struct heap waits;
    struct list retry;   /* struct fetch: go on at the next turn */
    struct list cold;    /* struct fetch by retry, oldest first: a file of theirs is being read */
    struct list asks;    /* struct job: JOB_LOCATE and JOB_TIME that wait for an index to be read */
    struct list holding; /* struct fetch by holding, oldest first */
    uint32_t watches_out;
    void *memory;
    size_t memory_bytes;
};

/* Reads the request and makes the working set; with KERR_NONE in (*out)->error it is ready to
 * locate. REQ_PENDING: *out is there; REQ_AGAIN: memory is short and nothing has changed; REQ_BAD.
 */
enum req_verdict fetch_open(struct shard *s, struct req *r, struct view body, struct fetch **out);

/* The live partition of an identity, or NULL and a Kafka error code.  Owner or home. */
struct route_part *fetch_partition(struct shard *s, const uint8_t id[16], int32_t partition,
                                   int16_t *error);
/* Carries out what j->u.locate asks: fills it and j->error.  ERR_AGAIN: files have to be read
 * first; it is filled with the facts and an empty range then. */
must_check int fetch_read(struct shard *s, struct job *j);

/* Owner: what there is now goes home, and what of it may be held. */
void fetch_tell(struct shard *s, struct job *j);

/* Home: sends what is to be asked of other shards.  False: some could not be sent yet. */
must_check bool fetch_ask(struct shard *s, struct fetch *f);
/* Home: parks a watch at the owner of a part; false when jobs or watches are short. */
must_check bool fetch_ask_watch(struct shard *s, struct fetch *f, uint32_t part);
/* Home: takes what a job has brought for its part, and the job.  True: it is out again. */
must_check bool fetch_take(struct shard *s, struct fetch *f, struct job *j);
/* Home: what an own partition was found to have, the same way. */
void fetch_take_facts(struct fetch_part *p, const struct job *j);
/* Home: asks those parts' parked jobs back that are still out. */
void fetch_ask_back(struct shard *s, struct fetch *f);
/* Home: gives the holds of a part, or of all, back. */
void fetch_drop_hold(struct shard *s, struct fetch_part *p);
void fetch_drop_holds(struct shard *s, struct fetch *f);

/* The first offset that this request may not see of a partition. */
static inline int64_t
fetch_limit(const struct fetch *f, const struct fetch_part *p)
{
    return f->read_committed ? p->last_stable_offset : p->high_watermark;
}

/* Owner: finds the aborted transactions of the range that j->u.locate has, which gets shorter when
 * they are too many.  A code of store_locate. */
must_check int fetch_find_aborted(struct shard *s, struct plog *log, struct job *j);
/* Home: whether j has to be carried out again, with the room that p has got meanwhile. */
must_check bool fetch_more_aborted(struct shard *s, struct fetch_part *p, struct job *j);
/* Home: gives the part's memory for them back. */
void fetch_drop_aborted(struct shard *s, struct fetch_part *p);

/* Carries a JOB_LOCATE or JOB_TIME out again soon: files are being read for it. */
void fetch_ask_later(struct shard *s, struct job *j);

/* Writes the response.  False: memory is short, nothing has changed. */
must_check bool fetch_respond(struct shard *s, struct fetch *f);

#endif
