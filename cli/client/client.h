/* client.h: the half of the command that speaks to brokers, through librdkafka.
 *
 * One thread of ours.  Functions that return int return an exit code of command.h unless they say
 * otherwise, and have then written one line on stderr that says what to do.  Answers go to
 * client.out, as JSON or as text; nothing else does. */
#ifndef SLUICE_CLI_CLIENT_CLIENT_H
#define SLUICE_CLI_CLIENT_CLIENT_H

#include "cli/command/command.h"
#include "core/base/must.h"

#include <jansson.h>
#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { CLIENT_ERROR_BYTES = 512, CLIENT_BOOTSTRAP_BYTES = 1024, CLIENT_PAIR_BYTES = 1024 };
enum { CLIENT_ADDRESS_BYTES = 300, CLIENT_ROWS_MAX = 256 };

struct client {
    const struct command_line *line;
    FILE *out;
    bool json;
    int timeout_ms;
    char bootstrap[CLIENT_BOOTSTRAP_BYTES];
    void (*delivered)(rd_kafka_t *, const rd_kafka_message_t *, void *); /* NULL: nobody asks */
    rd_kafka_t *rk;
    rd_kafka_queue_t *queue; /* answers of administration */
    bool down;               /* librdkafka reached no broker */
    char why[CLIENT_ERROR_BYTES];
};

/* client.c */
/* The command of the line: what main.c calls. */
int client_run(const struct command_line *line, FILE *out);
/* Whether the line is one of ours. */
bool client_has(enum command_id id);
/* Reads the options; no connection yet. */
void client_init(struct client *c, const struct command_line *line, FILE *out);
struct client_setting {
    const char *key, *value;
};
/* Makes the handle with these properties, then those of -X. */
int client_handle(struct client *c, rd_kafka_type_t type, const struct client_setting *settings,
                  uint32_t count);
/* client_handle, and waits until a broker answers. */
int client_open(struct client *c, rd_kafka_type_t type, const struct client_setting *settings,
                uint32_t count);
void client_close(struct client *c);
/* Opens a handle that only asks, and gets the metadata of all topics.  The caller destroys it. */
int client_look(struct client *c, const struct rd_kafka_metadata **out);
/* Metadata of all topics, or of one.  The caller destroys it. */
int client_metadata(struct client *c, const char *topic, const struct rd_kafka_metadata **out);
/* ^C or SIGTERM came since client_interrupts. */
void client_interrupts(void);
bool client_interrupted(void);
/* Prints the names of topics or groups that begin with `prefix`, for a shell; says nothing when
 * there is no broker. */
void client_names(enum command_names names, const char *bootstrap, const char *prefix, FILE *out);

/* client_error.c: "sluice: <what>: <why>: <what to do>". */
must_printf(3, 4) int client_fail(rd_kafka_resp_err_t err, const char *detail, const char *fmt,
                                  ...);
/* What to do about an error, "" when there is nothing to say. */
const char *client_advice(rd_kafka_resp_err_t err);
/* A row of an answer to a change: {name, partition, error, message}; no partition for -1. */
void client_result(json_t *rows, const char *name, int32_t partition, rd_kafka_resp_err_t err,
                   const char *message);
/* Prints the rows ("topic orders: created", with the row's offset when it has one) and frees them;
 * those with an error fail the command. */
int client_results(const struct client *c, const char *kind, const char *done, json_t *rows);

/* client_manage.c */
rd_kafka_AdminOptions_t *client_manage_options(struct client *c, rd_kafka_admin_op_t op, bool dry);
/* The answer to what was asked on c->queue; NULL, and told, when it failed as a whole. */
rd_kafka_event_t *client_manage_wait(struct client *c, const char *what);
/* Appends the results of a request about topics. */
void client_manage_topics(json_t *rows, const rd_kafka_topic_result_t **results, size_t count);
/* Settings of a topic or broker: an object of {value, source, default, read_only, sensitive} by
 * key; NULL, and told, when it failed. */
json_t *client_manage_configs(struct client *c, rd_kafka_ResourceType_t type, const char *name);

