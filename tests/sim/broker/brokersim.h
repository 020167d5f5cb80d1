/* brokersim.h: the dataplane's whole loop and its clients in one process and in virtual time.  See
 * README.md. */
#ifndef SLUICE_TESTS_BROKERSIM_H
#define SLUICE_TESTS_BROKERSIM_H

#include "core/conf/conf.h"
#include "core/shm/msg.h"
#include "dataplane/broker/seats.h"
#include "dataplane/broker/shard.h"
#include "dataplane/bypass/bypass.h"
#include "tests/sim/disk_mem.h"
#include "tests/sim/nic_late.h"
#include "tests/sim/nic_pair.h"

#include <stdio.h>

enum {
    SIM_PARTITIONS = 3,
    SIM_PRODUCERS = 5,
    SIM_CALLS = SIM_PRODUCERS + 1, /* and one consumer */
    SIM_BATCHES = 20000,
    SIM_OFFSETS = 65536,         /* of a partition */
    SIM_BATCH_BYTES = 120 << 10, /* the large ones; most have a few hundred bytes */
    SIM_ASK_BYTES = 160 << 10,
    SIM_ANSWER_BYTES = 256 << 10,
    SIM_FETCH_BYTES = 64 << 10,
    SIM_JOURNAL_BYTES = 8 << 20,
    SIM_CONNS = 32,
    SIM_PORT = 9092,
    SIM_MTU = 1500,
    SIM_STEP_NS = 50000,
    SIM_LINKS = 2,
    SIM_CORES = 2,
};

struct core {
    struct chan from_data, to_data; /* control's ends */
    struct store *store;
    struct bypass *bypass;
    struct shard shard;
};

/* The machine with the broker.  Everything in it is gone when it dies, but for the disk. */
struct host {
    bool up;
    uint64_t jitter;
    struct nic_late nics[SIM_LINKS];
    struct conf conf;
    struct region region;
    struct mesh *mesh;
    struct quota_usage *quota_usage;
    struct seats *seats;
    struct clock ring, clocks[SIM_CORES];
    uint32_t core_count; /* drawn at each start; of two each has a link of its own */
    uint32_t paused;     /* a core that takes no turn for so many steps to come */
    uint32_t pause_steps;
    struct core cores[SIM_CORES];
};

/* A batch that some producer has made: found again by its checksum. */
struct batch {
    uint32_t crc, producer, sequence;
    int32_t partition;
    bool acked, found;
    int64_t offset; /* where it was acknowledged */
};

enum call_state { CALL_CLOSED, CALL_OPENING, CALL_OPEN, CALL_ASKED, CALL_ENDING };

/* A connection on which one request is out at a time; opened anew when it breaks. */
struct call {
    enum call_state state;
    uint64_t id, deadline_ns, lent;
    uint32_t ask_bytes, given, got;
    int32_t correlation;
    uint8_t ask[SIM_ASK_BYTES];
    uint8_t answer[SIM_ANSWER_BYTES];
};

struct client {
    struct ipnet_links links;
    struct ipnet_input in;
    struct nic_late nics[SIM_LINKS];
    struct tcp *tcp;
    void *net_memory[SIM_LINKS], *tcp_memory;
    struct call calls[SIM_CALLS];
    uint32_t asked[SIM_PRODUCERS];    /* index of the batch that is out, or its next one */
    uint32_t sequence[SIM_PRODUCERS]; /* of the batches that it has made */
    bool produce;                     /* new batches are made */
    int32_t partition;                /* of the consumer */
    int64_t offset, high;
    uint32_t partitions_read; /* to the end, since it began at 0 */
};

struct sim {
    uint64_t seed, random, now_ns;
    bool told;
    uint32_t link_count; /* between the two machines, each with a network of its own */
    struct nic_pair *wires[SIM_LINKS];
    struct disk_mem *disk;
    struct host host;
    struct client client;
    struct batch batches[SIM_BATCHES];
    /* By the first offset of a batch: the checksum that the consumer has been shown there, 0: none;
     * and whether it was read in the end. */
    uint32_t shown[SIM_PARTITIONS][SIM_OFFSETS];
    bool stayed[SIM_PARTITIONS][SIM_OFFSETS];
    uint32_t batch_count, acked_count, shown_count;
    bool calm;    /* all is well: no more faults */
    bool judging; /* the consumer reads for the last time */
    uint64_t cuts, kills;
    uint64_t scattered;  /* requests that the broker read in pieces */
    uint64_t lent_bytes; /* of batches that one core lent another */
};

/* brokersim.c */
uint32_t sim_below(struct sim *s, uint32_t limit);
void sim_say(const struct sim *s, const char *format, ...) must_printf(2, 3);
/* Prints the seed and ends the process: the life has shown a bug. */
_Noreturn void sim_fail(const struct sim *s, const char *format, ...) must_printf(2, 3);

/* brokersim_host.c.  False: the power went before it served. */
must_check bool host_start(struct sim *s);
/* One turn of its loop; false: the power has gone, or its journal has failed. */
must_check bool host_turn(struct sim *s);
/* Whether no core owes another, or its streams, anything. */
bool host_settled(const struct sim *s);
/* Without a word to anybody. */
void host_die(struct sim *s);

/* brokersim_client.c */
void client_start(struct sim *s);
void client_turn(struct sim *s);
void client_stop(struct sim *s);
/* Every batch that was made has been acknowledged. */
bool client_quiet(const struct sim *s);
/* The consumer begins at offset 0 of partition 0 again. */
void client_rewind(struct sim *s);
/* The consumer has come to the end of every partition since. */
bool client_read_all(const struct sim *s);
/* Of link number `link`; the machine's address ends in `last`. */
struct ipnet_config sim_net_config(struct nic nic, uint32_t link, uint32_t last);
void sim_address(uint32_t link, uint32_t last, uint8_t ip[16]);
struct tcp_config sim_tcp_config(uint8_t key);

#endif
