/* clean_map.h: the last offset of each key, in fixed memory: what compaction goes by.
 *
 * A key is its 128-bit SipHash under a secret of the process, so that no client can make two keys
 * meet.  24 bytes a key, CLEAN_MAP_LOAD of the places used at most.  Source: Kafka SkimpyOffsetMap
 * (which takes MD5), log.cleaner.io.buffer.load.factor. */
#ifndef SLUICE_STORE_CLEAN_MAP_H
#define SLUICE_STORE_CLEAN_MAP_H

#include "core/base/bytes.h"
#include "core/base/must.h"

enum { CLEAN_MAP_SECRET_BYTES = 16, CLEAN_MAP_KEY_BYTES = 24 };

struct clean_slot {
    uint64_t hash[2];
    int64_t offset; /* -1: empty */
};

struct clean_map {
    uint64_t secret[2];
    struct clean_slot *slots;
    uint64_t slot_count, used, limit;
    int64_t latest; /* offset up to which the log is in the map; -1 nothing.  The caller's */
};

/* A map in `bytes` of memory, which is not touched before clean_map_clear.  ERR_INVALID: less than
 * some keys' worth. */
must_check int clean_map_init(struct clean_map *m, void *memory, uint64_t bytes,
                              const uint8_t secret[static CLEAN_MAP_SECRET_BYTES]);
/* Makes it empty: before each use. */
void clean_map_clear(struct clean_map *m);

/* Notes an offset of a key; offsets come in order.  ERR_FULL: a new key, and no place for it. */
must_check int clean_map_put(struct clean_map *m, struct view key, int64_t offset);
/* The last offset noted for a key, -1: none. */
int64_t clean_map_get(const struct clean_map *m, struct view key);

/* SipHash-2-4 with a result of 128 bits (Aumasson, Bernstein: "SipHash: a fast short-input PRF").
 */
void clean_map_hash(const uint64_t secret[2], struct view bytes, uint64_t out[2]);

#endif
