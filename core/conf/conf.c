#include "core/conf/conf_in.h"

#include "core/base/err.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_BYTES_MAX = 64 };
#define ENVIRONMENT_PREFIX "SLUICE_"

static const struct conf_row rows[CONF_KEYS] = {
#define KEY(id, name, type, fallback, min, max, choices, unit, help)                               \
    {name, type, fallback, min, max, choices, unit, help},
#include "core/conf/keys.def"
#undef KEY
};

#define KEY(id, name, type, fallback, min, max, choices, unit, help)                               \
    _Static_assert(sizeof(name) <= NAME_BYTES_MAX, "name of a key");                               \
    _Static_assert(sizeof(fallback) <= CONF_TEXT_BYTES_MAX, "default of a key");
#include "core/conf/keys.def"
#undef KEY

/* Other names of a key: those that Kafka has for it. */
static const struct alias {
    const char *name;
    enum conf_key key;
} aliases[] = {
    {"log.dir", CONF_LOG_DIRS},
    {"broker.id", CONF_NODE_ID},
};

static const char *const origin_names[] = {"default", "file", "environment", "option"};

int
conf_refuse(char error[CONF_ERROR_BYTES], const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(error, CONF_ERROR_BYTES, fmt, ap);
    va_end(ap);
    return ERR_INVALID;
}

const struct conf_row *
conf_row(enum conf_key key)
{
    must((unsigned)key < CONF_KEYS);
    return &rows[key];
}

const char *
conf_origin_name(enum conf_origin origin)
{
    must((unsigned)origin <= CONF_OPTION);
    return origin_names[origin];
}

/* CONF_KEYS when there is none of that name. */
static enum conf_key
key_find(const char *name)
{
    for (unsigned i = 0; i < CONF_KEYS; i++)
        if (strcmp(rows[i].name, name) == 0)
            return (enum conf_key)i;
    for (size_t i = 0; i < sizeof aliases / sizeof aliases[0]; i++)
        if (strcmp(aliases[i].name, name) == 0)
            return aliases[i].key;
    return CONF_KEYS;
}

static int
number_read(const struct conf_row *row, const char *text, int64_t *out, char *error)
{
    char *end;
    errno = 0;
    long long v = strtoll(text, &end, 10);
    bool digits = isdigit((unsigned char)text[0]) || text[0] == '-';
    if (!digits || end == text || *end)
        return conf_refuse(error, "%s=%.100s is not a whole number: give %lld to %lld%s%s",
                           row->name, text, (long long)row->min, (long long)row->max,
                           *row->unit ? " " : "", row->unit);
    if (errno || v < row->min || v > row->max)
        return conf_refuse(error, "%s=%.100s is out of range: give %lld to %lld%s%s", row->name,
                           text, (long long)row->min, (long long)row->max, *row->unit ? " " : "",
                           row->unit);
    *out = v;
    return ERR_OK;
}

/* Java's Boolean as Kafka reads it: any case. */
static int
bool_read(const struct conf_row *row, const char *text, int64_t *out, char *error)
{
    *out = strcasecmp(text, "true") == 0;
    if (*out || strcasecmp(text, "false") == 0)
        return ERR_OK;
    return conf_refuse(error, "%s=%.100s is not a truth value: give true or false", row->name,
                       text);
}

static int
choice_read(const struct conf_row *row, const char *text, int64_t *out, char *error)
{
    int64_t index = 0;
    size_t n = strlen(text);
    for (const char *c = row->choices; *c; index++) {
        size_t len = strcspn(c, "|");
        if (len == n && memcmp(c, text, n) == 0) {
            *out = index;
            return ERR_OK;
        }
        c += len + (c[len] == '|');
    }
    return conf_refuse(error, "%s=%.100s is not possible: give %s%s", row->name, text,
                       strchr(row->choices, '|') ? "one of " : "", row->choices);
}

/* Copies `value` without the white space around it. */
static int
text_read(const struct conf_row *row, const char *value, char out[CONF_TEXT_BYTES_MAX], char *error)
{
    while (isspace((unsigned char)*value))
        value++;
    size_t n = strlen(value);
    while (n && isspace((unsigned char)value[n - 1]))
        n--;
    if (n >= CONF_TEXT_BYTES_MAX)
        return conf_refuse(error, "%s is too long: at most %d bytes", row->name,
                           CONF_TEXT_BYTES_MAX - 1);
    memcpy(out, value, n);
    out[n] = 0;
    return ERR_OK;
}

