/* client_config.c: changes of single settings (IncrementalAlterConfigs, KIP-339), which leave the
 * others as they are. */
#include "cli/client/client_raw.h"

#include <string.h>

enum { TYPE_TOPIC = 2, TYPE_BROKER = 4 }; /* ConfigResource.Type */
enum { OPERATION_SET = 0, OPERATION_DELETE = 1 };

struct change {
    const char *key, *value; /* value NULL: back to the default */
    uint32_t key_bytes;
};

struct changes {
    struct change items[COMMAND_GIVEN_MAX + COMMAND_WORDS_MAX];
    uint32_t count;
};

static void
pair_take(struct changes *all, const char *pair)
{
    size_t n = strcspn(pair, "=");
    all->items[all->count++] = (struct change){pair, pair + n + 1, (uint32_t)n};
}

static void
resets_take(struct changes *all, const struct command_line *l)
{
    const char *key;
    for (int i = 0; (key = command_each(l, "--reset", i)); i++)
        all->items[all->count++] = (struct change){key, NULL, (uint32_t)strlen(key)};
}

/* The cluster's own settings have no name. */
static const char *
resource_name(struct client_raw *raw, struct view name)
{
    return name.len ? client_raw_text(raw, name) : "settings of all";
}

static int
changes_send(struct client *c, int8_t type, const char *const *names, uint32_t name_count,
             const struct changes *all)
{
    struct wire_incremental_alter_configs_request q;
    struct wire_incremental_alter_configs_response a;
    struct client_raw raw;
    int code = client_raw_open(&raw, c, CLIENT_RAW_ANY);
    wire_init(&wire_incremental_alter_configs_request_message, &q);
    q.validate_only = command_has(c->line, "--dry-run");
    if (code == COMMAND_EXIT_OK) {
        q.resources.items = client_raw_items(
            &raw, &wire_incremental_alter_configs_request_alter_configs_resource_struct,
            name_count);
        q.resources.count = (int32_t)name_count;
    }
    for (uint32_t i = 0; code == COMMAND_EXIT_OK && i < name_count; i++) {
        q.resources.items[i].resource_type = type;
        q.resources.items[i].resource_name = view_of_text(names[i]);
        q.resources.items[i].configs.items = client_raw_items(
            &raw, &wire_incremental_alter_configs_request_alterable_config_struct, all->count);
        q.resources.items[i].configs.count = (int32_t)all->count;
        for (uint32_t k = 0; k < all->count; k++) {
            const struct change *one = &all->items[k];
            q.resources.items[i].configs.items[k].name = view_of(one->key, one->key_bytes);
            q.resources.items[i].configs.items[k].config_operation =
                one->value ? OPERATION_SET : OPERATION_DELETE;
            q.resources.items[i].configs.items[k].value =
                one->value ? view_of_text(one->value) : view_of(NULL, 0);
        }
    }
    if (code == COMMAND_EXIT_OK)
        code = client_raw_call(&raw, WIRE_API_INCREMENTAL_ALTER_CONFIGS, &q, &a);
    if (code == COMMAND_EXIT_OK) {
        json_t *rows = json_array();
        for (int32_t i = 0; i < a.responses.count; i++)
            client_result(rows, resource_name(&raw, a.responses.items[i].resource_name), -1,
                          (rd_kafka_resp_err_t)a.responses.items[i].error_code,
                          a.responses.items[i].error_message.at
                              ? client_raw_text(&raw, a.responses.items[i].error_message)
                              : NULL);
        code = client_results(c, type == TYPE_TOPIC ? "topic" : "broker",
                              q.validate_only ? "can be changed" : "changed", rows);
    }
    client_raw_close(&raw);
    return code;
}

int
client_config_topic(struct client *c)
{
    static struct changes all;
    const char *pair;
    all.count = 0;
    for (int i = 0; (pair = command_each(c->line, "--config", i)); i++)
        pair_take(&all, pair);
    resets_take(&all, c->line);
    if (all.count == 0) {
        fputs("sluice: topic alter: say what to change with --config key=value or --reset KEY: "
              "'sluice topic describe' shows the settings\n",
              stderr);
        return COMMAND_EXIT_USAGE;
    }
    int code = client_open(c, RD_KAFKA_PRODUCER, NULL, 0);
    return code == COMMAND_EXIT_OK
               ? changes_send(c, TYPE_TOPIC, c->line->words, (uint32_t)c->line->word_count, &all)
               : code;
}

int
client_config_cluster(struct client *c)
{
    static struct changes all;
    char broker[16] = ""; /* all brokers */
    const char *name = broker;
    all.count = 0;
    for (int i = 0; i < c->line->word_count; i++) {
        if (!strchr(c->line->words[i], '=')) {
            fprintf(stderr, "sluice: '%s': give key=value\n", c->line->words[i]);
            return COMMAND_EXIT_USAGE;
        }
        pair_take(&all, c->line->words[i]);
    }
    resets_take(&all, c->line);
    if (all.count == 0) {
        fputs("sluice: cluster config set: give key=value or --reset KEY: 'sluice cluster config "
              "get' shows the settings\n",
              stderr);
        return COMMAND_EXIT_USAGE;
    }
    if (command_has(c->line, "--broker"))
        snprintf(broker, sizeof broker, "%lld", (long long)command_number(c->line, "--broker"));
    int code = client_open(c, RD_KAFKA_PRODUCER, NULL, 0);
    return code == COMMAND_EXIT_OK ? changes_send(c, TYPE_BROKER, &name, 1, &all) : code;
}
