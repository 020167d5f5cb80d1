/* attack.h: a server of ours, honest clients of ours and an attacker on one link, in virtual time.
 * See README.md. */
#ifndef SLUICE_TESTS_ATTACK_H
#define SLUICE_TESTS_ATTACK_H

#include "dataplane/net/ipnet_port.h"
#include "dataplane/tcp/tcp.h"
#include "dataplane/tcp/tcp_opt.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    FRAMES = 1024, /* of each device */
    FRAME_BYTES = 2048,
    MTU = 1500,
    CONNS = 512, /* of the server */
    TURN_US = 100,
    RATE = 149,   /* frames of the attacker a turn: 1 Gb/s of the smallest */
    WORK = 256,   /* frames that the server takes a turn */
    CLIENTS = 64, /* honest connections at a time */
    VICTIMS = 64, /* of them, whose addresses and ports the attacker knows: all */
    SERVER_PORT = 9092,
    SOURCE_PORT = 9093, /* sends SOURCE_BYTES to whoever connects, and closes */
    CLOSER_PORT = 9094, /* closes at once */
    SOURCE_BYTES = 1 << 20,
    MESSAGE = 1000,
    MESSAGES = 8,
    PUPPETS = 256, /* connections that the attacker has himself */
    PATTERN = 65521,
};

enum host_number { SERVER, CLIENT, ATTACKER, HOSTS };

/* A device, and what an honest host has above it. */
struct host {
    struct world *world;
    enum host_number number;
    uint8_t frames[FRAMES][FRAME_BYTES];
    uint16_t length[FRAMES], free[FRAMES], ring[FRAMES];
    uint32_t free_count, ring_first, ring_count, lent, lent_most;
    uint64_t missed;
    struct ipnet_port port;
    struct tcp *tcp;
    void *memory[2];
};

/* An honest connection: at most one at a time in each place. */
struct client {
    uint64_t id, start_us, got, sent;
    bool open, closing;
};

/* A connection of the server. */
struct served {
    uint64_t id, got, sent;
    bool honest, source, closer, eof;
};

/* A connection of the attacker, who is no stack. */
struct puppet {
    bool known, open;
    uint32_t seq, ack, first; /* his next number; the server's; and its first */
    uint32_t step;
};

struct attack;

struct world {
    uint64_t now_us, random, finished, failed, late, slow_us;
    const struct attack *attack;
    bool v6, over; /* the attack has stopped */
    struct host hosts[HOSTS];
    uint8_t address[HOSTS][16], mac[HOSTS][6];
    struct client clients[CLIENTS];
    struct served *served; /* by the lower half of the id */
    struct puppet puppets[PUPPETS];
    uint32_t puppet_next;
    uint16_t puppet_port;
    uint8_t pattern[PATTERN];
};

struct attack {
    const char *name;
    void (*turn)(struct world *w, uint32_t frames); /* sends about so many frames */
    int tcp_counter, ip_drop;                       /* one of them must count it; -1: none */
    bool v6;
};

extern const struct attack attacks[];
extern const uint32_t attack_count;

uint64_t random_next(struct world *w);
uint32_t random_below(struct world *w, uint32_t limit);
_Noreturn void fail(const struct world *w, const char *format, ...) must_printf(2, 3);

/* attack_host.c */
void host_make(struct world *w, enum host_number n);
void host_free(struct host *h);
/* Puts a frame on the link. */
void host_send(struct host *from, const uint8_t *frame, uint32_t bytes);
/* At most `most` frames for the stack, timers; then the application; then what leaves. */
void host_receive(struct host *h, uint32_t most);
void host_flush(struct host *h);
/* The attacker's next frame; false: none. */
bool host_take(struct host *h, uint8_t frame[FRAME_BYTES], uint32_t *bytes);

/* attack_kinds.c: what arrived at the attacker. */
void attack_hear(struct world *w);

#endif
