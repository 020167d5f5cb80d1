/* plog_config.c: the configuration of a log, as bytes.
 *
 * Form (big endian): the fields in the order of the table below, each with its own width; a new
 * field goes to the end, and PLOG_CONFIG_BYTES and the versions of what holds it change. */
#include "core/store/plog_in.h"

#include <stddef.h>

static const struct field {
    uint16_t at;
    uint16_t bytes;
} fields[] = {
#define FIELD(name)                                                                                \
    {                                                                                              \
        offsetof(struct plog_config, name), sizeof(((struct plog_config *)0)->name)                \
    }
    FIELD(segment_bytes),
    FIELD(index_interval_bytes),
    FIELD(segment_index_bytes),
    FIELD(min_dirty_millionths),
    FIELD(segment_ms),
    FIELD(segment_jitter_ms),
    FIELD(retention_ms),
    FIELD(retention_bytes),
    FIELD(file_delete_delay_ms),
    FIELD(min_compaction_lag_ms),
    FIELD(max_compaction_lag_ms),
    FIELD(delete_retention_ms),
    FIELD(log_append_time),
    FIELD(cleanup_delete),
    FIELD(cleanup_compact),
    FIELD(write_caching),
    FIELD(preallocate),
#undef FIELD
};

enum { FIELDS = sizeof fields / sizeof *fields };

void
plog_config_write(const struct plog_config *config, struct put *w)
{
    for (uint32_t i = 0; i < FIELDS; i++) {
        const uint8_t *at = (const uint8_t *)config + fields[i].at;
        uint32_t u32;
        uint64_t u64;
        if (fields[i].bytes == sizeof u64) {
            memcpy(&u64, at, sizeof u64);
            put_u64(w, u64);
        } else if (fields[i].bytes == sizeof u32) {
            memcpy(&u32, at, sizeof u32);
            put_u32(w, u32);
        } else {
            put_u8(w, *at);
        }
    }
}

void
plog_config_read(struct plog_config *config, struct cur *c)
{
    for (uint32_t i = 0; i < FIELDS; i++) {
        uint8_t *at = (uint8_t *)config + fields[i].at;
        uint32_t u32;
        uint64_t u64;
        if (fields[i].bytes == sizeof u64) {
            u64 = cur_u64(c);
            memcpy(at, &u64, sizeof u64);
        } else if (fields[i].bytes == sizeof u32) {
            u32 = cur_u32(c);
            memcpy(at, &u32, sizeof u32);
        } else {
            *(bool *)at = cur_u8(c) != 0;
        }
    }
}

bool
plog_config_same(const struct plog_config *a, const struct plog_config *b)
{
    for (uint32_t i = 0; i < FIELDS; i++)
        if (memcmp((const uint8_t *)a + fields[i].at, (const uint8_t *)b + fields[i].at,
                   fields[i].bytes) != 0)
            return false;
    return true;
}
