/* acker BOOTSTRAP TOPIC PARTITIONS NAME LOG RATE [BYTES]: an idempotent acks=all producer for the
 * kill loop.
 *
 * Sends RATE records a second, 0: as many as are taken, of less than BYTES (1500), until SIGTERM,
 * then flushes.  Every record that the broker acknowledged becomes a line of
 * LOG: partition offset sequence crc32      (of the payload, hexadecimal) The payload
 * begins "NAME/sequence/"; its length and bytes follow from the sequence.  Ends with exit code 0
 * and a line "delivered N failed N" on stdout; a record that failed was never acknowledged. */
#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zlib.h>

enum { PAYLOAD_BYTES_MAX = 256 << 10, NAME_BYTES_MAX = 64, FLUSH_MS = 120000, TICK_MS = 10 };

struct sent { /* travels with a message; freed by its report */
    uint64_t sequence;
    unsigned long check;
};

static volatile sig_atomic_t stopping;
static FILE *log_file;
static uint64_t delivered, failed;

static void
on_signal(int number)
{
    stopping = number;
}

static uint64_t
now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void
on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
    struct sent *s = m->_private;
    (void)rk;
    (void)opaque;
    if (m->err) {
        failed++;
        fprintf(stderr, "failed %" PRIu64 ": %s\n", s->sequence, rd_kafka_err2str(m->err));
    } else {
        delivered++;
        fprintf(log_file, "%d %" PRId64 " %" PRIu64 " %08lx\n", m->partition, m->offset,
                s->sequence, s->check);
    }
    free(s);
}

static void
on_error(rd_kafka_t *rk, int err, const char *reason, void *opaque)
{
    char text[512];
    (void)opaque;
    if (err != RD_KAFKA_RESP_ERR__FATAL)
        return; /* lost connections are the point of the exercise */
    rd_kafka_fatal_error(rk, text, sizeof text);
    fprintf(stderr, "fatal: %s (%s)\n", text, reason);
    exit(3);
}

static rd_kafka_t *
producer_new(const char *bootstrap)
{
    static const char *const settings[][2] = {
        {"enable.idempotence", "true"},
        {"acks", "all"},
        {"linger.ms", "1"},
        {"message.timeout.ms", "120000"},
        {"socket.timeout.ms", "10000"},
        {"reconnect.backoff.ms", "20"},
        {"reconnect.backoff.max.ms", "200"},
        {"retry.backoff.ms", "20"},
        {"queue.buffering.max.kbytes", "65536"},
        {"log_level", "0"},
    };
    char text[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_res_t bad =
        rd_kafka_conf_set(conf, "bootstrap.servers", bootstrap, text, sizeof text);
    for (size_t i = 0; !bad && i < sizeof settings / sizeof settings[0]; i++)
        bad = rd_kafka_conf_set(conf, settings[i][0], settings[i][1], text, sizeof text);
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_t *rk = bad ? NULL : rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    if (!rk) {
        fprintf(stderr, "%s\n", text);
        exit(2);
    }
    return rk;
}

static void
send_one(rd_kafka_t *rk, const char *topic, int partitions, const char *name, uint64_t sequence,
         uint64_t bytes)
{
    static unsigned char payload[PAYLOAD_BYTES_MAX + NAME_BYTES_MAX];
    size_t n = (size_t)snprintf((char *)payload, sizeof payload, "%s/%" PRIu64 "/", name, sequence);
    size_t total = n + (size_t)(sequence * 2654435761u % bytes);
    for (size_t i = n; i < total; i++)
        payload[i] = (unsigned char)(sequence * 131 + i * 17);
    struct sent *s = malloc(sizeof *s);
    if (!s)
        exit(2);
    *s = (struct sent){.sequence = sequence, .check = crc32(0, payload, (unsigned)total)};
    rd_kafka_resp_err_t err;
    while ((err = rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(topic),
                                    RD_KAFKA_V_PARTITION((int)(sequence % (unsigned)partitions)),
                                    RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                                    RD_KAFKA_V_VALUE(payload, total), RD_KAFKA_V_OPAQUE(s),
                                    RD_KAFKA_V_END)) == RD_KAFKA_RESP_ERR__QUEUE_FULL)
        rd_kafka_poll(rk, TICK_MS);
    if (err) {
        fprintf(stderr, "produce: %s\n", rd_kafka_err2str(err));
        exit(3);
    }
}

int
main(int argc, char **argv)
{
    if (argc < 7 || argc > 8) {
        fprintf(stderr, "usage: acker BOOTSTRAP TOPIC PARTITIONS NAME LOG RATE [BYTES]\n");
        return 2;
    }
    int partitions = (int)strtol(argv[3], NULL, 10);
    uint64_t rate = strtoull(argv[6], NULL, 10);
    uint64_t bytes = argc == 8 ? strtoull(argv[7], NULL, 10) : 1500;
    log_file = fopen(argv[5], "w");
    if (!log_file || partitions < 1 || bytes < 1 || bytes > PAYLOAD_BYTES_MAX)
        return 2;
    signal(SIGTERM, on_signal);
    rd_kafka_t *rk = producer_new(argv[1]);
    uint64_t sequence = 0, begin_ms = now_ms();
    while (!stopping) {
        uint64_t tick_ms = now_ms();
        while (!stopping && (rate ? sequence * 1000 < (now_ms() - begin_ms) * rate
                                  : now_ms() - tick_ms < TICK_MS))
            send_one(rk, argv[2], partitions, argv[4], sequence++, bytes);
        if (rate)
            nanosleep(&(struct timespec){.tv_nsec = TICK_MS * 1000000}, NULL);
        rd_kafka_poll(rk, 0);
        fflush(log_file);
    }
    rd_kafka_resp_err_t left = rd_kafka_flush(rk, FLUSH_MS);
    rd_kafka_destroy(rk);
    printf("delivered %" PRIu64 " failed %" PRIu64 "\n", delivered, failed);
    return fclose(log_file) || left ? 1 : 0;
}
