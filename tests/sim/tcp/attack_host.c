/* attack_host.c: devices with a bounded number of frames on one link without delay or loss of its
 * own: what is lost is lost because a device had no frame. */
#include "tests/sim/tcp/attack.h"

#include "core/base/err.h"

#include <stdlib.h>
#include <string.h>

static uint32_t
host_rx(void *self, struct nic_rx *out, uint32_t max)
{
    struct host *h = self;
    uint32_t count = 0;
    for (; count < max && h->ring_count > 0; count++) {
        uint16_t i = h->ring[h->ring_first];
        h->ring_first = (h->ring_first + 1) % FRAMES;
        h->ring_count--;
        h->lent++;
        out[count] = (struct nic_rx){.bytes = view_of(h->frames[i], h->length[i]),
                                     .frame = (struct packet_frame *)(void *)h->frames[i],
                                     .pinned_bytes = FRAME_BYTES};
    }
    return count;
}

static void
host_release(void *self, struct packet_frame *const *frames, uint32_t count)
{
    struct host *h = self;
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *at = (const uint8_t *)(const void *)frames[i];
        size_t number = (size_t)(at - h->frames[0]) / FRAME_BYTES;
        must(h->lent > 0);
        memset(h->frames[number], 0xdd, FRAME_BYTES); /* who still reads it reads nonsense */
        h->free[h->free_count++] = (uint16_t)number;
        h->lent--;
    }
}

static void
arrive(struct host *h, const uint8_t *frame, uint32_t bytes)
{
    if (h->free_count == 0) {
        h->missed++;
        return;
    }
    uint16_t i = h->free[--h->free_count];
    memcpy(h->frames[i], frame, bytes);
    h->length[i] = (uint16_t)bytes;
    h->ring[(h->ring_first + h->ring_count++) % FRAMES] = i;
}

void
host_send(struct host *from, const uint8_t *frame, uint32_t bytes)
{
    struct world *w = from->world;
    for (uint32_t n = 0; n < HOSTS; n++)
        if (n != from->number && (frame[0] & 1 || memcmp(frame, w->mac[n], 6) == 0))
            arrive(&w->hosts[n], frame, bytes);
}

static uint32_t
host_tx(void *self, const struct nic_tx *const *frames, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint8_t frame[FRAME_BYTES], *at = frame + frames[i]->header_bytes;
        memcpy(frame, frames[i]->header, frames[i]->header_bytes);
        for (uint32_t k = 0; k < frames[i]->span_count; k++) {
            const struct view *v = &frames[i]->spans[k].bytes;
            must(at + v->len <= frame + FRAME_BYTES);
            memcpy(at, v->at, v->len);
            at += v->len;
        }
        host_send(self, frame, (uint32_t)(at - frame));
    }
    return count;
}

static void
host_facts(void *self, struct nic_facts *out)
{
    const struct host *h = self;
    *out = (struct nic_facts){.name = "link", .mtu = MTU, .queues = 1, .link_up = true};
    memcpy(out->mac, h->world->mac[h->number], sizeof out->mac);
}

static void
host_stat(void *self, struct nic_stat *out)
{
    const struct host *h = self;
    *out = (struct nic_stat){.rx_missed = h->missed, .frames_out = h->lent};
}

static const struct nic_ops host_ops = {
    .rx = host_rx, .release = host_release, .tx = host_tx, .facts = host_facts, .stat = host_stat};

static void *
memory_for(size_t bytes)
{
    void *memory = aligned_alloc(64, (bytes + 63) & ~(size_t)63);
    must(memory);
    return memory;
}

/* Limits as small as the load allows, so that attacks meet them. */
static struct tcp_config
config_of(const struct world *w, enum host_number n)
{
    struct tcp_config c;
    tcp_config_init(&c);
    c.conns = n == SERVER ? CONNS : 2 * CLIENTS;
    c.half_open = n == SERVER ? 256 : 16;
    c.waiting = 128;
    c.nodes = FRAMES / 2; /* the device always has some to receive with */
    c.segs = c.extents = 4096;
    c.rcv_bytes = c.snd_bytes = 65536;
    c.pinned_bytes = 128 << 10;
    c.wait_us = n == SERVER ? 1000000 : 1000; /* clients use their ports again at once */
    c.key[0] = (uint8_t)(n + 1);
    must(w->now_us > 0);
    return c;
}

void
host_make(struct world *w, enum host_number n)
{
    static const char *const addresses[] = {"10.77.0.1/16,fd00:77::1/64",
                                            "10.77.0.2/16,fd00:77::2/64"};
    struct host *h = &w->hosts[n];
    char error[IPNET_ERROR_BYTES];
    h->world = w;
    h->number = n;
    for (h->free_count = 0; h->free_count < FRAMES; h->free_count++)
        h->free[h->free_count] = (uint16_t)h->free_count;
    if (n == ATTACKER)
        return;
    struct ipnet_config net = {.mtu = MTU, .secret = {(uint8_t)n}};
    memcpy(net.mac, w->mac[n], sizeof net.mac);
    must(ipnet_text_addresses(&net, addresses[n], error) == ERR_OK);
    must(ipnet_text_routes(&net, "default via 10.77.0.3,default via fd00:77::3", error) == ERR_OK);
    h->memory[0] = memory_for(ipnet_footprint(&net));
    uint64_t now_ns = w->now_us * 1000;
    ipnet_port_init(&h->port, (struct nic){&host_ops, h}, ipnet_init(h->memory[0], &net, now_ns),
                    now_ns);
    struct tcp_config c = config_of(w, n);
    struct packet_port packets = ipnet_port_packets(&h->port);
    h->memory[1] = memory_for(tcp_footprint(&c));
    h->tcp = tcp_init(h->memory[1], &c, &packets, w->now_us);
}

void
host_free(struct host *h)
{
    if (h->port.net)
        ipnet_end(h->port.net);
    free(h->memory[0]);
    free(h->memory[1]);
}

void
host_receive(struct host *h, uint32_t most)
{
    static struct ipnet_input in;
    uint64_t now_us = h->world->now_us;
    (void)ipnet_port_turn(&h->port, now_us * 1000);
    for (uint32_t n, all = 0; all < most && (n = ipnet_port_receive(&h->port, &in)) > 0; all += n) {
        tcp_input(h->tcp, in.packets, in.packet_count, now_us);
        for (uint32_t i = 0; i < in.error_count; i++)
            tcp_error(h->tcp, &in.errors[i], now_us);
    }
    tcp_tick(h->tcp, now_us);
    if (h->lent > h->lent_most)
        h->lent_most = h->lent;
}

void
host_flush(struct host *h)
{
    tcp_flush(h->tcp, h->world->now_us);
    (void)ipnet_port_flush(&h->port);
}

bool
host_take(struct host *h, uint8_t frame[FRAME_BYTES], uint32_t *bytes)
{
    if (h->ring_count == 0)
        return false;
    uint16_t i = h->ring[h->ring_first];
    h->ring_first = (h->ring_first + 1) % FRAMES;
    h->ring_count--;
    *bytes = h->length[i];
    memcpy(frame, h->frames[i], *bytes);
    h->free[h->free_count++] = i;
    return true;
}
