/* telemetry_match.c: see telemetry_match.h.  Kafka 4.3 ClientMetricsConfigs matches with Java's
 * regular expressions; ours are RE2's, whose time is linear in the attribute: the same syntax but
 * for lookaround and references back, which do not compile. */
#include "control/telemetry/telemetry_match.h"

#include <stdlib.h>

struct telemetry_subscribed {
    uint8_t *text; /* of its metrics */
    uint32_t bytes;
    int32_t interval_ms;
    void *patterns[TELEMETRY_ATTRIBUTES]; /* NULL: any */
    bool nobody;                          /* a pattern did not compile */
};

static const char *const keys[TELEMETRY_ATTRIBUTES] = {
    [TELEMETRY_CLIENT_INSTANCE_ID] = "client_instance_id",
    [TELEMETRY_CLIENT_ID] = "client_id",
    [TELEMETRY_SOFTWARE_NAME] = "client_software_name",
    [TELEMETRY_SOFTWARE_VERSION] = "client_software_version",
    [TELEMETRY_SOURCE_ADDRESS] = "client_source_address",
    [TELEMETRY_SOURCE_PORT] = "client_source_port",
};

/* ---- Lists ---- */

static struct view
trimmed(struct view v)
{
    while (v.len && v.at[0] == ' ')
        v = view_of(v.at + 1, v.len - 1);
    while (v.len && v.at[v.len - 1] == ' ')
        v.len--;
    return v;
}

/* Takes the first item off a comma-separated list; false at its end. */
static bool
item_next(struct view *list, struct view *item)
{
    if (!list->at || list->len == 0)
        return false;
    const uint8_t *comma = memchr(list->at, ',', list->len);
    uint32_t n = comma ? (uint32_t)(comma - list->at) : list->len;
    *item = trimmed(view_of(list->at, n));
    *list = comma ? view_of(comma + 1, list->len - n - 1) : view_of(list->at + n, 0);
    return true;
}

/* ---- Patterns ---- */

/* The attribute that a pair is about, TELEMETRY_ATTRIBUTES when it is malformed. */
static enum telemetry_attribute
pair_read(struct view pair, struct view *pattern)
{
    const uint8_t *sign = pair.len ? memchr(pair.at, '=', pair.len) : NULL;
    if (!sign)
        return TELEMETRY_ATTRIBUTES;
    uint32_t n = (uint32_t)(sign - pair.at);
    struct view key = trimmed(view_of(pair.at, n));
    struct view rest = view_of(sign + 1, pair.len - n - 1);
    *pattern = trimmed(rest);
    /* As Java splits: nothing behind the sign is no pattern, nor is what has another sign. */
    bool one = rest.len > 0 && !memchr(rest.at, '=', rest.len);
    uint32_t a = 0;
    while (a < TELEMETRY_ATTRIBUTES && !view_equal(key, view_of_text(keys[a])))
        a++;
    return one && pattern->len <= TELEMETRY_PATTERN_BYTES_MAX ? (enum telemetry_attribute)a
                                                              : TELEMETRY_ATTRIBUTES;
}

static void *
pattern_compile(const struct regex_port *regex, struct view pattern)
{
    char why[REGEX_ERROR_BYTES];
    return regex ? regex->compile(pattern.at, pattern.len, why) : NULL;
}

bool
telemetry_match_valid(const struct regex_port *regex, struct view match, struct view *at)
{
    while (item_next(&match, at)) {
        struct view pattern;
        if (pair_read(*at, &pattern) == TELEMETRY_ATTRIBUTES)
            return false;
        void *compiled = pattern_compile(regex, pattern);
        if (!compiled)
            return false;
        regex->free(compiled);
    }
    return true;
}

/* ---- Subscriptions ---- */

