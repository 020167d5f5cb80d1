/* msg.h: bodies of the messages between the processes; the list is msg.def. */
#ifndef SLUICE_SHM_MSG_H
#define SLUICE_SHM_MSG_H

#include <stdint.h>

enum msg_kind {
    MSG_NONE,
#define MSG(name, direction, type, meaning) MSG_##name,
#include "core/shm/msg.def"
#undef MSG
    MSG_KINDS
};

struct msg_row {
    uint32_t row;
    uint32_t version;
};

/* Control answers with the same token.  `again`: control died while it had the request, so it may
 * have been carried out already; requests that must not be done twice are refused then. */
struct msg_request {
    uint64_t token; /* shard's: connection and place in its queue, never reused in a generation */
    uint8_t again;
    /* Of the client's software, which stands behind the request; 0 where nobody asks for it. */
    uint8_t name_bytes, version_bytes;
    uint8_t spare[3];
    uint16_t listener;
    uint8_t peer_ip[16];
    uint16_t peer_port;
    uint16_t spare2;
    uint32_t spare3;
};

/* throttle_ms: the client is over a quota of control's (mutations): leave it alone for so long. */
struct msg_answer {
    uint64_t token;
    uint32_t throttle_ms, spare;
};

/* Control's own connection to a shard.  `connection`: its number, which the first REPLY says;
 * `generation`: of the receiver.  Both sides drop what is meant for another life or connection. */
struct msg_call {
    uint32_t generation;
    uint32_t connection;
};

/* A frame of the network, copied for a file (capring.h).  The generation of the message is the
 * number of the capture. */
struct msg_frame {
    uint64_t at_ns;      /* CLOCK_MONOTONIC of the turn */
    uint32_t wire_bytes; /* of the whole frame */
    uint8_t out;         /* it left; else it came */
    uint8_t spare[3];
};

/* "REQUEST", for log lines; "?" outside the table. */
const char *msg_name(uint32_t kind);

/* Least bytes of a body of this kind, its struct; 0 outside the table.  chan_peek checks it. */
uint32_t msg_bytes(uint32_t kind);

#endif
