/* metrics_text.c: bytes of the text formats.
 *
 * A label value may hold any UTF-8; '\\', '"' and line feed are escaped.  Names of groups may hold
 * any bytes at all: one that is no UTF-8 is written as U+FFFD and its two hexadecimal digits, and
 * so are the bytes of a real U+FFFD.  Two different values so never become one series. */
#include "control/metrics/metrics_in.h"

#include "core/base/must.h"

#include <stdio.h>
#include <stdlib.h>

enum { ROOM_FIRST = 64 << 10 };

void
metrics_open(struct metrics_out *o, enum metrics_format format, size_t max)
{
    *o = (struct metrics_out){.format = format, .max = max};
}

void
metrics_close(struct metrics_out *o)
{
    free(o->at);
    *o = (struct metrics_out){0};
}

/* Room for so many bytes, or NULL and full. */
static char *
reserve(struct metrics_out *o, size_t bytes)
{
    if (o->full || bytes > o->max - o->len) {
        o->full = true;
        return NULL;
    }
    if (bytes > o->room - o->len) {
        size_t room = o->room ? o->room : ROOM_FIRST;
        while (room - o->len < bytes)
            room *= 2;
        o->at = realloc(o->at, room);
        must(o->at != NULL);
        o->room = room;
    }
    char *at = o->at + o->len;
    o->len += bytes;
    return at;
}

static void
add(struct metrics_out *o, const void *bytes, size_t n)
{
    char *at = n ? reserve(o, n) : NULL;
    if (at)
        memcpy(at, bytes, n);
}

void
metrics_text(struct metrics_out *o, const char *text)
{
    add(o, text, strlen(text));
}

void
metrics_text_view(struct metrics_out *o, struct view v)
{
    add(o, v.at, v.len);
}

void
metrics_text_u64(struct metrics_out *o, uint64_t v)
{
    char digits[20];
    size_t n = sizeof digits;
    do {
        digits[--n] = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    add(o, digits + n, sizeof digits - n);
}

void
metrics_text_i64(struct metrics_out *o, int64_t v)
{
    if (v < 0)
        metrics_text(o, "-");
    metrics_text_u64(o, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

void
metrics_text_double(struct metrics_out *o, double v)
{
    char text[32];
    (void)snprintf(text, sizeof text, "%.17g", v);
    metrics_text(o, text);
}

void
metrics_text_nano(struct metrics_out *o, uint64_t v)
{
    enum { PLACES = 9 };
    const uint64_t one = UINT64_C(1000000000);
    metrics_text_u64(o, v / one);
    v %= one;
    if (v == 0)
        return;
    char places[PLACES + 1] = ".";
    uint32_t n = PLACES;
    for (uint32_t i = PLACES; i > 0; i--, v /= 10)
        places[i] = (char)('0' + v % 10);
    while (places[n] == '0')
        n--;
    add(o, places, n + 1);
}

static bool
follows(const uint8_t *p, const uint8_t *end, uint32_t n)
{
    if ((size_t)(end - p) < n + 1)
        return false;
    for (uint32_t i = 1; i <= n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return false;
    return true;
}

/* Bytes of the character at p; 0: no UTF-8 (RFC 3629), or U+FFFD. */
static uint32_t
character(const uint8_t *p, const uint8_t *end)
{
    if (p[0] < 0x80)
        return 1;
    if (p[0] >= 0xc2 && p[0] < 0xe0)
        return follows(p, end, 1) ? 2 : 0;
    if (p[0] >= 0xe0 && p[0] < 0xf0) {
        bool ok = follows(p, end, 2) && (p[0] != 0xe0 || p[1] >= 0xa0) &&
                  (p[0] != 0xed || p[1] < 0xa0) && !(p[0] == 0xef && p[1] == 0xbf && p[2] == 0xbd);
        return ok ? 3 : 0;
    }
    if (p[0] >= 0xf0 && p[0] < 0xf5) {
        bool ok =
            follows(p, end, 3) && (p[0] != 0xf0 || p[1] >= 0x90) && (p[0] != 0xf4 || p[1] < 0x90);
        return ok ? 4 : 0;
    }
    return 0;
}

static void
replaced(struct metrics_out *o, uint8_t byte)
{
    static const char hex[] = "0123456789abcdef";
    char text[5] = {(char)0xef, (char)0xbf, (char)0xbd, hex[byte >> 4], hex[byte & 15]};
    add(o, text, sizeof text);
}

static bool
plain_byte(uint8_t b)
{
    return b >= ' ' && b < 0x80 && b != '\\' && b != '"';
}

static void
characters(struct metrics_out *o, struct view v, bool escape)
{
    const uint8_t *p = v.at, *end = v.at + v.len, *plain = p;
    while (p < end) {
        if (plain_byte(*p)) { /* names of topics have nothing else */
            p++;
            continue;
        }
        uint32_t n = character(p, end);
        if (n && !(escape && (*p == '\\' || *p == '"' || *p == '\n'))) {
            p += n;
            continue;
        }
        add(o, plain, (size_t)(p - plain));
        if (!n)
            replaced(o, *p);
        else
            metrics_text(o, *p == '\n' ? "\\n" : *p == '"' ? "\\\"" : "\\\\");
        plain = ++p;
    }
    add(o, plain, (size_t)(p - plain));
}

void
metrics_text_escaped(struct metrics_out *o, struct view v)
{
    characters(o, v, true);
}

void
metrics_text_utf8(struct metrics_out *o, struct view v)
{
    characters(o, v, false);
}

void
metrics_sample_named(struct metrics_sample *p, struct metrics_out *o, const struct metrics_row *row,
                     const char *suffix)
{
    *p = (struct metrics_sample){.o = o};
    metrics_text(o, row->name);
    metrics_text(o, suffix);
}

void
metrics_sample(struct metrics_sample *p, struct metrics_out *o, const struct metrics_row *row)
{
    metrics_sample_named(p, o, row, metrics_suffix(row));
}

static void
label_begin(struct metrics_sample *p, const char *name)
{
    metrics_text(p->o, p->labelled ? "," : "{");
    metrics_text(p->o, name);
    metrics_text(p->o, "=\"");
    p->labelled = true;
}

void
metrics_sample_label(struct metrics_sample *p, const char *name, struct view value)
{
    label_begin(p, name);
    metrics_text_escaped(p->o, value);
    metrics_text(p->o, "\"");
}

void
metrics_sample_number(struct metrics_sample *p, const char *name, int64_t value)
{
    label_begin(p, name);
    metrics_text_i64(p->o, value);
    metrics_text(p->o, "\"");
}

static void
value_begin(struct metrics_sample *p)
{
    metrics_text(p->o, p->labelled ? "} " : " ");
}

void
metrics_sample_end(struct metrics_sample *p, uint64_t value)
{
    value_begin(p);
    metrics_text_u64(p->o, value);
    metrics_text(p->o, "\n");
}

void
metrics_sample_end_signed(struct metrics_sample *p, int64_t value)
{
    value_begin(p);
    metrics_text_i64(p->o, value);
    metrics_text(p->o, "\n");
}

void
metrics_sample_end_nano(struct metrics_sample *p, uint64_t value)
{
    value_begin(p);
    metrics_text_nano(p->o, value);
    metrics_text(p->o, "\n");
}

void
metrics_sample_end_double(struct metrics_sample *p, double value)
{
    value_begin(p);
    metrics_text_double(p->o, value);
    metrics_text(p->o, "\n");
}
