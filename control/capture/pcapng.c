/* pcapng.c: a block is {u32 type, u32 bytes, body, padding to 4, u32 bytes again}; an option {u16
 * code, u16 bytes, value, padding to 4}, the last of them all zero. */
#include "control/capture/pcapng.h"

enum {
    BLOCK_SECTION = 0x0a0d0d0a,
    BLOCK_INTERFACE = 1,
    BLOCK_STATISTICS = 5,
    BLOCK_PACKET = 6,
    BYTE_ORDER_MAGIC = 0x1a2b3c4d,
    LINK_ETHERNET = 1,
    SHB_USERAPPL = 4,
    IF_NAME = 2,
    IF_TSRESOL = 9,
    TSRESOL_NS = 9, /* 10^-9 s */
    EPB_FLAGS = 2,
    FLAG_INBOUND = 1,
    FLAG_OUTBOUND = 2,
    ISB_IFRECV = 4,
    ISB_IFDROP = 5,
};

static uint32_t
padded(uint32_t bytes)
{
    return (bytes + 3) & ~3u;
}

static void
put_padded(struct put *w, const void *at, uint32_t bytes)
{
    static const uint8_t zeros[3];
    put_bytes(w, at, bytes);
    put_bytes(w, zeros, padded(bytes) - bytes);
}

static void
option(struct put *w, uint16_t code, const void *at, uint32_t bytes)
{
    put_u16(w, code);
    put_u16(w, (uint16_t)bytes);
    put_padded(w, at, bytes);
}

static void
option_u64(struct put *w, uint16_t code, uint64_t v)
{
    put_u16(w, code);
    put_u16(w, sizeof v);
    put_u64(w, v);
}

static uint8_t *
block_begin(struct put *w, uint32_t type)
{
    uint8_t *start = w->at;
    put_u32(w, type);
    put_u32(w, 0);
    return start;
}

static void
block_end(struct put *w, uint8_t *start)
{
    uint32_t bytes = (uint32_t)(w->at - start) + 4;
    put_u32(w, bytes);
    if (!w->bad)
        set_u32(start + 4, bytes);
}

void
pcapng_section(struct put *w, const char *program)
{
    uint8_t *start = block_begin(w, BLOCK_SECTION);
    put_u32(w, BYTE_ORDER_MAGIC);
    put_u16(w, 1); /* version 1.0 */
    put_u16(w, 0);
    put_u64(w, UINT64_MAX); /* length of the section: not known */
    option(w, SHB_USERAPPL, program, (uint32_t)strlen(program));
    put_u32(w, 0);
    block_end(w, start);
}

void
pcapng_interface(struct put *w, const char *name, uint32_t snap)
{
    const uint8_t resolution = TSRESOL_NS;
    uint8_t *start = block_begin(w, BLOCK_INTERFACE);
    put_u16(w, LINK_ETHERNET);
    put_u16(w, 0);
    put_u32(w, snap);
    option(w, IF_NAME, name, (uint32_t)strlen(name));
    option(w, IF_TSRESOL, &resolution, 1);
    put_u32(w, 0);
    block_end(w, start);
}

static void
put_time(struct put *w, uint64_t at_ns)
{
    put_u32(w, (uint32_t)(at_ns >> 32));
    put_u32(w, (uint32_t)at_ns);
}

uint32_t
pcapng_packet_bytes(uint32_t bytes)
{
    return PCAPNG_PACKET_BYTES + padded(bytes);
}

void
pcapng_packet(struct put *w, const struct pcapng_packet *p)
{
    uint8_t *start = block_begin(w, BLOCK_PACKET);
    put_u32(w, p->interface);
    put_time(w, p->at_ns);
    put_u32(w, p->bytes.len);
    put_u32(w, p->wire_bytes);
    put_padded(w, p->bytes.at, p->bytes.len);
    put_u16(w, EPB_FLAGS);
    put_u16(w, 4);
    put_u32(w, p->out ? FLAG_OUTBOUND : FLAG_INBOUND);
    put_u32(w, 0);
    block_end(w, start);
}

void
pcapng_statistics(struct put *w, uint32_t interface, uint64_t at_ns, uint64_t received,
                  uint64_t dropped)
{
    uint8_t *start = block_begin(w, BLOCK_STATISTICS);
    put_u32(w, interface);
    put_time(w, at_ns);
    option_u64(w, ISB_IFRECV, received);
    option_u64(w, ISB_IFDROP, dropped);
    put_u32(w, 0);
    block_end(w, start);
}
