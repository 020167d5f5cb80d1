/* telemetry_fixture.h: a writer of Protocol Buffers, and regular expressions of the C library. */
#include "control/telemetry/telemetry.h"
#include "core/base/err.h"

#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static inline void *
fx_compile(const void *pattern, uint32_t len, char why[REGEX_ERROR_BYTES])
{
    char text[512];
    regex_t *r = malloc(sizeof *r);
    (void)snprintf(text, sizeof text, "^(%.*s)$", (int)len, (const char *)pattern);
    why[0] = '\0';
    if (regcomp(r, text, REG_EXTENDED | REG_NOSUB) == 0)
        return r;
    free(r);
    return NULL;
}

static inline bool
fx_matches(void *regex, const void *text, uint32_t len)
{
    char subject[2048];
    (void)snprintf(subject, sizeof subject, "%.*s", (int)len, (const char *)text);
    return regexec(regex, subject, 0, NULL, 0) == 0;
}

static inline void
fx_free(void *regex)
{
    regfree(regex);
    free(regex);
}

static const struct regex_port fx_regex = {fx_compile, fx_matches, fx_free};

/* ---- Protocol Buffers ---- */

static inline void
pb_varint(struct put *w, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        put_u8(w, (uint8_t)(v | 0x80));
    put_u8(w, (uint8_t)v);
}

static inline void
pb_number(struct put *w, uint32_t number, uint64_t v)
{
    pb_varint(w, number << 3);
    pb_varint(w, v);
}

static inline void
pb_double(struct put *w, uint32_t number, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    pb_varint(w, number << 3 | 1);
    for (uint32_t i = 0; i < 64; i += 8)
        put_u8(w, (uint8_t)(bits >> i));
}

static inline void
pb_bytes(struct put *w, uint32_t number, struct view v)
{
    pb_varint(w, number << 3 | 2);
    pb_varint(w, v.len);
    put_bytes(w, v.at, v.len);
}

static inline void
pb_text(struct put *w, uint32_t number, const char *text)
{
    pb_bytes(w, number, view_of_text(text));
}

static inline struct view
pb_view(const struct put *w)
{
    assert_false(w->bad);
    return view_of(w->start, put_len(w));
}

/* KeyValue with a string, as field `number`. */
static inline void
pb_label(struct put *w, uint32_t number, const char *key, const char *value)
{
    uint8_t a[256], b[512];
    struct put any = put_of(a, sizeof a), kv = put_of(b, sizeof b);
    pb_text(&any, 1, value);
    pb_text(&kv, 1, key);
    pb_bytes(&kv, 2, pb_view(&any));
    pb_bytes(w, number, pb_view(&kv));
}

struct pb_metric {
    const char *name, *key, *value; /* one attribute, none at NULL */
    bool sum, delta, monotonic;
    double number;
};

static inline void
pb_metric(struct put *w, const struct pb_metric *m)
{
    uint8_t a[512], b[1024], c[2048];
    struct put point = put_of(a, sizeof a), data = put_of(b, sizeof b),
               metric = put_of(c, sizeof c);
    if (m->key)
        pb_label(&point, 7, m->key, m->value);
    pb_double(&point, 4, m->number);
    pb_bytes(&data, 1, pb_view(&point));
    if (m->sum) {
        pb_number(&data, 2, m->delta ? 1 : 2);
        pb_number(&data, 3, m->monotonic);
    }
    pb_bytes(&metric, m->sum ? 7 : 5, pb_view(&data));
    pb_text(&metric, 1, m->name);
    pb_bytes(w, 2, pb_view(&metric));
}

/* MetricsData with one resource that has the attribute client_rack=r1. */
static inline void
pb_data(struct put *w, const struct pb_metric *metrics, uint32_t count)
{
    static uint8_t a[64 << 10], b[70 << 10];
    uint8_t r[128];
    struct put scope = put_of(a, sizeof a), rm = put_of(b, sizeof b);
    struct put resource = put_of(r, sizeof r);
    for (uint32_t i = 0; i < count; i++)
        pb_metric(&scope, &metrics[i]);
    pb_label(&resource, 1, "client_rack", "r1");
    pb_bytes(&rm, 2, pb_view(&scope));
    pb_bytes(&rm, 1, pb_view(&resource));
    pb_bytes(w, 1, pb_view(&rm));
}
