#include "tests/unit/core/store/store_fixture.h"
#include "core/base/crc32c.h"
#include "core/base/varint.h"

#include <stdlib.h>

static void
record_write(struct put *w, int32_t i, uint32_t value_bytes, uint64_t seed)
{
    uint8_t head[32];
    struct put h = put_of(head, sizeof head);
    put_u8(&h, 0);
    varint_write_i64(&h, i);
    varint_write_i32(&h, i);
    varint_write_i32(&h, -1);
    varint_write_i32(&h, (int32_t)value_bytes);
    varint_write_i32(w, (int32_t)(put_len(&h) + value_bytes + 1));
    put_bytes(w, head, put_len(&h));
    uint8_t *at = put_take(w, value_bytes);
    assert_non_null(at);
    for (uint32_t k = 0; k < value_bytes; k += 8) {
        seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
        memcpy(at + k, &seed, value_bytes - k < 8 ? value_bytes - k : 8);
    }
    put_u8(w, 0);
}

static void
seal(uint8_t *batch, struct batch_info *info)
{
    uint32_t bytes = get_u32(batch + BATCH_AT_LENGTH) + BATCH_OVERHEAD;
    set_u32(batch + BATCH_AT_CRC,
            crc32c(0, batch + BATCH_AT_ATTRIBUTES, bytes - BATCH_AT_ATTRIBUTES));
    assert_int_equal(batch_header(view_of(batch, bytes), info), ERR_OK);
    assert_true(batch_crc_ok(view_of(batch, bytes), info));
}

uint32_t
fixture_batch(uint8_t *out, int32_t records, uint32_t value_bytes, uint64_t seed, int64_t time_ms,
              struct batch_info *info)
{
    memset(out, 0, BATCH_HEADER_BYTES);
    out[BATCH_AT_MAGIC] = 2;
    set_u32(out + 23, (uint32_t)records - 1);
    set_u64(out + 27, (uint64_t)time_ms);
    set_u64(out + BATCH_AT_MAX_TIMESTAMP, (uint64_t)(time_ms + records - 1));
    memset(out + 43, 0xff, 14); /* no producer */
    set_u32(out + 57, (uint32_t)records);
    struct put w = put_of(out, FIXTURE_BATCH_MAX);
    put_take(&w, BATCH_HEADER_BYTES);
    for (int32_t i = 0; i < records; i++)
        record_write(&w, i, value_bytes, seed + (uint64_t)i);
    assert_false(w.bad);
    set_u32(out + BATCH_AT_LENGTH, put_len(&w) - BATCH_OVERHEAD);
    seal(out, info);
    return put_len(&w);
}

void
fixture_producer(uint8_t *batch, int64_t id, int16_t epoch, int32_t sequence,
                 struct batch_info *info)
{
    set_u64(batch + 43, (uint64_t)id);
    set_u16(batch + 51, (uint16_t)epoch);
    set_u32(batch + 53, (uint32_t)sequence);
    seal(batch, info);
}

void
fixture_topic(uint32_t n, uint8_t id[16])
{
    memset(id, 0, 16);
    set_u32(id, 0xabad1dea);
    set_u32(id + 12, n);
}

void
fixture_init(struct fixture *f, uint64_t seed)
{
    *f = (struct fixture){
        .disk = disk_mem_new(seed),
        .cores = 1,
        .journal_bytes = 256 << 10,
        .cache_bytes = 256 << 10,
        .now_ns = CLOCK_NS_PER_S,
        .read_buffers = 4,
        .logs_max = 64,
        .flight = 4,
        .config = {.segment_bytes = 32 << 10, .index_interval_bytes = 4096, .segment_ms = 0}};
    f->batch = malloc(FIXTURE_BATCH_MAX);
    assert_non_null(f->batch);
}

void
fixture_end(struct fixture *f)
{
    fixture_kill(f);
    disk_mem_free(f->disk);
    free(f->batch);
}

int
fixture_start(struct fixture *f)
{
    struct store_boot *boot;
    int rc = store_recover(disk_mem_port(f->disk, 0), f->cores, f->journal_bytes, &boot);
    if (rc != ERR_OK)
        return rc;
    store_boot_facts(boot, &f->boot);
    for (uint32_t i = 0; i < f->cores && rc == ERR_OK; i++) {
        struct store_config c = {.core = i,
                                 .core_count = f->cores,
                                 .journal_bytes = f->journal_bytes,
                                 .cache_bytes = f->cache_bytes,
                                 .read_buffers = f->read_buffers,
                                 .read_bytes = f->read_bytes,
                                 .sidecar_bytes = f->sidecar_bytes,
                                 .shrink_bytes = f->shrink_bytes,
                                 .move_bytes = f->move_bytes,
                                 .logs_max = f->logs_max,
                                 .extent_bytes_min = f->extent_bytes,
                                 .frames_in_flight = f->flight};
        rc = store_init(&c, disk_mem_port(f->disk, i), boot, &f->store[i]);
        if (rc != ERR_OK)
            f->store[i] = NULL;
    }
    store_boot_free(boot);
    if (rc != ERR_OK)
        fixture_kill(f);
    return rc;
}

int
fixture_stop(struct fixture *f)
{
    int first = ERR_OK;
    for (uint32_t i = 0; i < 4; i++) {
        int rc = f->store[i] ? store_close(f->store[i]) : ERR_OK;
        f->store[i] = NULL;
        if (first == ERR_OK)
            first = rc;
    }
    return first;
}

void
fixture_kill(struct fixture *f)
{
    for (uint32_t i = 0; i < 4; i++)
        if (f->store[i])
            store_abandon(f->store[i]);
    memset(f->store, 0, sizeof f->store);
}

