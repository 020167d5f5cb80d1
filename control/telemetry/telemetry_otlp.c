/* telemetry_otlp.c: see telemetry_otlp.h.  Protocol Buffers, of which these messages use (number:
 * field; source: opentelemetry-proto, metrics/v1/metrics.proto and common/v1/common.proto):
 *
 *   MetricsData      1 ResourceMetrics*
 *   ResourceMetrics  1 Resource, 2 ScopeMetrics*          Resource  1 KeyValue*
 *   ScopeMetrics     2 Metric*
 *   Metric           1 name, 5 Gauge, 7 Sum, 9 Histogram, 10 ExponentialHistogram, 11 Summary
 *   Gauge            1 NumberDataPoint*
 *   Sum              1 NumberDataPoint*, 2 temporality (1 delta, 2 cumulative), 3 monotonic
 *   NumberDataPoint  4 double, 6 sfixed64, 7 KeyValue*
 *   KeyValue         1 key, 2 AnyValue
 *   AnyValue         1 string, 2 bool, 3 int64, 4 double, 5 array, 6 map, 7 bytes
 *
 * Fields may come in any order, so a message is read twice where one field tells how to read
 * another.  Of a field that may be there once the last one counts. */
#include "control/telemetry/telemetry_otlp.h"
#include "core/base/err.h"

#include <stdio.h>

enum { WIRE_VARINT, WIRE_FIXED64, WIRE_BYTES, WIRE_FIXED32 = 5 };
enum { NUMBER_TEXT_BYTES = 32, DELTA = 1 };

struct field {
    uint32_t number;
    uint32_t wire;
    uint64_t value; /* of a varint or fixed64 */
    struct view bytes;
};

/* ---- Protocol Buffers ---- */

static uint64_t
varint_read(struct cur *c)
{
    uint64_t v = 0;
    for (uint32_t shift = 0; shift < 64; shift += 7) {
        uint8_t b = cur_u8(c);
        v |= (uint64_t)(b & 0x7f) << shift;
        if (b < 0x80)
            return v;
    }
    c->bad = true;
    return 0;
}

static uint64_t
fixed64_read(struct cur *c)
{
    const uint8_t *p = cur_take(c, 8);
    return p ? __builtin_bswap64(get_u64(p)) : 0;
}

/* False at the end, and when the message is malformed: c->bad. */
static bool
field_next(struct cur *c, struct field *f)
{
    if (c->bad || c->at == c->end)
        return false;
    uint64_t tag = varint_read(c);
    *f = (struct field){.number = (uint32_t)(tag >> 3), .wire = tag & 7};
    c->bad = c->bad || tag > UINT32_MAX || f->number == 0;
    if (f->wire == WIRE_VARINT) {
        f->value = varint_read(c);
    } else if (f->wire == WIRE_FIXED64) {
        f->value = fixed64_read(c);
    } else if (f->wire == WIRE_BYTES) {
        uint64_t n = varint_read(c);
        c->bad = c->bad || n > cur_left(c);
        f->bytes = cur_view(c, c->bad ? 0 : (uint32_t)n);
    } else if (f->wire == WIRE_FIXED32) {
        (void)cur_take(c, 4);
    } else {
        c->bad = true; /* groups: nobody has sent them since 2008 */
    }
    return !c->bad;
}

static bool
is_message(const struct field *f, uint32_t number)
{
    return f->number == number && f->wire == WIRE_BYTES;
}

/* The last field of that number and type in a message; false when there is none. */
static bool
field_find(struct view message, uint32_t number, uint32_t wire, struct field *out)
{
    struct cur c = cur_of(message);
    struct field f;
    bool found = false;
    while (field_next(&c, &f)) {
        if (f.number != number || f.wire != wire)
            continue;
        *out = f;
        found = true;
    }
    return found;
}

static double
double_of(uint64_t bits)
{
    double d;
    memcpy(&d, &bits, sizeof d);
    return d;
}

/* ---- UTF-8 ---- */

