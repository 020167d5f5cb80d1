/* kernel_tcp.h: rows of tcp_bench over the kernel's loopback: both ends in one thread. */
#ifndef SLUICE_BENCH_KERNEL_TCP_H
#define SLUICE_BENCH_KERNEL_TCP_H

#include <stdbool.h>
#include <stdint.h>

/* Bulk goes to the side that listens, or back from it. */
enum kernel_kind { KERNEL_PAIRS, KERNEL_CONNECTS, KERNEL_BULK, KERNEL_BULK_BACK };

struct kernel_row {
    const char *name;
    enum kernel_kind kind;
    uint32_t bytes, conns;
    uint8_t device; /* enum duel_device, for ours */
};

/* Processor time of the thread, in ns for one pair, connection or segment; 0: more connections than
 * there may be descriptors. */
double kernel_run(const struct kernel_row *row, uint64_t count);

#endif
