/* bypass.c: see bypass.h.  Joins the parts and decides nothing. */
#include "dataplane/bypass/bypass.h"

#include "core/base/err.h"
#include "dataplane/bypass/bypass_tap.h"
#include "dataplane/bypass/bypass_view.h"

#include <sys/mman.h>

enum { PAGE_BYTES = 4096, US_NS = 1000 };

struct bypass {
    struct clock ring;
    struct ipnet_links links;
    struct tcp *tcp;
    struct tcp_stream *stream;
    struct ipnet *nets[IPNET_LINKS_MAX];
    struct ipnet_mesh *meshes[IPNET_LINKS_MAX];
    uint16_t vlans[IPNET_LINKS_MAX];
    uint32_t loop;
    bool spin, entered;
    uint64_t busy_ns; /* when something last came */
    struct bypass_nap nap;
    uint64_t net_due_ns; /* of ARP and NDP */
    struct bypass_view view;
    struct netview *view_out;
    struct bypass_tap tap;
    struct capring_core *capture;
    size_t bytes;
    struct ipnet_input in;
};

static size_t
place(size_t *at, size_t bytes)
{
    size_t here = *at;
    *at = (here + bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
    return here;
}

static bool
config_good(const struct bypass_config *c)
{
    if (c->link_count == 0 || c->link_count > IPNET_LINKS_MAX)
        return false;
    for (uint32_t i = 0; i < c->link_count; i++)
        if (ipnet_check(&c->links[i].net) || c->links[i].net.mtu > c->tcp.mtu)
            return false;
    return !tcp_config_check(&c->tcp) && !tcp_stream_check(&c->stream) &&
           c->stream.conns == c->tcp.conns && c->stream.scatter_bytes <= c->tcp.rcv_bytes / 4 * 3;
}

int
bypass_create(const struct bypass_config *config, struct bypass **out)
{
    if (!config_good(config))
        return ERR_INVALID;
    size_t bytes = 0, net_at[IPNET_LINKS_MAX];
    (void)place(&bytes, sizeof(struct bypass));
    for (uint32_t i = 0; i < config->link_count; i++)
        net_at[i] = place(&bytes, ipnet_footprint(&config->links[i].net));
    size_t tcp_at = place(&bytes, tcp_footprint(&config->tcp));
    size_t stream_at = place(&bytes, tcp_stream_footprint(&config->stream));
    uint8_t *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED)
        return ERR_LIMIT;
    /* All of it is written at once, and with many connections no cache has the way to its pages. */
    (void)madvise(at + tcp_at, stream_at - tcp_at, MADV_HUGEPAGE);
    struct bypass *b = (struct bypass *)(void *)at;
    b->ring = config->clock;
    b->loop = config->loop;
    b->spin = config->spin;
    b->view_out = config->view;
    b->capture = config->capture;
    b->bytes = bytes;
    uint64_t now_ns = b->ring.ops->now_ns(b->ring.self);
    ipnet_links_init(&b->links, config->link_count);
    for (uint32_t i = 0; i < config->link_count; i++) {
        b->meshes[i] = config->links[i].mesh;
        b->vlans[i] = config->links[i].net.vlan;
        b->nets[i] = ipnet_init(at + net_at[i], &config->links[i].net, now_ns);
    }
    struct packet_port packets = ipnet_links_packets(&b->links);
    b->tcp = tcp_init(at + tcp_at, &config->tcp, &packets, now_ns / US_NS);
    b->stream = tcp_stream_init(at + stream_at, &config->stream, b->tcp);
    *out = b;
    return ERR_OK;
}

void
bypass_enter(struct bypass *b, const struct nic *nics)
{
    b->busy_ns = b->ring.ops->now_ns(b->ring.self);
    for (uint32_t i = 0; i < b->links.count; i++) {
        ipnet_port_init(&b->links.ports[i], nics[i], b->nets[i], b->busy_ns);
        if (b->meshes[i])
            ipnet_port_join(&b->links.ports[i], b->meshes[i], b->loop);
    }
    bypass_tap_init(&b->tap, nics, b->links.count, b->capture);
    struct bypass_parts parts = {&b->links, b->vlans, b->loop, b->tcp, b->stream};
    bypass_view_init(&b->view, b->view_out, &parts);
    bypass_nap_init(&b->nap, b->busy_ns);
    b->entered = true;
}

