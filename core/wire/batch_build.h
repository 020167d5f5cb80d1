/* batch_build.h: makes a record batch from records, in memory of the caller's; compressed ones
 * through the codec as they come.  For what the broker writes by itself: compaction, batches of
 * its own topics. */
#ifndef SLUICE_WIRE_BATCH_BUILD_H
#define SLUICE_WIRE_BATCH_BUILD_H

#include "core/wire/batch_deflate.h"
#include "core/wire/batch_read.h"

/* What the header says and the records do not. */
struct batch_template {
    int64_t base_offset;
    int32_t leader_epoch;
    uint16_t attributes;       /* enum batch_attribute, with the codec */
    int64_t base_timestamp_ms; /* with BATCH_DELETE_HORIZON: the horizon */
    int64_t producer_id;       /* -1 none, as the two below */
    int16_t producer_epoch;
    int32_t base_sequence;
    int32_t last_offset_delta; /* -1: that of the last record; larger ones keep the range that the
                                  batch had before compaction */
    int32_t level;             /* compression.<codec>.level; of no meaning to none and snappy */
};

/* What a batch of `info` said, to build it again. */
struct batch_template batch_template_of(const struct batch_info *info);

/* The level that Kafka takes when it is told none. */
int32_t batch_level_default(enum batch_codec codec);

struct batch_build {
    struct batch_template form;
    struct put out;
    struct batch_deflate *z;
    int32_t count;
    int64_t last_offset, max_timestamp_ms;
};

/* Begins a batch at `at`.  Only one batch of a thread is built at a time (its codec's scratch).
 * ERR_FULL: room is smaller than a header; ERR_LIMIT: no memory for the codec. */
must_check int batch_build_begin(struct batch_build *b, const struct batch_template *form, void *at,
                                 uint32_t room);

/* Adds a record.  Offsets rise, from the base offset or above; a timestamp of a LogAppendTime batch
 * is the one stamped.  ERR_FULL: no room; ERR_INVALID: an offset that does not rise or is
 * further from the base than a batch can say, or a record of 2 GiB; ERR_LIMIT: no memory.  After an
 * error the batch is lost. */
must_check int batch_build_add(struct batch_build *b, const struct batch_record *record);

/* Ends the batch: count, largest time, length, crc.  At least one record was added.  *batch lies in
 * the memory of begin.  Errors as batch_build_add. */
must_check int batch_build_end(struct batch_build *b, struct view *batch);

/* Writes BATCH_HEADER_BYTES: a batch without records, that keeps offsets and a producer's sequence
 * where compaction took everything (Kafka DefaultRecordBatch.writeEmptyHeader: no codec, no delete
 * horizon, base timestamp -1). */
void batch_build_empty(uint8_t *at, const struct batch_template *form, int64_t max_timestamp_ms);

#endif
