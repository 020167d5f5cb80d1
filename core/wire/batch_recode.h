/* batch_recode.h: a batch's records under another codec (compression.type of a topic).  The records
 * themselves stay byte for byte; so do all facts of the header but codec, length and crc. */
#ifndef SLUICE_WIRE_BATCH_RECODE_H
#define SLUICE_WIRE_BATCH_RECODE_H

#include "core/wire/batch.h"

/* Writes the batch (whole; info is of its header) to `at` under `codec`, at the level that Kafka's
 * compression.<codec>.level means.  Streams through this thread's windows.  ERR_FULL: more than
 * `room` bytes; ERR_CORRUPT: the packed records are damaged (not after batch_check); ERR_LIMIT: no
 * memory for a codec, or it inflates to more than BATCH_INFLATED_BYTES_MAX. */
must_check int batch_recode(struct view batch, const struct batch_info *info,
                            enum batch_codec codec, int32_t level, void *at, uint32_t room,
                            struct view *out);

#endif
