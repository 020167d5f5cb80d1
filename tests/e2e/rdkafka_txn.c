/* rdkafka_txn BOOTSTRAP TOPIC: transactions with librdkafka, whose clients are of transaction
 * version
 * 1.  The topic exists, with one partition.  One line a case, "ok name" or "not ok name". */
#include <librdkafka/rdkafka.h>

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WAIT_MS = 30000, ERROR_BYTES = 512, TRIES_MAX = 1500 };

static const char *bootstrap, *topic;
static bool failed;

static rd_kafka_t *
client(rd_kafka_type_t type, const char *key, const char *value)
{
    char error[ERROR_BYTES];
    const char *settings[][2] = {
        {"bootstrap.servers", bootstrap}, {"isolation.level", "read_committed"},
        {"enable.auto.commit", "false"},  {"auto.offset.reset", "earliest"},
        {"enable.partition.eof", "true"}, {key, value}};
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        bool of_consumer = i > 0 && i < 5;
        if (of_consumer && type == RD_KAFKA_PRODUCER)
            continue;
        if (rd_kafka_conf_set(conf, settings[i][0], settings[i][1], error, sizeof error) !=
            RD_KAFKA_CONF_OK) {
            fprintf(stderr, "%s\n", error);
            exit(2);
        }
    }
    rd_kafka_t *rk = rd_kafka_new(type, conf, error, sizeof error);
    if (!rk) {
        fprintf(stderr, "%s\n", error);
        exit(2);
    }
    return rk;
}

/* True without an error; says what it was. */
static bool
fine(rd_kafka_error_t *error, const char *what)
{
    if (!error)
        return true;
    printf("# %s: %s\n", what, rd_kafka_error_string(error));
    rd_kafka_error_destroy(error);
    return false;
}

static bool
value_send(rd_kafka_t *p, const char *value)
{
    rd_kafka_resp_err_t err =
        rd_kafka_producev(p, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(0),
                          RD_KAFKA_V_VALUE((void *)(uintptr_t)value, strlen(value)),
                          RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
    return err == RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_t *
producer(const char *id)
{
    rd_kafka_t *p = client(RD_KAFKA_PRODUCER, "transactional.id", id);
    return fine(rd_kafka_init_transactions(p, WAIT_MS), "init") ? p : NULL;
}

/* The values up to the end of committed data, as one text; "?" when the end is not reached. */
static void
committed(char *out, size_t room)
{
    rd_kafka_t *c = client(RD_KAFKA_CONSUMER, "group.id", topic);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, 0)->offset = RD_KAFKA_OFFSET_BEGINNING;
    rd_kafka_assign(c, list);
    rd_kafka_topic_partition_list_destroy(list);
    out[0] = '\0';
    for (int waits = 0; waits < WAIT_MS / 100; waits++) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(c, 100);
        if (!m)
            continue;
        bool end = m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
        if (!m->err && strlen(out) + m->len + 1 < room)
            strncat(out, m->payload, m->len);
        rd_kafka_message_destroy(m);
        if (end)
            break;
        if (waits == WAIT_MS / 100 - 1)
            snprintf(out, room, "?");
    }
    rd_kafka_consumer_close(c);
    rd_kafka_destroy(c);
}

static bool
expect(const char *wanted)
{
    char got[1024];
    /* The end of a transaction is answered before its markers are written. */
    for (int tries = 0; tries < TRIES_MAX; tries++) {
        committed(got, sizeof got);
        if (strcmp(got, wanted) == 0)
            return true;
    }
    printf("# committed \"%s\", wanted \"%s\"\n", got, wanted);
    return false;
}

static bool
commits_and_aborts(void)
{
    rd_kafka_t *p = producer(topic);
    bool good = p != NULL;
    for (int i = 0; i < 4 && good; i++) {
        char value[8];
        snprintf(value, sizeof value, "%d", i);
        good = fine(rd_kafka_begin_transaction(p), "begin") && value_send(p, value) &&
               value_send(p, value);
        if (good && i % 2 == 1)
            good = rd_kafka_flush(p, WAIT_MS) == RD_KAFKA_RESP_ERR_NO_ERROR &&
                   fine(rd_kafka_abort_transaction(p, WAIT_MS), "abort");
        else
            good = good && fine(rd_kafka_commit_transaction(p, WAIT_MS), "commit");
    }
    if (p)
        rd_kafka_destroy(p);
    return good && expect("0022");
}

static bool
fences(void)
{
    rd_kafka_t *old = producer(topic);
    bool good = old && fine(rd_kafka_begin_transaction(old), "begin") && value_send(old, "z") &&
                rd_kafka_flush(old, WAIT_MS) == RD_KAFKA_RESP_ERR_NO_ERROR;
    rd_kafka_t *young = producer(topic);
    rd_kafka_error_t *error = good ? rd_kafka_commit_transaction(old, WAIT_MS) : NULL;
    good = good && young && error && rd_kafka_error_is_fatal(error);
    if (error)
        rd_kafka_error_destroy(error);
    good = good && fine(rd_kafka_begin_transaction(young), "begin") && value_send(young, "4") &&
           fine(rd_kafka_commit_transaction(young, WAIT_MS), "commit");
    if (old)
        rd_kafka_destroy(old);
    if (young)
        rd_kafka_destroy(young);
    return good && expect("00224");
}

static int64_t
offset_committed(rd_kafka_t *c)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, 0);
    rd_kafka_resp_err_t err = rd_kafka_committed(c, list, WAIT_MS);
    int64_t offset = err ? -2 : list->elems[0].offset;
    if (err)
        printf("# committed: %s\n", rd_kafka_err2str(err));
    rd_kafka_topic_partition_list_destroy(list);
    return offset;
}

static bool
offsets_send(rd_kafka_t *p, rd_kafka_t *c, int64_t offset)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, 0)->offset = offset;
    rd_kafka_consumer_group_metadata_t *group = rd_kafka_consumer_group_metadata(c);
    bool good = fine(rd_kafka_send_offsets_to_transaction(p, list, group, WAIT_MS), "offsets");
    rd_kafka_consumer_group_metadata_destroy(group);
    rd_kafka_topic_partition_list_destroy(list);
    return good;
}

static bool
offsets_go_with_the_transaction(void)
{
    rd_kafka_t *p = producer(topic), *c = client(RD_KAFKA_CONSUMER, "group.id", topic);
    bool good = p && fine(rd_kafka_begin_transaction(p), "begin") && offsets_send(p, c, 3) &&
                fine(rd_kafka_commit_transaction(p, WAIT_MS), "commit") && offset_committed(c) == 3;
    good = good && fine(rd_kafka_begin_transaction(p), "begin") && offsets_send(p, c, 9) &&
           fine(rd_kafka_abort_transaction(p, WAIT_MS), "abort") && offset_committed(c) == 3;
    rd_kafka_consumer_close(c);
    rd_kafka_destroy(c);
    if (p)
        rd_kafka_destroy(p);
    return good;
}

static void
run(const char *name, bool (*body)(void))
{
    bool good = body();
    printf("%s transactions of librdkafka: %s\n", good ? "ok" : "not ok", name);
    fflush(stdout);
    failed = failed || !good;
}

int
main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    bootstrap = argv[1];
    topic = argv[2];
    run("committed data is seen, aborted data is not", commits_and_aborts);
    run("a newer producer fences an older one", fences);
    run("offsets are committed and aborted with the rest", offsets_go_with_the_transaction);
    return failed ? 1 : 0;
}
