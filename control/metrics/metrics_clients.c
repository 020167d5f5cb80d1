/* metrics_clients.c: values that clients pushed (KIP-714).
 *
 * Their labels have any keys: what is no letter, digit or '_' becomes '_', and a key that is taken
 * then gets a number.  So two series of a client stay two, whatever it calls its labels. */
#include "control/meta/meta.h"
#include "control/metrics/metrics_in.h"

#include <ctype.h>
#include <stdio.h>

enum { KEYS_MAX = 48, KEY_BYTES = 64 };

struct keys {
    char names[KEYS_MAX][KEY_BYTES];
    uint32_t count;
};

static bool
taken(const struct keys *k, const char *name)
{
    for (uint32_t i = 0; i < k->count; i++)
        if (strcmp(k->names[i], name) == 0)
            return true;
    return false;
}

/* The key as it is told; NULL: too many. */
static const char *
key_of(struct keys *k, struct view key)
{
    enum { PLAIN = KEY_BYTES - 8 };
    if (k->count == KEYS_MAX)
        return NULL;
    char plain[PLAIN + 2] = "", *name = k->names[k->count];
    uint32_t n = 0;
    if (key.len == 0 || isdigit(key.at[0]))
        plain[n++] = '_';
    for (uint32_t i = 0; i < key.len && n < PLAIN; i++)
        plain[n++] = isalnum(key.at[i]) && key.at[i] < 0x80 ? (char)key.at[i] : '_';
    (void)snprintf(name, KEY_BYTES, "%s", plain);
    for (uint32_t i = 2; taken(k, name); i++)
        (void)snprintf(name, KEY_BYTES, "%s_%u", plain, i);
    k->count++;
    return name;
}

static struct view
text_take(struct view *from)
{
    const uint8_t *end = memchr(from->at, 0, from->len);
    struct view out = view_of(from->at, end ? (uint32_t)(end - from->at) : from->len);
    uint32_t used = out.len + (end != NULL);
    *from = view_of(from->at + used, from->len - used);
    return out;
}

static void
labels_tell(struct metrics_sample *p, struct view labels)
{
    static const char *const own[] = {"client_instance_id", "client_id", "metric"};
    struct keys keys = {0};
    for (uint32_t i = 0; i < sizeof own / sizeof *own; i++)
        (void)key_of(&keys, view_of_text(own[i]));
    while (labels.len) {
        struct view key = text_take(&labels);
        struct view value = labels.len ? text_take(&labels) : view_of("", 0);
        const char *name = key_of(&keys, key);
        if (name)
            metrics_sample_label(p, name, value);
    }
}

static void
value_tell(struct metrics_out *o, const struct metrics_row *row, const struct census *c,
           const struct census_client *client, const struct census_value *v)
{
    struct metrics_sample p;
    char id[META_ID_TEXT_BYTES + 1];
    meta_id_text(client->instance, id);
    metrics_sample(&p, o, row);
    metrics_sample_label(&p, "client_instance_id", view_of_text(id));
    metrics_sample_label(&p, "client_id", census_view(c, client->client_id));
    metrics_sample_label(&p, "metric", census_view(c, v->name));
    labels_tell(&p, census_view(c, v->labels));
    metrics_sample_end_double(&p, v->value);
}

void
metrics_clients_each(struct metrics_out *o, const struct metrics_row *row,
                     const struct metrics_source *s)
{
    const struct census *c = s->groups;
    for (uint32_t i = 0; c && i < c->client_count; i++) {
        const struct census_client *client = &c->clients[i];
        for (uint32_t k = client->first; k < client->first + client->count && !o->full; k++)
            if (c->values[k].counter == (row->arg != 0))
                value_tell(o, row, c, client, &c->values[k]);
    }
}

void
metrics_clients_count(struct metrics_out *o, const struct metrics_row *row,
                      const struct metrics_source *s)
{
    struct metrics_sample p;
    metrics_sample(&p, o, row);
    metrics_sample_end(&p, s->groups ? s->groups->client_count : 0);
}
