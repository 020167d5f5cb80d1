/* server_publish_quota.c: client quotas as the shards obey them (core/shm/quotas.h).  All
 * connections have one user until there is security, so only what can concern that user is
 * published. */
#include "control/meta/meta_quota.h"
#include "control/server/server_publish.h"

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

void
server_publish_quotas(struct server_publish *p, uint64_t committed)
{
    const struct meta_image *m = p->image;
    uint32_t count;
    if (m->quota_index > committed || (p->quotas_known && p->quotas_index == m->quota_index))
        return;
    uint32_t first = meta_resource_range(m, META_RESOURCE_QUOTA, &count);
    memset(p->quotas, 0, sizeof *p->quotas);
    for (uint32_t i = 0; i < count; i++) {
        const struct meta_resource *r = m->resources[first + i];
        struct meta_quota_entity q;
        must(meta_quota_read(view_of(r->name, r->name_bytes), &q));
        double *bounds = place_of(p->quotas, &q);
        if (bounds)
            bounds_read(r, bounds);
    }
    quotas_write(region_quotas(p->region), p->quotas);
    p->quotas_index = m->quota_index;
    p->quotas_known = true;
}