static int
value_read(const struct conf_row *row, const char *value, struct conf_value *out, char *error)
{
    int err = text_read(row, value, out->text, error);
    if (err)
        return err;
    switch (row->type) {
    case CONF_INT:
        return number_read(row, out->text, &out->number, error);
    case CONF_BOOL:
        return bool_read(row, out->text, &out->number, error);
    case CONF_ENUM:
        return choice_read(row, out->text, &out->number, error);
    case CONF_TEXT:
    case CONF_PASSWORD:
        return ERR_OK;
    }
    must(row->type <= CONF_ENUM);
    return ERR_INVALID;
}

void
conf_defaults(struct conf *c)
{
    char error[CONF_ERROR_BYTES];
    memset(c, 0, sizeof *c);
    for (unsigned i = 0; i < CONF_KEYS; i++) {
        c->values[i].origin = CONF_DEFAULT;
        must(value_read(&rows[i], rows[i].fallback, &c->values[i], error) == ERR_OK);
    }
}

int
conf_check(const struct conf *c, char error[CONF_ERROR_BYTES])
{
    static const struct {
        enum conf_key value, least, most;
    } spans[] = {
        {CONF_CONSUMER_SESSION_MS, CONF_CONSUMER_SESSION_MIN_MS, CONF_CONSUMER_SESSION_MAX_MS},
        {CONF_CONSUMER_HEARTBEAT_MS, CONF_CONSUMER_HEARTBEAT_MIN_MS,
         CONF_CONSUMER_HEARTBEAT_MAX_MS},
        {CONF_CONSUMER_ASSIGNMENT_MS, CONF_CONSUMER_ASSIGNMENT_MIN_MS,
         CONF_CONSUMER_ASSIGNMENT_MAX_MS},
    };
    for (size_t i = 0; i < sizeof spans / sizeof spans[0]; i++) {
        int64_t v = conf_number(c, spans[i].value);
        if (v < conf_number(c, spans[i].least) || v > conf_number(c, spans[i].most))
            return conf_refuse(error, "%s=%lld must not be below %s=%lld nor above %s=%lld",
                               rows[spans[i].value].name, (long long)v, rows[spans[i].least].name,
                               (long long)conf_number(c, spans[i].least), rows[spans[i].most].name,
                               (long long)conf_number(c, spans[i].most));
    }
    struct conf_device devices[CONF_DEVICES_MAX];
    int count = conf_devices(c, devices, error);
    return count < 0 ? count : ERR_OK;
}

int
conf_set(struct conf *c, const char *key, const char *value, enum conf_origin origin,
         char error[CONF_ERROR_BYTES])
{
    enum conf_key k = key_find(key);
    if (k == CONF_KEYS)
        return conf_refuse(error, "unknown key '%.100s': did you mean '%s'?", key,
                           rows[conf_near_key(key)].name);
    struct conf_value v = {.origin = origin};
    int err = value_read(&rows[k], value, &v, error);
    if (err)
        return err;
    if (origin >= c->values[k].origin)
        c->values[k] = v;
    return ERR_OK;
}

/* "log.dirs" as "LOG_DIRS". */
static void
variable_name(const char *key, char out[NAME_BYTES_MAX])
{
    size_t i = 0;
    for (; key[i] && i < NAME_BYTES_MAX - 1; i++)
        out[i] = key[i] == '.' ? '_' : (char)toupper((unsigned char)key[i]);
    out[i] = 0;
}

/* A '_' may stand for '.' or for itself: the table decides. */
static const char *
variable_key(const char *name, size_t n)
{
    char want[NAME_BYTES_MAX];
    for (unsigned i = 0; i < CONF_KEYS; i++) {
        variable_name(rows[i].name, want);
        if (strlen(want) == n && memcmp(want, name, n) == 0)
            return rows[i].name;
    }
    for (size_t i = 0; i < sizeof aliases / sizeof aliases[0]; i++) {
        variable_name(aliases[i].name, want);
        if (strlen(want) == n && memcmp(want, name, n) == 0)
            return aliases[i].name;
    }
    return NULL;
}

