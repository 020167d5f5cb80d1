/* wire.h: the table-driven codec of the Kafka protocol.
 *
 * gen.py turns core/wire/schema into wire_gen.h (a C struct per request and response, one enum of
 * APIs) and wire_gen.c (field tables).  One walker reads and writes every version of every message,
 * so flexible versions, tagged fields, compact types and the null rules live in one place.
 * Bytes, strings and records are views into the input; arrays live in a struct wire_arena. */
#ifndef SLUICE_WIRE_WIRE_H
#define SLUICE_WIRE_WIRE_H

#include "core/base/bytes.h"
#include "core/base/must.h"

/* Memory for decoded arrays and for building responses: a bump allocator over the caller's bytes. */
struct wire_arena {
    uint8_t *at;
    size_t used, room;
};

void wire_arena_init(struct wire_arena *a, void *at, size_t bytes);
void wire_arena_reset(struct wire_arena *a);
/* n zeroed bytes, aligned to 16, or NULL when there is no room.  Valid until the reset. */
void *wire_arena_take(struct wire_arena *a, size_t n);

struct wire_message; /* one request or response: its field tables */

/* Decodes `bytes` whole into the message's struct (zeroed first; absent fields get their defaults).
 * ERR_CORRUPT: malformed or bytes left over; ERR_LIMIT: arena too small; ERR_UNSUPPORTED: version. */
must_check int wire_decode(const struct wire_message *m, int16_t version, struct view bytes, void *out,
                           struct wire_arena *arena);

/* Encodes.  w->bad when there was no room; ERR_INVALID: a null where the version allows none, or a
 * field with a non-default value that the version cannot carry and that is not ignorable. */
must_check int wire_encode(const struct wire_message *m, int16_t version, const void *in,
                           struct put *w);

/* The size wire_encode would write, or a negative error. */
int64_t wire_size(const struct wire_message *m, int16_t version, const void *in);

/* One row an API of the broker listener.  Generated from the schema. */
struct wire_api {
    int16_t key;
    int16_t version_min, version_max; /* what the schema defines, Kafka 4.3's stable range */
    int16_t flexible_min;             /* first flexible version, INT16_MAX: none */
    const char *name;                 /* "Produce" */
    const struct wire_message *request, *response;
};

/* NULL for a key that no broker has. */
const struct wire_api *wire_api_find(int16_t key);
/* All rows in order of their keys. */
const struct wire_api *wire_api_all(uint32_t *count);

/* Request header v1 or v2 (v0 has no user), as the API's version says. */
struct wire_header {
    int16_t api_key, api_version;
    int32_t correlation_id;
    struct view client_id; /* at NULL: null */
    uint32_t bytes;        /* of the header: the body begins there */
};

/* Reads a request header.  Unknown key or a version out of range is not an error here: the header is
 * then read as v1 and the caller decides.  ERR_CORRUPT: cut off, negative lengths, bad tagged fields. */
must_check int wire_header_read(struct view request, struct wire_header *out);

/* Writes correlation id and, where the response's header is flexible, an empty tag section.
 * ApiVersions responses always have header v0. */
void wire_header_answer(struct put *w, const struct wire_api *api, int16_t version,
                        int32_t correlation_id);

#endif
