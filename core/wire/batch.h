/* batch.h: the record batch, version 2: 61 bytes of header, then records, maybe compressed.
 * Source: Kafka DefaultRecordBatch, LogValidator; KIP-98.
 *
 *    0 i64 base offset (not in crc)      27 i64 base timestamp
 *    8 i32 length of what follows (not)  35 i64 max timestamp
 *   12 i32 leader epoch (not)            43 i64 producer id, -1 none
 *   16 i8  magic = 2 (not)               51 i16 producer epoch
 *   17 u32 crc-32c of bytes 21..end      53 i32 base sequence
 *   21 u16 attributes                    57 i32 record count
 *   23 i32 last offset delta             61     records
 *
 * attributes: bits 0-2 codec, 3 timestamp type (1 LogAppendTime), 4 transactional, 5 control,
 * 6 delete horizon.  Everything here is pure: bytes in, facts out. */
#ifndef SLUICE_WIRE_BATCH_H
#define SLUICE_WIRE_BATCH_H

#include "core/base/bytes.h"
#include "core/base/must.h"

enum {
    BATCH_HEADER_BYTES = 61,
    BATCH_AT_LENGTH = 8,
    BATCH_AT_EPOCH = 12,
    BATCH_AT_MAGIC = 16,
    BATCH_AT_CRC = 17,
    BATCH_AT_ATTRIBUTES = 21,
    BATCH_AT_LAST_DELTA = 23,
    BATCH_AT_BASE_TIMESTAMP = 27,
    BATCH_AT_MAX_TIMESTAMP = 35,
    BATCH_AT_PRODUCER_ID = 43,
    BATCH_AT_PRODUCER_EPOCH = 51,
    BATCH_AT_BASE_SEQUENCE = 53,
    BATCH_AT_COUNT = 57,
    BATCH_OVERHEAD = 12, /* base offset and length: not counted by the length field */
};

enum batch_codec { BATCH_NONE, BATCH_GZIP, BATCH_SNAPPY, BATCH_LZ4, BATCH_ZSTD, BATCH_CODECS };

enum batch_attribute {
    BATCH_CODEC_MASK = 7,
    BATCH_LOG_APPEND_TIME = 8,
    BATCH_TRANSACTIONAL = 16,
    BATCH_CONTROL = 32,
    BATCH_DELETE_HORIZON = 64,
};

struct batch_info {
    uint32_t bytes; /* of the whole batch */
    int64_t base_offset;
    int32_t leader_epoch;
    uint32_t crc;
    uint16_t attributes;
    int32_t record_count, last_offset_delta;
    int64_t base_timestamp_ms, max_timestamp_ms;
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t base_sequence;
    /* After batch_check: the largest time of the records, where it read them, otherwise
     * max_timestamp_ms.  When the two differ Kafka corrects the header: batch_stamp_max. */
    int64_t found_timestamp_ms;
    /* After batch_check: records that the rules refuse, when that is why it refused. */
    uint32_t bad_records;
};

/* Reads the header of the batch at the front of `bytes`.  Checks magic and that length >= the
 * header; not that the whole batch is there, nor the crc.  ERR_AGAIN: fewer than 61 bytes;
 * ERR_CORRUPT. */
must_check int batch_header(struct view bytes, struct batch_info *out);

/* True when the crc matches; the view must hold the whole batch. */
bool batch_crc_ok(struct view batch, const struct batch_info *info);

struct batch_rules {
    uint32_t bytes_max;   /* max.message.bytes */
    bool keys_required;   /* compacted topic */
    bool log_append_time; /* the broker stamps: record times are not checked */
    bool coordinator;     /* a coordinator wrote it: its transactional batches have no sequence */
    int64_t before_max_ms,
        after_max_ms; /* message.timestamp.{before,after}.max.ms; INT64_MAX off */
    int64_t now_ms;
    bool walk_compressed; /* decompress to check every record (Kafka always does) */
    bool crc_known;       /* `crc` is that of the bytes from BATCH_AT_ATTRIBUTES on, as they lie */
    uint32_t crc;
};

