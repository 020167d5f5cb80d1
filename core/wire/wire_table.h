/* wire_table.h: the tables that gen.py writes and the walker reads.  Private to core/wire and its
 * tests; everyone else needs wire.h and wire_gen.h. */
#ifndef SLUICE_WIRE_WIRE_TABLE_H
#define SLUICE_WIRE_WIRE_TABLE_H

#include "core/wire/wire.h"

enum wire_type {
    WIRE_BOOL,
    WIRE_I8,
    WIRE_I16,
    WIRE_U16,
    WIRE_I32,
    WIRE_I64,
    WIRE_F64,
    WIRE_UUID,
    WIRE_STRING,
    WIRE_BYTES, /* bytes and records: the same on the wire */
    WIRE_STRUCT,
    WIRE_TYPES
};

enum { WIRE_STRING_BYTES_MAX = INT16_MAX }; /* Kafka refuses longer ones in every version */

/* Of the types but WIRE_STRUCT: bytes of one in C, and the fewest bytes of one on the wire. */
struct wire_plain {
    uint8_t size, bytes_min;
};
extern const struct wire_plain wire_plain[WIRE_TYPES];

enum wire_flag {
    WIRE_ARRAY = 1,       /* the member is a struct wire_array */
    WIRE_POINTER = 2,     /* a nullable struct: the member points to it */
    WIRE_IGNORABLE = 4,   /* dropped silently when the version cannot carry it */
    WIRE_PRESET_NULL = 8, /* its default is null */
    WIRE_ERROR = 16,      /* a number of Kafka's errors, or a struct that has one */
};

/* Version ranges include both ends; first > last is the empty range. */
struct wire_field {
    const struct wire_struct *inner; /* of WIRE_STRUCT */
    int64_t preset;                  /* default of numbers */
    uint16_t at;                     /* offset of the member */
    uint8_t type, flags;
    int8_t first, last;           /* versions that have the field */
    int8_t null_first, null_last; /* versions that may send null */
    int8_t tag;                   /* -1: an ordinary field */
};

struct wire_struct {
    const struct wire_field *fields; /* ordinary and tagged ones in schema order, tags ascending */
    uint16_t field_count, size;      /* size: of the C struct */
    uint16_t bytes_min;              /* lower bound of an encoded one, at least 1 */
    uint16_t tag_count;
};

struct wire_message {
    struct wire_struct top;
    const char *name;
    int16_t version_min, version_max, flexible_min;
};

/* What every array member looks like to the walker. */
struct wire_array {
    void *items;
    int32_t count;
};

enum { WIRE_API_KEYS = 128, WIRE_API_NONE = 255 };

extern const struct wire_api wire_api_rows[];
extern const uint32_t wire_api_row_count;
extern const uint8_t wire_api_index[WIRE_API_KEYS]; /* row of a key, or WIRE_API_NONE */

/* Sets the members of one struct, or one member, to the schema's defaults. */
void wire_preset_struct(const struct wire_struct *s, void *at);
void wire_preset_field(const struct wire_field *f, void *at);
/* True when the member holds its default (for strings and bytes null passes as empty). */
bool wire_is_preset(const struct wire_field *f, const void *at);

#endif
