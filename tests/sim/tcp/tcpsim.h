/* tcpsim.h: two of our TCP stacks on a wire that does harm, in virtual time.  See README.md. */
#ifndef SLUICE_TESTS_TCPSIM_H
#define SLUICE_TESTS_TCPSIM_H

#include "core/base/heap.h"
#include "dataplane/tcp/tcp.h"
#include "dataplane/tcp/tcp_opt.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    SIDES = 2,
    CONNS = 12,
    PACKETS = 4096,
    HOLDS = 16384,
    ERRORS = 32,
    PACKET_BYTES = 9216,
    PATTERN = 65521, /* prime, so that no power of two hides a shift */
    SERVER_PORT = 9092,
    CLIENT_PORT = 10000,
};

#define NEVER UINT64_MAX

enum event_kind { EVENT_ARRIVES, EVENT_HOLD_ENDS };

struct event {
    struct heap_node node;
    enum event_kind kind;
    uint8_t side;
};

/* A packet on the wire, and then the frame that the receiver owns. */
struct packet {
    struct event event;
    struct packet *next;
    bool out; /* the receiver has it */
    uint8_t traffic_class;
    uint8_t src[16], dst[16];
    uint32_t len;
    uint8_t bytes[PACKET_BYTES];
};

struct hold {
    struct event event;
    struct hold *next;
    struct packet_ref *ref;
    const uint8_t *at;
    uint32_t len;
    uint32_t sum; /* of the bytes when they left: they must not change */
};

/* An ICMP error under way. */
struct error {
    uint32_t side, mtu;
    uint8_t src[16], dst[16], quote[PACKET_QUOTE_MIN];
};

/* What the wire does, in each direction; chances in 1/10000. */
struct link {
    uint64_t delay_us, jitter_us;
    uint64_t bytes_per_ms; /* 0: any */
    uint64_t queue_us;
    uint32_t lose, burst_enter, burst_leave, twice, late, spoil;
    uint32_t mtu;
    bool in_burst;
    uint64_t free_us;
};

/* What the wire has seen of one direction of a connection. */
struct seen {
    bool syn, window;
    uint8_t offered, scale;
    uint32_t isn, sent, edge, acked;
};

/* One end of a connection, and what its application has done. */
struct end {
    uint64_t id;
    uint32_t base; /* of its bytes in the pattern */
    uint64_t total, given, ended, got;
    uint64_t read_us; /* not before */
    bool open, eof, shut, closing, closed;
    enum tcp_reason reason;
};

enum manner { MANNER_HALF_CLOSE, MANNER_BOTH, MANNER_RPC, MANNER_ABORT, MANNER_UNREAD, MANNERS };

struct pair {
    enum manner manner;
    uint64_t start_us, abort_at;
    uint32_t request, answer, slow_us; /* of RPC; a reader that waits */
    uint8_t aborter;
    struct end end[SIDES]; /* client, server */
    struct seen seen[SIDES];
};

struct sim {
    uint64_t seed, rng, now_us, heal_us, deadline_us, order, inject_us, narrow_us;
    bool told, healed, gentle, strip_sack, strip_ts, strip_scale, attack, v6, gone_allowed;
    struct tcp *tcp[SIDES];
    void *memory[SIDES];
    struct tcp_config config[SIDES];
    struct link link[SIDES]; /* from that side */
    uint32_t nic_room, nic_delay_us, room_left[SIDES];
    uint64_t refill_us;
    struct pair pairs[CONNS];
    uint32_t pair_count, frames_out, holds_out;
    uint32_t burst_bytes; /* as packet_ops.burst, of both devices */
    uint64_t bursts;      /* of all lives */
    uint32_t mark;        /* of 10000 packets that take part in ECN so many meet congestion */
    uint64_t packets, lost, delivered, counted[TCP_COUNTER_KINDS];
    uint8_t *pattern;
    struct packet *packets_free;
    struct packet *packet_memory;
    struct hold *holds_free;
    struct hold *hold_memory;
    struct heap heap;
    struct heap_node **heap_memory;
    struct error errors[ERRORS];
    uint32_t error_count;
    uint8_t address[SIDES][16];
};

/* tcpsim.c */
uint64_t sim_random(struct sim *s);
uint32_t sim_below(struct sim *s, uint32_t limit);
bool sim_chance(struct sim *s, uint32_t in_10000);
void sim_say(const struct sim *s, const char *format, ...) must_printf(2, 3);
/* Prints the seed and ends the process: the life has shown a bug. */
_Noreturn void sim_fail(const struct sim *s, const char *format, ...) must_printf(2, 3);

/* tcpsim_wire.c */
extern const struct packet_ops sim_port[SIDES];
void wire_deliver(struct sim *s);
void wire_inject(struct sim *s);
uint64_t wire_next(const struct sim *s);

/* tcpsim_app.c */
void app_start(struct sim *s);
void app_turn(struct sim *s);
uint64_t app_next(const struct sim *s);
bool app_done(const struct sim *s);
void app_judge(const struct sim *s);
void app_tell(const struct sim *s); /* every end that is still open, to stderr */
int app_pair_of(const struct sim *s, uint16_t port);

#endif