void
fixture_power_cut(struct fixture *f)
{
    disk_mem_cut_after(f->disk, 0);
    fixture_kill(f);
    disk_mem_restart(f->disk);
    disk_mem_cut_after(f->disk, UINT64_MAX);
}

int
fixture_turns(struct fixture *f, uint32_t count)
{
    for (uint32_t n = 0; n < count; n++) {
        f->now_ns += 300 * 1000;
        for (uint32_t i = 0; i < f->cores; i++) {
            uint64_t deadline;
            int rc = store_step(f->store[i], f->now_ns, &deadline);
            if (rc != ERR_OK)
                return rc;
        }
    }
    return ERR_OK;
}

int
fixture_settle(struct fixture *f)
{
    for (uint32_t i = 0; i < f->cores; i++) {
        struct store *s = f->store[i];
        for (uint32_t n = 0; store_durable_lsn(s) < journal_last_lsn(s->journal); n++) {
            int rc = fixture_turns(f, 1);
            if (rc != ERR_OK || disk_mem_is_cut(f->disk))
                return rc == ERR_OK ? ERR_IO : rc;
            assert_true(n < 10000);
        }
    }
    return ERR_OK;
}

int
fixture_checkpoint(struct fixture *f)
{
    int rc = fixture_settle(f);
    for (uint32_t i = 0; i < f->cores && rc == ERR_OK; i++) {
        struct store *s = f->store[i];
        s->flushing = true;
        for (uint32_t n = 0;
             rc == ERR_OK && (s->tail.clean < s->tail.next || s->ckpt.phase != CKPT_IDLE); n++) {
            rc = fixture_turns(f, 1);
            assert_true(n < 10000);
        }
        uint64_t before = s->stats.checkpoints;
        if (rc == ERR_OK)
            store_ckpt_begin(s, false);
        for (uint32_t n = 0; rc == ERR_OK && s->stats.checkpoints == before; n++) {
            rc = fixture_turns(f, 1);
            assert_true(n < 10000);
        }
        s->flushing = false;
    }
    return rc;
}

struct store *
fixture_core(struct fixture *f, uint32_t topic, int32_t partition)
{
    uint8_t id[16];
    fixture_topic(topic, id);
    return f->store[store_core_of(id, partition, f->cores)];
}

struct plog *
fixture_log(struct fixture *f, uint32_t topic, int32_t partition)
{
    uint8_t id[16];
    fixture_topic(topic, id);
    struct plog *p = NULL;
    struct store *s = fixture_core(f, topic, partition);
    int rc;
    for (uint32_t n = 0; (rc = store_create(s, id, partition, &f->config, &p)) == ERR_AGAIN; n++) {
        if (disk_mem_is_cut(f->disk) || fixture_turns(f, 1) != ERR_OK)
            return NULL;
        assert_true(n < 10000);
    }
    assert_int_equal(rc, ERR_OK);
    return p;
}

static struct store *
store_of(struct fixture *f, const struct plog *p)
{
    return f->store[store_core_of(p->topic, p->partition, f->cores)];
}

int64_t
fixture_append(struct fixture *f, struct plog *p, int32_t records, uint32_t value_bytes,
               uint64_t seed, int64_t time_ms)
{
    struct batch_info info;
    uint32_t bytes = fixture_batch(f->batch, records, value_bytes, seed, time_ms, &info);
    struct store_appended out;
    int rc;
    for (uint32_t n = 0; (rc = store_append(store_of(f, p), p, &info, view_of(f->batch, bytes), 3,
                                            time_ms, &out)) == ERR_AGAIN;
         n++) {
        assert_int_equal(fixture_turns(f, 1), ERR_OK);
        assert_true(n < 10000);
    }
    assert_int_equal(rc, KERR_NONE);
    return out.base_offset;
}

int64_t
fixture_read(struct fixture *f, struct plog *p, int64_t offset, uint32_t bytes_max, uint8_t *out,
             struct store_range *range)
{
    struct store *s = store_of(f, p);
    int rc;
    for (uint32_t n = 0;
         (rc = store_locate(s, p, offset, INT64_MAX, bytes_max, true, range)) == ERR_AGAIN; n++) {
        fixture_turns(f, 1);
        assert_true(n < 10000);
    }
    if (rc != ERR_OK)
        return rc;
    struct store_range left = *range;
    uint32_t fill = 0;
    for (uint32_t n = 0; left.len; n++) {
        struct store_hold hold;
        assert_true(n < 100000);
        rc = store_hold(s, &left, 77, &hold);
        if (rc == ERR_AGAIN) {
            uint64_t waiter;
            fixture_turns(f, 1);
            while (store_take_read(s, &waiter))
                assert_int_equal(waiter, 77);
            continue;
        }
        if (rc != ERR_OK)
            return rc;
        for (uint32_t i = 0; i < hold.span_count; i++) {
            memcpy(out + fill, hold.spans[i].at, hold.spans[i].len);
            fill += hold.spans[i].len;
        }
        left.at += hold.bytes;
        left.len -= hold.bytes;
        store_release(s, &hold);
    }
    return fill;
}

int
fixture_read_all(struct fixture *f, struct plog *p)
{
    for (int64_t offset = 0; offset < p->end;) {
        struct store_range range;
        int64_t got = fixture_read(f, p, offset, 64 << 10, f->batch, &range);
        if (got <= 0)
            return got < 0 ? (int)got : ERR_CORRUPT;
        offset = range.offset_limit;
    }
    return ERR_OK;
}
