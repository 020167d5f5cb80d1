/* ipnet_port.c: moves values between the device and the machine; decides nothing.
 *
 * Frames that the machine is done with go back at the start of the next call, so that what was lent
 * from them lives until then. */
#include "dataplane/net/ipnet_port.h"

#include "core/base/must.h"

void
ipnet_port_init(struct ipnet_port *p, struct nic nic, struct ipnet *net, uint64_t now_ns)
{
    *p = (struct ipnet_port){.nic = nic, .net = net, .now_ns = now_ns};
}

void
ipnet_port_join(struct ipnet_port *p, struct ipnet_mesh *mesh, uint32_t loop)
{
    p->mesh = mesh;
    p->loop = loop;
}

bool
ipnet_port_hear(struct ipnet_port *p, struct packet_error *error)
{
    for (uint32_t i = 0; p->mesh && i < IPNET_MESH_NEWS; i++) {
        if (!ipnet_mesh_hear(p->mesh, p->loop, &p->heard))
            return false;
        if (ipnet_hear(p->net, p->now_ns, &p->heard, error))
            return true;
    }
    return false;
}

static void
done_release(struct ipnet_port *p)
{
    if (p->done_count)
        p->nic.ops->release(p->nic.self, p->done, p->done_count);
    p->done_count = 0;
}

uint64_t
ipnet_port_turn(struct ipnet_port *p, uint64_t now_ns)
{
    done_release(p);
    p->now_ns = now_ns;
    return ipnet_step(p->net, now_ns);
}

uint32_t
ipnet_port_receive(struct ipnet_port *p, struct ipnet_input *in)
{
    done_release(p);
    uint32_t count = p->nic.ops->rx(p->nic.self, p->burst, NIC_BURST_MAX);
    p->polls++;
    p->polls_empty += count == 0;
    ipnet_input(p->net, p->now_ns, p->burst, count, in);
    for (uint32_t i = 0; i < in->done_count; i++)
        p->done[i] = in->done[i];
    p->done_count = in->done_count;
    for (uint32_t i = 0; p->mesh && i < in->news_count; i++)
        ipnet_mesh_tell(p->mesh, p->loop, &in->news[i]);
    return count;
}

uint32_t
ipnet_port_flush(struct ipnet_port *p)
{
    const struct nic_tx *frames[NIC_BURST_MAX];
    uint32_t all = 0;
    for (;;) {
        uint32_t count = ipnet_ready(p->net, frames);
        uint32_t taken = count ? p->nic.ops->tx(p->nic.self, frames, count) : 0;
        must(taken <= count);
        ipnet_sent(p->net, taken);
        all += taken;
        if (taken < count || count == 0)
            return all;
    }
}

/* ---- packet_ops ---- */

static uint32_t
port_room(void *self, uint32_t link)
{
    struct ipnet_port *p = self;
    uint32_t room = ipnet_room(p->net);
    if (room < PACKET_BURST) {
        (void)ipnet_port_flush(p);
        room = ipnet_room(p->net);
    }
    return room;
}

static void
port_send(void *self, const struct packet_out *packets, uint32_t count)
{
    struct ipnet_port *p = self;
    ipnet_send(p->net, p->now_ns, packets, count);
}

static void
port_release(void *self, struct packet_frame **frames, uint32_t count)
{
    struct ipnet_port *p = self;
    p->nic.ops->release(p->nic.self, frames, count);
}

static uint32_t
port_burst(void *self, const uint8_t src[16])
{
    const struct ipnet_port *p = self;
    return ipnet_burst_bytes(p->net);
}

struct packet_port
ipnet_port_packets(struct ipnet_port *p)
{
    static const struct packet_ops ops = {
        .room = port_room, .send = port_send, .release = port_release, .burst = port_burst};
    return (struct packet_port){&ops, p};
}
