/* netview.h: what the network stack of a core (net=dpdk) lets operators see, in the region: one
 * struct netview a core, unused with kernel sockets.
 *
 * Counters (netview.def): the core stores them ten times a second, anybody reads them; those of
 * the parts NIC and IP of each device too.
 *
 * Lists (ports, addresses, routes, neighbours, connections): control asks for a page, the core
 * fills it in between its turns, a bounded number of entries a turn, and says so; control reads it
 * and asks for the next.  A page belongs to the core from the question to its answer, and to
 * control from there to the next question, so nothing is copied twice, nothing is torn and nobody
 * waits for a lock.  Who dies in between does no harm: a new question is answered anew, an old one
 * never is.  An entry may be in two pages, or in none, when it came or went between them.
 *
 * Each side takes what the other wrote for unchecked: bounds are kept here, enums by who reads. */
#ifndef SLUICE_SHM_NETVIEW_H
#define SLUICE_SHM_NETVIEW_H

#include "core/base/must.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { NETVIEW_ROWS_MAX = 256, NETVIEW_NAME_BYTES = 64, NETVIEW_DEVICES_MAX = 4 };
#define NETVIEW_END UINT32_MAX /* of a list */

enum netview_counter {
#define NETVIEW(name, part, text, kind, unit, help) NETVIEW_N_##name,
#include "core/shm/netview.def"
#undef NETVIEW
    NETVIEW_COUNTERS
};

enum netview_part { NETVIEW_PART_NIC, NETVIEW_PART_IP, NETVIEW_PART_TCP, NETVIEW_PART_LOOP };

struct netview_counter_row {
    const char *name, *unit, *help;
    enum netview_part part;
    bool gauge;
};
const struct netview_counter_row *netview_counter_row(enum netview_counter c);
/* A reason why something went no further. */
bool netview_is_drop(enum netview_counter c);
/* "nic", "ip", "tcp", "loop" */
const char *netview_part_name(enum netview_part part);

enum netview_list {
    NETVIEW_PORTS,
    NETVIEW_ADDRESSES,
    NETVIEW_ROUTES,
    NETVIEW_NEIGHBOURS,
    NETVIEW_CONNECTIONS,
    NETVIEW_LISTS
};

/* One queue of a device. */
struct netview_port {
    char name[NETVIEW_NAME_BYTES]; /* driver and device */
    uint8_t mac[6];
    uint16_t mtu, vlan;
    uint8_t link_up, tx_sums; /* the device fills in TCP checksums */
    uint8_t rx_sums, chains;  /* it verifies them; it takes payload by reference */
    uint32_t burst_bytes;     /* the longest that it cuts into segments; 0: it cuts nothing */
    uint32_t queue, queues, link_mbps;
    uint32_t device;               /* its number in net.devices, from 0; and so below */
    uint64_t by_reference, copied; /* bytes of payload that were sent */
};

enum netview_address_state { NETVIEW_TENTATIVE, NETVIEW_OURS, NETVIEW_DUPLICATE };
struct netview_address {
    uint8_t ip[16]; /* IPv4 as ::ffff:a.b.c.d, as everywhere here */
    uint8_t prefix_bits, state, device;
};

struct netview_route {
    uint8_t to[16], via[16]; /* via all zero: on the link */
    uint8_t prefix_bits, device;
};

enum netview_neighbour_state { NETVIEW_RESOLVING, NETVIEW_KNOWN, NETVIEW_STALE, NETVIEW_PROBING };
struct netview_neighbour {
    uint8_t ip[16], mac[6];
    uint8_t state, device;
    uint64_t age_ns; /* since it was confirmed; NETVIEW_RESOLVING: since it was first asked for */
};

enum { NETVIEW_STATE_BYTES = 16 };
struct netview_connection {
    char state[NETVIEW_STATE_BYTES]; /* "ESTABLISHED": names of RFC 9293 */
    uint8_t local_ip[16], remote_ip[16];
    uint16_t local_port, remote_port;
    uint32_t srtt_us, rto_us;
    uint32_t mss, cwnd, flight, snd_wnd, rcv_wnd; /* bytes */
    uint32_t unread, unsent; /* bytes that the broker has not taken; that have not left */
    uint32_t spare;
    uint64_t resent, timeouts;
};

struct netview_row {
    union {
        struct netview_port port;
        struct netview_address address;
        struct netview_route route;
        struct netview_neighbour neighbour;
        struct netview_connection connection;
    } u;
};

/* In the region.  Only netview.c touches what is behind `words`. */
struct netview {
    /* control's: */
    _Alignas(128) _Atomic uint32_t question; /* its number; 0: none yet */
    _Atomic uint32_t list, first;            /* of the question: enum netview_list, from where on */
    /* the core's: */
    _Alignas(128) _Atomic uint64_t words[NETVIEW_COUNTERS]; /* of all devices */
    _Atomic uint64_t device_words[NETVIEW_DEVICES_MAX][NETVIEW_COUNTERS];
    _Alignas(128) _Atomic uint32_t answered; /* number of the question that the page answers */
    uint32_t count, next;                    /* of its rows; where the list goes on */
    struct netview_row rows[NETVIEW_ROWS_MAX];
};

/* ---- control ---- */

uint64_t netview_count(const struct netview *v, enum netview_counter c);
/* Of one device, of the parts NIC and IP; 0 of what is not there. */
uint64_t netview_device_count(const struct netview *v, uint32_t device, enum netview_counter c);
/* Whether each device has such a counter. */
bool netview_of_device(enum netview_counter c);
/* Asks for rows of a list from `first` on (0, or what the page before said); wake the core.  One
 * asker at a time; what was asked before is forgotten.  Returns the number of the question. */
uint32_t netview_ask(struct netview *v, enum netview_list list, uint32_t first);
struct netview_page {
    const struct netview_row *rows; /* lent until the next question */
    uint32_t count;
    uint32_t next; /* ask from there on; NETVIEW_END: that was all */
};
/* ERR_AGAIN: not answered yet. */
must_check int netview_take(const struct netview *v, uint32_t number, struct netview_page *out);

/* ---- the core ---- */

static inline void
netview_set(struct netview *v, enum netview_counter c, uint64_t value)
{
    atomic_store_explicit(&v->words[c], value, memory_order_relaxed);
}

static inline void
netview_device_set(struct netview *v, uint32_t device, enum netview_counter c, uint64_t value)
{
    must(device < NETVIEW_DEVICES_MAX);
    atomic_store_explicit(&v->device_words[device][c], value, memory_order_relaxed);
}

/* A question being answered.  Private to netview.c. */
struct netview_answer {
    uint32_t number; /* 0: none is open */
    uint32_t seen;   /* the last that was begun */
    uint32_t list, at, count;
};
/* True while a question is open: fill rows from place answer->at of answer->list on, as far as one
 * turn allows.  One load when nobody asks. */
bool netview_asked(const struct netview *v, struct netview_answer *a);
/* netview_free lends the next free row of the page, zeroed (NULL: it is full); netview_keep makes
 * it part of the answer. */
struct netview_row *netview_free(struct netview *v, const struct netview_answer *a);
void netview_keep(struct netview_answer *a);
/* The list goes on at a->at, or is at its end: the page is answered. */
void netview_answer_end(struct netview *v, struct netview_answer *a, bool end);
/* The core has just begun: a question that a core before it did not answer is open. */
void netview_answer_init(const struct netview *v, struct netview_answer *a);

#endif
