#include "control/server/server_internal.h"

#include <stdio.h>

static const char *const internal_names[SERVER_COORDINATORS] = {
    [SERVER_GROUPS] = "__consumer_offsets",
    [SERVER_TRANSACTIONS] = "__transaction_state",
};

const char *
server_internal_name(enum server_coordinator kind)
{
    return internal_names[kind];
}

static void
setting_add(struct meta_new_topic *t, struct server_internal *memory, const char *name,
            const char *value)
{
    must(t->setting_count < SERVER_INTERNAL_SETTINGS_MAX);
    memory->settings[t->setting_count++] =
        (struct meta_setting){.name = view_of_text(name), .value = view_of_text(value)};
}

static void
number_text(char text[SERVER_INTERNAL_TEXT_BYTES], int64_t number)
{
    (void)snprintf(text, SERVER_INTERNAL_TEXT_BYTES, "%lld", (long long)number);
}

void
server_internal_fill(const struct server_core *core, struct meta_new_topic *t,
                     struct server_internal *memory)
{
    bool groups = view_equal(t->name, view_of_text(internal_names[SERVER_GROUPS]));
    bool txns = view_equal(t->name, view_of_text(internal_names[SERVER_TRANSACTIONS]));
    if (!groups && !txns)
        return;
    const struct conf *conf = core->conf;
    t->settings = memory->settings;
    t->setting_count = 0;
    t->partition_count =
        (int32_t)conf_number(conf, groups ? CONF_OFFSETS_PARTITIONS : CONF_TXN_PARTITIONS);
    t->replication_factor =
        (int16_t)conf_number(conf, groups ? CONF_OFFSETS_REPLICATION : CONF_TXN_REPLICATION);
    number_text(memory->segment_bytes,
                conf_number(conf, groups ? CONF_OFFSETS_SEGMENT_BYTES : CONF_TXN_SEGMENT_BYTES));
    setting_add(t, memory, "cleanup.policy", "compact");
    setting_add(t, memory, "segment.bytes", memory->segment_bytes);
    setting_add(t, memory, "compression.type", groups ? "producer" : "uncompressed");
    if (txns) {
        number_text(memory->min_isr, conf_number(conf, CONF_TXN_MIN_ISR));
        setting_add(t, memory, "min.insync.replicas", memory->min_isr);
        setting_add(t, memory, "unclean.leader.election.enable", "false");
    }
}
