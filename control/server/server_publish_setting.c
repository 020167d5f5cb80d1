/* server_publish_setting.c: settings of the broker that the shards obey while they run, as words of
 * the region (core/shm/region.h). */
#include "control/server/server_dynamic.h"
#include "control/server/server_publish.h"

#include <stdlib.h>

static const struct {
    enum conf_key key;
    enum region_setting word;
} words[] = {
    {CONF_PRODUCER_EXPIRY_MS, REGION_PRODUCER_EXPIRY_MS},
    {CONF_TXN_VERIFY, REGION_TXN_VERIFY},
    {CONF_MAX_CONNECTIONS, REGION_MAX_CONNECTIONS},
    {CONF_CONNECTIONS_PER_IP, REGION_CONNECTIONS_PER_IP},
    {CONF_CONNECTION_RATE, REGION_CONNECTION_RATE},
    {CONF_LISTENER_CONNECTIONS, REGION_LISTENER_CONNECTIONS},
    {CONF_LISTENER_RATE, REGION_LISTENER_RATE},
    {CONF_CLEANER_BACKOFF, REGION_CLEANER_BACKOFF_MS},
    {CONF_CLEANER_RATE, REGION_CLEANER_RATE},
};

_Static_assert(sizeof words / sizeof words[0] == REGION_SETTINGS, "each word has its key");

static int64_t
word_of(const char *text)
{
    if (!text)
        return -1;
    return strcmp(text, "true") == 0 ? 1 : strtoll(text, NULL, 10); /* "false": 0 */
}

void
server_publish_settings(struct server_publish *p, uint64_t committed)
{
    const struct meta_image *m = p->image;
    if (m->broker_index > committed || (p->settings_known && p->settings_index == m->broker_index))
        return;
    for (uint32_t i = 0; i < REGION_SETTINGS; i++) {
        const char *name = conf_row(words[i].key)->name;
        atomic_store_explicit(&p->region->header->settings[words[i].word],
                              word_of(server_dynamic_value(m, p->rules->node_id, name)),
                              memory_order_relaxed);
    }
    for (uint32_t i = 0; i < p->shard_count; i++)
        p->shards[i].sent = true; /* a loop that sleeps looks at them, too */
    p->settings_index = m->broker_index;
    p->settings_known = true;
}
