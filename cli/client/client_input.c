#include "cli/client/client.h"

#include "core/base/err.h"

#include <stdlib.h>
#include <string.h>

enum { ROOM_FIRST = 4096 };

static int
room_make(struct client_input *i)
{
    if (i->used < i->room)
        return ERR_OK;
    if (i->room == CLIENT_INPUT_BYTES_MAX)
        return ERR_LIMIT;
    size_t room = i->room ? i->room * 2 : ROOM_FIRST;
    room = room < CLIENT_INPUT_BYTES_MAX ? room : CLIENT_INPUT_BYTES_MAX;
    char *bytes = realloc(i->bytes, room);
    if (!bytes)
        return ERR_LIMIT;
    i->bytes = bytes;
    i->room = room;
    return ERR_OK;
}

int
client_input_next(struct client_input *i)
{
    size_t d = i->delimiter_bytes;
    int byte;
    i->used = 0;
    while ((byte = getc_unlocked(i->in)) != EOF) {
        int err = room_make(i);
        if (err)
            return err;
        i->bytes[i->used++] = (char)byte;
        if (d && i->used >= d && (char)byte == i->delimiter[d - 1] &&
            memcmp(i->bytes + i->used - d, i->delimiter, d) == 0) {
            i->used -= d;
            return ERR_OK;
        }
    }
    if (ferror(i->in))
        return ERR_IO;
    return i->used ? ERR_OK : ERR_NOT_FOUND;
}

void
client_input_free(struct client_input *i)
{
    free(i->bytes);
    i->bytes = NULL;
    i->used = i->room = 0;
}

static int
digit64(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* Decodes in place of the string that jansson keeps: it is shorter. */
static bool
base64_read(char *text, int64_t *bytes)
{
    size_t n = strlen(text), out = 0;
    uint32_t v = 0, bits = 0;
    while (n && text[n - 1] == '=')
        n--;
    for (size_t i = 0; i < n; i++) {
        int digit = digit64(text[i]);
        if (digit < 0)
            return false;
        v = v << 6 | (uint32_t)digit;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            text[out++] = (char)(v >> bits);
        }
    }
    *bytes = (int64_t)out;
    return true;
}

static bool
member_read(json_t *o, const char *name, const void **at, int64_t *bytes)
{
    char other[64];
    json_t *v = json_object_get(o, name);
    snprintf(other, sizeof other, "%s_base64", name);
    *at = NULL;
    *bytes = -1;
    if (json_is_string(v)) {
        *at = json_string_value(v);
        *bytes = (int64_t)json_string_length(v);
        return true;
    }
    if (v && !json_is_null(v))
        return false;
    v = json_object_get(o, other);
    if (!json_is_string(v))
        return v == NULL;
    char *text = (char *)json_string_value(v);
    *at = text;
    return base64_read(text, bytes);
}

bool
client_input_json(json_t *line, struct client_record *r, rd_kafka_headers_t *headers)
{
    json_t *list = json_object_get(line, "headers"),
           *partition = json_object_get(line, "partition");
    *r = (struct client_record){.partition = -1};
    if (!json_is_object(line) || !member_read(line, "key", &r->key, &r->key_bytes) ||
        !member_read(line, "value", &r->value, &r->value_bytes))
        return false;
    if (json_is_integer(partition))
        r->partition = (int32_t)json_integer_value(partition);
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *h = json_array_get(list, i);
        const char *key = json_string_value(json_object_get(h, "key"));
        const void *value;
        int64_t bytes;
        if (!key || !member_read(h, "value", &value, &bytes))
            return false;
        rd_kafka_header_add(headers, key, -1, value, bytes < 0 ? -1 : (ssize_t)bytes);
    }
    return true;
}
