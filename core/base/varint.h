/* varint.h: the base-128 integers of the Kafka protocol (unsigned for lengths and tags, zig-zag for
 * fields of records).  Source: protocol guide, "Protocol primitive types"; KIP-482. */
#ifndef SLUICE_BASE_VARINT_H
#define SLUICE_BASE_VARINT_H

#include "core/base/bytes.h"

enum { VARINT_BYTES_MAX = 5, VARLONG_BYTES_MAX = 10 };

/* Readers set c->bad when the number is cut off, is longer than the maximum or overflows its type.
 */
uint32_t varint_read_u32(struct cur *c);
int32_t varint_read_i32(struct cur *c); /* zig-zag */
int64_t varint_read_i64(struct cur *c); /* zig-zag */
uint64_t varint_read_u64(struct cur *c);

/* Writers set w->bad when there is no room. */
void varint_write_u32(struct put *w, uint32_t v);
void varint_write_i32(struct put *w, int32_t v); /* zig-zag */
void varint_write_i64(struct put *w, int64_t v); /* zig-zag */
void varint_write_u64(struct put *w, uint64_t v);

/* Bytes that varint_write_u32 would write: 1 to 5. */
uint32_t varint_size_u32(uint32_t v);

#endif