/* client_position.c: "start|end|N|+N|-N|@time". */
enum client_at {
    CLIENT_START,
    CLIENT_END,
    CLIENT_OFFSET,
    CLIENT_AFTER,
    CLIENT_BEFORE,
    CLIENT_TIME
};
struct client_position {
    enum client_at at;
    int64_t n; /* offset, records, or ms since 1970 */
};
/* false: it is none of them. */
must_check bool client_position_read(const char *text, struct client_position *out);
/* The offset that it is in a log from start to end, for all but CLIENT_TIME. */
int64_t client_position_offset(const struct client_position *p, int64_t start, int64_t end);
/* Replaces the offset of each partition of the list by where the position is in it. */
int client_position_resolve(struct client *c, const struct client_position *p,
                            rd_kafka_topic_partition_list_t *list);

/* client_record.c: records as text and as JSON. */
struct client_record {
    const char *topic;
    int32_t partition;
    int64_t offset, time_ms; /* -1: none */
    const void *key, *value;
    int64_t key_bytes, value_bytes; /* -1: null */
    const rd_kafka_headers_t *headers;
};
/* Escapes \n \r \t \\ \0 of `text`; returns the bytes in out, at most strlen(text). */
size_t client_record_unescape(const char *text, char *out);
/* NULL when the template can be printed, else what is wrong with it. */
const char *client_record_check(const char *template_);
void client_record_print(const char *template_, const struct client_record *r, FILE *out);
/* Bytes that are not UTF-8 become a string of base64 under key_base64 or value_base64. */
json_t *client_record_json(const struct client_record *r);

/* client_input.c: records out of a stream. */
enum { CLIENT_INPUT_BYTES_MAX = 100 << 20, CLIENT_DELIMITER_BYTES = 64 };
struct client_input {
    FILE *in;
    char delimiter[CLIENT_DELIMITER_BYTES];
    size_t delimiter_bytes;
    char *bytes; /* freed by client_input_free */
    size_t used, room;
};
/* The next one, without its delimiter: ERR_OK, ERR_NOT_FOUND at the end, ERR_LIMIT, ERR_IO. */
must_check int client_input_next(struct client_input *i);
void client_input_free(struct client_input *i);
/* Reads a line of 'consume --format json' into r and headers; the strings are owned by `line`. */
must_check bool client_input_json(json_t *line, struct client_record *r,
                                  rd_kafka_headers_t *headers);

/* client_topic.c, client_topic_change.c */
int client_topic_list(struct client *c);
int client_topic_describe(struct client *c);
int client_topic_create(struct client *c);
int client_topic_delete(struct client *c);
int client_topic_trim(struct client *c);
int client_topic_add(struct client *c);
/* All partitions of a topic, or the one of `partition` when it is not -1; NULL, and told. */
rd_kafka_topic_partition_list_t *client_topic_partitions(struct client *c, const char *topic,
                                                         int32_t partition);

/* client_produce.c, client_consume.c */
int client_produce(struct client *c);
int client_consume(struct client *c);

/* client_group.c, client_group_change.c */
int client_group_list(struct client *c);
int client_group_describe(struct client *c);
int client_group_seek(struct client *c);
int client_group_delete(struct client *c);
int client_group_delete_offsets(struct client *c);
/* Committed offsets of a group; NULL, and told. */
rd_kafka_topic_partition_list_t *client_group_offsets(struct client *c, const char *group);

/* client_group_modern.c: fills in all of *out from the coordinator, or says why not; the caller
 * frees members and owners. */
enum { CLIENT_NAME_BYTES = 64 };
struct client_group_found {
    char state[CLIENT_NAME_BYTES], assignor[CLIENT_NAME_BYTES];
    int32_t coordinator;
    json_t *members, *owners; /* owners: {topic, partition, member, host, client_id} */
};
must_check bool client_group_modern(struct client *c, const char *group,
                                    struct client_group_found *out);

/* client_txn.c, client_txn_abort.c, client_quota.c */
int client_txn_list(struct client *c);
int client_txn_describe(struct client *c);
int client_txn_producers(struct client *c);
int client_txn_abort(struct client *c);
int client_quota_list(struct client *c);
int client_quota_set(struct client *c);
int client_quota_remove(struct client *c);

/* client_cluster.c */
int client_cluster_info(struct client *c);
int client_cluster_health(struct client *c);
int client_cluster_config_get(struct client *c);

/* client_config.c: what librdkafka has no call for: changes of single settings. */
int client_config_topic(struct client *c);
int client_config_cluster(struct client *c);

#endif
