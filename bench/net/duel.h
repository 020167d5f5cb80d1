/* duel.h: two hosts of our own, each TCP, IP and a device, joined in memory: no system call but
 * the clock.  Nothing is lost, nothing is late.  For tcp_bench. */
#ifndef SLUICE_BENCH_DUEL_H
#define SLUICE_BENCH_DUEL_H

#include "dataplane/tcp/tcp.h"

enum { DUEL_MSS = 1448, DUEL_PORT = 9092, DUEL_PORTS = 60000 };

struct duel;

enum duel_device {
    DUEL_PLAIN,
    DUEL_SUMS, /* fills checksums in and verifies them */
    DUEL_CUTS, /* and cuts bursts into segments (core/net/packet.h) */
};

/* Side 1 listens. */
struct duel *duel_make(uint32_t conns, enum duel_device device);
void duel_free(struct duel *d);
struct tcp *duel_tcp(struct duel *d, uint32_t side);
/* That went, both ways; each segment of a burst is one. */
uint64_t duel_frames(const struct duel *d);
/* Ends of a connection from side 0 to side 1: number n has a port of its own, and each DUEL_PORTS
 * of them an address. */
void duel_addresses(struct tcp_addr *local, struct tcp_addr *remote, uint32_t n);
/* What a loop does before and after the application: takes bursts and timers; sends. */
void duel_receive(struct duel *d, uint32_t side);
void duel_send(struct duel *d, uint32_t side);

#endif
