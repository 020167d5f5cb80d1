#include "control/server/server_defaults.h"
#include "control/meta/meta_resource.h"
#include "control/server/server_dynamic.h"
#include "core/base/err.h"
#include "core/base/log.h"

#include <stdio.h>
#include <stdlib.h>

static struct view
first_name(const char *names)
{
    return view_of(names, (uint32_t)strcspn(names, "|"));
}

/* The next of "a|b|c" behind `at`; false at the end. */
static bool
next_name(const char **rest, struct view *name)
{
    if (!**rest)
        return false;
    *name = first_name(*rest);
    *rest += name->len + ((*rest)[name->len] == '|');
    return true;
}

static bool
ends_with(struct view v, const char *end)
{
    uint32_t n = (uint32_t)strlen(end);
    return v.len >= n && memcmp(v.at + v.len - n, end, n) == 0;
}

/* The unit of a key that a topic has in ms. */
static int64_t
factor_of(struct view name)
{
    enum { MINUTE_MS = 60 * 1000, HOUR_MS = 60 * MINUTE_MS };
    if (ends_with(name, ".minutes"))
        return MINUTE_MS;
    return ends_with(name, ".hours") ? HOUR_MS : 1;
}

static enum conf_key
key_of(struct view name)
{
    uint32_t k = 0;
    while (k < CONF_KEYS && !view_equal(name, view_of_text(conf_row((enum conf_key)k)->name)))
        k++;
    return (enum conf_key)k;
}

enum meta_config
server_topic_key(struct view broker_key)
{
    uint32_t c = 0;
    while (c < META_CONFIGS &&
           (broker_key.len == 0 || !view_equal(server_broker_key(c), broker_key)))
        c++;
    return (enum meta_config)c;
}

struct view
server_broker_key(enum meta_config c)
{
    return first_name(meta_config_row(c)->synonyms);
}

bool
server_key_dynamic(const struct server_core *core, struct view broker_key)
{
    enum meta_config c = server_topic_key(broker_key);
    if (c == META_CONFIGS)
        return server_dynamic_row(core, broker_key) != NULL;
    return meta_config_row(c)->why_fixed[0] == '\0';
}

bool
server_key_static(struct view broker_key)
{
    return key_of(broker_key) != CONF_KEYS;
}

struct view
server_broker_name(const struct server_core *core, char text[16])
{
    (void)snprintf(text, 16, "%d", core->rules.node_id);
    return view_of_text(text);
}

/* ---- Set-up ---- */

/* The value of a static key as the topic's key has it; false: not a value at all. */
static bool
static_value(struct view name, const char *text, char out[META_VALUE_BYTES_MAX])
{
    int64_t factor = factor_of(name);
    char *end;
    long long v = strtoll(text, &end, 10);
    if (factor == 1)
        return snprintf(out, META_VALUE_BYTES_MAX, "%s", text) < META_VALUE_BYTES_MAX;
    if (end == text || *end || v > INT64_MAX / factor || v < -1)
        return false;
    (void)snprintf(out, META_VALUE_BYTES_MAX, "%lld", v < 0 ? -1 : v * (long long)factor);
    return true;
}

int
server_defaults_init(struct server_core *core)
{
    char raw[META_VALUE_BYTES_MAX], normal[META_VALUE_BYTES_MAX];
    server_dynamic_init(core);
    for (uint32_t c = 0; c < META_CONFIGS; c++) {
        const struct meta_config_row *row = meta_config_row((enum meta_config)c);
        const char *rest = row->synonyms;
        struct view name = first_name(rest);
        core->broker_rows[c] = *row;
        core->broker_rows[c].name = core->broker_names[c];
        must(name.len < SERVER_KEY_BYTES);
        memcpy(core->broker_names[c], name.at, name.len);
        while (!core->defaults[c] && next_name(&rest, &name)) {
            enum conf_key k = key_of(name);
            struct meta_error e;
            if (!server_key_given(core, k))
                continue;
            const char *text = core->conf->values[k].text;
            if (!static_value(name, text, raw) ||
                meta_config_check(row, view_of_text(raw), normal, &e) != KERR_NONE) {
                log_error("control", "no topic can have this: %.*s=%s", (int)name.len,
                          (const char *)name.at, text);
                return ERR_INVALID;
            }
            core->defaults[c] = strdup(normal);
            must(core->defaults[c] != NULL);
        }
    }
    return ERR_OK;
}

void
server_defaults_free(struct server_core *core)
{
    for (uint32_t c = 0; c < META_CONFIGS; c++)
        free(core->defaults[c]);
}

/* ---- Values ---- */

const char *
server_default_of(const void *user, enum meta_config c)
{
    const struct server_core *core = user;
    struct view key = server_broker_key(c);
    char text[SERVER_KEY_BYTES];
    if (key.len == 0)
        return NULL;
    (void)snprintf(text, sizeof text, "%.*s", (int)key.len, (const char *)key.at);
    const char *v = server_dynamic_value(&core->image, core->rules.node_id, text);
    return v ? v : core->defaults[c];
}

/* What gives `name` a value at that level; NULL: nothing. */
static const char *
value_at(const struct server_core *core, struct view name, int8_t source)
{
    char text[META_RESOURCE_KEY_BYTES_MAX + 1], self[16];
    enum conf_key k = key_of(name);
    (void)snprintf(text, sizeof text, "%.*s", (int)name.len, (const char *)name.at);
    switch (source) {
    case SERVER_SOURCE_BROKER:
        return meta_resource_value(&core->image, META_RESOURCE_BROKER,
                                   server_broker_name(core, self), text);
    case SERVER_SOURCE_BROKERS:
        return meta_resource_value(&core->image, META_RESOURCE_BROKER, view_of("", 0), text);
    case SERVER_SOURCE_STATIC:
        return server_key_given(core, k) ? core->conf->values[k].text : NULL;
    default:
        break;
    }
    enum meta_config c = server_topic_key(name);
    if (k == CONF_KEYS)
        return c == META_CONFIGS ? NULL : meta_config_row(c)->fallback;
    /* An empty number is no value: another name of the key has it. */
    bool none = c != META_CONFIGS || factor_of(name) != 1;
    return none && conf_row(k)->fallback[0] == '\0' ? NULL : conf_row(k)->fallback;
}

/* The list of names that `name` stands in, from it on. */
static const char *
names_from(struct view name)
{
    for (uint32_t c = 0; c < META_CONFIGS; c++) {
        const char *rest = meta_config_row((enum meta_config)c)->synonyms, *at = rest;
        struct view n;
        while (next_name(&rest, &n)) {
            if (view_equal(n, name))
                return at;
            at = rest;
        }
    }
    return NULL;
}

uint32_t
server_sources(const struct server_core *core, struct view name,
               struct server_source out[SERVER_SOURCES_MAX])
{
    static const int8_t levels[] = {SERVER_SOURCE_BROKER, SERVER_SOURCE_BROKERS,
                                    SERVER_SOURCE_STATIC, SERVER_SOURCE_DEFAULT};
    const char *names = names_from(name);
    uint32_t count = 0;
    for (uint32_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        const char *rest = names ? names : "";
        struct view n = name;
        bool more = names ? next_name(&rest, &n) : true;
        for (; more; more = next_name(&rest, &n)) {
            const char *v = value_at(core, n, levels[i]);
            /* As Kafka: other names count only behind the key's own first value. */
            if (v && (count > 0 || view_equal(n, name)))
                out[count++] = (struct server_source){n, v, levels[i]};
        }
    }
    must(count <= SERVER_SOURCES_MAX);
    return count;
}
