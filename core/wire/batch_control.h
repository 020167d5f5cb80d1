/* batch_control.h: the control batch that ends a transaction in a log: one record, never
 * compressed.  key: i16 version 0, i16 type (0 ABORT, 1 COMMIT); value: i16 version 0, i32 epoch of
 * the coordinator.  Source: KIP-98, Kafka EndTransactionMarker, ControlRecordType. */
#ifndef SLUICE_WIRE_BATCH_CONTROL_H
#define SLUICE_WIRE_BATCH_CONTROL_H

#include "core/wire/batch.h"

enum batch_control_type { BATCH_CONTROL_ABORT = 0, BATCH_CONTROL_COMMIT = 1 };

enum { BATCH_CONTROL_BYTES = BATCH_HEADER_BYTES + 17 };

struct batch_control {
    enum batch_control_type type;
    int32_t coordinator_epoch;
    int64_t producer_id;
    int16_t producer_epoch;
    int64_t time_ms;
};

/* Builds the whole batch with base offset 0 and leader epoch 0 (batch_stamp sets both); *info is
 * its header. */
void batch_control_build(uint8_t out[static BATCH_CONTROL_BYTES], const struct batch_control *c,
                         struct batch_info *info);

/* Reads the end of a transaction out of a whole batch with BATCH_CONTROL set.  ERR_NOT_FOUND: it
 * ends none (no record left by compaction, or another kind of control record); ERR_CORRUPT. */
must_check int batch_control_read(struct view batch, const struct batch_info *info,
                                  struct batch_control *out);

#endif
