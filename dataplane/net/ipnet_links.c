/* ipnet_links.c: see ipnet_links.h.
 *
 * I1: a frame that is handed up has the number of its link in its lowest bits, and is given back to
 * that link's device without it.  I2: full_ns of a link is not 0 exactly while the last flush left
 * frames that its device has not begun to take since then. */
#include "dataplane/net/ipnet_links.h"

#include "dataplane/net/ipnet_in.h"

_Static_assert((IPNET_LINKS_MAX & (IPNET_LINKS_MAX - 1)) == 0, "a mask of the lowest bits");

enum { LINK_MASK = IPNET_LINKS_MAX - 1 };

void
ipnet_links_init(struct ipnet_links *l, uint32_t count)
{
    must(count > 0 && count <= IPNET_LINKS_MAX);
    l->count = count;
    for (uint32_t i = 0; i < count; i++)
        l->full_ns[i] = 0;
}

/* ---- frames ---- */

static struct packet_frame *
frame_mark(struct packet_frame *frame, uint32_t link)
{
    uintptr_t at = (uintptr_t)frame;
    must((at & LINK_MASK) == 0);
    return (struct packet_frame *)(at | link);
}

static struct packet_frame *
frame_plain(struct packet_frame *frame)
{
    return (struct packet_frame *)((uintptr_t)frame & ~(uintptr_t)LINK_MASK);
}

static uint32_t
frame_link(const struct packet_frame *frame)
{
    return (uint32_t)((uintptr_t)frame & LINK_MASK);
}

/* ---- a turn ---- */

uint64_t
ipnet_links_turn_all(struct ipnet_links *l, uint64_t now_ns)
{
    uint64_t next = CLOCK_NEVER;
    for (uint32_t i = 0; i < l->count; i++) {
        uint64_t at = ipnet_port_turn(&l->ports[i], now_ns);
        next = at < next ? at : next;
    }
    return next;
}

uint32_t
ipnet_links_receive_of(struct ipnet_links *l, uint32_t link, struct ipnet_input *in)
{
    must(link < l->count);
    uint32_t count = ipnet_port_receive(&l->ports[link], in);
    for (uint32_t i = 0; i < in->packet_count; i++)
        in->packets[i].frame = frame_mark(in->packets[i].frame, link);
    return count;
}

static uint32_t
link_flush(struct ipnet_links *l, uint32_t link)
{
    struct ipnet_port *p = &l->ports[link];
    const struct nic_tx *frames[NIC_BURST_MAX];
    uint32_t taken = ipnet_port_flush(p);
    if (taken > 0 || ipnet_ready(p->net, frames) == 0)
        l->full_ns[link] = 0;
    else if (l->full_ns[link] == 0)
        l->full_ns[link] = p->now_ns;
    return taken;
}

uint32_t
ipnet_links_flush_all(struct ipnet_links *l)
{
    uint32_t taken = 0;
    for (uint32_t i = 0; i < l->count; i++)
        taken += link_flush(l, i);
    return taken;
}

/* ---- packet_ops of several ---- */

static bool
is_stalled(const struct ipnet_links *l, uint32_t link)
{
    uint64_t since_ns = l->full_ns[link];
    return since_ns && l->ports[link].now_ns - since_ns >= IPNET_STALL_NS;
}

static uint32_t
links_room(void *self, uint32_t link)
{
    struct ipnet_links *l = self;
    must(link < l->count);
    uint32_t room = ipnet_room(l->ports[link].net);
    if (room < PACKET_BURST) {
        (void)link_flush(l, link);
        room = ipnet_room(l->ports[link].net);
    }
    if (room == 0 && is_stalled(l, link))
        return PACKET_BURST; /* to be dropped */
    return room;
}

/* The link whose address it is; of nobody's, the first drops the packet. */
static uint32_t
links_of(void *self, const uint8_t src[16])
{
    const struct ipnet_links *l = self;
    for (uint32_t i = 0; i < l->count; i++)
        if (ipnet_is_ours(l->ports[i].net, src))
            return i;
    return 0;
}

static void
links_send(void *self, const struct packet_out *packets, uint32_t count)
{
    struct ipnet_links *l = self;
    if (count == 0)
        return;
    struct ipnet_port *p = &l->ports[links_of(l, packets[0].src)];
    uint32_t room = ipnet_room(p->net), most = room < count ? room : count;
    ipnet_send(p->net, p->now_ns, packets, most);
    for (uint32_t i = most; i < count; i++) /* it is stalled, or there would be room */
        (void)ipnet_drop(p->net, IPNET_DROP_STALLED);
}

static void
links_release(void *self, struct packet_frame **frames, uint32_t count)
{
    struct ipnet_links *l = self;
    struct packet_frame *plain[NIC_BURST_MAX];
    uint32_t first = 0;
    while (first < count) {
        uint32_t link = frame_link(frames[first]), n = 0;
        must(link < l->count);
        while (first + n < count && n < NIC_BURST_MAX && frame_link(frames[first + n]) == link) {
            plain[n] = frame_plain(frames[first + n]);
            n++;
        }
        const struct nic *nic = &l->ports[link].nic;
        nic->ops->release(nic->self, plain, n);
        first += n;
    }
}

static uint32_t
links_mtu(void *self, const uint8_t src[16])
{
    const struct ipnet_links *l = self;
    return l->ports[links_of(self, src)].net->config.mtu;
}

static uint32_t
links_burst(void *self, const uint8_t src[16])
{
    const struct ipnet_links *l = self;
    return ipnet_burst_bytes(l->ports[links_of(self, src)].net);
}

struct packet_port
ipnet_links_packets(struct ipnet_links *l)
{
    static const struct packet_ops ops = {
        .room = links_room,
        .send = links_send,
        .release = links_release,
        .link = links_of,
        .mtu = links_mtu,
        .burst = links_burst,
    };
    return l->count == 1 ? ipnet_port_packets(&l->ports[0]) : (struct packet_port){&ops, l};
}
