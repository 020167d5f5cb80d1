/* batch_deflate.h: the codecs of record batches as one push stream, the other way round than
 * batch_records.h.  Private to the batch_*.c files and their tests.  Levels mean what Kafka's
 * compression.<codec>.level does. */
#ifndef SLUICE_WIRE_BATCH_DEFLATE_H
#define SLUICE_WIRE_BATCH_DEFLATE_H

#include "core/wire/batch.h"

enum {
    BATCH_CHUNK_BYTES = 64 << 10,        /* what a codec is given at once; the block of lz4 */
    BATCH_XERIAL_BLOCK_BYTES = 32 << 10, /* snappy-java's own block */
    /* Bounds what a zstd context takes at the highest levels (tens of MiB, not hundreds). */
    BATCH_ZSTD_WINDOW_LOG_OUT = 20,
};

struct batch_deflate;

/* Begins to pack into *out with this thread's scratch: a later call on the same thread ends the
 * earlier stream.  *out is lent until batch_deflate_end.  BATCH_NONE copies.  A level out of the
 * codec's range is taken as the nearest one in it.  The scratch is made by the first call that
 * needs it, grows with the level and lives as long as the thread.  ERR_LIMIT: no memory. */
must_check int batch_deflate_open(enum batch_codec codec, int32_t level, struct put *out,
                                  struct batch_deflate **z);

/* Packs the next bytes.  ERR_FULL: no room in *out, and the stream is lost; ERR_LIMIT: no memory.
 */
must_check int batch_deflate_more(struct batch_deflate *z, struct view bytes);

/* Ends the codec's frame.  Errors as batch_deflate_more. */
must_check int batch_deflate_end(struct batch_deflate *z);

/* Frees the calling thread's scratch (batch_thread_end calls it). */
void batch_deflate_forget(void);

#endif
