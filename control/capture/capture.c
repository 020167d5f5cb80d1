/* capture.c: see capture.h.
 *
 *   IDLE -> RUNNING (an order) -> ENDING (an order, or a bound) -> IDLE
 *
 * ENDING: the cores have been told; what they put into their rings before they saw it still goes
 * into the file, unless a bound was the reason.  Frames of several rings are taken in the order of
 * their time, as far as they are there. */
#include "control/capture/capture.h"

#include "control/capture/pcapng.h"
#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/shm/chan.h"
#include "core/shm/msg.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUFFER_BYTES = 256 << 10 };
_Static_assert((REGION_SHARDS_MAX + 1) * PCAPNG_HEAD_BYTES_MAX <= BUFFER_BYTES, "head_write");
_Static_assert(PCAPNG_PACKET_BYTES + CAPRING_SNAP_MAX + 3 <= BUFFER_BYTES, "room");

enum phase { IDLE, RUNNING, ENDING };

struct capture {
    struct capture_config config;
    struct capring_order *order;
    uint32_t core_count;
    struct capring_core *cores[REGION_SHARDS_MAX];
    struct chan rings[REGION_SHARDS_MAX];
    enum phase phase;
    enum capring_why why;
    struct capring_want want;
    uint32_t number;
    int64_t wall_offset_ns; /* of the monotonic clock */
    uint64_t end_ns;        /* ENDING: until then at the latest */
    uint64_t frames, bytes, taken[REGION_SHARDS_MAX];
    int err;
    struct put out;
    uint8_t buffer[BUFFER_BYTES];
};

/* ---- the file ---- */

static void
flush(struct capture *c)
{
    uint32_t n = put_len(&c->out);
    must(!c->out.bad);
    c->out = put_of(c->buffer, sizeof c->buffer);
    if (n == 0 || c->err)
        return;
    c->err = c->config.file.write(c->config.file.self, c->buffer, n);
}

static void
room(struct capture *c, uint32_t bytes)
{
    if (put_len(&c->out) + bytes > sizeof c->buffer)
        flush(c);
    c->bytes += bytes;
}

static void
head_write(struct capture *c)
{
    c->out = put_of(c->buffer, sizeof c->buffer);
    pcapng_section(&c->out, "sluice " SLUICE_VERSION);
    for (uint32_t i = 0; i < c->core_count; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "core%u", i);
        pcapng_interface(&c->out, name, c->want.snap);
    }
    c->bytes = put_len(&c->out);
}

static uint64_t
wall_of(const struct capture *c, uint64_t at_ns)
{
    return (uint64_t)((int64_t)at_ns + c->wall_offset_ns);
}

static uint64_t
lost(const struct capture *c, uint32_t core)
{
    return atomic_load_explicit(&c->cores[core]->lost, memory_order_relaxed);
}

static void
tail_write(struct capture *c)
{
    for (uint32_t i = 0; i < c->core_count; i++) {
        room(c, PCAPNG_STATISTICS_BYTES);
        pcapng_statistics(&c->out, i, wall_of(c, c->config.now_ns()), c->taken[i] + lost(c, i),
                          lost(c, i));
    }
    flush(c);
}

/* ---- what tools see ---- */

static void
tell(const struct capture *c)
{
    uint64_t all = 0;
    for (uint32_t i = 0; i < c->core_count; i++)
        all += lost(c, i);
    atomic_store_explicit(&c->order->frames, c->frames, memory_order_relaxed);
    atomic_store_explicit(&c->order->bytes, c->bytes, memory_order_relaxed);
    atomic_store_explicit(&c->order->lost, all, memory_order_relaxed);
}

static void
state_tell(const struct capture *c, enum capring_state state)
{
    atomic_store_explicit(&c->order->why, (uint32_t)c->why, memory_order_relaxed);
    atomic_store_explicit(&c->order->err, c->err, memory_order_relaxed);
    /* Pairs with the acquire of who waits for the end. */
    atomic_store_explicit(&c->order->state, (uint32_t)state, memory_order_release);
}

/* ---- frames ---- */

/* The ring whose oldest frame of this capture is the oldest of all; drops what is of none. */
static int
oldest(struct capture *c, struct chan_message *out)
{
    int best = -1;
    uint64_t best_ns = 0;
    for (uint32_t i = 0; i < c->core_count; i++) {
        struct chan_message m;
        struct msg_frame f;
        int err;
        while ((err = chan_peek(&c->rings[i], &m)) == ERR_OK &&
               (m.kind != MSG_FRAME || m.generation != c->number))
            chan_done(&c->rings[i]);
        if (err)
            continue; /* empty, or its producer broke the format: it has no more for us */
        memcpy(&f, m.body.at, sizeof f);
        if (best >= 0 && f.at_ns >= best_ns)
            continue;
        best = (int)i;
        best_ns = f.at_ns;
        *out = m;
    }
    return best;
}

/* False: a bound is reached, and the frame is not in the file. */
static bool
frame_write(struct capture *c, uint32_t core, struct view body)
{
    struct msg_frame f;
    memcpy(&f, body.at, sizeof f);
    struct view bytes = view_of(body.at + sizeof f, body.len - (uint32_t)sizeof f);
    uint32_t n = pcapng_packet_bytes(bytes.len);
    uint64_t tail = (uint64_t)c->core_count * PCAPNG_STATISTICS_BYTES;
    if (c->frames >= c->want.frames_max || c->bytes + n + tail > c->want.bytes_max) {
        c->why = c->frames >= c->want.frames_max ? CAPRING_FRAMES : CAPRING_SIZE;
        return false;
    }
    room(c, n);
    pcapng_packet(&c->out, &(struct pcapng_packet){
                               .interface = core,
                               .at_ns = wall_of(c, f.at_ns),
                               .bytes = bytes,
                               .wire_bytes = f.wire_bytes > bytes.len ? f.wire_bytes : bytes.len,
                               .out = f.out,
                           });
    c->frames++;
    c->taken[core]++;
    return true;
}

