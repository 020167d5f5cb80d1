/* duel.c: a device is a ring of frames that have arrived and a stack of free ones, so that the same
 * few are used again as long as nobody holds more. */
#include "bench/net/duel.h"

#include "core/base/err.h"
#include "dataplane/net/ipnet_port.h"
#include "drivers/os/os.h"

#include <stdlib.h>
#include <string.h>

enum { FRAMES = 4096, FRAME_BYTES = 2048, MTU = 1500, PORT_FIRST = 1024 };
enum { BURSTS = 8 };          /* of one turn, as dataplane/bypass takes */
enum { BURST_BYTES = 47104 }; /* of one burst, as drivers/dpdk has it for frames of 1500 bytes */
enum { BURST_SEGMENTS = BURST_BYTES / PACKET_SEGMENT_LEAST + 1 };

struct host {
    struct host *peer;
    bool device_sums, device_cuts;
    uint8_t mac[6];
    uint8_t (*frames)[FRAME_BYTES]; /* that arrive here */
    uint16_t length[FRAMES], free[FRAMES], ring[FRAMES];
    uint32_t free_count, ring_first, ring_count;
    uint64_t arrived;
    struct ipnet_port port;
    struct os_huge frame_memory, ip_memory, tcp_memory;
    struct tcp *tcp;
};

struct duel {
    struct host hosts[2];
};

/* ---- the device ---- */

static uint32_t
host_rx(void *self, struct nic_rx *out, uint32_t max)
{
    struct host *h = self;
    uint32_t count = 0;
    enum packet_sum sum = h->device_sums ? PACKET_SUM_GOOD : PACKET_SUM_UNKNOWN;
    for (; count < max && h->ring_count > 0; count++) {
        uint16_t i = h->ring[h->ring_first];
        h->ring_first = (h->ring_first + 1) % FRAMES;
        h->ring_count--;
        out[count] = (struct nic_rx){.bytes = view_of(h->frames[i], h->length[i]),
                                     .frame = (struct packet_frame *)(void *)h->frames[i],
                                     .pinned_bytes = FRAME_BYTES,
                                     .ip_sum = sum,
                                     .l4_sum = sum};
    }
    return count;
}

static void
host_release(void *self, struct packet_frame *const *frames, uint32_t count)
{
    struct host *h = self;
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *at = (const uint8_t *)(const void *)frames[i];
        h->free[h->free_count++] = (uint16_t)((size_t)(at - h->frames[0]) / FRAME_BYTES);
    }
}

/* How far into the spans of a frame it has come. */
struct reader {
    const struct nic_tx *tx;
    uint32_t span, skip;
};

static uint8_t *
payload_copy(struct reader *r, uint8_t *to, uint32_t bytes)
{
    while (bytes > 0) {
        const struct view *v = &r->tx->spans[r->span].bytes;
        uint32_t n = v->len - r->skip < bytes ? v->len - r->skip : bytes;
        memcpy(to, v->at + r->skip, n);
        to += n;
        bytes -= n;
        r->skip += n;
        if (r->skip == v->len) {
            r->span++;
            r->skip = 0;
        }
    }
    return to;
}

/* The header of the segment that begins with byte `from` of a burst's payload (packet.h), over
 * IPv4.  Its sums are not looked at. */
static void
header_cut(const struct nic_tx *tx, uint8_t *header, uint32_t from, uint32_t bytes)
{
    enum { LENGTH_AT = 2, SEQ_AT = 4, FLAGS_AT = 13, FIN_PSH = 9 };
    uint8_t *ip = header + tx->l2_bytes, *tcp = ip + tx->l3_bytes;
    set_u16(ip + LENGTH_AT, (uint16_t)(tx->header_bytes - tx->l2_bytes + bytes));
    set_u32(tcp + SEQ_AT, get_u32(tcp + SEQ_AT) + from);
    if (from + bytes < tx->payload_bytes)
        tcp[FLAGS_AT] &= (uint8_t)~FIN_PSH;
}

static void
frame_send(struct host *to, const struct nic_tx *tx)
{
    struct reader r = {.tx = tx};
    uint32_t from = 0, most = tx->segment_bytes ? tx->segment_bytes : tx->payload_bytes;
    do {
        uint16_t i = to->free[--to->free_count];
        uint32_t left = tx->payload_bytes - from, bytes = left < most ? left : most;
        uint8_t *at = to->frames[i];
        memcpy(at, tx->header, tx->header_bytes);
        if (tx->segment_bytes)
            header_cut(tx, at, from, bytes);
        at = payload_copy(&r, at + tx->header_bytes, bytes);
        to->length[i] = (uint16_t)(at - to->frames[i]);
        to->arrived++;
        to->ring[(to->ring_first + to->ring_count++) % FRAMES] = i;
        from += bytes;
    } while (from < tx->payload_bytes);
}

static uint32_t
host_tx(void *self, const struct nic_tx *const *frames, uint32_t count)
{
    struct host *to = ((struct host *)self)->peer;
    uint32_t taken = 0;
    while (taken < count && to->free_count > BURST_SEGMENTS)
        frame_send(to, frames[taken++]);
    return taken;
}

