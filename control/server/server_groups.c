#include "control/server/server_groups.h"
#include "control/server/server_dynamic.h"

#include "control/meta/meta_resource.h"

#include <stdlib.h>

/* ---- topics ---------------------------------------------------------------------------------- */

static void
topic_tell(const struct meta_topic *t, struct group_topic *out)
{
    memcpy(out->id, t->id, sizeof out->id);
    out->name = view_of(t->name, t->name_bytes);
    out->partition_count = (int32_t)t->partition_count;
}

static bool
topic_by_name(void *user, struct view name, struct group_topic *out)
{
    const struct server_core *core = user;
    const struct meta_topic *t = meta_topic_by_name(&core->image, name);
    if (t)
        topic_tell(t, out);
    return t != NULL;
}

static bool
topic_by_id(void *user, const uint8_t id[16], struct group_topic *out)
{
    const struct server_core *core = user;
    const struct meta_topic *t = meta_topic_by_id(&core->image, id);
    if (t)
        topic_tell(t, out);
    return t != NULL;
}

/* The cursor is one more than the row of the topic before. */
static bool
topic_next(void *user, uint32_t *cursor, struct group_topic *out)
{
    const struct server_core *core = user;
    uint32_t row = meta_topic_next(&core->image, *cursor ? *cursor - 1 : META_NONE);
    if (row == META_NONE)
        return false;
    *cursor = row + 1;
    topic_tell(core->image.topics[row], out);
    return true;
}

static int64_t
version(void *user)
{
    const struct server_core *core = user;
    return (int64_t)core->image.index;
}

/* ---- settings -------------------------------------------------------------------------------- */

/* Values were checked when they were set. */
static void
setting(const struct server_core *core, struct view group_id, const char *key, int32_t *out)
{
    const char *value = meta_resource_value(&core->image, META_RESOURCE_GROUP, group_id, key);
    if (value)
        *out = (int32_t)strtol(value, NULL, 10);
}

static void
of_group(void *user, struct view group_id, struct group_settings *s)
{
    const struct server_core *core = user;
    const char *broker = server_dynamic_value(&core->image, core->rules.node_id,
                                              conf_row(CONF_CONSUMER_ASSIGNMENT_MS)->name);
    if (broker)
        s->assignment_interval_ms = (int32_t)strtol(broker, NULL, 10);
    setting(core, group_id, "consumer.session.timeout.ms", &s->session_timeout_ms);
    setting(core, group_id, "consumer.heartbeat.interval.ms", &s->heartbeat_interval_ms);
    setting(core, group_id, "consumer.assignment.interval.ms", &s->assignment_interval_ms);
}

static enum group_migration
migration(const char *policy)
{
    static const struct {
        const char *name;
        enum group_migration policy;
    } policies[] = {{"disabled", GROUP_MIGRATION_DISABLED},
                    {"upgrade", GROUP_MIGRATION_UPGRADE},
                    {"downgrade", GROUP_MIGRATION_DOWNGRADE}};
    for (uint32_t i = 0; i < sizeof policies / sizeof *policies; i++)
        if (strcmp(policy, policies[i].name) == 0)
            return policies[i].policy;
    return GROUP_MIGRATION_BIDIRECTIONAL;
}

static int32_t
number(const struct conf *conf, enum conf_key key)
{
    return (int32_t)conf_number(conf, key); /* keys.def bounds it */
}

void
server_groups_configure(struct group_config *g, struct server_core *core)
{
    const struct conf *conf = core->conf;
    group_config_default(g);
    g->session_timeout_min_ms = number(conf, CONF_GROUP_SESSION_MIN_MS);
    g->session_timeout_max_ms = number(conf, CONF_GROUP_SESSION_MAX_MS);
    g->initial_rebalance_delay_ms = number(conf, CONF_GROUP_DELAY_MS);
    g->max_size = number(conf, CONF_GROUP_MAX_SIZE);
    g->offsets_retention_ms = conf_number(conf, CONF_OFFSETS_RETENTION_MIN) * 60000;
    g->offsets_retention_check_ms = conf_number(conf, CONF_OFFSETS_RETENTION_CHECK_MS);
    g->offset_metadata_max_bytes = number(conf, CONF_OFFSET_METADATA_MAX);
    g->consumer.session_timeout_ms = number(conf, CONF_CONSUMER_SESSION_MS);
    g->consumer.heartbeat_interval_ms = number(conf, CONF_CONSUMER_HEARTBEAT_MS);
    g->consumer.assignment_interval_ms = number(conf, CONF_CONSUMER_ASSIGNMENT_MS);
    g->consumer_max_size = number(conf, CONF_CONSUMER_MAX_SIZE);
    g->consumer_regex_refresh_ms = number(conf, CONF_CONSUMER_REGEX_MS);
    g->consumer_migration = migration(conf_text(conf, CONF_CONSUMER_MIGRATION));
    g->port = (struct group_port){.by_name = topic_by_name,
                                  .by_id = topic_by_id,
                                  .next = topic_next,
                                  .regex = core->regex,
                                  .version = version,
                                  .of_group = of_group,
                                  .user = core};
}

/* ---- changes --------------------------------------------------------------------------------- */

void
server_groups_changed(const struct meta_image *m, uint64_t *seen,
                      void (*tell)(void *user, struct view name), void *user)
{
    uint32_t rows = m->index == *seen ? 0 : m->topics_max;
    for (uint32_t row = 0; row < rows; row++)
        if (m->topics[row] && m->topic_index[row] > *seen)
            tell(user, view_of(m->topics[row]->name, m->topics[row]->name_bytes));
    *seen = m->index;
}
