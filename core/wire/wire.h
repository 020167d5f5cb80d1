/* wire.h: the table-driven codec of the Kafka protocol.
 *
 * gen.py turns core/wire/schema into wire_gen.h (a C struct per request and response, one enum of
 * APIs) and wire_gen.c (field tables).  One walker reads and writes every version of every message,
 * so flexible versions, tagged fields, compact types and the null rules live in one place.
 * Bytes, strings and records are views into the input; arrays live in a struct wire_arena.
 *
 * The structs: API CreateTopics makes struct wire_create_topics_request and _response; a struct
 * inside is named after its message and Kafka's name for it, struct
 * wire_create_topics_request_creatable_topic.  Members are the field names in snake_case:
 *   string, bytes, records   struct view; at NULL is null, an empty one has at non-NULL
 *   uuid                     uint8_t[16]
 *   array of T               struct { T *items; int32_t count; }; count -1 is null (a loop over it
 *                            sees nothing), 0 empty (items is then not read)
 *   struct                   embedded; a pointer when it may be null
 * Every field of every version is a member, so a struct must begin with the defaults of the schema:
 * wire_init and wire_items set them.  Recursion follows the schema, whose depth gen.py bounds; no
 * input can deepen it. */
#ifndef SLUICE_WIRE_WIRE_H
#define SLUICE_WIRE_WIRE_H

#include "core/base/bytes.h"
#include "core/base/must.h"

/* Memory for decoded arrays and for building responses: a bump allocator over the caller's bytes.
 */
struct wire_arena {
    uint8_t *at;
    size_t used, room;
};

void wire_arena_init(struct wire_arena *a, void *at, size_t bytes);
void wire_arena_reset(struct wire_arena *a);
/* n zeroed bytes, aligned to 16, or NULL when there is no room.  Valid until the reset. */
void *wire_arena_take(struct wire_arena *a, size_t n);

struct wire_message; /* one request or response: its field tables */
struct wire_struct;  /* one struct inside: struct wire_x has wire_x_struct */

struct wire_i8_array {
    int8_t *items;
    int32_t count; /* -1: null, in each of these */
};

struct wire_i16_array {
    int16_t *items;
    int32_t count;
};

struct wire_i32_array {
    int32_t *items;
    int32_t count;
};

struct wire_i64_array {
    int64_t *items;
    int32_t count;
};

struct wire_uuid_array {
    uint8_t (*items)[16];
    int32_t count;
};

struct wire_string_array {
    struct view *items;
    int32_t count;
};

/* Sets a request or response to the schema's defaults: begin with it what is to be encoded. */
void wire_init(const struct wire_message *m, void *out);

/* An array of count structs that hold the schema's defaults, NULL when the arena has no room:
 *     r.topics.items = wire_items(arena, &wire_metadata_response_topic_struct, n); */
void *wire_items(struct wire_arena *arena, const struct wire_struct *s, uint32_t count);

/* Decodes `bytes` into the message's struct (zeroed first; absent fields get their defaults).
 * As Kafka does: a negative length is null, unknown tagged fields are skipped, of a repeated one
 * the last wins.  An array whose count cannot fit in what is left is refused before it is
 * allocated.  Bytes behind the message are ignored, also as Kafka does: librdkafka 2.15 sends three
 * with a Metadata request for all topics.  ERR_CORRUPT: malformed; ERR_LIMIT: arena too small;
 * ERR_UNSUPPORTED: version. */
must_check int wire_decode(const struct wire_message *m, int16_t version, struct view bytes,
                           void *out, struct wire_arena *arena);

/* Encodes.  ERR_FULL, and w->bad, when there was no room; ERR_INVALID: a null where the version
 * allows none, a string over 32767 bytes, or a field with a non-default value that the version
 * cannot carry and that is not ignorable; ERR_UNSUPPORTED: version.  After an error what w holds is
 * a fragment. */
must_check int wire_encode(const struct wire_message *m, int16_t version, const void *in,
                           struct put *w);

/* The size wire_encode would write (it costs as much as encoding), or a negative error: as above,
 * and ERR_LIMIT over INT32_MAX, which no frame of the protocol can hold. */
int64_t wire_size(const struct wire_message *m, int16_t version, const void *in);

/* One row an API of the broker listener.  Generated from the schema. */
struct wire_api {
    int16_t key;
    int16_t version_min, version_max; /* what the schema defines, Kafka 4.3's stable range */
    int16_t flexible_min;             /* first flexible version, INT16_MAX: none */
    int16_t throttle_min; /* first version whose response begins with ThrottleTimeMs, the same */
    const char *name;     /* "Produce" */
    const struct wire_message *request, *response;
};

/* Tells every error code of a response that is not 0 and that this version carries: numbers whose
 * name ends with ErrorCode.  Costs nothing for the fields beside them. */
typedef void wire_errors_fn(void *user, int16_t key, int16_t error);
void wire_errors(const struct wire_api *api, int16_t version, const void *response,
                 wire_errors_fn *tell, void *user);

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

/* Reads a request header.  Unknown key or a version out of range is not an error here: the header
 * is then read as v1 and the caller decides.  ERR_CORRUPT: cut off, bad tagged fields; a negative
 * length is a null client id, as for Kafka. */
must_check int wire_header_read(struct view request, struct wire_header *out);

/* Writes correlation id and, where the response's header is flexible, an empty tag section.
 * ApiVersions responses always have header v0. */
void wire_header_answer(struct put *w, const struct wire_api *api, int16_t version,
                        int32_t correlation_id);

#endif
