/* ipnet_port.h: joins a device (nic.h) and the machine (ipnet.h) to the port of a transport
 * protocol (packet.h).  One instance a loop, used by its thread only; a turn of the loop is
 *
 *   ipnet_port_turn(p, now)       the clock, once
 *   ipnet_port_hear(p, &error)    until false; what other loops learned
 *   ipnet_port_receive(p, &in)    until it brings nothing; in.packets now belong to the protocol
 *   ... the protocol's own work, which calls packet_ops ...
 *   ipnet_port_flush(p)           frames to the device
 *
 * What the device does not take at once stays, in order, and leaves with a later flush. */
#ifndef SLUICE_IPNET_IPNET_PORT_H
#define SLUICE_IPNET_IPNET_PORT_H

#include "dataplane/net/ipnet_mesh.h"

struct ipnet_port {
    struct nic nic;
    struct ipnet *net;
    struct ipnet_mesh *mesh; /* NULL: no other loop has a queue of this device */
    uint32_t loop;           /* our number in it */
    struct ipnet_news heard;
    uint64_t now_ns;
    uint64_t polls, polls_empty; /* of the device */
    struct nic_rx burst[NIC_BURST_MAX];
    struct packet_frame *done[NIC_BURST_MAX]; /* to be released with the next call */
    uint32_t done_count;
};

/* `net` lent for the life of the port. */
void ipnet_port_init(struct ipnet_port *p, struct nic nic, struct ipnet *net, uint64_t now_ns);
/* Other loops have queues of the same device; config.shared was set.  The mesh is lent. */
void ipnet_port_join(struct ipnet_port *p, struct ipnet_mesh *mesh, uint32_t loop);
/* News of the other loops, a bounded number a call.  True: *error is an error for the protocol, its
 * quote lent until the next call; call again. */
bool ipnet_port_hear(struct ipnet_port *p, struct packet_error *error);
/* Returns when it wants to be called next. */
uint64_t ipnet_port_turn(struct ipnet_port *p, uint64_t now_ns);
/* One burst.  Returns how many frames the device had.  The quotes of in->errors are lent until the
 * next call of this port. */
uint32_t ipnet_port_receive(struct ipnet_port *p, struct ipnet_input *in);
/* Returns how many frames the device took. */
uint32_t ipnet_port_flush(struct ipnet_port *p);
struct packet_port ipnet_port_packets(struct ipnet_port *p);

#endif
