/* store_fixture.h: what the tests of the store share: batches, and a small store on a fake disk. */
#ifndef SLUICE_TESTS_STORE_FIXTURE_H
#define SLUICE_TESTS_STORE_FIXTURE_H

#include "core/base/err.h"
#include "core/store/store_in.h"
#include "core/wire/kerr.h"
#include "tests/sim/disk_mem.h"
#include "tests/unit/unit.h"

enum { FIXTURE_BATCH_MAX = 512 << 10 };

/* A valid uncompressed batch of `records` records with values of value_bytes; record i has
 * timestamp time_ms + i.  Returns its bytes; *info is its header. */
uint32_t fixture_batch(uint8_t *out, int32_t records, uint32_t value_bytes, uint64_t seed,
                       int64_t time_ms, struct batch_info *info);
/* Makes it a batch of an idempotent producer. */
void fixture_producer(uint8_t *batch, int64_t id, int16_t epoch, int32_t sequence,
                      struct batch_info *info);

void fixture_topic(uint32_t n, uint8_t id[16]);

struct fixture {
    struct disk_mem *disk;
    uint32_t cores;
    uint64_t journal_bytes, cache_bytes, move_bytes, now_ns;
    uint32_t read_buffers, read_bytes, sidecar_bytes, shrink_bytes, flight, logs_max, extent_bytes;
    struct store_boot_facts boot;
    struct store *store[4];
    struct plog_config config;
    uint8_t *batch;
};

void fixture_init(struct fixture *f, uint64_t seed);
void fixture_end(struct fixture *f);
/* store_recover and store_init of every core; a code. */
int fixture_start(struct fixture *f);
int fixture_stop(struct fixture *f);       /* store_close of every core */
void fixture_kill(struct fixture *f);      /* store_abandon */
void fixture_power_cut(struct fixture *f); /* the disk is back behind it, no store is */
/* Some turns; a code of store_step. */
int fixture_turns(struct fixture *f, uint32_t count);
/* Turns until everything appended is durable. */
int fixture_settle(struct fixture *f);
/* Turns until everything appended is in segment files and a checkpoint was written. */
int fixture_checkpoint(struct fixture *f);

struct store *fixture_core(struct fixture *f, uint32_t topic, int32_t partition);
/* Finds or creates. */
struct plog *fixture_log(struct fixture *f, uint32_t topic, int32_t partition);
/* Appends a batch, with turns while the store says ERR_AGAIN; must succeed.  Returns its base
 * offset. */
int64_t fixture_append(struct fixture *f, struct plog *p, int32_t records, uint32_t value_bytes,
                       uint64_t seed, int64_t time_ms);
/* Reads whole batches from an offset, with turns while the store says ERR_AGAIN; bytes read, or a
 * code. */
int64_t fixture_read(struct fixture *f, struct plog *p, int64_t offset, uint32_t bytes_max,
                     uint8_t *out, struct store_range *range);
/* Reads all of a log from its start; ERR_OK when every offset is there. */
int fixture_read_all(struct fixture *f, struct plog *p);

#endif
