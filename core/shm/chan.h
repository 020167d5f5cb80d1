/* chan.h: single-producer single-consumer ring of variable-length messages in shared memory.
 *
 * A message is a header {u32 bytes, u32 kind, u32 generation, u32 crc of the header} and a payload,
 * contiguous, 16-byte aligned; a filler message covers the end of the ring where the next one does
 * not fit.  head (producer) and tail (consumer) are 64-bit byte counts on lines of their own.
 * The consumer trusts nothing: lengths, kinds and the header's checksum are checked against the ring
 * before use, a bad one stops the channel (ERR_CORRUPT).
 * The producer may die between any two instructions: what was not published does not exist.  The
 * consumer may die after the effect and before chan_done: it sees that message again. */
#ifndef SLUICE_SHM_CHAN_H
#define SLUICE_SHM_CHAN_H

#include "core/base/bytes.h"
#include "core/base/must.h"

#include <stdbool.h>

struct chan_memory; /* in the region */

struct chan {
    struct chan_memory *memory;
    uint64_t bytes; /* of the data area, a power of two */
    uint64_t own;   /* producer: next head; consumer: next tail */
    uint64_t other; /* last seen word of the other side */
};

struct chan_message {
    uint32_t kind; /* enum msg_kind */
    uint32_t generation; /* of the sender */
    struct view body;
};

/* Lays an empty ring over `bytes` of memory (region_create does it).  */
void chan_format(void *memory, uint32_t bytes);

/* Attach as the one producer or the one consumer; picks up where the words in memory stand. */
void chan_join(struct chan *c, void *memory, uint32_t bytes);

/* The largest body that fits at all: half the data area. */
uint32_t chan_body_max(const struct chan *c);

/* Producer: room for a body of up to `bytes`, NULL when the ring is full now.  Fill it, then publish
 * (with the bytes really used) or simply do not. */
uint8_t *chan_reserve(struct chan *c, uint32_t bytes);
void chan_publish(struct chan *c, uint32_t kind, uint32_t generation, uint32_t bytes);

/* Producer: drops everything that the consumer has not taken.  Only while the consumer is known dead. */
void chan_clear(struct chan *c);

/* Consumer: lends the oldest message until chan_done.  ERR_AGAIN: empty.  ERR_CORRUPT. */
must_check int chan_peek(struct chan *c, struct chan_message *out);
void chan_done(struct chan *c);

/* Consumer, before sleeping: true when messages came meanwhile.  Sets the flag that makes the
 * producer ring; chan_awake clears it.  Producer, after publishing: true when the consumer sleeps and
 * must be woken (region_wake). */
bool chan_sleep(struct chan *c);
void chan_awake(struct chan *c);
bool chan_must_wake(struct chan *c);

#endif
