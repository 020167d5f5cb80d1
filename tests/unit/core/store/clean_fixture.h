/* clean_fixture.h: batches with keys, for tests of compaction. */
#ifndef SLUICE_TESTS_CLEAN_FIXTURE_H
#define SLUICE_TESTS_CLEAN_FIXTURE_H

#include "core/base/err.h"
#include "core/wire/batch_build.h"
#include "tests/unit/unit.h"

#include <stdio.h>

struct clean_record {
    int key; /* -1: none */
    bool tombstone;
    int64_t offset, time_ms;
};

/* Builds a batch; a record's value is its key and time as text, or a control record's. */
static inline uint32_t
clean_fixture_batch(uint8_t *out, uint32_t room, const struct batch_template *form,
                    const struct clean_record *records, uint32_t count)
{
    static const uint8_t no_headers[1] = {0};
    struct batch_build b;
    struct view batch;
    int rc = batch_build_begin(&b, form, out, room);
    for (uint32_t i = 0; rc == ERR_OK && i < count; i++) {
        char key[24], value[64];
        int k = snprintf(key, sizeof key, "key-%d", records[i].key);
        int v = snprintf(value, sizeof value, "value of %d at %lld", records[i].key,
                         (long long)records[i].time_ms);
        struct batch_record one = {
            .offset = records[i].offset,
            .timestamp_ms = records[i].time_ms,
            .key = view_of(records[i].key < 0 ? NULL : key, records[i].key < 0 ? 0 : (uint32_t)k),
            .value = view_of(records[i].tombstone ? NULL : value,
                             records[i].tombstone ? 0 : (uint32_t)v),
            .headers = view_of(no_headers, 1)};
        rc = batch_build_add(&b, &one);
    }
    if (rc == ERR_OK)
        rc = batch_build_end(&b, &batch);
    assert_int_equal(rc, ERR_OK);
    return batch.len;
}

/* A marker: one control record. */
static inline uint32_t
clean_fixture_marker(uint8_t *out, uint32_t room, int64_t base, int64_t producer, int16_t epoch,
                     bool commit, int64_t time_ms)
{
    uint8_t key[4] = {0}, value[6] = {0};
    static const uint8_t no_headers[1] = {0};
    struct batch_build b;
    struct view batch;
    struct batch_template form = {.base_offset = base,
                                  .attributes = BATCH_CONTROL | BATCH_TRANSACTIONAL,
                                  .base_timestamp_ms = time_ms,
                                  .producer_id = producer,
                                  .producer_epoch = epoch,
                                  .base_sequence = -1,
                                  .last_offset_delta = 0};
    key[3] = commit;
    int rc = batch_build_begin(&b, &form, out, room);
    struct batch_record one = {.offset = base,
                               .timestamp_ms = time_ms,
                               .key = view_of(key, sizeof key),
                               .value = view_of(value, sizeof value),
                               .headers = view_of(no_headers, 1)};
    if (rc == ERR_OK)
        rc = batch_build_add(&b, &one);
    if (rc == ERR_OK)
        rc = batch_build_end(&b, &batch);
    assert_int_equal(rc, ERR_OK);
    return batch.len;
}

/* The number behind "key-", -1: no key. */
static inline int
clean_fixture_key(const struct batch_record *r)
{
    char text[24] = "";
    int key = -1;
    if (!r->key.at)
        return -1;
    assert_true(r->key.len < sizeof text);
    memcpy(text, r->key.at, r->key.len);
    assert_int_equal(sscanf(text, "key-%d", &key), 1);
    return key;
}

#endif
