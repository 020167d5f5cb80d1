/* meta_config.c: the configuration of topics: checks of values, values in force, changes.  The keys
 * are topic_config.def.  Checks and texts as Kafka 4.3 ConfigDef, LogConfig and
 * ConfigurationControlManager. */
#include "control/meta/meta_inside.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { OPERATION_SET, OPERATION_DELETE, OPERATION_APPEND, OPERATION_SUBTRACT, SHOWN_MAX = 200 };

static const struct meta_config_row config_rows[META_CONFIGS] = {
#define CONFIG(id, name, type, fallback, min, max, choices, synonyms, why_fixed, help)             \
    {name, META_TYPE_##type, fallback, min, max, choices, synonyms, why_fixed, help},
#include "control/meta/topic_config.def"
#undef CONFIG
};

const struct meta_config_row *
meta_config_row(enum meta_config c)
{
    must(c < META_CONFIGS);
    return &config_rows[c];
}

enum meta_config
meta_config_find(struct view name)
{
    uint32_t c = 0;
    while (c < META_CONFIGS && !view_equal(name, view_of_text(config_rows[c].name)))
        c++;
    return (enum meta_config)c;
}

static bool
is_space(uint8_t c)
{
    return c <= ' '; /* as Java's String.trim */
}

static struct view
trimmed(struct view v)
{
    while (v.len > 0 && is_space(v.at[0]))
        v = view_of(v.at + 1, v.len - 1);
    while (v.len > 0 && is_space(v.at[v.len - 1]))
        v.len--;
    return v;
}

static int16_t
refuse(const struct meta_config_row *row, struct view value, struct meta_error *e, const char *why)
{
    int shown = (int)(value.len < SHOWN_MAX ? value.len : SHOWN_MAX);
    return meta_error_set(e, KERR_INVALID_CONFIG, "Invalid value %.*s for configuration %s: %s",
                          shown, shown ? (const char *)value.at : "", row->name, why);
}

/* True when `word` is one of the choices "a|b|c". */
static bool
choice_of(const char *choices, struct view word)
{
    while (*choices) {
        size_t n = strcspn(choices, "|");
        if (view_equal(word, view_of(choices, (uint32_t)n)))
            return true;
        choices += n + (choices[n] == '|');
    }
    return false;
}

static int16_t
choice_check(const struct meta_config_row *row, struct view word, struct meta_error *e)
{
    if (row->choices[0] == '\0' || choice_of(row->choices, word))
        return KERR_NONE;
    char why[256] = "String must be one of: ";
    size_t n = strlen(why);
    for (const char *c = row->choices; *c && n + 3 < sizeof why; c++) {
        why[n++] = *c == '|' ? ',' : *c;
        if (*c == '|')
            why[n++] = ' ';
    }
    why[n] = '\0';
    return refuse(row, word, e, why);
}

static int16_t
number_check(const struct meta_config_row *row, struct view value, char *normal,
             struct meta_error *e)
{
    char text[24], why[64];
    const char *type = row->type == META_TYPE_INT ? "INT" : "LONG";
    (void)snprintf(why, sizeof why, "Not a number of type %s", type);
    if (value.len == 0 || value.len >= sizeof text || is_space(value.at[0]))
        return refuse(row, value, e, why);
    memcpy(text, value.at, value.len);
    text[value.len] = '\0';
    char *end;
    errno = 0;
    long long v = strtoll(text, &end, 10);
    bool fits = errno == 0 && (row->type == META_TYPE_LONG || (v >= INT32_MIN && v <= INT32_MAX));
    if (end != text + value.len || !fits)
        return refuse(row, value, e, why);
    (void)snprintf(normal, META_VALUE_BYTES_MAX, "%lld", v);
    if (row == &config_rows[META_CONFIG_GZIP_LEVEL] && (v == 0 || v < row->min || v > row->max))
        return refuse(row, view_of_text(normal), e, "Value must be between 1 and 9 or equal to -1");
    if (v < row->min) {
        (void)snprintf(why, sizeof why, "Value must be at least %lld", (long long)row->min);
        return refuse(row, view_of_text(normal), e, why);
    }
    if (v > row->max) {
        (void)snprintf(why, sizeof why, "Value must be no more than %lld", (long long)row->max);
        return refuse(row, view_of_text(normal), e, why);
    }
    return KERR_NONE;
}

static int16_t
double_check(const struct meta_config_row *row, struct view value, char *normal,
             struct meta_error *e)
{
    char text[32];
    if (value.len == 0 || value.len >= sizeof text)
        return refuse(row, value, e, "Not a number of type DOUBLE");
    memcpy(text, value.at, value.len);
    text[value.len] = '\0';
    char *end;
    double v = strtod(text, &end);
    if (end != text + value.len || v != v)
        return refuse(row, value, e, "Not a number of type DOUBLE");
    if (v < (double)row->min || v > (double)row->max)
        return refuse(row, value, e,
                      v < (double)row->min ? "Value must be at least 0"
                                           : "Value must be no more than 1");
    memcpy(normal, text, value.len + 1);
    return KERR_NONE;
}

static int16_t
boolean_check(const struct meta_config_row *row, struct view value, char *normal,
              struct meta_error *e)
{
    char text[8] = "";
    for (uint32_t i = 0; i < value.len && value.len < sizeof text; i++)
        text[i] = (char)(value.at[i] | 0x20);
    if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
        return refuse(row, value, e, "Expected value to be either true or false");
    memcpy(normal, text, sizeof text);
    return KERR_NONE;
}

/* The next word of a comma-separated list, trimmed; false at its end. */
static bool
list_next(struct view *rest, struct view *word)
{
    if (!rest->at)
        return false;
    uint32_t n = 0;
    while (n < rest->len && rest->at[n] != ',')
        n++;
    *word = trimmed(view_of(rest->at, n));
    *rest = n < rest->len ? view_of(rest->at + n + 1, rest->len - n - 1) : (struct view){0};
    return true;
}

static bool
list_has(struct view list, struct view wanted)
{
    struct view word;
    while (list_next(&list, &word))
        if (view_equal(word, wanted))
            return true;
    return false;
}

static void
list_add(struct put *out, struct view word)
{
    if (out->at > out->start)
        put_u8(out, ',');
    put_bytes(out, word.at, word.len);
}

/* Normal form: no blanks around the words, each word once. */
static int16_t
list_check(const struct meta_config_row *row, struct view value, char *normal, struct meta_error *e)
{
    struct put out = put_of(normal, META_VALUE_BYTES_MAX - 1);
    struct view word, rest = value.len ? value : (struct view){0};
    while (list_next(&rest, &word)) {
        if (choice_check(row, word, e) != KERR_NONE)
            return e->code;
        if (!list_has(view_of(normal, put_len(&out)), word))
            list_add(&out, word);
    }
    normal[put_len(&out)] = '\0';
    return KERR_NONE;
}

static int16_t
type_check(const struct meta_config_row *row, struct view value, char *normal, struct meta_error *e)
{
    switch (row->type) {
    case META_TYPE_BOOLEAN:
        return boolean_check(row, value, normal, e);
    case META_TYPE_INT:
    case META_TYPE_LONG:
        return number_check(row, value, normal, e);
    case META_TYPE_DOUBLE:
        return double_check(row, value, normal, e);
    case META_TYPE_LIST:
        return list_check(row, value, normal, e);
    case META_TYPE_STRING:
    case META_TYPE_PASSWORD:
        break;
    }
    if (value.len)
        memcpy(normal, value.at, value.len);
    normal[value.len] = '\0';
    return choice_check(row, value, e);
}

int16_t
meta_config_check(const struct meta_config_row *row, struct view value,
                  char normal[META_VALUE_BYTES_MAX], struct meta_error *e)
{
    value = trimmed(value);
    e->code = KERR_NONE;
    e->text[0] = '\0';
    if (value.len >= META_VALUE_BYTES_MAX)
        return refuse(row, view_of(value.at, SHOWN_MAX), e, "the value is too long");
    if (type_check(row, value, normal, e) != KERR_NONE)
        return e->code;
    /* An empty list asks for nothing, so it is fine for every list. */
    bool nothing = row->type == META_TYPE_LIST && normal[0] == '\0';
    if (row->why_fixed[0] != '\0' && strcmp(normal, row->fallback) != 0 && !nothing)
        return refuse(row, view_of_text(normal), e, row->why_fixed);
    return KERR_NONE;
}

const char *
meta_config_value(const struct meta_topic *t, const struct meta_rules *rules, enum meta_config c)
{
    if (t && t->overrides[c])
        return t->overrides[c];
    const char *broker = rules->config_default ? rules->config_default(rules->user, c) : NULL;
    return broker ? broker : config_rows[c].fallback;
}

int64_t
meta_config_number(const struct meta_topic *t, const struct meta_rules *rules, enum meta_config c)
{
    const char *text = meta_config_value(t, rules, c);
    if (config_rows[c].type == META_TYPE_BOOLEAN)
        return strcmp(text, "true") == 0;
    must(config_rows[c].type == META_TYPE_INT || config_rows[c].type == META_TYPE_LONG);
    return strtoll(text, NULL, 10);
}

uint32_t
meta_config_millionths(const struct meta_topic *t, const struct meta_rules *rules,
                       enum meta_config c)
{
    must(config_rows[c].type == META_TYPE_DOUBLE);
    return (uint32_t)(strtod(meta_config_value(t, rules, c), NULL) * 1e6 + 0.5);
}

struct meta_lags
meta_lags_of(const struct meta_topic *t, const struct meta_rules *rules)
{
    return (struct meta_lags){meta_config_number(t, rules, META_CONFIG_MIN_COMPACTION_LAG_MS),
                              meta_config_number(t, rules, META_CONFIG_MAX_COMPACTION_LAG_MS)};
}

void
meta_lags_note(struct meta_lags *lags, const struct meta_rules *rules, enum meta_config key,
               const char *value)
{
    struct meta_lags defaults = meta_lags_of(NULL, rules);
    if (key == META_CONFIG_MIN_COMPACTION_LAG_MS)
        lags->min_ms = value ? strtoll(value, NULL, 10) : defaults.min_ms;
    if (key == META_CONFIG_MAX_COMPACTION_LAG_MS)
        lags->max_ms = value ? strtoll(value, NULL, 10) : defaults.max_ms;
}

int16_t
meta_lags_check(const struct meta_lags *lags, struct meta_error *e)
{
    if (lags->min_ms <= lags->max_ms)
        return KERR_NONE;
    return meta_error_set(
        e, KERR_INVALID_CONFIG, "conflict topic config setting %s (%lld) > %s (%lld)",
        config_rows[META_CONFIG_MIN_COMPACTION_LAG_MS].name, (long long)lags->min_ms,
        config_rows[META_CONFIG_MAX_COMPACTION_LAG_MS].name, (long long)lags->max_ms);
}

static int16_t
setting_known(const struct meta_setting *s, enum meta_config key, struct meta_error *e)
{
    int shown = (int)(s->name.len < SHOWN_MAX ? s->name.len : SHOWN_MAX);
    const char *name = shown ? (const char *)s->name.at : "";
    if (s->operation < OPERATION_SET || s->operation > OPERATION_SUBTRACT)
        return meta_error_set(e, KERR_INVALID_REQUEST, "Unknown operation type %d for %.*s",
                              s->operation, shown, name);
    if (s->operation != OPERATION_DELETE && !s->value.at)
        return meta_error_set(e, KERR_INVALID_REQUEST, "Null value not supported for : %.*s", shown,
                              name);
    if (s->operation >= OPERATION_APPEND &&
        (key == META_CONFIGS || config_rows[key].type != META_TYPE_LIST))
        return meta_error_set(
            e, KERR_INVALID_CONFIG, "Can't %s to key %.*s because its type is not LIST.",
            s->operation == OPERATION_APPEND ? "APPEND" : "SUBTRACT", shown, name);
    if (s->operation != OPERATION_DELETE && key == META_CONFIGS)
        return meta_error_set(e, KERR_INVALID_CONFIG, "Unknown topic config name: %.*s", shown,
                              name);
    return KERR_NONE;
}

/* The list after an append or a subtract, in `out`. */
static struct view
list_changed(const char *before, const struct meta_setting *s, char out[2 * META_VALUE_BYTES_MAX])
{
    struct put w = put_of(out, 2 * META_VALUE_BYTES_MAX);
    struct view word, rest = *before ? view_of_text(before) : (struct view){0};
    while (list_next(&rest, &word))
        if (s->operation == OPERATION_APPEND || !list_has(s->value, word))
            list_add(&w, word);
    rest = s->operation == OPERATION_APPEND && s->value.len ? s->value : (struct view){0};
    while (list_next(&rest, &word))
        list_add(&w, word);
    return view_of(out, put_len(&w));
}

int16_t
meta_setting_value(const struct meta_config_row *row, const char *before,
                   const struct meta_setting *s, char normal[META_VALUE_BYTES_MAX],
                   struct meta_error *e)
{
    if (s->operation == OPERATION_SET)
        return meta_config_check(row, s->value, normal, e);
    char *list = meta_image_memory(2 * (size_t)META_VALUE_BYTES_MAX, 1);
    int16_t code = meta_config_check(row, list_changed(before, s, list), normal, e);
    free(list);
    return code;
}

static int16_t
setting_plan(const struct meta_topic *t, const struct meta_rules *rules,
             const struct meta_setting *s, struct meta_lags *lags, struct put *out,
             struct meta_error *e)
{
    enum meta_config key = meta_config_find(s->name);
    if (setting_known(s, key, e) != KERR_NONE)
        return e->code;
    if (s->operation == OPERATION_DELETE) {
        meta_lags_note(lags, rules, key, NULL);
        if (key != META_CONFIGS && t->overrides[key])
            meta_put_config(out, t->row, key, NULL);
        return KERR_NONE;
    }
    char *normal = meta_image_memory(META_VALUE_BYTES_MAX, 1);
    if (meta_setting_value(&config_rows[key], meta_config_value(t, rules, key), s, normal, e) ==
        KERR_NONE) {
        meta_lags_note(lags, rules, key, normal);
        if (!t->overrides[key] || strcmp(t->overrides[key], normal) != 0)
            meta_put_config(out, t->row, key, normal);
    }
    free(normal);
    return e->code;
}

int16_t
meta_plan_config(const struct meta_image *m, const struct meta_rules *rules, struct view name,
                 const struct meta_setting *settings, uint32_t count, struct put *out,
                 struct meta_error *e)
{
    if (meta_name_check(name, e) != KERR_NONE)
        return e->code;
    const struct meta_topic *t = meta_topic_by_name(m, name);
    if (!t)
        return meta_error_set(e, KERR_UNKNOWN_TOPIC_OR_PARTITION,
                              "The topic '%.*s' does not exist.", (int)name.len,
                              (const char *)name.at);
    bool seen[META_CONFIGS] = {false};
    struct meta_lags lags = meta_lags_of(t, rules);
    uint8_t *start = out->at;
    for (uint32_t i = 0; i < count && e->code == KERR_NONE; i++) {
        enum meta_config key = meta_config_find(settings[i].name);
        if (key != META_CONFIGS && seen[key])
            (void)meta_error_set(e, KERR_INVALID_REQUEST, "Error due to duplicate config keys : %s",
                                 config_rows[key].name);
        else
            (void)setting_plan(t, rules, &settings[i], &lags, out, e);
        if (key != META_CONFIGS)
            seen[key] = true;
    }
    if (e->code == KERR_NONE)
        (void)meta_lags_check(&lags, e);
    if (e->code != KERR_NONE)
        out->at = start;
    return e->code;
}
