/* chan.h: single-producer single-consumer ring of variable-length messages in shared memory.
 *
 * A message is a header {u32 bytes, u32 kind, u32 generation, u32 crc of the header} and a payload,
 * contiguous, 16-byte aligned; a filler message covers the end of the ring where the next one does
 * not fit.  head (producer) and tail (consumer) are 64-bit byte counts on lines of their own.
 * The consumer trusts nothing: lengths, kinds and the header's checksum are checked against the
 * ring before use, a bad one stops the channel (ERR_CORRUPT). The producer may die between any two
 * instructions: what was not published does not exist.  The consumer may die after the effect and
 * before chan_done: it sees that message again.
 *
 * One thread is the producer and one the consumer, each with a struct chan of its own.  No call
 * blocks, allocates or makes a system call; reserve, publish, peek and done cost a few loads and at
 * most one transfer of a cache line of the other side. */
#ifndef SLUICE_SHM_CHAN_H
#define SLUICE_SHM_CHAN_H

#include "core/base/bytes.h"
#include "core/base/must.h"

#include <stdatomic.h>
#include <stdbool.h>

enum { CHAN_LINE = 128, CHAN_ALIGN = 16, CHAN_HEADER_BYTES = 16, CHAN_BYTES_MIN = 1024 };

/* What lies in the region.  Only chan.c touches it. */
struct chan_memory {
    _Alignas(CHAN_LINE) _Atomic uint64_t head;   /* producer's: bytes ever published */
    _Alignas(CHAN_LINE) _Atomic uint64_t tail;   /* consumer's: bytes ever done with */
    _Alignas(CHAN_LINE) _Atomic uint32_t sleeps; /* consumer's: odd while it sleeps */
    _Alignas(CHAN_LINE) uint8_t data[];
};

/* One side's view.  Private to chan.c. */
struct chan {
    struct chan_memory *memory;
    uint64_t bytes;    /* of the data area, a multiple of CHAN_ALIGN */
    uint64_t head;     /* producer: its own word; consumer: as last seen */
    uint64_t tail;     /* consumer: its own word; producer: as last seen */
    uint64_t at;       /* producer: where the reserved message will lie */
    uint32_t reserved; /* producer: room of its body */
    uint32_t lent;     /* consumer: bytes that chan_done will give back, 0: nothing is lent */
    uint32_t rung;     /* producer: the sleep that it has rung for */
    bool bad;          /* the other side broke the format; stays until the next chan_join */
};

struct chan_message {
    uint32_t kind;       /* enum msg_kind */
    uint32_t generation; /* of the sender */
    struct view body;
};

/* Lays an empty ring over `bytes` (>= CHAN_BYTES_MIN) of memory, which is aligned to CHAN_LINE
 * (region_create does it). */
void chan_format(void *memory, uint32_t bytes);

/* Attach as the one producer or the one consumer (the calls made afterwards decide which); picks up
 * where the words in memory stand.  `bytes` as given to chan_format. */
void chan_join(struct chan *c, void *memory, uint32_t bytes);

/* The largest body that fits at all: half the data area less a header. */
uint32_t chan_body_max(const struct chan *c);

/* Producer: room for a body of up to `bytes`, NULL when the ring is full now, or for ever when
 * bytes is above chan_body_max.  Fill it, then publish (with the bytes really used) or simply do
 * not. */
uint8_t *chan_reserve(struct chan *c, uint32_t bytes);
void chan_publish(struct chan *c, uint32_t kind, uint32_t generation, uint32_t bytes);

/* Producer: drops everything that the consumer has not taken.  Only while the consumer is known
 * dead. */
void chan_clear(struct chan *c);

/* Consumer: lends the oldest message until chan_done; asking again lends the same.  Its body is at
 * least the struct of its kind (msg.def).  ERR_AGAIN: empty.  ERR_CORRUPT: stays so. */
must_check int chan_peek(struct chan *c, struct chan_message *out);
void chan_done(struct chan *c);

/* Consumer, before sleeping: true when messages came meanwhile (it is awake again then).  Sets the
 * flag that makes the producer ring; chan_awake clears it, and does nothing when it is clear.
 * Producer, after publishing: true when the consumer sleeps and must be woken (region_wake): once
 * for each sleep, so whoever gets true rings. */
bool chan_sleep(struct chan *c);
void chan_awake(struct chan *c);
bool chan_must_wake(struct chan *c);

#endif
