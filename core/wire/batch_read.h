/* batch_read.h: the records of a batch one by one, with keys, values and headers in memory.  For
 * code that looks at contents (compaction); checks and searches use batch_records.h. */
#ifndef SLUICE_WIRE_BATCH_READ_H
#define SLUICE_WIRE_BATCH_READ_H

#include "core/wire/batch_records.h"

struct batch_record {
    int64_t offset;       /* absolute */
    int64_t timestamp_ms; /* the batch's largest time when the broker stamps (LogAppendTime) */
    struct view key;      /* at NULL: null */
    struct view value;    /* at NULL: null, a tombstone where keys matter */
    struct view headers;  /* varint count, then the headers, as they stand in the batch */
};

/* A place in the records of one batch, and where a record is put together. */
struct batch_read {
    struct batch_info info;
    struct view plain;       /* bytes not yet read: of the batch, or of what inflated last */
    struct batch_inflate *z; /* NULL: plain is all there is */
    uint8_t *scratch;
    uint32_t scratch_bytes;
    uint32_t record_bytes; /* of the record that ERR_FULL was about: what scratch has to hold */
    int32_t left;          /* records to come */
};

/* Begins with a whole batch.  A compressed record that crosses a window of the codec is put
 * together in `scratch`, which may be NULL for a batch that is not compressed.  The inflating
 * itself uses this thread's scratch: one compressed batch at a time. ERR_CORRUPT: not a batch, not
 * whole, or an unknown codec; ERR_LIMIT: no memory for the codec. */
must_check int batch_read_open(struct batch_read *r, struct view batch, void *scratch,
                               uint32_t scratch_bytes);

/* The next record; its views are lent until the next call, and point into the batch when it is not
 * compressed.  ERR_NOT_FOUND: that was the last, and the batch ended there; ERR_CORRUPT; ERR_FULL:
 * the scratch is smaller than r->record_bytes (open again with that much); ERR_LIMIT: the batch
 * inflates to more than BATCH_INFLATED_BYTES_MAX.  After an error the batch must not be read on.
 * Headers are bounded by their record and not looked at. */
must_check int batch_read_next(struct batch_read *r, struct batch_record *out);

#endif
