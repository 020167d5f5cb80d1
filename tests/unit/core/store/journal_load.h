/* journal_load.h: small records into a journal whose device takes a fixed time for a write, in
 * virtual time: how long each waits until it is written, and what the journal wrote. */
#ifndef SLUICE_TESTS_JOURNAL_LOAD_H
#define SLUICE_TESTS_JOURNAL_LOAD_H

#include "tests/unit/core/store/journal_rig.h"

#include <stdlib.h>

enum {
    LOAD_BODY_BYTES = 178, /* of a batch of one record of 100 bytes */
    LOAD_BYTES = 171,      /* of the batch itself */
    LOAD_CLIENTS_MAX = 512,
    LOAD_TURN_NS = 10000,
    LOAD_RECORDS_MAX = 1 << 19,
};

struct load {
    uint64_t rate;    /* records a second, laid down beforehand; 0: */
    uint32_t clients; /* so many, each of which waits for its answer before the next */
    uint64_t write_ns, hold_least_ns, hold_most_ns;
    uint64_t uneven_ns; /* writes take up to so much longer, at random */
};

struct load_result {
    uint64_t records, frame_bytes;
    uint64_t mean_ns, p50_ns, p99_ns, most_ns;
};

/* The device: durable writes take their time and store nothing, all else is disk_mem's. */
struct load_device {
    struct disk port;
    struct disk *under;
    const struct load *load;
    uint64_t now_ns, random;
    bool timed;
    struct disk_op *ops[JOURNAL_FLIGHT_MAX];
    uint64_t end_ns[JOURNAL_FLIGHT_MAX];
    uint32_t count;
};

static inline uint64_t
load_random(uint64_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 7;
    *x ^= *x << 17;
    return *x;
}

static inline void
load_submit(void *self, struct disk_op *op)
{
    struct load_device *d = self;
    if (!d->timed || op->kind != DISK_WRITE || !(op->flags & DISK_DURABLE)) {
        d->under->ops->submit(d->under->self, op);
        return;
    }
    assert_true(d->count < JOURNAL_FLIGHT_MAX);
    uint64_t uneven_ns = d->load->uneven_ns;
    uint64_t end_ns =
        d->now_ns + d->load->write_ns + (uneven_ns ? load_random(&d->random) % uneven_ns : 0);
    uint32_t i = d->count++;
    for (; i > 0 && d->end_ns[i - 1] > end_ns; i--) {
        d->end_ns[i] = d->end_ns[i - 1];
        d->ops[i] = d->ops[i - 1];
    }
    d->end_ns[i] = end_ns;
    d->ops[i] = op;
}

static inline uint32_t
load_poll(void *self, struct disk_op **done, uint32_t max)
{
    struct load_device *d = self;
    uint32_t n = 0;
    while (d->count && d->end_ns[0] <= d->now_ns && n < max) {
        d->ops[0]->result = d->ops[0]->len;
        done[n++] = d->ops[0];
        d->count--;
        memmove(d->ops, d->ops + 1, d->count * sizeof *d->ops);
        memmove(d->end_ns, d->end_ns + 1, d->count * sizeof *d->end_ns);
    }
    return n < max ? n + d->under->ops->poll(d->under->self, done + n, max - n) : n;
}

static inline int64_t
load_run(void *self, struct disk_op *op)
{
    struct load_device *d = self;
    return d->under->ops->run(d->under->self, op);
}

static inline void
load_arena(void *self, void *at, size_t bytes)
{
    (void)self, (void)at, (void)bytes;
}

static inline void
load_facts(void *self, uint8_t dir, struct disk_facts *out)
{
    struct load_device *d = self;
    d->under->ops->facts(d->under->self, dir, out);
}

static const struct disk_ops load_ops = {.submit = load_submit,
                                         .poll = load_poll,
                                         .run = load_run,
                                         .arena = load_arena,
                                         .facts = load_facts};

struct load_life {
    const struct load *load;
    struct load_device device;
    struct journal *j;
    uint64_t due_ns, acked;
    uint64_t ready_ns[LOAD_CLIENTS_MAX]; /* of each client */
    uint64_t *born_ns, *waited_ns;
    uint16_t *client;
};

/* From one record to the next, at random: about an exponential distribution. */
static inline uint64_t
load_gap_ns(struct load_life *l)
{
    uint64_t x = load_random(&l->device.random);
    uint64_t halvings = (uint64_t)__builtin_ctzll(x | UINT64_C(1) << 32);
    uint64_t part = x >> 54; /* of 1024 */
    return CLOCK_NS_PER_S / l->load->rate * (halvings * 1024 + part) / 1024 * 693 / 1000;
}

static inline void
load_put(struct load_life *l, uint64_t born_ns, uint32_t client)
{
    struct journal_slot slot;
    assert_int_equal(journal_append(l->j, 7, LOAD_BODY_BYTES, &slot), ERR_OK);
    assert_true(slot.lsn < LOAD_RECORDS_MAX);
    l->born_ns[slot.lsn] = born_ns;
    l->client[slot.lsn] = (uint16_t)client;
}

static inline void
load_arrive(struct load_life *l)
{
    uint64_t now_ns = l->device.now_ns;
    for (uint32_t i = 0; i < l->load->clients; i++)
        if (l->ready_ns[i] <= now_ns) {
            load_put(l, now_ns, i);
            l->ready_ns[i] = UINT64_MAX;
        }
    while (l->load->rate && l->due_ns <= now_ns) {
        load_put(l, l->due_ns, 0);
        l->due_ns += load_gap_ns(l);
    }
}

