#include "cli/client/client.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { PROBE_MS = 200, NAMES_MS = 2000 };

static const struct {
    enum command_id id;
    int (*run)(struct client *c);
} works[] = {
    {COMMAND_TOPIC_LIST, client_topic_list},
    {COMMAND_TOPIC_CREATE, client_topic_create},
    {COMMAND_TOPIC_DESCRIBE, client_topic_describe},
    {COMMAND_TOPIC_ALTER, client_config_topic},
    {COMMAND_TOPIC_DELETE, client_topic_delete},
    {COMMAND_TOPIC_TRIM, client_topic_trim},
    {COMMAND_TOPIC_ADD_PARTITIONS, client_topic_add},
    {COMMAND_PRODUCE, client_produce},
    {COMMAND_CONSUME, client_consume},
    {COMMAND_GROUP_LIST, client_group_list},
    {COMMAND_GROUP_DESCRIBE, client_group_describe},
    {COMMAND_GROUP_SEEK, client_group_seek},
    {COMMAND_GROUP_DELETE, client_group_delete},
    {COMMAND_GROUP_DELETE_OFFSETS, client_group_delete_offsets},
    {COMMAND_TXN_LIST, client_txn_list},
    {COMMAND_TXN_DESCRIBE, client_txn_describe},
    {COMMAND_TXN_PRODUCERS, client_txn_producers},
    {COMMAND_TXN_ABORT, client_txn_abort},
    {COMMAND_QUOTA_LIST, client_quota_list},
    {COMMAND_QUOTA_SET, client_quota_set},
    {COMMAND_QUOTA_REMOVE, client_quota_remove},
    {COMMAND_CLUSTER_INFO, client_cluster_info},
    {COMMAND_CLUSTER_HEALTH, client_cluster_health},
    {COMMAND_CLUSTER_CONFIG_GET, client_cluster_config_get},
    {COMMAND_CLUSTER_CONFIG_SET, client_config_cluster},
};

static volatile sig_atomic_t interrupted;

static void
interrupt(int signal_)
{
    interrupted = 1;
}

void
client_interrupts(void)
{
    struct sigaction a = {.sa_handler = interrupt};
    interrupted = 0;
    sigaction(SIGINT, &a, NULL);
    sigaction(SIGTERM, &a, NULL);
}

bool
client_interrupted(void)
{
    return interrupted;
}

static const char *
bootstrap_default(void)
{
    const char *text = getenv("SLUICE_BOOTSTRAP");
    return text && *text ? text : "127.0.0.1:9092";
}

void
client_init(struct client *c, const struct command_line *line, FILE *out)
{
    const char *bootstrap = command_text(line, "--bootstrap");
    *c = (struct client){.line = line, .out = out};
    c->json = strcmp(command_text(line, "--format"), "json") == 0;
    c->timeout_ms = (int)command_number(line, "--timeout") * 1000;
    snprintf(c->bootstrap, sizeof c->bootstrap, "%s", bootstrap ? bootstrap : bootstrap_default());
}