static void
host_facts(void *self, struct nic_facts *out)
{
    const struct host *h = self;
    *out = (struct nic_facts){
        .name = "duel", .mtu = MTU, .queues = 1, .tx_l4_sum = h->device_sums, .link_up = true};
    memcpy(out->mac, h->mac, sizeof out->mac);
}

static void
host_stat(void *self, struct nic_stat *out)
{
    *out = (struct nic_stat){.frames_out = ((struct host *)self)->ring_count};
}

static const struct nic_ops host_ops = {
    .rx = host_rx, .release = host_release, .tx = host_tx, .facts = host_facts, .stat = host_stat};

/* ---- the host ---- */

/* On huge pages, as dataplane/bypass and DPDK have what is used all the time. */
static void *
memory_for(struct os_huge *huge, size_t bytes)
{
    must(os_huge_map(huge, bytes, true) == ERR_OK);
    return huge->at;
}

static void
host_make(struct duel *d, uint32_t side, uint32_t conns, enum duel_device device)
{
    struct host *h = &d->hosts[side];
    char error[IPNET_ERROR_BYTES];
    *h = (struct host){.peer = &d->hosts[!side],
                       .device_sums = device != DUEL_PLAIN,
                       .device_cuts = device == DUEL_CUTS,
                       .mac = {2, 0, 0, 0, 0, (uint8_t)side}};
    h->frames = memory_for(&h->frame_memory, (size_t)FRAMES * FRAME_BYTES);
    while (h->free_count < FRAMES) {
        h->free[h->free_count] = (uint16_t)h->free_count;
        h->free_count++;
    }
    struct ipnet_config net = {.mtu = MTU,
                               .tx_l4_sum = h->device_sums,
                               .tx_burst_bytes = h->device_cuts ? BURST_BYTES : 0};
    memcpy(net.mac, h->mac, sizeof net.mac);
    must(ipnet_text_addresses(&net, side ? "10.77.0.1/16" : "10.77.0.2/16,10.77.0.3/16", error) ==
         ERR_OK);
    struct ipnet *ip = memory_for(&h->ip_memory, ipnet_footprint(&net));
    ip = ipnet_init(ip, &net, os_now_ns());
    ipnet_port_init(&h->port, (struct nic){&host_ops, h}, ip, os_now_ns());
    struct tcp_config c;
    tcp_config_init(&c);
    c.conns = conns;
    c.segs = c.extents = conns + 65536;
    c.key[0] = 1;
    struct packet_port packets = ipnet_port_packets(&h->port);
    h->tcp = memory_for(&h->tcp_memory, tcp_footprint(&c));
    h->tcp = tcp_init(h->tcp, &c, &packets, os_now_ns() / 1000);
    struct tcp_addr any = {.port = DUEL_PORT};
    must(side == 0 || tcp_listen(h->tcp, &any) == ERR_OK);
}

struct duel *
duel_make(uint32_t conns, enum duel_device device)
{
    struct duel *d = malloc(sizeof *d);
    must(d);
    host_make(d, 0, conns, device);
    host_make(d, 1, conns, device);
    return d;
}

void
duel_free(struct duel *d)
{
    for (uint32_t side = 0; side < 2; side++) {
        struct host *h = &d->hosts[side];
        ipnet_end(h->port.net);
        os_huge_unmap(&h->tcp_memory);
        os_huge_unmap(&h->ip_memory);
        os_huge_unmap(&h->frame_memory);
    }
    free(d);
}

struct tcp *
duel_tcp(struct duel *d, uint32_t side)
{
    return d->hosts[side].tcp;
}

uint64_t
duel_frames(const struct duel *d)
{
    return d->hosts[0].arrived + d->hosts[1].arrived;
}

void
duel_addresses(struct tcp_addr *local, struct tcp_addr *remote, uint32_t n)
{
    *local = (struct tcp_addr){.port = (uint16_t)(PORT_FIRST + n % DUEL_PORTS)};
    *remote = (struct tcp_addr){.port = DUEL_PORT};
    must(iptext_read(n / DUEL_PORTS % 2 ? "10.77.0.3" : "10.77.0.2", local->ip));
    must(iptext_read("10.77.0.1", remote->ip));
}

void
duel_receive(struct duel *d, uint32_t side)
{
    static struct ipnet_input in;
    struct host *h = &d->hosts[side];
    uint64_t now_ns = os_now_ns();
    (void)ipnet_port_turn(&h->port, now_ns);
    uint32_t count = NIC_BURST_MAX;
    for (uint32_t i = 0; i < BURSTS && count == NIC_BURST_MAX; i++) {
        count = ipnet_port_receive(&h->port, &in);
        if (count)
            tcp_input(h->tcp, in.packets, in.packet_count, now_ns / 1000);
    }
    tcp_tick(h->tcp, now_ns / 1000);
}

void
duel_send(struct duel *d, uint32_t side)
{
    struct host *h = &d->hosts[side];
    tcp_flush(h->tcp, h->port.now_ns / 1000);
    (void)ipnet_port_flush(&h->port);
}
