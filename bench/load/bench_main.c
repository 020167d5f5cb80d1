/* bench_main.c: options of sluice-bench; the defaults of each mode. */
#include "bench/load/bench.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

void
bench_die(const char *what)
{
    fprintf(stderr, "sluice-bench: %s: %s\n", what, strerror(errno));
    exit(1);
}

uint64_t
bench_now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

double
bench_own_cpu_s(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

double
bench_server_cpu_s(const struct bench_options *o)
{
    double sum = 0;
    for (uint32_t i = 0; i < o->pid_count; i++) {
        char path[64], line[1024];
        uint64_t user, sys;
        snprintf(path, sizeof path, "/proc/%d/stat", o->pids[i]);
        FILE *f = fopen(path, "r");
        if (!f || !fgets(line, sizeof line, f))
            bench_die(path);
        fclose(f);
        /* Fields 14 and 15, counted after the parenthesis that ends field 2. */
        const char *p = strrchr(line, ')');
        if (!p || sscanf(p + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64,
                         &user, &sys) != 2)
            bench_die(path);
        sum += (double)(user + sys) / (double)sysconf(_SC_CLK_TCK);
    }
    return sum;
}

double
bench_server_resident_mb(const struct bench_options *o)
{
    double sum = 0;
    for (uint32_t i = 0; i < o->pid_count; i++) {
        char path[64];
        uint64_t size, resident;
        snprintf(path, sizeof path, "/proc/%d/statm", o->pids[i]);
        FILE *f = fopen(path, "r");
        if (!f || fscanf(f, "%" SCNu64 " %" SCNu64, &size, &resident) != 2)
            bench_die(path);
        fclose(f);
        sum += (double)resident * (double)sysconf(_SC_PAGESIZE) / 1e6;
    }
    return sum;
}

/* The modes: names for common loads; every option may change them. */
static const struct mode {
    const char *name, *help;
    struct bench_options o;
} modes[] = {
    {"bulk",
     "batches of 256 records of 1 KiB, as fast as the broker takes them",
     {.topic = "bench-bulk",
      .producers = 4,
      .depth = 8,
      .partitions = 4,
      .record_bytes = 1024,
      .records = 256}},
    {"single",
     "one record of 100 bytes a request, 256 partitions",
     {.topic = "bench-single",
      .producers = 4,
      .depth = 64,
      .partitions = 256,
      .record_bytes = 100,
      .records = 1}},
    {"rate",
     "the same in an open loop, 5000/s: latency from the time a record was due",
     {.topic = "bench-single",
      .producers = 4,
      .depth = 1024,
      .partitions = 256,
      .record_bytes = 100,
      .records = 1,
      .rate = 5000}},
    {"fetch",
     "reads a topic from its beginning to the end it has now",
     {.topic = "bench-bulk",
      .consumers = 1,
      .partitions = 4,
      .record_bytes = 1024,
      .records = 1,
      .from_start = true,
      .drain = true,
      .seconds = 600,
      .warmup_seconds = -1}},
    {"commits",
     "OffsetCommits of one offset, each for a group of its own (--keys groups)",
     {.topic = "bench-commits",
      .load = BENCH_COMMITS,
      .producers = 4,
      .depth = 16,
      .partitions = 4,
      .keys = 64,
      .records = 1}},
};

static struct bench_options
mode_defaults(const struct mode *m)
{
    struct bench_options o = m->o;
    o.mode_name = m->name;
    snprintf(o.host, sizeof o.host, "127.0.0.1");
    o.port = 9092;
    o.create = o.producers > 0;
    o.fetch_bytes = 8 << 20;
    o.seconds = o.seconds > 0 ? o.seconds : 10;
    o.warmup_seconds = o.warmup_seconds < 0 ? 0 : 2;
    o.linger_ms = 5;
    o.acks = -1;
    o.compression = "none";
    return o;
}

enum kind { FLAG, NO_FLAG, COUNT, REAL, TEXT, BOOTSTRAP, CLIENT, RAMP, ACKS, SETTING, PIDS };

/* One line an option: a field, its type and its bounds. */
static const struct choice {
    const char *name;
    enum kind kind;
    size_t at;
    double least, most;
    const char *help;
} choices[] = {
#define AT(field) offsetof(struct bench_options, field)
    {"bootstrap", BOOTSTRAP, 0, 0, 0, "HOST:PORT  127.0.0.1:9092"},
    {"client", CLIENT, 0, 0, 0, "raw|librdkafka  raw"},
    {"topic", TEXT, AT(topic), 0, 0, "NAME"},
    {"no-create", NO_FLAG, AT(create), 0, 0, "the topic is there"},
    {"partitions", COUNT, AT(partitions), 1, BENCH_PARTITIONS_MAX, "N"},
    {"producers", COUNT, AT(producers), 0, BENCH_CONNECTIONS_MAX, "N  connections that produce"},
    {"consumers", COUNT, AT(consumers), 0, BENCH_CONNECTIONS_MAX, "N  they share the partitions"},
    {"fan-out", FLAG, AT(fan_out), 0, 0, "each consumer reads every partition"},
    {"from-start", FLAG, AT(from_start), 0, 0, "consumers begin at the first record"},
    {"drain", FLAG, AT(drain), 0, 0, "ends when the consumers have read everything"},
    {"idle", COUNT, AT(idle), 0, BENCH_IDLE_MAX, "N  connections that say nothing more"},
    {"depth", COUNT, AT(depth), 1, BENCH_DEPTH_MAX, "N  requests in flight a producer"},
    {"record-bytes", COUNT, AT(record_bytes), 0, BENCH_RECORD_BYTES_MAX, "N  of a value"},
    {"records", COUNT, AT(records), 1, 1 << 20, "N  of a request (librdkafka batches itself)"},
    {"keys", COUNT, AT(keys), 0, 1 << 30, "N  different keys, about; 0: none"},
    {"rate", REAL, AT(rate), 1, 1e8, "N  records/s of all producers: open loop"},
    {"ramp", RAMP, 0, 0, 0, "TO:STEPS  rates from --rate to TO in equal ratios, a run each"},
    {"search-p99", REAL, AT(search_p99_ms), 0.001, 1e6, "MS  the highest rate that holds this"},
    {"consume-rate", REAL, AT(consume_rate), 1, 1e8, "N  records/s of one consumer"},
    {"fetch-bytes", COUNT, AT(fetch_bytes), 1, 1 << 30, "N  most of one Fetch"},
    {"acks", ACKS, 0, 0, 0, "-1|1"},
    {"seconds", REAL, AT(seconds), 0.1, 86400, "S"},
    {"warmup", REAL, AT(warmup_seconds), 0, 3600, "S  not counted"},
    {"settle", REAL, AT(settle_seconds), 0, 3600,
     "S  a longer warm-up, until two seconds differ by less than 10 %, at most"},
    {"interval", REAL, AT(interval_seconds), 0.05, 3600, "S  prints a line so often"},
    {"buckets", FLAG, AT(buckets), 0, 0, "prints the histograms, to be merged"},
    {"linger", REAL, AT(linger_ms), 0, 10000, "MS  librdkafka: linger.ms"},
    {"compression", TEXT, AT(compression), 0, 0, "NAME  librdkafka"},
    {"txn", COUNT, AT(txn_records), 1, 1 << 20, "N  records of a transaction (raw: as --records)"},
    {"group", TEXT, AT(group), 0, 0, "NAME  librdkafka: consumers subscribe in this group"},
    {"set", SETTING, 0, 0, 0, "KEY=VALUE  librdkafka: any of its settings"},
    {"server-pid", PIDS, 0, 0, 0, "PID[,PID...]  reports CPU and memory of these processes"},
#undef AT
};
enum { CHOICES = sizeof choices / sizeof choices[0], MODES = sizeof modes / sizeof modes[0] };

static void __attribute__((noreturn)) usage(void)
{
    fprintf(stderr, "usage: sluice-bench MODE [--option value]...\n");
    for (size_t i = 0; i < MODES; i++)
        fprintf(stderr, "  %-14s %s\n", modes[i].name, modes[i].help);
    fprintf(stderr, "options, with the defaults of the mode:\n");
    for (size_t i = 0; i < CHOICES; i++)
        fprintf(stderr, "  --%-14s %s\n", choices[i].name, choices[i].help);
    fprintf(stderr, "Prints JSON lines.\n");
    exit(2);
}

static void __attribute__((noreturn)) refuse(const char *name, const char *text)
{
    fprintf(stderr, "sluice-bench: --%s does not take '%s'\n", name, text);
    exit(2);
}

static double
number(const struct choice *c, const char *text, double least, double most)
{
    char *end;
    double v = strtod(text, &end);
    if (end == text || *end || !(v >= least && v <= most))
        refuse(c->name, text);
    return v;
}

static void
take_bootstrap(struct bench_options *o, const struct choice *c, const char *text)
{
    const char *colon = strrchr(text, ':');
    if (!colon || (size_t)(colon - text) >= sizeof o->host)
        refuse(c->name, text);
    snprintf(o->host, sizeof o->host, "%.*s", (int)(colon - text), text);
    o->port = (uint16_t)number(c, colon + 1, 1, 65535);
}

static void
take_pids(struct bench_options *o, const struct choice *c, char *text)
{
    for (char *next; text && o->pid_count < BENCH_PIDS_MAX; text = next) {
        next = strchr(text, ',');
        if (next)
            *next++ = '\0';
        o->pids[o->pid_count++] = (int)number(c, text, 1, INT32_MAX);
    }
}

static void
take(struct bench_options *o, const struct choice *c, char *text)
{
    void *field = (char *)o + c->at;
    char *colon;
    switch (c->kind) {
    case FLAG:
    case NO_FLAG:
        *(bool *)field = c->kind == FLAG;
        break;
    case COUNT:
        *(uint32_t *)field = (uint32_t)number(c, text, c->least, c->most);
        break;
    case REAL:
        *(double *)field = number(c, text, c->least, c->most);
        break;
    case TEXT:
        *(const char **)field = text;
        break;
    case BOOTSTRAP:
        take_bootstrap(o, c, text);
        break;
    case CLIENT:
        if (strcmp(text, "raw") != 0 && strcmp(text, "librdkafka") != 0)
            refuse(c->name, text);
        o->client = *text == 'r' ? BENCH_RAW : BENCH_RDKAFKA;
        break;
    case RAMP:
        colon = strchr(text, ':');
        if (!colon)
            refuse(c->name, text);
        *colon = '\0';
        o->ramp_to = number(c, text, 1, 1e8);
        o->ramp_steps = (uint32_t)number(c, colon + 1, 2, 1000);
        break;
    case ACKS: /* acks=0 has no answer to count */
        o->acks = number(c, text, -1, 1) < 0 ? -1 : 1;
        break;
    case SETTING:
        if (!strchr(text, '=') || o->setting_count == BENCH_SETTINGS_MAX)
            refuse(c->name, text);
        o->settings[o->setting_count++] = text;
        break;
    case PIDS:
        take_pids(o, c, text);
        break;
    }
}

static void
check(const struct bench_options *o)
{
    const char *wrong = NULL;
    if (strlen(o->topic) > BENCH_TOPIC_BYTES_MAX)
        wrong = "a shorter topic name";
    else if (o->client == BENCH_RAW && strcmp(o->compression, "none") != 0)
        wrong = "--compression wants --client librdkafka";
    else if (o->client == BENCH_RAW && (o->group || o->setting_count) && o->load != BENCH_COMMITS)
        wrong = "--group and --set want --client librdkafka";
    else if (o->client == BENCH_RAW && o->txn_records > 0 &&
             (o->txn_records != o->records || o->rate > 0 || o->load == BENCH_COMMITS))
        wrong = "--txn with --client raw is one request of --records, without a rate";
    else if (o->client == BENCH_RDKAFKA && (o->load == BENCH_COMMITS || o->idle || o->drain))
        wrong = "commits, --idle and --drain want --client raw";
    else if (o->producers + o->consumers + o->idle == 0)
        wrong = "nothing to do";
    else if ((o->ramp_steps > 0 || o->search_p99_ms > 0) && (o->rate <= 0 || o->producers == 0))
        wrong = "--ramp and --search-p99 want --rate and --producers";
    else if (o->drain && o->consumers == 0)
        wrong = "--drain wants --consumers";
    if (!wrong)
        return;
    fprintf(stderr, "sluice-bench: %s\n", wrong);
    exit(2);
}

int
main(int argc, char **argv)
{
    struct option longs[CHOICES + 1] = {{NULL, 0, NULL, 0}};
    const struct mode *mode = NULL;
    for (size_t i = 0; i < CHOICES; i++)
        longs[i] = (struct option){choices[i].name,
                                   choices[i].kind == FLAG || choices[i].kind == NO_FLAG ? 0 : 1,
                                   NULL, (int)i};
    for (size_t i = 0; argc > 1 && i < MODES; i++)
        if (strcmp(argv[1], modes[i].name) == 0)
            mode = &modes[i];
    if (!mode)
        usage();
    struct bench_options o = mode_defaults(mode);
    for (int which; (which = getopt_long(argc - 1, argv + 1, "", longs, NULL)) != -1;) {
        if (which >= CHOICES)
            usage();
        take(&o, &choices[which], optarg);
    }
    check(&o);
    /* A file descriptor a connection. */
    struct rlimit files = {0};
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    return bench_plan(&o);
}