/* True: a bound is reached. */
static bool
drain(struct capture *c, uint32_t *count)
{
    struct chan_message m;
    int core;
    for (*count = 0; *count < CAPTURE_BURST && (core = oldest(c, &m)) >= 0; ++*count) {
        bool more = frame_write(c, (uint32_t)core, m.body);
        chan_done(&c->rings[core]);
        if (!more)
            return true;
    }
    if (c->frames < c->want.frames_max)
        return false;
    c->why = CAPRING_FRAMES;
    return true;
}

/* ---- life ---- */

static void
cores_end(struct capture *c)
{
    for (uint32_t i = 0; i < c->core_count; i++)
        capring_end(c->cores[i]);
}

static void
finish(struct capture *c)
{
    cores_end(c);
    tail_write(c);
    c->config.file.close(c->config.file.self);
    if (c->err)
        c->why = CAPRING_FAILED;
    c->phase = IDLE;
    tell(c);
    state_tell(c, CAPRING_ENDED);
}

static int
begin(struct capture *c, const struct capring_want *want)
{
    const struct capring_core *cores[REGION_SHARDS_MAX];
    if (want->snap < CAPRING_SNAP_LEAST || want->snap > CAPRING_SNAP_MAX || want->frames_max == 0)
        return ERR_INVALID;
    int err = c->config.file.open(c->config.file.self, want->path);
    if (err)
        return err;
    for (uint32_t i = 0; i < c->core_count; i++)
        cores[i] = c->cores[i];
    c->want = *want;
    c->number = capring_next(cores, c->core_count);
    c->wall_offset_ns = c->config.wall_ns() - (int64_t)c->config.now_ns();
    c->frames = 0;
    c->err = ERR_OK;
    c->why = CAPRING_ASKED;
    memset(c->taken, 0, sizeof c->taken);
    head_write(c);
    flush(c);
    memcpy(c->order->path, want->path, sizeof c->order->path);
    for (uint32_t i = 0; i < c->core_count; i++) {
        chan_join(&c->rings[i], c->cores[i]->ring, CAPRING_BYTES);
        capring_begin(c->cores[i], c->number, want->snap, &want->filter);
    }
    c->phase = RUNNING;
    tell(c);
    state_tell(c, CAPRING_RUNNING);
    return ERR_OK;
}

static void
order_look(struct capture *c)
{
    struct capring_want want;
    if (c->phase == ENDING || !capring_order_open(c->order, &want))
        return;
    if (want.start) {
        capring_order_answer(c->order, c->phase == RUNNING ? ERR_BUSY : begin(c, &want));
        return;
    }
    if (c->phase != RUNNING) {
        capring_order_answer(c->order, ERR_NOT_FOUND);
        return;
    }
    cores_end(c);
    c->phase = ENDING; /* answered when the file is whole */
    c->end_ns = c->config.now_ns() + CAPTURE_END_MS * CLOCK_NS_PER_MS;
}

static bool
cores_ended(const struct capture *c)
{
    for (uint32_t i = 0; i < c->core_count; i++) {
        uint32_t seen = atomic_load_explicit(&c->cores[i]->seen, memory_order_acquire);
        if (seen != c->number + 1)
            return false;
    }
    return true;
}

struct capture *
capture_new(const struct capture_config *config)
{
    struct capture *c = calloc(1, sizeof *c);
    must(c != NULL);
    c->config = *config;
    c->order = region_capring_order(config->region);
    c->core_count = config->region->header->shard_count;
    c->out = put_of(c->buffer, sizeof c->buffer);
    for (uint32_t i = 0; i < c->core_count; i++)
        c->cores[i] = region_capring(config->region, i);
    cores_end(c);
    if (atomic_load_explicit(&c->order->state, memory_order_relaxed) == CAPRING_RUNNING) {
        c->why = CAPRING_RESTART;
        state_tell(c, CAPRING_ENDED);
    }
    struct capring_want want;
    if (capring_order_open(c->order, &want))
        capring_order_answer(c->order, ERR_AGAIN);
    return c;
}

uint32_t
capture_turn(struct capture *c)
{
    uint32_t count = 0;
    order_look(c);
    if (c->phase == IDLE)
        return CAPTURE_IDLE_MS;
    bool ended = c->phase == ENDING && (cores_ended(c) || c->config.now_ns() >= c->end_ns);
    bool full = drain(c, &count);
    flush(c);
    tell(c);
    bool asked = c->phase == ENDING;
    if (full || c->err || (ended && count < CAPTURE_BURST)) {
        finish(c);
        if (asked)
            capring_order_answer(c->order, c->err);
        return CAPTURE_IDLE_MS;
    }
    return count == CAPTURE_BURST ? 0 : CAPTURE_BUSY_MS;
}

void
capture_free(struct capture *c)
{
    uint32_t count;
    if (c->phase != IDLE) {
        (void)drain(c, &count);
        finish(c);
    }
    free(c);
}
