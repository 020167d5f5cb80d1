/* server_defaults.h: where the default of a topic's key, and the value of a broker's key, comes
 * from: set for this broker, for all brokers, in the configuration of the start, or built in.
 * Source: Kafka 4.3 DynamicBrokerConfig, ConfigHelper.configSynonyms. */
#ifndef SLUICE_SERVER_SERVER_DEFAULTS_H
#define SLUICE_SERVER_SERVER_DEFAULTS_H

#include "control/server/server_core.h"

enum { /* DescribeConfigsResponse.ConfigSource */
       SERVER_SOURCE_TOPIC = 1,
       SERVER_SOURCE_BROKER = 2,
       SERVER_SOURCE_BROKERS = 3,
       SERVER_SOURCE_STATIC = 4,
       SERVER_SOURCE_DEFAULT = 5,
       SERVER_SOURCE_METRICS = 7,
       SERVER_SOURCE_GROUP = 8,
};

struct server_source {
    struct view name;
    const char *value; /* borrowed: from the image, the configuration, or the table */
    int8_t source;
};
enum { SERVER_SOURCES_MAX = 12 };

/* Reads the defaults of topics from the configuration of the start.  ERR_INVALID, with a log line:
 * a value that no topic could have. */
must_check int server_defaults_init(struct server_core *core);
void server_defaults_free(struct server_core *core);

/* meta_rules.config_default. */
const char *server_default_of(const void *user, enum meta_config c);

/* Each place that gives a broker key a value, or one of the other names of the same fact, the one
 * in force first; empty when the key itself has none.  `name` is lent by the answer. */
uint32_t server_sources(const struct server_core *core, struct view name,
                        struct server_source out[SERVER_SOURCES_MAX]);
/* The topic key whose default this broker key is, the first of its names; META_CONFIGS: none. */
enum meta_config server_topic_key(struct view broker_key);
/* The broker key that is set for a topic key's default: the first of its names; empty: none. */
struct view server_broker_key(enum meta_config c);
/* True when the key can be set while the broker runs; true when the configuration has it. */
bool server_key_dynamic(const struct server_core *core, struct view broker_key);
bool server_key_static(struct view broker_key);
/* This broker's name as a resource. */
struct view server_broker_name(const struct server_core *core, char text[16]);

#endif