/* Read by others of our programs: no settings. */
static bool
variable_foreign(const char *name, size_t n)
{
    static const char *const names[] = {"BOOTSTRAP"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strlen(names[i]) == n && memcmp(names[i], name, n) == 0)
            return true;
    return false;
}

static int
variable_unknown(const char *name, size_t n, char error[CONF_ERROR_BYTES])
{
    char guess[NAME_BYTES_MAX], nearest[NAME_BYTES_MAX];
    size_t i = 0;
    for (; i < n && i < NAME_BYTES_MAX - 1; i++)
        guess[i] = name[i] == '_' ? '.' : (char)tolower((unsigned char)name[i]);
    guess[i] = 0;
    variable_name(rows[conf_near_key(guess)].name, nearest);
    return conf_refuse(error,
                       "unknown variable '" ENVIRONMENT_PREFIX
                       "%.*s': did you mean '" ENVIRONMENT_PREFIX "%s'?",
                       (int)(n < 100 ? n : 100), name, nearest);
}

int
conf_environment(struct conf *c, char *const *environ_, char error[CONF_ERROR_BYTES])
{
    const size_t prefix = strlen(ENVIRONMENT_PREFIX);
    for (; *environ_; environ_++) {
        const char *name = *environ_;
        if (strncmp(name, ENVIRONMENT_PREFIX, prefix) != 0)
            continue;
        name += prefix;
        size_t n = strcspn(name, "=");
        if (variable_foreign(name, n))
            continue;
        const char *key = variable_key(name, n);
        if (!key)
            return variable_unknown(name, n, error);
        int err = conf_set(c, key, name[n] ? name + n + 1 : "", CONF_ENVIRONMENT, error);
        if (err)
            return err;
    }
    return ERR_OK;
}

/* Appends one character; the text stays NUL-terminated.  False when there is no room. */
static bool
letter_add(char *out, size_t room, size_t *at, char letter)
{
    if (room - *at < 2)
        return false;
    out[(*at)++] = letter;
    out[*at] = 0;
    return true;
}

/* Writes a value so that conf_parse reads the same one.  Values have no white space at their ends.
 */
static bool
value_add(char *out, size_t room, size_t *at, const char *value)
{
    static const char plain[] = "\\\n\r\t\f", escaped[] = "\\nrtf";
    for (; *value; value++) {
        const char *p = strchr(plain, *value);
        if (p && !letter_add(out, room, at, '\\'))
            return false;
        if (!letter_add(out, room, at, p ? escaped[p - plain] : *value))
            return false;
    }
    return true;
}

int
conf_print(const struct conf *c, char *out, size_t room)
{
    size_t at = 0;
    if (room == 0 || room > INT32_MAX)
        return ERR_FULL;
    out[0] = 0;
    for (unsigned i = 0; i < CONF_KEYS; i++) {
        bool fits = value_add(out, room, &at, rows[i].name) && letter_add(out, room, &at, '=') &&
                    value_add(out, room, &at, c->values[i].text) &&
                    letter_add(out, room, &at, '\n');
        if (!fits)
            return ERR_FULL;
    }
    return (int)at;
}

int64_t
conf_number(const struct conf *c, enum conf_key key)
{
    must((unsigned)key < CONF_KEYS);
    must(rows[key].type == CONF_INT || rows[key].type == CONF_ENUM);
    return c->values[key].number;
}

bool
conf_bool(const struct conf *c, enum conf_key key)
{
    must((unsigned)key < CONF_KEYS);
    must(rows[key].type == CONF_BOOL);
    return c->values[key].number != 0;
}

bool
conf_own_net(const struct conf *c)
{
    return strcmp(conf_text(c, CONF_NET), "kernel") != 0;
}

const char *
conf_text(const struct conf *c, enum conf_key key)
{
    must((unsigned)key < CONF_KEYS);
    return c->values[key].text;
}

const char *
conf_masked(const struct conf_row *row, const char *value)
{
    return row->type == CONF_PASSWORD && *value ? "[hidden]" : value;
}

const char *
conf_shown(const struct conf *c, enum conf_key key)
{
    return conf_masked(conf_row(key), conf_text(c, key));
}

struct view
conf_nullable(const struct conf *c, enum conf_key key)
{
    const char *text = conf_text(c, key);
    return text[0] ? view_of_text(text) : (struct view){0};
}