void
telemetry_match_add(struct telemetry_list *l, const struct telemetry_subscription *s)
{
    struct view rest = s->match, pair, pattern;
    if (l->count == l->room) {
        l->room = l->room ? l->room * 2 : 8;
        l->items = realloc(l->items, l->room * sizeof *l->items);
        must(l->items != NULL);
    }
    struct telemetry_subscribed *own = &l->items[l->count++];
    *own = (struct telemetry_subscribed){.interval_ms = s->interval_ms, .bytes = s->metrics.len};
    own->text = malloc(s->metrics.len + 1);
    must(own->text != NULL);
    if (s->metrics.len)
        memcpy(own->text, s->metrics.at, s->metrics.len);
    while (item_next(&rest, &pair)) {
        enum telemetry_attribute a = pair_read(pair, &pattern);
        void *compiled = a < TELEMETRY_ATTRIBUTES ? pattern_compile(l->regex, pattern) : NULL;
        if (!compiled) {
            own->nobody = true;
            continue;
        }
        if (own->patterns[a]) /* of a key that comes twice the last pattern counts, as in Kafka */
            l->regex->free(own->patterns[a]);
        own->patterns[a] = compiled;
    }
}

void
telemetry_match_clear(struct telemetry_list *l)
{
    for (uint32_t i = 0; i < l->count; i++) {
        for (uint32_t a = 0; a < TELEMETRY_ATTRIBUTES; a++)
            if (l->items[i].patterns[a])
                l->regex->free(l->items[i].patterns[a]);
        free(l->items[i].text);
    }
    free(l->items);
    free(l->metrics);
    *l = (struct telemetry_list){.regex = l->regex};
}

static bool
matches(const struct telemetry_list *l, const struct telemetry_subscribed *s,
        const struct view *attributes)
{
    for (uint32_t a = 0; a < TELEMETRY_ATTRIBUTES; a++) {
        if (!s->patterns[a])
            continue;
        if (!attributes[a].at || attributes[a].len > TELEMETRY_SUBJECT_BYTES_MAX ||
            !l->regex->matches(s->patterns[a], attributes[a].at, attributes[a].len))
            return false;
    }
    return !s->nobody;
}

static int
text_order(const void *a, const void *b)
{
    const struct view *x = a, *y = b;
    uint32_t n = x->len < y->len ? x->len : y->len;
    int order = n ? memcmp(x->at, y->at, n) : 0;
    return order ? order : (x->len > y->len) - (x->len < y->len);
}

static void
metric_add(struct telemetry_list *l, struct view metric)
{
    if (l->metric_count == l->metric_room) {
        l->metric_room = l->metric_room ? l->metric_room * 2 : 16;
        l->metrics = realloc(l->metrics, l->metric_room * sizeof *l->metrics);
        must(l->metrics != NULL);
    }
    l->metrics[l->metric_count++] = metric;
}

int32_t
telemetry_match_all(struct telemetry_list *l, const struct view attributes[TELEMETRY_ATTRIBUTES])
{
    int32_t interval_ms = TELEMETRY_INTERVAL_MS;
    bool all = false;
    l->metric_count = 0;
    for (uint32_t i = 0; i < l->count; i++) {
        const struct telemetry_subscribed *s = &l->items[i];
        struct view rest = view_of(s->text, s->bytes), metric;
        if (!matches(l, s, attributes))
            continue;
        interval_ms = s->interval_ms < interval_ms ? s->interval_ms : interval_ms;
        while (item_next(&rest, &metric)) {
            all = all || view_equal(metric, view_of_text("*"));
            metric_add(l, metric);
        }
    }
    if (all) {
        l->metrics[0] = view_of_text("*");
        l->metric_count = 1;
    }
    if (l->metric_count)
        qsort(l->metrics, l->metric_count, sizeof *l->metrics, text_order);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < l->metric_count; i++)
        if (i == 0 || !view_equal(l->metrics[i], l->metrics[kept - 1]))
            l->metrics[kept++] = l->metrics[i];
    l->metric_count = kept;
    return interval_ms;
}