/* Bytes of the character at p, 0 when there is none. */
static uint32_t
character_bytes(const uint8_t *p, uint64_t left)
{
    static const struct {
        uint8_t mask, lead;
        uint32_t bytes, least;
    } forms[] = {{0x80, 0x00, 1, 1},
                 {0xe0, 0xc0, 2, 0x80},
                 {0xf0, 0xe0, 3, 0x800},
                 {0xf8, 0xf0, 4, 0x10000}};
    for (uint32_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if ((p[0] & forms[i].mask) != forms[i].lead)
            continue;
        if (left < forms[i].bytes)
            return 0;
        uint32_t code = p[0] & (uint8_t)~forms[i].mask;
        for (uint32_t k = 1; k < forms[i].bytes; k++) {
            if ((p[k] & 0xc0) != 0x80)
                return 0;
            code = code << 6 | (p[k] & 0x3f);
        }
        bool surrogate = code >= 0xd800 && code <= 0xdfff;
        return code < forms[i].least || code > 0x10ffff || surrogate ? 0 : forms[i].bytes;
    }
    return 0;
}

bool
telemetry_otlp_text(struct view v)
{
    for (uint32_t i = 0; i < v.len;) {
        uint32_t n = character_bytes(v.at + i, v.len - i);
        if (n == 0)
            return false;
        i += n;
    }
    return true;
}

/* ---- Attributes ---- */

struct label {
    struct view key, value;
    char text[NUMBER_TEXT_BYTES]; /* of a value that is no string */
};

/* False: a kind of value that is left out. */
static bool
value_text(struct view any, struct label *out)
{
    struct cur c = cur_of(any);
    struct field f;
    bool known = false;
    while (field_next(&c, &f)) {
        int n = 0;
        out->text[0] = '\0';
        known = true;
        if (f.number == 1 && f.wire == WIRE_BYTES)
            out->value = f.bytes;
        else if (f.number == 2 && f.wire == WIRE_VARINT)
            out->value = view_of_text(f.value ? "true" : "false");
        else if (f.number == 3 && f.wire == WIRE_VARINT)
            n = snprintf(out->text, sizeof out->text, "%lld", (long long)f.value);
        else if (f.number == 4 && f.wire == WIRE_FIXED64)
            n = snprintf(out->text, sizeof out->text, "%.17g", double_of(f.value));
        else
            known = false;
        if (n > 0)
            out->value = view_of(out->text, (uint32_t)n);
    }
    return known;
}

/* Sorted by key; of a key that comes twice the last value counts. */
static void
label_put_in(struct label *labels, uint32_t *count, const struct label *l)
{
    uint32_t at = *count;
    while (at > 0) {
        const struct view *k = &labels[at - 1].key;
        uint32_t n = k->len < l->key.len ? k->len : l->key.len;
        int order = n ? memcmp(k->at, l->key.at, n) : 0;
        if (order == 0 && k->len == l->key.len) {
            labels[at - 1] = *l;
            return;
        }
        if (order < 0 || (order == 0 && k->len < l->key.len))
            break;
        at--;
    }
    if (*count == TELEMETRY_LABELS_MAX)
        return;
    memmove(&labels[at + 1], &labels[at], (*count - at) * sizeof *labels);
    labels[at] = *l;
    (*count)++;
}

static int
attribute_read(struct view message, struct label *out, bool *kept)
{
    struct field key, value;
    *out = (struct label){0};
    *kept = field_find(message, 1, WIRE_BYTES, &key) && key.bytes.len > 0 &&
            field_find(message, 2, WIRE_BYTES, &value) && value_text(value.bytes, out);
    if (!*kept)
        return ERR_OK;
    out->key = key.bytes;
    return telemetry_otlp_text(out->key) && telemetry_otlp_text(out->value) ? ERR_OK : ERR_CORRUPT;
}

