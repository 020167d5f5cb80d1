/* uring.h: clock.h, stream.h and disk.h over one io_uring a loop.
 *
 * Everything a loop waits for (sockets, files, doorbells) completes on one ring, so the loop makes
 * at most one system call a turn: clock.wait() submits what the ports queued, sleeps and reaps.  A
 * wait with a deadline in the past, nothing to submit and nothing done makes no system call at all.
 *
 * Needs Linux 6.1 for the fast mode (SINGLE_ISSUER, DEFER_TASKRUN); 5.19 works with COOP_TASKRUN.
 *
 * Threads: uring_create may run anywhere.  The ring then belongs to the thread that first calls
 * clock.wait(), disk.run() or uring_enable(); only that thread may use the ports, but clock.wake().
 */
#ifndef SLUICE_URING_URING_H
#define SLUICE_URING_URING_H

#include "core/base/clock.h"
#include "core/base/must.h"
#include "core/net/stream.h"
#include "core/store/disk.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    URING_SQ_ENTRIES_DEFAULT = 1024,
    URING_SQ_ENTRIES_MIN = 32, /* what a small memlock limit brings it down to */
    URING_CONNECTIONS_LIMIT = 1 << 20,
    URING_LISTENERS_MAX = 8,
    URING_WORKER_CPUS_MAX = 64,
    URING_ARENAS_MAX = 8, /* registered chunks of at most 1 GiB */
};

struct uring_config {
    int wake_fd; /* eventfd that ends a sleep, lent, never read; -1: one of our own */
    /* Where paths of disk.h start, lent; -1: a directory that is out of order.  None: no files. */
    int data_dir_fds[DISK_DIRS_MAX];
    uint32_t data_dirs;
    uint8_t data_dir_ids[DISK_DIRS_MAX][16]; /* disk_facts.id of each */
    uint32_t sq_entries;                     /* power of two; 0: URING_SQ_ENTRIES_DEFAULT */
    uint32_t connections_max;                /* 0: no stream */
    uint32_t request_bytes_max;              /* largest `want` that will be asked for */
    /* Memory for received bytes of all connections.  Raised, with a log line, to what one largest
     * request and RXBUF_BLOCK_MIN for each connection need; 0: just that. */
    size_t receive_bytes_max;
    uint64_t
        stall_ns; /* without a byte for so long in mid-request: may be closed for memory; 0: 5 s */
    uint64_t idle_ns; /* an idle connection gives its memory back after this; 0: 1 s */
    bool
        cooperative; /* the mode for kernels before 6.1 on any kernel: for tests and measurements */
    uint64_t linger_ns; /* see stream_uring.h; 0: 1 s */
    /* Where the kernel's threads for calls that sleep (fsync, unlink, allocation) run: not on the
     * processor of a loop, where a long one would keep it waiting.  0: anywhere. */
    int worker_cpus[URING_WORKER_CPUS_MAX];
    uint32_t worker_cpu_count;
};

struct uring;

/* uring_create takes memory (mmap) and opens a ring.  ERR_DENIED: io_uring is forbidden (sysctl or
 * seccomp; a log line says how to mend it); ERR_UNSUPPORTED: the kernel has none or is too old;
 * ERR_LIMIT: memory or descriptors; ERR_INVALID: the config. */
must_check int uring_create(const struct uring_config *config, struct uring **out);

/* uring_destroy closes every connection, listener and the ring; the operations of disk.h must have
 * been handed back.  No event follows. */
void uring_destroy(struct uring *u);

/* uring_enable makes the calling thread the owner of the ring.  Optional: see above. */
void uring_enable(struct uring *u);

struct clock uring_clock(struct uring *u);
struct stream uring_stream(struct uring *u);
struct disk uring_disk(struct uring *u);

/* The port that listener number n got: useful after listening on port 0. */
uint16_t uring_stream_port(const struct uring *u, uint32_t listener);

/* Connections accepted and closed at once, because connections_max were open. */
uint64_t uring_stream_refused(const struct uring *u);

/* Bytes of receive memory in use now. */
uint64_t uring_stream_memory(const struct uring *u);

/* True when the ring runs with DEFER_TASKRUN. */
bool uring_deferred(const struct uring *u);

/* System calls made for the ring since it was created: enters. */
uint64_t uring_enters(const struct uring *u);

#endif
