/* stable.h: which transactions of one log are open, which were aborted, and up to where everything
 * is decided: a pure machine over offsets.
 *
 * The last stable offset is the lesser of the high watermark and the first unstable offset: the
 * first offset of the oldest transaction that is open, or that is ended by a marker which is not
 * durable yet.  Who reads committed data only reads below it, and leaves out what the aborted
 * transactions of his range wrote.
 * Source: Kafka ProducerStateManager (ongoingTxns, unreplicatedTxns), TransactionIndex; KIP-98. */
#ifndef SLUICE_STORE_STABLE_H
#define SLUICE_STORE_STABLE_H

#include "core/base/bytes.h"
#include "core/base/must.h"

enum {
    STABLE_TXNS_MAX = 1 << 17,    /* open, or ended and not durable */
    STABLE_ABORTED_MAX = 1 << 20, /* of one log, with those that may still abort */
};

#define STABLE_NONE INT64_MAX /* no unstable offset */

struct stable_txn {
    int64_t producer_id, first;
    int64_t last; /* offset of the marker; -1: open */
};

/* What Kafka keeps in a .txnindex file. */
struct stable_aborted {
    int64_t producer_id, first;
    int64_t last;   /* offset of the marker */
    int64_t stable; /* last stable offset once the marker is durable */
};

/* I1 txns[from, limit) by first offset, which is the order they begin in.
 * I2 aborted by last offset; their stable offsets do not decrease. */
struct stable {
    struct stable_txn *txns;
    uint32_t from, limit, txn_room;
    struct stable_aborted *aborted;
    uint32_t aborted_count, aborted_room;
    int64_t durable; /* the high watermark that was told last */
};

void stable_init(struct stable *b);
void stable_free(struct stable *b);

/* Makes room for one more transaction, and for all of them to abort: the next stable_begin and
 * every stable_end find it.  ERR_LIMIT: none to be had. */
must_check int stable_reserve(struct stable *b);

/* A transaction begins at an offset behind all others. */
void stable_begin(struct stable *b, int64_t producer_id, int64_t first);
/* The one that began at `first` ends with the marker at `last`; nothing happens when there is none.
 */
void stable_end(struct stable *b, int64_t first, int64_t last, bool aborted);
/* Everything below high_watermark is durable. */
void stable_durable(struct stable *b, int64_t high_watermark);
/* The log begins at `start` now: forgets aborted transactions that lie wholly below. */
void stable_trim(struct stable *b, int64_t start);

/* First offset of the oldest unstable, or open, transaction; STABLE_NONE. */
int64_t stable_first_unstable(const struct stable *b);
int64_t stable_first_open(const struct stable *b);
uint32_t stable_open_count(const struct stable *b);

/* Copies the aborted transactions that have offsets in [first, limit), at most `room`, in order of
 * their markers; returns how many there are. */
uint32_t stable_aborted(const struct stable *b, int64_t first, int64_t limit,
                        struct stable_aborted *out, uint32_t room);
/* Forgets the aborted transaction whose marker was at `last` (compaction removed it). */
void stable_forget(struct stable *b, int64_t last);

/* Checkpoint form: the aborted transactions (the open ones are with their producers).
 * stable_load: ERR_CORRUPT, ERR_LIMIT. */
uint64_t stable_save_bytes(const struct stable *b);
void stable_save(const struct stable *b, struct put *w);
must_check int stable_load(struct stable *b, struct cur *c);

#endif