int
telemetry_otlp_labels(struct view message, uint32_t field, struct put *out)
{
    struct label labels[TELEMETRY_LABELS_MAX], l;
    uint32_t count = 0;
    struct cur c = cur_of(message);
    struct field f;
    while (field_next(&c, &f)) {
        bool kept;
        if (!is_message(&f, field))
            continue;
        if (attribute_read(f.bytes, &l, &kept) != ERR_OK)
            return ERR_CORRUPT;
        if (kept)
            label_put_in(labels, &count, &l);
    }
    for (uint32_t i = 0; i < count; i++) {
        bool number = labels[i].value.len > 0 && labels[i].text[0];
        const void *at = number ? (const void *)labels[i].text : labels[i].value.at;
        put_bytes(out, labels[i].key.at, labels[i].key.len);
        put_u8(out, 0);
        put_bytes(out, at, labels[i].value.len);
        put_u8(out, 0);
    }
    return c.bad ? ERR_CORRUPT : out->bad ? ERR_FULL : ERR_OK;
}

/* ---- The walk ---- */

static bool
point_read(struct view message, struct telemetry_point *p)
{
    struct cur c = cur_of(message);
    struct field f;
    p->point = message;
    p->value = 0;
    while (field_next(&c, &f)) {
        if (f.number == 4 && f.wire == WIRE_FIXED64)
            p->value = double_of(f.value);
        else if (f.number == 6 && f.wire == WIRE_FIXED64)
            p->value = (double)(int64_t)f.value;
    }
    return !c.bad;
}

/* False: malformed, or `each` said so. */
static bool
points_walk(struct view data, struct telemetry_point *p, struct telemetry_walk *w, bool *bad)
{
    struct cur c = cur_of(data);
    struct field f;
    while (field_next(&c, &f)) {
        if (!is_message(&f, 1))
            continue;
        *bad = !point_read(f.bytes, p);
        if (*bad || !w->each(w->user, p))
            return false;
    }
    *bad = c.bad;
    return !c.bad;
}

static bool
metric_walk(struct view metric, struct telemetry_point *p, struct telemetry_walk *w, bool *bad)
{
    struct cur c = cur_of(metric);
    struct field f, name, how;
    p->name = field_find(metric, 1, WIRE_BYTES, &name) ? name.bytes : view_of("", 0);
    *bad = !telemetry_otlp_text(p->name);
    while (!*bad && field_next(&c, &f)) {
        if (is_message(&f, 9) || is_message(&f, 10) || is_message(&f, 11))
            w->unkept++;
        if (!is_message(&f, 5) && !is_message(&f, 7))
            continue;
        p->sum = f.number == 7;
        p->delta = p->sum && field_find(f.bytes, 2, WIRE_VARINT, &how) && how.value == DELTA;
        p->monotonic = p->sum && field_find(f.bytes, 3, WIRE_VARINT, &how) && how.value;
        if (!points_walk(f.bytes, p, w, bad))
            return false;
    }
    *bad = *bad || c.bad;
    return !*bad;
}

static bool
scope_walk(struct view scope, struct telemetry_point *p, struct telemetry_walk *w, bool *bad)
{
    struct cur c = cur_of(scope);
    struct field f;
    while (field_next(&c, &f))
        if (is_message(&f, 2) && !metric_walk(f.bytes, p, w, bad))
            return false;
    *bad = c.bad;
    return !c.bad;
}

static bool
resource_walk(struct view message, struct telemetry_walk *w, bool *bad)
{
    struct cur c = cur_of(message);
    struct field f, resource;
    struct telemetry_point p = {0};
    if (field_find(message, 1, WIRE_BYTES, &resource))
        p.resource = resource.bytes;
    while (field_next(&c, &f))
        if (is_message(&f, 2) && !scope_walk(f.bytes, &p, w, bad))
            return false;
    *bad = c.bad;
    return !c.bad;
}

int
telemetry_otlp_walk(struct view data, struct telemetry_walk *w)
{
    struct cur c = cur_of(data);
    struct field f;
    bool bad = false;
    while (field_next(&c, &f))
        if (is_message(&f, 1) && !resource_walk(f.bytes, w, &bad))
            return bad ? ERR_CORRUPT : ERR_OK;
    return c.bad ? ERR_CORRUPT : ERR_OK;
}
