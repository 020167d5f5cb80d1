#include "cli/client/client.h"

#include <stdlib.h>
#include <string.h>

size_t
client_record_unescape(const char *text, char *out)
{
    static const char from[] = "nrt\\0", to[] = "\n\r\t\\";
    size_t n = 0;
    for (; *text; text++) {
        const char *known = *text == '\\' && text[1] ? strchr(from, text[1]) : NULL;
        out[n++] = known ? to[known - from] : *text;
        text += known != NULL;
    }
    return n;
}

const char *
client_record_check(const char *template_)
{
    for (const char *p = template_; *p; p++)
        if (*p == '%' && (!*++p || !strchr("tpokshTKS%", *p)))
            return "after '%' give one of t p o k s h T K S %";
    return NULL;
}

static void
bytes_print(const void *at, int64_t n, FILE *out)
{
    if (n > 0)
        fwrite(at, 1, (size_t)n, out);
}

/* "a=1,b=2"; a null value is "a=NULL". */
static void
headers_print(const rd_kafka_headers_t *headers, FILE *out)
{
    const char *name;
    const void *value;
    size_t n;
    for (size_t i = 0; headers && !rd_kafka_header_get_all(headers, i, &name, &value, &n); i++) {
        fprintf(out, "%s%s=", i ? "," : "", name);
        if (value)
            bytes_print(value, (int64_t)n, out);
        else
            fputs("NULL", out);
    }
}

static void
field_print(char what, const struct client_record *r, FILE *out)
{
    switch (what) {
    case 't':
        fputs(r->topic, out);
        return;
    case 'p':
        fprintf(out, "%d", r->partition);
        return;
    case 'o':
        fprintf(out, "%lld", (long long)r->offset);
        return;
    case 'k':
        bytes_print(r->key, r->key_bytes, out);
        return;
    case 's':
        bytes_print(r->value, r->value_bytes, out);
        return;
    case 'h':
        headers_print(r->headers, out);
        return;
    case 'T':
        fprintf(out, "%lld", (long long)r->time_ms);
        return;
    case 'K':
        fprintf(out, "%lld", (long long)r->key_bytes);
        return;
    case 'S':
        fprintf(out, "%lld", (long long)r->value_bytes);
        return;
    default:
        fputc(what, out);
    }
}

void
client_record_print(const char *template_, const struct client_record *r, FILE *out)
{
    for (const char *p = template_; *p; p++) {
        char one[3] = {*p, 0, 0}, plain[3];
        if (*p == '%' && p[1]) {
            field_print(*++p, r, out);
            continue;
        }
        if (*p == '\\' && p[1])
            one[1] = *++p;
        fwrite(plain, 1, client_record_unescape(one, plain), out);
    }
}

static json_t *
base64(const uint8_t *at, size_t n)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *text = malloc((n + 2) / 3 * 4 + 1), *p = text;
    must(text != NULL);
    for (size_t i = 0; i < n; i += 3) {
        uint32_t v = (uint32_t)at[i] << 16;
        v |= i + 1 < n ? (uint32_t)at[i + 1] << 8 : 0;
        v |= i + 2 < n ? at[i + 2] : 0;
        *p++ = digits[v >> 18];
        *p++ = digits[v >> 12 & 63];
        *p++ = i + 1 < n ? digits[v >> 6 & 63] : '=';
        *p++ = i + 2 < n ? digits[v & 63] : '=';
    }
    json_t *out = json_stringn(text, (size_t)(p - text));
    free(text);
    return out;
}

static void
member_set(json_t *o, const char *name, const void *at, int64_t n)
{
    char other[64];
    json_t *text = n < 0 ? json_null() : json_stringn(n ? at : "", (size_t)n);
    if (text) {
        json_object_set_new(o, name, text);
        return;
    }
    snprintf(other, sizeof other, "%s_base64", name);
    json_object_set_new(o, other, base64(at, (size_t)n));
}

json_t *
client_record_json(const struct client_record *r)
{
    const char *name;
    const void *value;
    size_t n;
    json_t *headers = json_array();
    json_t *o = json_pack("{s:s, s:i, s:I, s:I}", "topic", r->topic, "partition", r->partition,
                          "offset", (json_int_t)r->offset, "time_ms", (json_int_t)r->time_ms);
    must(o != NULL);
    for (size_t i = 0; r->headers && !rd_kafka_header_get_all(r->headers, i, &name, &value, &n);
         i++) {
        json_t *h = json_object();
        member_set(h, "key", name, (int64_t)strlen(name));
        member_set(h, "value", value, value ? (int64_t)n : -1);
        json_array_append_new(headers, h);
    }
    member_set(o, "key", r->key, r->key_bytes);
    member_set(o, "value", r->value, r->value_bytes);
    json_object_set_new(o, "headers", headers);
    return o;
}
