/* nic_pair.c: frames are indexes into one array a side; a free list, and a ring of those that
 * travel.  I1: a frame is free, travelling or lent. */
#include "tests/sim/nic_pair.h"

#include "core/base/bytes.h"
#include "core/base/must.h"

#include <stdio.h>
#include <stdlib.h>

struct frame {
    uint8_t bytes[NIC_PAIR_FRAME_BYTES];
    uint32_t len;
    bool lent;
};

struct side {
    struct nic_pair *pair;
    struct side *peer;
    struct frame *frames; /* that arrive here */
    uint16_t free[NIC_PAIR_FRAMES], ring[NIC_PAIR_FRAMES];
    uint32_t free_count, ring_first, ring_count;
    struct packet_ref *held[NIC_PAIR_RING * PACKET_SPANS_MAX];
    uint32_t held_count;
    uint8_t number;
    struct nic_stat stat;
};

struct nic_pair {
    struct side sides[2];
    struct nic_pair_faults faults;
    uint16_t mtu;
    uint64_t random;
};

static bool
one_in(struct nic_pair *p, uint32_t n)
{
    p->random = p->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return n > 0 && (uint32_t)(p->random >> 33) % n == 0;
}

static void
holds_end(struct side *s)
{
    uint32_t count = s->held_count;
    s->held_count = 0;
    for (uint32_t i = 0; i < count; i++)
        packet_drop(s->held[i]);
}

static void
arrive(struct side *to, const uint8_t *bytes, uint32_t len)
{
    if (to->free_count == 0) {
        to->stat.rx_missed++;
        return;
    }
    struct nic_pair *p = to->pair;
    uint16_t index = to->free[--to->free_count];
    struct frame *f = &to->frames[index];
    memcpy(f->bytes, bytes, len);
    f->len = len;
    if (one_in(p, p->faults.corrupt))
        f->bytes[(p->random >> 20) % len] ^= (uint8_t)(1u << (p->random >> 50) % 8);
    uint32_t at = (to->ring_first + to->ring_count++) % NIC_PAIR_FRAMES;
    to->ring[at] = index;
    if (to->ring_count > 1 && one_in(p, p->faults.swap)) {
        uint32_t before = (at + NIC_PAIR_FRAMES - 1) % NIC_PAIR_FRAMES;
        to->ring[at] = to->ring[before];
        to->ring[before] = index;
    }
}

/* ---- nic_ops ---- */

static uint32_t
pair_rx(void *self, struct nic_rx *out, uint32_t max)
{
    struct side *s = self;
    holds_end(s);
    uint32_t count = 0;
    for (; count < max && s->ring_count > 0; count++) {
        struct frame *f = &s->frames[s->ring[s->ring_first]];
        s->ring_first = (s->ring_first + 1) % NIC_PAIR_FRAMES;
        s->ring_count--;
        f->lent = true;
        out[count] = (struct nic_rx){
            .bytes = view_of(f->bytes, f->len),
            .frame = (struct packet_frame *)(void *)f,
            .pinned_bytes = sizeof *f,
        };
        s->stat.rx_frames++;
        s->stat.rx_bytes += f->len;
        s->stat.frames_out++;
    }
    return count;
}

static void
pair_release(void *self, struct packet_frame *const *frames, uint32_t count)
{
    struct side *s = self;
    for (uint32_t i = 0; i < count; i++) {
        struct frame *f = (struct frame *)(void *)frames[i];
        must(f >= s->frames && f < s->frames + NIC_PAIR_FRAMES);
        must(f->lent);
        f->lent = false;
        memset(f->bytes, 0xdd, f->len); /* who still reads it reads nonsense */
        s->free[s->free_count++] = (uint16_t)(f - s->frames);
        s->stat.frames_out--;
    }
}

