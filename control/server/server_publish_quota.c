/* server_publish_quota.c: quotas as the shards obey them (core/shm/quotas.h).  All connections have
 * one user until there is security, so only what can concern that user is published; and what there
 * is for single addresses, from quotas and from max.connections.per.ip.overrides. */
#include "control/meta/meta_quota.h"
#include "control/server/server_dynamic.h"
#include "control/server/server_publish.h"
#include "core/net/ipcounts.h"
#include "core/net/iptext.h"

static const char quota_user[] = "ANONYMOUS"; /* Kafka KafkaPrincipal.ANONYMOUS */

static void
bounds_read(const struct meta_resource *r, double bounds[QUOTAS_KINDS])
{
    /* A percentage is of one thread: so many hundredths of each second. */
    static const struct {
        const char *key;
        double factor;
    } kinds[QUOTAS_KINDS] = {[QUOTAS_PRODUCE] = {"producer_byte_rate", 1},
                             [QUOTAS_FETCH] = {"consumer_byte_rate", 1},
                             [QUOTAS_REQUEST] = {"request_percentage", 1e7}};
    for (uint32_t i = 0; i < r->count; i++)
        for (uint32_t k = 0; k < QUOTAS_KINDS; k++)
            if (strcmp(r->settings[i].key, kinds[k].key) == 0)
                bounds[k] = meta_quota_value(r->settings[i].value) * kinds[k].factor;
}

static struct quotas_row *
row_of(struct quotas_fact *f, struct view client)
{
    for (uint32_t i = 0; i < f->count; i++)
        if (view_equal(client, view_of(f->rows[i].name, f->rows[i].name_bytes)))
            return &f->rows[i];
    must(f->count < QUOTAS_ROWS_MAX);
    struct quotas_row *row = &f->rows[f->count++];
    memset(row, 0, sizeof *row);
    row->name_bytes = (uint8_t)client.len;
    if (client.len)
        memcpy(row->name, client.at, client.len);
    return row;
}

/* Where the bounds of an entity go; NULL: it is about somebody else. */
static double *
place_of(struct quotas_fact *f, const struct meta_quota_entity *q)
{
    const struct meta_quota_part *user = &q->parts[META_QUOTA_USER];
    const struct meta_quota_part *client = &q->parts[META_QUOTA_CLIENT];
    static const uint8_t any_client[] = {QUOTAS_ANY_CLIENT, QUOTAS_ANY_USER_ANY_CLIENT,
                                         QUOTAS_USER_ANY_CLIENT};
    static const uint8_t named[] = {QUOTAS_CLIENT, QUOTAS_ANY_USER_CLIENT, QUOTAS_USER_CLIENT};
    if (user->kind == META_QUOTA_NAMED && !view_equal(user->name, view_of_text(quota_user)))
        return NULL;
    if (client->kind == META_QUOTA_NAMED)
        return row_of(f, client->name)->bounds[named[user->kind]];
    if (client->kind == META_QUOTA_DEFAULT)
        return f->defaults[any_client[user->kind]];
    if (user->kind == META_QUOTA_ABSENT)
        return NULL;
    return f->defaults[user->kind == META_QUOTA_NAMED ? QUOTAS_USER : QUOTAS_ANY_USER];
}

/* ---- addresses ---- */

/* The row of an address; NULL: there is no room, and it is treated as all others. */
static struct quotas_address *
address_of(struct quotas_fact *f, const uint8_t ip[16])
{
    for (uint32_t i = 0; i < f->address_count; i++)
        if (memcmp(f->addresses[i].ip, ip, sizeof f->addresses[i].ip) == 0)
            return &f->addresses[i];
    if (f->address_count == QUOTAS_ADDRESSES_MAX)
        return NULL;
    struct quotas_address *row = &f->addresses[f->address_count++];
    *row = (struct quotas_address){.connections_max = -1};
    memcpy(row->ip, ip, sizeof row->ip);
    return row;
}

static void
overrides_read(struct quotas_fact *f, const char *text)
{
    struct ipcount entry;
    while (text && *text) {
        text = ipcounts_next(text, &entry);
        struct quotas_address *row = text ? address_of(f, entry.ip) : NULL;
        if (row)
            row->connections_max = entry.count;
    }
}

static void
creation_rate_read(struct quotas_fact *f, const struct meta_resource *r,
                   const struct meta_quota_part *ip)
{
    char text[IPTEXT_BYTES];
    uint8_t bytes[16];
    uint32_t *rate = &f->creation_rate;
    if (ip->kind == META_QUOTA_NAMED) {
        if (ip->name.len >= sizeof text)
            return;
        memcpy(text, ip->name.at, ip->name.len);
        text[ip->name.len] = '\0';
        struct quotas_address *row = iptext_read(text, bytes) ? address_of(f, bytes) : NULL;
        if (!row)
            return;
        rate = &row->creation_rate;
    }
    for (uint32_t i = 0; i < r->count; i++)
        if (strcmp(r->settings[i].key, "connection_creation_rate") == 0)
            *rate = (uint32_t)meta_quota_value(r->settings[i].value);
}

/* ---- all of them ---- */

static void
quota_place(struct quotas_fact *f, const struct meta_resource *r)
{
    struct meta_quota_entity q;
    must(meta_quota_read(view_of(r->name, r->name_bytes), &q));
    if (q.parts[META_QUOTA_IP].kind != META_QUOTA_ABSENT) {
        creation_rate_read(f, r, &q.parts[META_QUOTA_IP]);
        return;
    }
    double *bounds = place_of(f, &q);
    if (bounds)
        bounds_read(r, bounds);
}

void
server_publish_quotas(struct server_publish *p, uint64_t committed)
{
    const struct meta_image *m = p->image;
    uint32_t count;
    if (m->quota_index > committed || m->broker_index > committed ||
        (p->quotas_known && p->quotas_index == m->quota_index &&
         p->overrides_index == m->broker_index))
        return;
    uint32_t first = meta_resource_range(m, META_RESOURCE_QUOTA, &count);
    memset(p->quotas, 0, sizeof *p->quotas);
    const char *overrides =
        server_dynamic_value(m, p->rules->node_id, conf_row(CONF_CONNECTIONS_OVERRIDES)->name);
    overrides_read(p->quotas, overrides ? overrides : p->overrides);
    for (uint32_t i = 0; i < count; i++)
        quota_place(p->quotas, m->resources[first + i]);
    quotas_write(region_quotas(p->region), p->quotas);
    p->quotas_index = m->quota_index;
    p->overrides_index = m->broker_index;
    p->quotas_known = true;
}
