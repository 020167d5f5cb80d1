/* raw_main.c: options, the modes and the JSON line of sluice-raw. */
#include "bench/load/raw.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static const char usage[] =
    "usage: sluice-raw MODE [options]\n"
    "  bulk     batches of many records, as fast as the broker takes them\n"
    "  single   one record of 100 bytes a request, 256 partitions\n"
    "  rate     open loop: latency from the time a request was due\n"
    "  fetch    reads a topic from its beginning\n"
    "options (defaults of the mode):\n"
    "  --bootstrap HOST:PORT   127.0.0.1:9092\n"
    "  --topic NAME            raw-bulk or raw-single; created unless --no-create\n"
    "  --connections N --depth N --partitions N\n"
    "  --record-bytes N --records N (per request)\n"
    "  --fetch-bytes N --rate N --seconds S --warmup S --acks -1|1\n"
    "  --server-pid PID[,PID...]   reports the CPU and memory of these processes\n"
    "Prints one JSON line.\n";

void
raw_die(const char *what)
{
    fprintf(stderr, "sluice-raw: %s: %s\n", what, strerror(errno));
    exit(1);
}

uint64_t
raw_now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

double
raw_own_cpu_s(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

double
raw_server_cpu_s(const struct raw_options *o)
{
    double sum = 0;
    for (uint32_t i = 0; i < o->pid_count; i++) {
        char path[64], line[1024];
        uint64_t user, sys;
        snprintf(path, sizeof path, "/proc/%d/stat", o->pids[i]);
        FILE *f = fopen(path, "r");
        if (!f || !fgets(line, sizeof line, f))
            raw_die(path);
        fclose(f);
        /* Fields 14 and 15, counted after the parenthesis that ends field 2. */
        const char *p = strrchr(line, ')');
        if (!p || sscanf(p + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64,
                         &user, &sys) != 2)
            raw_die(path);
        sum += (double)(user + sys) / (double)sysconf(_SC_CLK_TCK);
    }
    return sum;
}

double
raw_server_resident_mb(const struct raw_options *o)
{
    double sum = 0;
    for (uint32_t i = 0; i < o->pid_count; i++) {
        char path[64];
        uint64_t size, resident;
        snprintf(path, sizeof path, "/proc/%d/statm", o->pids[i]);
        FILE *f = fopen(path, "r");
        if (!f || fscanf(f, "%" SCNu64 " %" SCNu64, &size, &resident) != 2)
            raw_die(path);
        fclose(f);
        sum += (double)resident * (double)sysconf(_SC_PAGESIZE) / 1e6;
    }
    return sum;
}

static struct raw_options
mode_defaults(const char *name)
{
    struct raw_options o = {.mode_name = name,
                            .host = "127.0.0.1",
                            .port = 9092,
                            .create = true,
                            .connections = 4,
                            .depth = 8,
                            .partitions = 4,
                            .record_bytes = 1024,
                            .records = 256,
                            .fetch_bytes = 8 << 20,
                            .seconds = 10,
                            .warmup_seconds = 2,
                            .rate = 5000,
                            .acks = -1,
                            .topic = "raw-bulk"};
    if (strcmp(name, "bulk") == 0)
        return o;
    o.topic = "raw-single";
    o.record_bytes = 100;
    o.records = 1;
    o.partitions = 256;
    if (strcmp(name, "single") == 0) {
        o.depth = 64;
        return o;
    }
    o.mode = RAW_OPEN;
    o.depth = 1024;
    if (strcmp(name, "rate") == 0)
        return o;
    o.mode = RAW_FETCH;
    o.topic = "raw-bulk";
    o.partitions = 4;
    o.create = false;
    if (strcmp(name, "fetch") == 0)
        return o;
    fputs(usage, stderr);
    exit(2);
}

static uint32_t
number(const char *text, uint32_t least, uint32_t most)
{
    char *end;
    unsigned long v = strtoul(text, &end, 10);
    if (*end || v < least || v > most) {
        fprintf(stderr, "sluice-raw: '%s' is not a number from %u to %u\n", text, least, most);
        exit(2);
    }
    return (uint32_t)v;
}

static void
bootstrap(struct raw_options *o, const char *text)
{
    const char *colon = strrchr(text, ':');
    if (!colon || (size_t)(colon - text) >= sizeof o->host) {
        fputs(usage, stderr);
        exit(2);
    }
    snprintf(o->host, sizeof o->host, "%.*s", (int)(colon - text), text);
    o->port = (uint16_t)number(colon + 1, 1, 65535);
}

static void
pids(struct raw_options *o, char *text)
{
    for (char *next; text && o->pid_count < RAW_PIDS_MAX; text = next) {
        next = strchr(text, ',');
        if (next)
            *next++ = '\0';
        o->pids[o->pid_count++] = (int)number(text, 1, INT32_MAX);
    }
}

enum {
    BOOTSTRAP,
    TOPIC,
    NO_CREATE,
    CONNECTIONS,
    DEPTH,
    PARTITIONS,
    RECORD_BYTES,
    RECORDS,
    FETCH_BYTES,
    RATE,
    SECONDS,
    WARMUP,
    ACKS,
    SERVER_PID
};

static void
option(struct raw_options *o, int which, char *text)
{
    switch (which) {
    case BOOTSTRAP:
        bootstrap(o, text);
        break;
    case TOPIC:
        o->topic = text;
        break;
    case NO_CREATE:
        o->create = false;
        break;
    case CONNECTIONS:
        o->connections = number(text, 1, RAW_CONNECTIONS_MAX);
        break;
    case DEPTH:
        o->depth = number(text, 1, RAW_DEPTH_MAX);
        break;
    case PARTITIONS:
        o->partitions = number(text, 1, RAW_PARTITIONS_MAX);
        break;
    case RECORD_BYTES:
        o->record_bytes = number(text, 0, 1 << 20);
        break;
    case RECORDS:
        o->records = number(text, 1, 1 << 20);
        break;
    case FETCH_BYTES:
        o->fetch_bytes = number(text, 1, 1 << 30);
        break;
    case RATE:
        o->rate = number(text, 1, 10000000);
        break;
    case SECONDS:
        o->seconds = number(text, 1, 86400);
        break;
    case WARMUP:
        o->warmup_seconds = number(text, 0, 3600);
        break;
    case ACKS:
        o->acks = strcmp(text, "1") == 0 ? 1 : -1; /* acks=0 has no answer to count */
        break;
    case SERVER_PID:
        pids(o, text);
        break;
    default:
        fputs(usage, stderr);
        exit(2);
    }
}

static void
print(const struct raw_options *o, const struct raw_result *r)
{
    double gb = (double)r->bytes / 1e9;
    printf("{\"mode\": \"%s\", \"connections\": %u, \"depth\": %u, \"partitions\": %u, "
           "\"record_bytes\": %u, \"records_per_request\": %u, \"seconds\": %.3f, ",
           o->mode_name, o->connections, o->depth, o->partitions, o->record_bytes, o->records,
           r->seconds);
    printf("\"requests\": %" PRIu64 ", \"errors\": %" PRIu64 ", \"mb_per_s\": %.1f, "
           "\"requests_per_s\": %.0f, ",
           r->requests, r->errors, (double)r->bytes / 1e6 / r->seconds,
           (double)r->requests / r->seconds);
    if (o->mode == RAW_OPEN)
        printf("\"rate_asked\": %.0f, \"rate_sent\": %.0f, ", o->rate,
               (double)r->requests_sent / r->seconds);
    printf("\"p50_us\": %.0f, \"p99_us\": %.0f, \"p999_us\": %.0f, \"max_us\": %.0f, ",
           (double)raw_histogram_at(&r->latency, 0.5) / 1e3,
           (double)raw_histogram_at(&r->latency, 0.99) / 1e3,
           (double)raw_histogram_at(&r->latency, 0.999) / 1e3, (double)r->latency.most_ns / 1e3);
    printf("\"client_cpu_s\": %.2f", r->client_cpu_s);
    if (o->pid_count > 0)
        printf(", \"server_cpu_s\": %.2f, \"server_cpu_s_per_gb\": %.3f, "
               "\"server_cpu_us_per_request\": %.2f, \"server_resident_mb\": %.0f",
               r->server_cpu_s, gb > 0 ? r->server_cpu_s / gb : 0,
               r->requests > 0 ? r->server_cpu_s * 1e6 / (double)r->requests : 0,
               r->server_resident_mb);
    printf("}\n");
}

int
main(int argc, char **argv)
{
    static const struct option longs[] = {{"bootstrap", 1, NULL, BOOTSTRAP},
                                          {"topic", 1, NULL, TOPIC},
                                          {"no-create", 0, NULL, NO_CREATE},
                                          {"connections", 1, NULL, CONNECTIONS},
                                          {"depth", 1, NULL, DEPTH},
                                          {"partitions", 1, NULL, PARTITIONS},
                                          {"record-bytes", 1, NULL, RECORD_BYTES},
                                          {"records", 1, NULL, RECORDS},
                                          {"fetch-bytes", 1, NULL, FETCH_BYTES},
                                          {"rate", 1, NULL, RATE},
                                          {"seconds", 1, NULL, SECONDS},
                                          {"warmup", 1, NULL, WARMUP},
                                          {"acks", 1, NULL, ACKS},
                                          {"server-pid", 1, NULL, SERVER_PID},
                                          {NULL, 0, NULL, 0}};
    static struct raw_result result;
    if (argc < 2 || argv[1][0] == '-') {
        fputs(usage, stderr);
        return 2;
    }
    struct raw_options o = mode_defaults(argv[1]);
    for (int which; (which = getopt_long(argc - 1, argv + 1, "", longs, NULL)) != -1;)
        option(&o, which, optarg);
    if (strlen(o.topic) > RAW_TOPIC_BYTES_MAX)
        raw_die("a shorter topic name");
    /* A file descriptor a connection. */
    struct rlimit files = {0};
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    raw_prepare_topic(&o);
    if (o.mode == RAW_FETCH)
        raw_fetch_run(&o, &result);
    else
        raw_run(&o, &result);
    print(&o, &result);
    return result.errors > 0;
}