static void
send(struct side *s, const struct nic_tx *tx)
{
    struct nic_pair *p = s->pair;
    uint8_t bytes[NIC_PAIR_FRAME_BYTES];
    struct put w = put_of(bytes, sizeof bytes);
    must(!tx->l4_sum && tx->header_bytes <= NIC_HEADER_MAX && tx->span_count <= PACKET_SPANS_MAX);
    put_bytes(&w, tx->header, tx->header_bytes);
    for (uint32_t i = 0; i < tx->span_count; i++) {
        put_bytes(&w, tx->spans[i].bytes.at, tx->spans[i].bytes.len);
        if (tx->spans[i].ref) {
            packet_hold(tx->spans[i].ref);
            s->held[s->held_count++] = tx->spans[i].ref;
        }
    }
    must(!w.bad);
    must(put_len(&w) == tx->header_bytes + tx->payload_bytes);
    must(put_len(&w) <= (uint32_t)p->mtu + tx->l2_bytes);
    s->stat.tx_frames++;
    s->stat.tx_bytes += put_len(&w);
    if (one_in(p, p->faults.lose))
        return;
    arrive(s->peer, bytes, put_len(&w));
    if (one_in(p, p->faults.repeat))
        arrive(s->peer, bytes, put_len(&w));
}

static uint32_t
pair_tx(void *self, const struct nic_tx *const *frames, uint32_t count)
{
    struct side *s = self;
    holds_end(s);
    uint32_t most = s->pair->faults.tx_most ? s->pair->faults.tx_most : NIC_PAIR_RING;
    uint32_t taken = count < most ? count : most;
    s->stat.tx_full += taken < count;
    for (uint32_t i = 0; i < taken; i++)
        send(s, frames[i]);
    return taken;
}

static void
pair_facts(void *self, struct nic_facts *out)
{
    const struct side *s = self;
    *out = (struct nic_facts){
        .mac = {2, 0, 0, 0, 0, (uint8_t)(s->number + 1)},
        .mtu = s->pair->mtu,
        .queues = 1,
        .link_up = true,
    };
    (void)snprintf(out->name, sizeof out->name, "pair%u", s->number);
}

static void
pair_stat(void *self, struct nic_stat *out)
{
    const struct side *s = self;
    *out = s->stat;
}

/* ---- life ---- */

struct nic_pair *
nic_pair_create(uint16_t mtu, uint64_t seed)
{
    struct nic_pair *p = calloc(1, sizeof *p);
    must(p);
    p->mtu = mtu;
    p->random = seed;
    for (uint32_t i = 0; i < 2; i++) {
        struct side *s = &p->sides[i];
        s->pair = p;
        s->peer = &p->sides[1 - i];
        s->number = (uint8_t)i;
        s->frames = calloc(NIC_PAIR_FRAMES, sizeof *s->frames);
        must(s->frames);
        for (uint32_t f = 0; f < NIC_PAIR_FRAMES; f++)
            s->free[s->free_count++] = (uint16_t)f;
    }
    return p;
}

void
nic_pair_free(struct nic_pair *p)
{
    for (uint32_t i = 0; i < 2; i++) {
        must(p->sides[i].held_count == 0);
        must(p->sides[i].free_count + p->sides[i].ring_count == NIC_PAIR_FRAMES);
        free(p->sides[i].frames);
    }
    free(p);
}

void
nic_pair_faults(struct nic_pair *p, const struct nic_pair_faults *faults)
{
    p->faults = *faults;
}

struct nic
nic_pair_port(struct nic_pair *p, uint32_t side)
{
    static const struct nic_ops ops = {
        .rx = pair_rx,
        .release = pair_release,
        .tx = pair_tx,
        .facts = pair_facts,
        .stat = pair_stat,
    };
    must(side < 2);
    return (struct nic){&ops, &p->sides[side]};
}

void
nic_pair_reset(struct nic_pair *p, uint32_t side)
{
    must(side < 2);
    struct side *s = &p->sides[side];
    s->held_count = s->ring_first = s->ring_count = s->free_count = 0;
    for (uint32_t f = 0; f < NIC_PAIR_FRAMES; f++) {
        s->frames[f].lent = false;
        s->free[s->free_count++] = (uint16_t)f;
    }
    s->stat = (struct nic_stat){0};
}

void
nic_pair_settle(struct nic_pair *p)
{
    holds_end(&p->sides[0]);
    holds_end(&p->sides[1]);
}

uint32_t
nic_pair_travelling(const struct nic_pair *p)
{
    return p->sides[0].ring_count + p->sides[1].ring_count;
}