/* Errors of connections: what the first failed command tells. */
static void
error_seen(rd_kafka_t *rk, int err, const char *reason, void *opaque)
{
    struct client *c = opaque;
    c->down |= err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN;
    if (err != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
        snprintf(c->why, sizeof c->why, "%s", reason);
}

static int
setting_set(rd_kafka_conf_t *conf, const char *key, const char *value)
{
    char error[CLIENT_ERROR_BYTES];
    if (rd_kafka_conf_set(conf, key, value, error, sizeof error) == RD_KAFKA_CONF_OK)
        return COMMAND_EXIT_OK;
    fprintf(stderr, "sluice: -X %s=%s: %s\n", key, value, error);
    return COMMAND_EXIT_USAGE;
}

static int
settings_take(struct client *c, rd_kafka_conf_t *conf, const struct client_setting *settings,
              uint32_t count)
{
    const char *pair;
    int code = setting_set(conf, "bootstrap.servers", c->bootstrap);
    if (code == COMMAND_EXIT_OK)
        code = setting_set(conf, "client.id", "sluice");
    if (code == COMMAND_EXIT_OK) /* asking for a topic must not make it */
        code = setting_set(conf, "allow.auto.create.topics", "false");
    for (uint32_t i = 0; i < count && code == COMMAND_EXIT_OK; i++)
        code = setting_set(conf, settings[i].key, settings[i].value);
    for (int i = 0; code == COMMAND_EXIT_OK && (pair = command_each(c->line, "-X", i)); i++) {
        char key[CLIENT_PAIR_BYTES];
        size_t n = strcspn(pair, "=");
        snprintf(key, sizeof key, "%.*s", (int)(n < sizeof key ? n : sizeof key - 1), pair);
        code = setting_set(conf, key, pair + n + 1);
    }
    return code;
}

int
client_handle(struct client *c, rd_kafka_type_t type, const struct client_setting *settings,
              uint32_t count)
{
    char error[CLIENT_ERROR_BYTES];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(conf, NULL);
    rd_kafka_conf_set_error_cb(conf, error_seen);
    rd_kafka_conf_set_opaque(conf, c);
    if (c->delivered)
        rd_kafka_conf_set_dr_msg_cb(conf, c->delivered);
    int code = settings_take(c, conf, settings, count);
    if (code == COMMAND_EXIT_OK) {
        c->rk = rd_kafka_new(type, conf, error, sizeof error); /* takes conf unless it fails */
        if (c->rk) {
            c->queue = rd_kafka_queue_new(c->rk);
            return COMMAND_EXIT_OK;
        }
        fprintf(stderr, "sluice: %s: look at the properties given with -X\n", error);
        code = COMMAND_EXIT_USAGE;
    }
    rd_kafka_conf_destroy(conf);
    return code;
}

int
client_open(struct client *c, rd_kafka_type_t type, const struct client_setting *settings,
            uint32_t count)
{
    int code = client_handle(c, type, settings, count);
    rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR__TIMED_OUT;
    for (int left = c->timeout_ms; code == COMMAND_EXIT_OK && left > 0 && !c->down;
         left -= PROBE_MS) {
        const struct rd_kafka_metadata *m;
        err = rd_kafka_metadata(c->rk, 0, NULL, &m, left < PROBE_MS ? left : PROBE_MS);
        if (err == RD_KAFKA_RESP_ERR_NO_ERROR) {
            rd_kafka_metadata_destroy(m);
            return COMMAND_EXIT_OK;
        }
        rd_kafka_poll(c->rk, 0);
    }
    if (code != COMMAND_EXIT_OK)
        return code;
    fprintf(stderr,
            "sluice: no broker answers at %s%s%s: start one with 'sluice run', or name another "
            "with -b HOST:PORT\n",
            c->bootstrap, *c->why ? ": " : "", c->why);
    return COMMAND_EXIT_FAILED;
}

void
client_close(struct client *c)
{
    if (c->queue)
        rd_kafka_queue_destroy(c->queue);
    if (c->rk)
        rd_kafka_destroy(c->rk);
    c->queue = NULL;
    c->rk = NULL;
}

int
client_metadata(struct client *c, const char *topic, const struct rd_kafka_metadata **out)
{
    rd_kafka_topic_t *t = topic ? rd_kafka_topic_new(c->rk, topic, NULL) : NULL;
    rd_kafka_resp_err_t err = rd_kafka_metadata(c->rk, topic == NULL, t, out, c->timeout_ms);
    if (t)
        rd_kafka_topic_destroy(t);
    if (err == RD_KAFKA_RESP_ERR_NO_ERROR && topic && (*out)->topic_cnt == 1)
        err = (*out)->topics[0].err;
    else if (err == RD_KAFKA_RESP_ERR_NO_ERROR)
        return COMMAND_EXIT_OK;
    else
        *out = NULL;
    if (err == RD_KAFKA_RESP_ERR_NO_ERROR)
        return COMMAND_EXIT_OK;
    if (*out)
        rd_kafka_metadata_destroy(*out);
    return client_fail(err, NULL, topic ? "topic %s" : "metadata", topic);
}

int
client_look(struct client *c, const struct rd_kafka_metadata **out)
{
    int code = client_open(c, RD_KAFKA_PRODUCER, NULL, 0);
    return code == COMMAND_EXIT_OK ? client_metadata(c, NULL, out) : code;
}

bool
client_has(enum command_id id)
{
    for (size_t i = 0; i < sizeof works / sizeof works[0]; i++)
        if (works[i].id == id)
            return true;
    return false;
}

int
client_run(const struct command_line *line, FILE *out)
{
    static struct client c;
    client_init(&c, line, out);
    for (size_t i = 0; i < sizeof works / sizeof works[0]; i++)
        if (works[i].id == line->command->id) {
            int code = works[i].run(&c);
            client_close(&c);
            return fflush(out) && code == COMMAND_EXIT_OK ? COMMAND_EXIT_FAILED : code;
        }
    return COMMAND_EXIT_USAGE;
}

static void
name_print(const char *name, const char *what, const char *prefix, FILE *out)
{
    if (strncmp(name, prefix, strlen(prefix)) == 0)
        fprintf(out, "%s\t%s\n", name, what);
}

void
client_names(enum command_names names, const char *bootstrap, const char *prefix, FILE *out)
{
    const struct rd_kafka_metadata *m = NULL;
    const struct rd_kafka_group_list *g = NULL;
    char error[CLIENT_ERROR_BYTES];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(conf, NULL);
    if (!bootstrap)
        bootstrap = bootstrap_default();
    if (rd_kafka_conf_set(conf, "bootstrap.servers", bootstrap, error, sizeof error)) {
        rd_kafka_conf_destroy(conf);
        return;
    }
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof error);
    if (!rk) {
        rd_kafka_conf_destroy(conf);
        return;
    }
    if (names == COMMAND_NAMES_TOPICS && rd_kafka_metadata(rk, 1, NULL, &m, NAMES_MS) == 0) {
        for (int i = 0; i < m->topic_cnt; i++)
            name_print(m->topics[i].topic, "topic", prefix, out);
        rd_kafka_metadata_destroy(m);
    }
    if (names == COMMAND_NAMES_GROUPS && rd_kafka_list_groups(rk, NULL, &g, NAMES_MS) == 0) {
        for (int i = 0; i < g->group_cnt; i++)
            name_print(g->groups[i].group, "group", prefix, out);
        rd_kafka_group_list_destroy(g);
    }
    rd_kafka_destroy(rk);
}
