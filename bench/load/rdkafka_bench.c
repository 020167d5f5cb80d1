/* rdkafka_bench BOOTSTRAP TOPIC PARTITIONS RECORD_BYTES SECONDS [PID,PID...]: a librdkafka producer
 * as applications write it (acks=all, linger 5 ms, no compression), as fast as it gets.  The topic
 * must exist.  Prints one JSON line like sluice-raw's; the first second is not counted. */
#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { POLL_EVERY = 64, FLUSH_MS = 60000 };

static uint64_t delivered, failed;

static double
now_s(clockid_t clock)
{
    struct timespec ts;
    clock_gettime(clock, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static double
server_cpu_s(const char *pids)
{
    double sum = 0;
    while (pids && *pids) {
        char path[64], line[1024], *next;
        uint64_t user = 0, sys = 0;
        snprintf(path, sizeof path, "/proc/%ld/stat", strtol(pids, &next, 10));
        FILE *f = fopen(path, "r");
        const char *p = f && fgets(line, sizeof line, f) ? strrchr(line, ')') : NULL;
        if (!p || sscanf(p + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64,
                         &user, &sys) != 2) {
            fprintf(stderr, "rdkafka_bench: %s cannot be read\n", path);
            exit(1);
        }
        fclose(f);
        sum += (double)(user + sys) / (double)sysconf(_SC_CLK_TCK);
        pids = *next == ',' ? next + 1 : NULL;
    }
    return sum;
}

static void
on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
    (void)rk;
    (void)opaque;
    delivered += !m->err;
    failed += m->err != 0;
}

static rd_kafka_t *
producer_new(const char *bootstrap)
{
    static const char *const settings[][2] = {{"acks", "all"},
                                              {"linger.ms", "5"},
                                              {"batch.size", "1000000"},
                                              {"queue.buffering.max.messages", "1000000"},
                                              {"queue.buffering.max.kbytes", "262144"}};
    char text[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_res_t bad =
        rd_kafka_conf_set(conf, "bootstrap.servers", bootstrap, text, sizeof text);
    for (size_t i = 0; !bad && i < sizeof settings / sizeof settings[0]; i++)
        bad = rd_kafka_conf_set(conf, settings[i][0], settings[i][1], text, sizeof text);
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_t *rk = bad ? NULL : rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    if (!rk) {
        fprintf(stderr, "rdkafka_bench: %s\n", text);
        exit(2);
    }
    return rk;
}

/* Produces until the time is over; waits for reports when the queue is full. */
static void
produce_until(rd_kafka_t *rk, rd_kafka_topic_t *topic, const uint8_t *value, size_t len,
              int32_t partitions, double limit_s)
{
    static uint64_t i;
    while (now_s(CLOCK_MONOTONIC) < limit_s)
        for (int n = 0; n < POLL_EVERY; n++) {
            int32_t partition = (int32_t)(i++ / 64 % (uint64_t)partitions);
            while (rd_kafka_produce(topic, partition, RD_KAFKA_MSG_F_COPY, (void *)(uintptr_t)value,
                                    len, NULL, 0, NULL))
                rd_kafka_poll(rk, 5);
            if (n == 0)
                rd_kafka_poll(rk, 0);
        }
}

int
main(int argc, char **argv)
{
    if (argc < 6) {
        fprintf(stderr, "usage: rdkafka_bench BOOTSTRAP TOPIC PARTITIONS BYTES SECONDS [PIDS]\n");
        return 2;
    }
    int32_t partitions = (int32_t)strtol(argv[3], NULL, 10);
    size_t len = strtoul(argv[4], NULL, 10);
    double seconds = strtod(argv[5], NULL);
    const char *pids = argc > 6 ? argv[6] : NULL;
    uint8_t *value = malloc(len + 1);
    if (!value || partitions < 1)
        return 2;
    for (size_t k = 0; k < len; k++)
        value[k] = (uint8_t)(k * 2654435761u >> 11);
    rd_kafka_t *rk = producer_new(argv[1]);
    rd_kafka_topic_t *topic = rd_kafka_topic_new(rk, argv[2], NULL);
    double begin_s = now_s(CLOCK_MONOTONIC);
    produce_until(rk, topic, value, len, partitions, begin_s + 1);
    double from_s = now_s(CLOCK_MONOTONIC), cpu_s = now_s(CLOCK_PROCESS_CPUTIME_ID);
    double server_s = server_cpu_s(pids);
    uint64_t before = delivered;
    produce_until(rk, topic, value, len, partitions, from_s + seconds);
    double took_s = now_s(CLOCK_MONOTONIC) - from_s;
    double bytes = (double)(delivered - before) * (double)len;
    cpu_s = now_s(CLOCK_PROCESS_CPUTIME_ID) - cpu_s;
    server_s = server_cpu_s(pids) - server_s;
    uint64_t records = delivered - before;
    rd_kafka_resp_err_t left = rd_kafka_flush(rk, FLUSH_MS);
    printf("{\"mode\": \"rdkafka\", \"partitions\": %d, \"record_bytes\": %zu, \"seconds\": %.3f, "
           "\"records\": %" PRIu64 ", \"errors\": %" PRIu64 ", \"mb_per_s\": %.1f, "
           "\"client_cpu_s\": %.2f, \"server_cpu_s\": %.2f, \"server_cpu_s_per_gb\": %.3f}\n",
           partitions, len, took_s, records, failed, bytes / 1e6 / took_s, cpu_s, server_s,
           bytes > 0 ? server_s / (bytes / 1e9) : 0);
    rd_kafka_topic_destroy(topic);
    rd_kafka_destroy(rk);
    free(value);
    return left || failed ? 1 : 0;
}
