/* uring_ring.h: what stream_uring and disk_uring know of the ring they share.  Private to this
 * folder.
 *
 * user_data of a submission is its kind in the top byte and a value below: a connection index, a
 * listener index or the address of a disk_op (user space addresses have 47 bits). */
#ifndef SLUICE_URING_RING_H
#define SLUICE_URING_RING_H

#include "core/base/must.h"

#include <liburing.h>
#include <stdbool.h>
#include <stdint.h>

enum uring_kind {
    URING_IGNORE, /* a cancel, a timeout being removed: the result says nothing */
    URING_WAKE,
    URING_ACCEPT,       /* value: listener */
    URING_ACCEPT_RETRY, /* value: listener */
    URING_RECV,         /* value: connection */
    URING_SEND,
    URING_ROOM,     /* POLLOUT */
    URING_DISK,     /* value: disk_op */
    URING_DISK_DIR, /* value: disk_op, second step of DISK_SYNC_DIR */
};

struct uring;

struct uring_done {
    enum uring_kind kind;
    uint64_t value;
    int32_t res;
    uint32_t flags;
};

static inline uint64_t
uring_tag(enum uring_kind kind, uint64_t value)
{
    return (uint64_t)kind << 56 | value;
}

/* uring_sqe lends the next submission entry, zeroed but for user_data, which the caller must keep:
 * prepare with liburing's helpers, then uring_sqe_tag.  Never NULL: a full queue is submitted. */
struct io_uring_sqe *uring_sqe(struct uring *u);

static inline void
uring_sqe_tag(struct io_uring_sqe *sqe, enum uring_kind kind, uint64_t value)
{
    sqe->user_data = uring_tag(kind, value);
}

struct io_uring *uring_ring(struct uring *u);

/* uring_err maps an errno (positive) to an enum err. */
int uring_err(int errno_value);

/* uring_turn submits, waits for one completion at least if `wait`, and dispatches what is done. */
void uring_turn(struct uring *u, bool wait);

/* Monotonic time of this turn, without a system call. */
uint64_t uring_now_ns(const struct uring *u);

#endif