/* Clients answer 20 us later, one after the other. */
static inline void
load_acks(struct load_life *l)
{
    uint64_t next_ns = l->device.now_ns + 20000;
    while (l->acked < journal_written_lsn(l->j)) {
        l->acked++;
        l->waited_ns[l->acked - 1] = l->device.now_ns - l->born_ns[l->acked];
        if (l->load->clients)
            l->ready_ns[l->client[l->acked]] = next_ns;
        next_ns += 2500;
    }
    journal_release(l->j, journal_durable_lsn(l->j));
}

static inline void
load_wait(struct load_life *l)
{
    uint64_t next_ns = journal_deadline(l->j);
    if (l->device.count && l->device.end_ns[0] < next_ns)
        next_ns = l->device.end_ns[0];
    if (l->load->rate && l->due_ns < next_ns)
        next_ns = l->due_ns;
    for (uint32_t i = 0; i < l->load->clients; i++)
        if (l->ready_ns[i] < next_ns)
            next_ns = l->ready_ns[i];
    uint64_t least = l->device.now_ns + LOAD_TURN_NS;
    l->device.now_ns = next_ns > least ? next_ns : least;
}

static inline void
load_turn(struct load_life *l)
{
    struct disk_op *done[16];
    uint32_t n = load_poll(&l->device, done, 16);
    for (uint32_t i = 0; i < n; i++)
        assert_true(journal_take(l->j, done[i]));
    journal_step(l->j, l->device.now_ns);
    struct journal_carry carry;
    (void)journal_carried(l->j, &carry);
    load_acks(l);
}

static inline int
load_compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static inline void
load_start(struct load_life *l, struct disk_mem *disk)
{
    const struct load *o = l->load;
    struct journal_config config = {.dir = "j",
                                    .file_bytes = 4 << 20,
                                    .file_count = 3,
                                    .arena_bytes = 4 << 20,
                                    .record_bytes_max = 64 << 10,
                                    .frames_in_flight = 8,
                                    .hold_least_ns = o->hold_least_ns,
                                    .hold_most_ns = o->hold_most_ns};
    l->device = (struct load_device){.under = disk_mem_port(disk, 0),
                                     .now_ns = CLOCK_NS_PER_S,
                                     .load = o,
                                     .random = UINT64_C(88172645463325252)};
    l->device.port = (struct disk){&load_ops, &l->device};
    l->born_ns = calloc(LOAD_RECORDS_MAX, sizeof *l->born_ns);
    l->waited_ns = calloc(LOAD_RECORDS_MAX, sizeof *l->waited_ns);
    l->client = calloc(LOAD_RECORDS_MAX, sizeof *l->client);
    assert_true(l->born_ns && l->waited_ns && l->client);
    assert_int_equal(journal_init(&l->device.port, &config, 1, &l->j), ERR_OK);
    for (int i = 0; i < 3000; i++) { /* until its files are made */
        load_turn(l);
        l->device.now_ns += LOAD_TURN_NS;
    }
    l->device.timed = true;
    l->due_ns = l->device.now_ns;
    for (uint32_t i = 0; i < o->clients; i++)
        l->ready_ns[i] = l->device.now_ns + i * 1000;
}

/* So long under that load. */
static inline struct load_result
load_of(const struct load *load, uint64_t ns)
{
    static struct load_life life;
    struct load_life *l = &life;
    *l = (struct load_life){.load = load};
    for (uint32_t i = 0; i < LOAD_CLIENTS_MAX; i++)
        l->ready_ns[i] = UINT64_MAX;
    l->due_ns = UINT64_MAX;
    struct disk_mem *disk = disk_mem_new(1);
    load_start(l, disk);
    for (uint64_t end_ns = l->device.now_ns + ns; l->device.now_ns < end_ns;) {
        load_arrive(l);
        load_turn(l);
        load_wait(l);
    }
    struct journal_stats stats;
    journal_stats(l->j, &stats);
    struct load_result r = {.records = l->acked, .frame_bytes = stats.frame_bytes};
    assert_true(r.records > 0);
    qsort(l->waited_ns, r.records, sizeof *l->waited_ns, load_compare);
    for (uint64_t i = 0; i < r.records; i++)
        r.mean_ns += l->waited_ns[i];
    r.mean_ns /= r.records;
    r.p50_ns = l->waited_ns[r.records / 2];
    r.p99_ns = l->waited_ns[r.records * 99 / 100];
    r.most_ns = l->waited_ns[r.records - 1];
    print_message("%s %llu, a write %llu us, held %llu us at most: journal %.3f bytes a byte, "
                  "waited %llu us, p50 %llu, p99 %llu, most %llu\n",
                  load->rate ? "records a second" : "clients",
                  (unsigned long long)(load->rate ? load->rate : load->clients),
                  (unsigned long long)load->write_ns / 1000,
                  (unsigned long long)load->hold_most_ns / 1000,
                  (double)r.frame_bytes / (double)(r.records * LOAD_BYTES),
                  (unsigned long long)r.mean_ns / 1000, (unsigned long long)r.p50_ns / 1000,
                  (unsigned long long)r.p99_ns / 1000, (unsigned long long)r.most_ns / 1000);
    journal_free(l->j);
    disk_mem_free(disk);
    free(l->born_ns);
    free(l->waited_ns);
    free(l->client);
    return r;
}

#endif