/* ---- a turn ---- */

static void
input(struct bypass *b, uint32_t link, uint64_t now_ns)
{
    struct packet_error error;
    uint32_t count = NIC_BURST_MAX;
    uint64_t now_us = now_ns / US_NS;
    while (ipnet_port_hear(&b->links.ports[link], &error))
        tcp_error(b->tcp, &error, now_us);
    for (uint32_t i = 0; i < BYPASS_BURSTS && count == NIC_BURST_MAX; i++) {
        count = ipnet_links_receive(&b->links, link, &b->in);
        if (b->in.packet_count)
            tcp_input(b->tcp, b->in.packets, b->in.packet_count, now_us);
        for (uint32_t k = 0; k < b->in.error_count; k++)
            tcp_error(b->tcp, &b->in.errors[k], now_us);
        if (count)
            b->busy_ns = now_ns;
    }
}

static void
receive(struct bypass *b)
{
    uint64_t now_ns = b->ring.ops->now_ns(b->ring.self);
    bypass_tap_turn(&b->tap, now_ns);
    for (uint32_t i = 0; i < b->links.count; i++)
        b->links.ports[i].nic = bypass_tap_nic(&b->tap, i);
    b->net_due_ns = ipnet_links_turn(&b->links, now_ns);
    for (uint32_t i = 0; i < b->links.count; i++)
        input(b, i, now_ns);
    tcp_tick(b->tcp, now_ns / US_NS);
    tcp_stream_turn(b->stream, now_ns / US_NS);
    bypass_nap_polled(&b->nap, b->busy_ns == now_ns);
    if (b->busy_ns == now_ns)
        b->view.receive_ns += b->ring.ops->now_ns(b->ring.self) - now_ns;
}

static void
flush(struct bypass *b, uint64_t now_ns)
{
    tcp_flush(b->tcp, now_ns / US_NS);
    if (ipnet_links_flush(&b->links))
        b->view.send_ns += b->ring.ops->now_ns(b->ring.self) - now_ns;
}

static uint64_t
least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t
ns_of(uint64_t us)
{
    return us > CLOCK_NEVER / US_NS ? CLOCK_NEVER : us * US_NS;
}

/* What waits for its rest goes into blocks.  Returns when that is wanted again. */
static uint64_t
gather(struct bypass *b, uint64_t *now_ns)
{
    uint64_t from_ns = *now_ns, copied = tcp_stream_copied(b->stream);
    uint64_t due_us = tcp_stream_prepare(b->stream, from_ns / US_NS);
    if (tcp_stream_copied(b->stream) != copied) {
        *now_ns = b->ring.ops->now_ns(b->ring.self);
        b->view.receive_ns += *now_ns - from_ns;
    }
    return ns_of(due_us);
}

static uint64_t
enters(const struct bypass *b)
{
    struct clock_calls calls = {0};
    if (b->ring.ops->calls)
        b->ring.ops->calls(b->ring.self, &calls);
    return calls.enters;
}

/* The ring, with a nap or without. */
static void
rest(struct bypass *b, uint64_t deadline_ns)
{
    uint64_t now_ns = b->ring.ops->now_ns(b->ring.self), before = enters(b);
    uint64_t moved = tcp_stream_moved(b->stream);
    uint64_t until_ns = bypass_nap_until(&b->nap, now_ns, deadline_ns, moved);
    b->view.naps += until_ns && !b->spin;
    b->ring.ops->wait(b->ring.self, b->spin ? 0 : until_ns);
    if ((until_ns == 0 || b->spin) && enters(b) != before)
        b->view.files_ns += b->ring.ops->now_ns(b->ring.self) - now_ns;
}

