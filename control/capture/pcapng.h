/* pcapng.h: blocks of a capture file: draft-ietf-opsawg-pcapng, big endian, times in nanoseconds,
 * link type Ethernet.  Each call adds one block; what does not fit sets w->bad. */
#ifndef SLUICE_PCAPNG_H
#define SLUICE_PCAPNG_H

#include "core/base/bytes.h"

enum {
    PCAPNG_HEAD_BYTES_MAX = 128,        /* section, or one interface */
    PCAPNG_PACKET_BYTES = 12 + 20 + 12, /* around the bytes of a frame */
    PCAPNG_STATISTICS_BYTES = 12 + 12 + 2 * 12 + 4,
};

/* The first block of a file; `program` wrote it. */
void pcapng_section(struct put *w, const char *program);
/* They are numbered from 0 in the order in which they are added. */
void pcapng_interface(struct put *w, const char *name, uint32_t snap);

struct pcapng_packet {
    uint32_t interface;
    uint64_t at_ns; /* since 1970 */
    struct view bytes;
    uint32_t wire_bytes; /* at least bytes.len */
    bool out;
};
/* Bytes of its block. */
uint32_t pcapng_packet_bytes(uint32_t bytes);
void pcapng_packet(struct put *w, const struct pcapng_packet *p);

/* What an interface received in all, and what of it is not in the file. */
void pcapng_statistics(struct put *w, uint32_t interface, uint64_t at_ns, uint64_t received,
                       uint64_t dropped);

#endif
