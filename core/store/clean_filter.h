/* clean_filter.h: what compaction leaves of each batch: a pure machine, bytes in, bytes out.
 *
 * Two passes over batches in the order of the log: clean_filter_note from the first dirty offset on
 * fills the map; clean_filter_apply from the beginning of the log on says what stays.  Rules
 * (Kafka Cleaner.checkBatchRetention, shouldRetainRecord, CleanedTransactionMetadata,
 * MemoryRecords.filterTo):
 *   - of each key the record with the last offset in the map stays; a record without a key goes
 *   - a tombstone stays until the delete horizon of its batch, which the first pass that sees it
 *     there sets (attribute bit 6, base timestamp): then plus delete.retention.ms
 *   - records of aborted transactions go; a marker stays until all data of its transaction are
 *     gone, and then until a horizon of its own; and one that aborts while rules.aborted has its
 *     transaction: a consumer that is told of an abort leaves out what its producer wrote until it
 *     finds the marker (Kafka writes its .txnindex anew in the same swap)
 *   - a batch of which nothing stays leaves its header, when it holds the last sequence of an
 *     active producer or the last offset of this round
 *   - a batch that loses nothing stays as it is, byte for byte; offsets, sequences, leader epoch,
 *     codec, timestamps stay always
 *   - what lies beyond the map's latest offset is not touched (Kafka may set a horizon there)
 * Batches are whole, with a good crc.  Memory grows with the largest batch and with transactions
 * that are open at a time. */
#ifndef SLUICE_STORE_CLEAN_FILTER_H
#define SLUICE_STORE_CLEAN_FILTER_H

#include "core/store/clean_map.h"
#include "core/wire/batch.h"

#include <stdbool.h>

/* An aborted transaction: data from first_offset on, its marker at last_offset. */
struct clean_aborted {
    int64_t producer_id, first_offset, last_offset;
};

/* An active producer. */
struct clean_producer {
    int64_t id;
    int64_t last_offset; /* of its last batch of data; -1: it is known by a marker only */
    int16_t epoch;
};

struct clean_rules {
    struct clean_map *map;
    int64_t now_ms, delete_retention_ms;
    const struct clean_aborted *aborted; /* in the order of first_offset */
    uint32_t aborted_count;
    const struct clean_producer *producers; /* in the order of id */
    uint32_t producer_count;
};

struct clean_counts {
    uint64_t batches, batches_changed; /* changed: dropped or written anew */
    uint64_t records, records_dropped;
    uint64_t keyless; /* records without a key, dropped too */
};

struct clean_open {                   /* a transaction whose marker did not come yet */
    int64_t producer_id, last_offset; /* last: where an aborted one ends */
    bool aborted, seen;               /* seen: data of it */
};

struct clean_filter {
    struct clean_rules rules;
    struct clean_counts counts;
    uint32_t aborted_next; /* the first of rules.aborted that did not begin yet */
    struct clean_open *open;
    uint32_t open_count, open_room;
    uint8_t *scratch, *out;
    uint32_t scratch_room, out_room;
};

void clean_filter_init(struct clean_filter *f, const struct clean_rules *rules);
void clean_filter_free(struct clean_filter *f);
/* Between the passes: the next batch is the first of the log. */
void clean_filter_rewind(struct clean_filter *f);

/* First pass.  ERR_FULL: the map has no place for all keys of this batch, and ends before it;
 * ERR_CORRUPT; ERR_LIMIT: no memory. */
must_check int clean_filter_note(struct clean_filter *f, struct view batch);

/* Second pass: *out is what stays: the same view, new bytes lent until the next call, or nothing
 * (len 0).  `last`: keep at least the header.  ERR_CORRUPT, ERR_LIMIT. */
must_check int clean_filter_apply(struct clean_filter *f, struct view batch, bool last,
                                  struct view *out);

#endif
