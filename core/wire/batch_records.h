/* batch_records.h: the records inside a batch, as a stream: plain memory or inflated through a
 * window.  Private to the batch_*.c files and their tests, but for batch_inflate_open and _more:
 * what clients push to control/telemetry is packed by the same codecs. */
#ifndef SLUICE_WIRE_BATCH_RECORDS_H
#define SLUICE_WIRE_BATCH_RECORDS_H

#include "core/wire/batch.h"

enum {
    BATCH_WINDOW_BYTES = 64 << 10, /* what one call of batch_inflate_more gives at most */
    BATCH_CARRY_BYTES = 64,        /* writable room before it, for the rest of the last one */
    BATCH_SNAPPY_BLOCK_BYTES_MAX = 64 << 20, /* snappy inflates by whole blocks */
    BATCH_ZSTD_WINDOW_LOG_MAX = 27,          /* zstd's own default, reached by level 22 */
};

struct batch_inflate;

/* Begins to inflate `packed` with this thread's scratch: a later call on the same thread ends the
 * earlier stream.  The scratch (windows and codec contexts) is made by the first call that needs it
 * and lives as long as the thread; afterwards nothing is allocated but what a codec's frame asks
 * for beyond any frame before it.  ERR_LIMIT: no memory. */
must_check int batch_inflate_open(enum batch_codec codec, struct view packed,
                                  struct batch_inflate **out);

/* The next inflated bytes, lent until the next call; *n 0 at the end.  The BATCH_CARRY_BYTES before
 * *at may be written.  ERR_CORRUPT; ERR_LIMIT: more than BATCH_INFLATED_BYTES_MAX, or a snappy
 * block over BATCH_SNAPPY_BLOCK_BYTES_MAX. */
must_check int batch_inflate_more(struct batch_inflate *z, uint8_t **at, uint32_t *n);

/* A place in the records of one batch. */
struct batch_records {
    const uint8_t *at, *end;
    struct batch_inflate *z; /* NULL: everything is in [at, end) */
    int err;                 /* of the inflation: ERR_CORRUPT or ERR_LIMIT */
};

/* What every record tells without being copied. */
struct batch_fact {
    int64_t timestamp_delta_ms;
    int32_t offset_delta;
    bool has_key;
};

/* `batch` is a whole one whose header was read into info.  ERR_UNSUPPORTED: unknown codec;
 * ERR_LIMIT: no memory for the scratch. */
must_check int batch_records_open(struct batch_records *r, struct view batch,
                                  const struct batch_info *info);

/* Reads and checks the form of one record.  ERR_CORRUPT, ERR_LIMIT. */
must_check int batch_records_next(struct batch_records *r, struct batch_fact *out);

/* True when no byte is left (and the inflation is fine so far). */
bool batch_records_done(struct batch_records *r);

#endif