/* ---- the clock ---- */

static uint64_t
clock_now_ns(void *self)
{
    const struct bypass *b = self;
    return b->ring.ops->now_ns(b->ring.self);
}

static int64_t
clock_wall_ms(void *self)
{
    const struct bypass *b = self;
    return b->ring.ops->wall_ms(b->ring.self);
}

static void
clock_wait(void *self, uint64_t deadline_ns)
{
    struct bypass *b = self;
    if (!b->entered) { /* the loop waits for control's tables before it serves */
        b->ring.ops->wait(b->ring.self, deadline_ns);
        return;
    }
    uint64_t now_ns = clock_now_ns(b);
    deadline_ns = least(deadline_ns, gather(b, &now_ns));
    flush(b, now_ns);
    deadline_ns = least(deadline_ns, least(ns_of(tcp_next(b->tcp)), b->net_due_ns));
    bool asked = bypass_view_turn(&b->view, now_ns);
    if (asked || tcp_stream_ready(b->stream))
        deadline_ns = 0;
    rest(b, deadline_ns);
    receive(b);
}

static void
clock_wake(void *self)
{
    const struct bypass *b = self;
    b->ring.ops->wake(b->ring.self);
}

static void
clock_calls(void *self, struct clock_calls *out)
{
    const struct bypass *b = self;
    if (b->ring.ops->calls)
        b->ring.ops->calls(b->ring.self, out);
}

struct clock
bypass_clock(struct bypass *b)
{
    static const struct clock_ops ops = {
        .now_ns = clock_now_ns,
        .wall_ms = clock_wall_ms,
        .wait = clock_wait,
        .wake = clock_wake,
        .calls = clock_calls,
    };
    return (struct clock){&ops, b};
}

struct stream
bypass_stream(struct bypass *b)
{
    return tcp_stream_port(b->stream);
}

void
bypass_stat(const struct bypass *b, struct bypass_stat *out)
{
    *out = (struct bypass_stat){.naps = b->view.naps};
    for (uint32_t i = 0; i < b->links.count; i++) {
        out->polls += b->links.ports[i].polls;
        out->polls_empty += b->links.ports[i].polls_empty;
    }
    tcp_stream_stat(b->stream, &out->stream);
}

/* ---- the end ---- */

static bool
connected(const struct bypass *b)
{
    struct tcp_usage usage;
    tcp_usage(b->tcp, &usage);
    return usage.conns > 0;
}

/* Sends what is due and hears what comes, once; nobody wants the events any more. */
static void
drain(struct bypass *b)
{
    struct stream_event events[NIC_BURST_MAX];
    struct stream s = tcp_stream_port(b->stream);
    uint64_t now_ns = clock_now_ns(b);
    (void)tcp_stream_prepare(b->stream, now_ns / US_NS);
    flush(b, now_ns);
    b->ring.ops->wait(b->ring.self, now_ns + BYPASS_NAP_NS);
    receive(b);
    while (s.ops->poll(s.self, events, NIC_BURST_MAX) > 0)
        continue;
}

void
bypass_leave(struct bypass *b)
{
    uint64_t until_ns = clock_now_ns(b) + BYPASS_LEAVE_MS * CLOCK_NS_PER_MS;
    tcp_unlisten(b->tcp);
    tcp_stream_end_all(b->stream, false);
    while (connected(b) && clock_now_ns(b) < until_ns)
        drain(b);
    tcp_stream_end_all(b->stream, true);
    drain(b);
    uint64_t now_ns = clock_now_ns(b);
    flush(b, now_ns); /* the resets, and the last frames go back */
    (void)ipnet_links_turn(&b->links, now_ns);
    bypass_view_count(&b->view);
    for (uint32_t i = 0; i < b->links.count; i++)
        ipnet_end(b->nets[i]);
    b->entered = false;
}

void
bypass_destroy(struct bypass *b)
{
    (void)munmap(b, b->bytes);
}
