/* bench.h: sluice-bench, a load generator for anything that speaks Kafka's protocol.
 *
 * What runs at a fixed rate is an open loop: the moment at which a record is due is laid down
 * beforehand and latency counts from it, so a broker that stalls cannot hide (no coordinated
 * omission).  Without a rate, each producer keeps `depth` requests in flight.
 *
 * Two clients behind the same options: raw (raw.h: one thread, a few CPU-us a request, so that the
 * client is not what is measured) and librdkafka (rdk.c: what applications use).  Every figure says
 * whether the client was the bottleneck: its own CPU time, and how late it was itself. */
#ifndef SLUICE_BENCH_BENCH_H
#define SLUICE_BENCH_BENCH_H

#include "bench/load/hist.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    BENCH_PIDS_MAX = 16,
    BENCH_CONNECTIONS_MAX = 4096, /* producers, and consumers */
    BENCH_IDLE_MAX = 20000,
    BENCH_DEPTH_MAX = 1024,
    BENCH_PARTITIONS_MAX = 4096,
    BENCH_RECORD_BYTES_MAX = 1 << 20,
    BENCH_TOPIC_BYTES_MAX = 100,
    BENCH_SETTINGS_MAX = 32,
    BENCH_STAMP_BYTES = 8 /* a value begins with the time it was due: CLOCK_MONOTONIC, ns */
};

enum bench_client { BENCH_RAW, BENCH_RDKAFKA };
enum bench_load {
    BENCH_RECORDS, /* Produce, Fetch */
    BENCH_COMMITS  /* OffsetCommit, a group a template; raw client only */
};

struct bench_options {
    const char *mode_name, *topic, *group, *compression;
    char host[64];
    uint16_t port;
    enum bench_client client;
    enum bench_load load;
    bool create, fan_out, from_start, drain, buckets;
    uint32_t producers, consumers, idle, depth, partitions;
    uint32_t record_bytes, records, keys; /* records: of a request; keys: 0 for none */
    uint32_t fetch_bytes, txn_records;
    double seconds, warmup_seconds, interval_seconds, linger_ms;
    double settle_seconds;     /* how much longer a warm-up may be until the rate is steady */
    double rate, consume_rate; /* records/s: of all producers, of one consumer; 0: no limit */
    double ramp_to;            /* 0: no ramp */
    uint32_t ramp_steps;
    double search_p99_ms; /* 0: no search */
    int acks;
    int pids[BENCH_PIDS_MAX];
    uint32_t pid_count;
    const char *settings[BENCH_SETTINGS_MAX]; /* key=value for librdkafka */
    uint32_t setting_count;
};

/* What is timed.  LATE is the client's own fault: from due until handed to the socket while there
 * was room for it. */
enum bench_kind { BENCH_PRODUCE, BENCH_E2E, BENCH_FETCH, BENCH_COMMIT, BENCH_LATE, BENCH_KINDS };

/* What was counted in some span of time. */
struct bench_tally {
    uint64_t requests, errors, records, bytes; /* acknowledged */
    uint64_t consumed, consumed_bytes, fetches;
    uint64_t due; /* open loop: records that became due and were sent */
    struct hist latency[BENCH_KINDS];
};

struct bench_result {
    double seconds, client_cpu_s, server_cpu_s, server_resident_mb;
    double settle_s; /* what the warm-up took */
    bool settled;    /* its end was steady */
    struct bench_tally tally;
};

/* bench_settle.c: when a warm-up is over: told the rate of each second, it says whether this one
 * and the last differ by less than BENCH_SETTLE_GAP.  A machine without clock or broker. */
struct bench_settle {
    double rate; /* of the last second */
};
#define BENCH_SETTLE_GAP 0.1
bool bench_settle_told(struct bench_settle *s, double rate);

/* The times of one run: warm-up, measured part, intervals inside it. */
struct bench_clock {
    const struct bench_options *o;
    struct bench_result *result;
    uint64_t start_ns, measure_ns, stop_ns, interval_ns, next_ns;
    uint64_t settle_ns, settle_count; /* the second that is watched: its end, the count before it */
    struct bench_settle settle;
    bool measuring;
    struct bench_tally interval; /* what was counted since the last interval ended */
};

/* bench_clock.c: begins the run now.  tick: returns false when it is over; its caller calls it a
 * few times a millisecond and adds everything to clock->interval meanwhile. */
void bench_clock_start(struct bench_clock *c, const struct bench_options *o,
                       struct bench_result *result);
bool bench_clock_tick(struct bench_clock *c, uint64_t now_ns);
/* When the next tick will do something. */
uint64_t bench_clock_next(const struct bench_clock *c);
/* Ends the measured part early or late: what is in the interval becomes part of the result. */
void bench_clock_end(struct bench_clock *c);
void bench_tally_merge(struct bench_tally *to, const struct bench_tally *from);

/* bench_print.c: JSON lines. */
void bench_print_interval(const struct bench_clock *c, uint64_t now_ns);
void bench_print_result(const struct bench_options *o, const struct bench_result *r);
/* True when the client's own CPU or lateness decided the result. */
bool bench_client_bound(const struct bench_options *o, const struct bench_result *r);

/* bench_plan.c: one run, a ramp, or a search; 0 when all went well. */
int bench_plan(struct bench_options *o);

/* bench_search.c: the search for the highest rate that holds a p99, as a machine without clock or
 * broker: ask for .rate, run it, tell whether it held; over when .done.  It doubles until a rate
 * does not hold and then halves the gap until it is under BENCH_SEARCH_GAP of the rate that held.
 * A rate below `least` is not tried: too few records would say anything of a p99. */
struct bench_search {
    double least;
    double rate, held, failed; /* 0: none yet */
    uint32_t steps;
    bool done;
};
enum { BENCH_SEARCH_STEPS_MAX = 24 };
#define BENCH_SEARCH_GAP 0.06
void bench_search_told(struct bench_search *s, bool held);

/* raw_loop.c, rdk.c: one run of one client. */
void raw_run(const struct bench_options *o, struct bench_result *result);
void rdk_run(const struct bench_options *o, struct bench_result *result);

/* bench_main.c */
void bench_die(const char *what) __attribute__((noreturn));
uint64_t bench_now_ns(void);
double bench_own_cpu_s(void);
/* CPU seconds (user and system) and resident megabytes of the server's processes. */
double bench_server_cpu_s(const struct bench_options *o);
double bench_server_resident_mb(const struct bench_options *o);

#endif