/* Everything Kafka checks of what a producer sends to one partition: exactly one whole batch, magic
 * 2, crc, size, count == last offset delta + 1, offset deltas 0.., keys and times by the rules, no
 * control batch, base offset 0, a sequence when there is a producer id.  Reads compressed records
 * through a fixed window, at most BATCH_INFLATED_BYTES_MAX of them.  Returns a Kafka error code:
 * KERR_NONE; KERR_CORRUPT_MESSAGE; KERR_MESSAGE_TOO_LARGE (also of what inflates to too much, so
 * that a client splits it); KERR_INVALID_RECORD (also of magic 0 and 1, as Kafka 4 answers them);
 * KERR_INVALID_TIMESTAMP; KERR_UNSUPPORTED_COMPRESSION_TYPE (codecs 5 to 7; zstd before Produce
 * version 7 is for the caller to refuse); KERR_UNKNOWN_SERVER_ERROR: no memory for the codec.
 * *why (may be NULL): static text for the error_message field, NULL when fine.
 *
 * Judges as Kafka 4.3.1's LogValidator does, but refuses what Kafka lets pass unseen: offset deltas
 * of uncompressed records that are not 0, 1, ..., compressed records whose length field lies, any
 * claim of LogAppendTime, an incomplete second batch behind the first; and says INVALID_RECORD or
 * UNSUPPORTED_COMPRESSION_TYPE where an exception of the parser makes Kafka say
 * UNKNOWN_SERVER_ERROR (damaged compressed streams and records, unknown codecs).
 *
 * Codec contexts and windows are one scratch a thread, made by its first compressed batch or ahead
 * by batch_thread_ready. */
must_check int batch_check(struct view records, const struct batch_rules *rules,
                           struct batch_info *out, const char **why);

/* One record that the rules refuse: it lacks a key, or its time is out of range. */
struct batch_fault {
    int32_t index; /* in the batch */
    bool keyless;
    int64_t timestamp_ms;
};

/* The first `max` faults of a batch that batch_check refused with bad_records > 0, under the same
 * rules; reads the batch again.  Returns how many it wrote. */
uint32_t batch_faults(struct view records, const struct batch_rules *rules,
                      const struct batch_info *info, struct batch_fault *out, uint32_t max);

/* The times that the rules allow, both inclusive. */
void batch_time_range(const struct batch_rules *rules, int64_t *first_ms, int64_t *last_ms);

enum { BATCH_INFLATED_BYTES_MAX = 256 << 20 };

/* Makes the scratch of every codec for the calling thread: at boot, so that no batch allocates
 * later (a zstd or lz4 frame with a larger window than any before may still).  ERR_LIMIT: no
 * memory. */
must_check int batch_thread_ready(void);
/* Frees the calling thread's scratch. */
void batch_thread_end(void);

/* Stamps what the broker owns, in place, without touching the crc. */
void batch_stamp(uint8_t *batch, int64_t base_offset, int32_t leader_epoch);

/* Sets LogAppendTime and the max timestamp, and recomputes the crc. */
void batch_stamp_time(uint8_t *batch, uint32_t bytes, int64_t now_ms);

/* Sets the max timestamp and recomputes the crc. */
void batch_stamp_max(uint8_t *batch, uint32_t bytes, int64_t max_timestamp_ms);

/* Finds the first record with timestamp >= time_ms and offset >= offset_min in a whole, checked
 * batch (decompressing it).  time_ms == INT64_MAX: the first record that has the batch's largest
 * timestamp. ERR_OK, ERR_NOT_FOUND, ERR_CORRUPT; ERR_LIMIT: no memory for
 * the codec. */
must_check int batch_find_time(struct view batch, int64_t time_ms, int64_t offset_min,
                               int64_t *offset, int64_t *timestamp_ms);

#endif
