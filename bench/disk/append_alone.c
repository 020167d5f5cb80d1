/* append_alone.c: append-alone DIR CORES LOGS DEPTH BATCH_BYTES SECONDS: what the log takes without
 * sockets, requests and clients.
 *
 * CORES threads, each on a processor of its own with a ring and a store, as a core of the broker,
 * and with LOGS logs.  Of each log DEPTH batches are on their way, and the next one follows an
 * acknowledgement at once.  Their bytes are copied and summed as the broker does, from memory that
 * is not the last batch's.  DIR must be an empty folder; the data stays in it.
 *
 * Prints one JSON line: MB/s, CPU seconds a GB, how many large batches were at the device on
 * average (their time there over that of the run), and bytes written a byte appended. */
#include "core/base/err.h"
#include "core/store/store.h"
#include "core/wire/batch_build.h"
#include "core/wire/kerr.h"
#include "drivers/os/os.h"
#include "drivers/uring/uring.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    CORES_MAX = 16,
    LOGS_MAX = 64,
    DEPTH_MAX = 64,
    RECORD_BYTES = 1024,
    BATCH_BYTES_MAX = 8 << 20,
    TEMPLATES = 16,
    SECONDS_MAX = 600,
    JOURNAL_BYTES = 512 << 20, /* as journal.bytes */
    CACHE_BYTES = 64 << 20,    /* as cache.bytes */
    EXTENT_BYTES = 64 << 10,
    FRAMES_IN_FLIGHT = 4,
};
#define MAKE_NS (3 * CLOCK_NS_PER_S / 2) /* for the journals, which are written in full first */
#define WARM_NS CLOCK_NS_PER_S           /* for files to be allocated far enough ahead */

struct plan {
    uint32_t cores, logs, depth, batch_bytes, seconds;
    int dir;
    struct store_boot *boot;
    struct view batches[TEMPLATES];
    struct batch_info info;
    pthread_barrier_t begun;
    int cpus[OS_CPUS_MAX], cpu_count;
};

struct log {
    struct plog *plog;
    uint64_t lsn[DEPTH_MAX]; /* of the batches first .. next, modulo DEPTH_MAX */
    uint64_t first, next;
};

struct core {
    struct plan *plan;
    uint32_t number;
    pthread_t thread;
    struct log logs[LOGS_MAX];
    uint64_t batches, extents, extent_ns, written, cpu_ns, elapsed_ns;
};

static _Noreturn void
die(const char *what, int err)
{
    fprintf(stderr, "append-alone: %s: %s\n", what, err_text(err));
    exit(1);
}

static void
die_if(int err, const char *what)
{
    if (err)
        die(what, err);
}

static uint64_t
thread_cpu_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (uint64_t)ts.tv_sec * CLOCK_NS_PER_S + (uint64_t)ts.tv_nsec;
}

static struct uring *
ring_create(const struct plan *plan)
{
    struct uring_config config = {.wake_fd = -1, .data_dir_fds = {plan->dir}, .data_dirs = 1};
    memset(config.data_dir_ids[0], 1, sizeof config.data_dir_ids[0]);
    struct uring *u;
    die_if(uring_create(&config, &u), "io_uring");
    return u;
}

/* One batch of records of RECORD_BYTES, in TEMPLATES copies: memory as far apart as requests. */
static void
batches_make(struct plan *plan)
{
    static uint8_t value[RECORD_BYTES];
    uint32_t room = plan->batch_bytes + RECORD_BYTES;
    uint8_t *memory = malloc((size_t)room * TEMPLATES);
    struct batch_template form = {.leader_epoch = -1,
                                  .producer_id = -1,
                                  .producer_epoch = -1,
                                  .base_sequence = -1,
                                  .last_offset_delta = -1};
    struct batch_build b;
    if (!memory)
        die("memory", ERR_LIMIT);
    for (size_t i = 0; i < sizeof value; i++)
        value[i] = (uint8_t)(i * 167 + i / 256);
    die_if(batch_build_begin(&b, &form, memory, room), "a batch");
    uint32_t count = plan->batch_bytes / RECORD_BYTES;
    for (uint32_t i = 0; i < count; i++) {
        struct batch_record r = {
            .offset = i, .value = view_of(value, sizeof value - 16), .headers = view_of("", 1)};
        die_if(batch_build_add(&b, &r), "a record");
    }
    die_if(batch_build_end(&b, &plan->batches[0]), "a batch");
    die_if(batch_header(plan->batches[0], &plan->info), "its header");
    for (uint32_t i = 1; i < TEMPLATES; i++) {
        memcpy(memory + (size_t)room * i, memory, plan->batches[0].len);
        plan->batches[i] = view_of(memory + (size_t)room * i, plan->batches[0].len);
    }
}

static struct store *
store_make(struct core *c, struct uring *u, struct disk *disk)
{
    const struct plan *plan = c->plan;
    *disk = uring_disk(u);
    struct clock clock = uring_clock(u);
    struct store_config config = {.core = c->number,
                                  .core_count = plan->cores,
                                  .journal_bytes = JOURNAL_BYTES,
                                  .cache_bytes = CACHE_BYTES,
                                  .read_buffers = 4,
                                  .logs_max = LOGS_MAX,
                                  .extent_bytes_min = EXTENT_BYTES,
                                  .clock = &clock,
                                  .frames_in_flight = FRAMES_IN_FLIGHT};
    struct store *s;
    die_if(store_init(&config, disk, plan->boot, &s), "a store");
    struct plog_config topic = {.segment_bytes = 1 << 30,
                                .index_interval_bytes = 4096,
                                .segment_ms = INT64_MAX,
                                .retention_ms = -1,
                                .retention_bytes = -1};
    int32_t partition = 0;
    for (uint32_t n = 0; n < plan->logs; partition++) {
        uint8_t id[16] = {1};
        if (store_core_of(id, partition, plan->cores) == c->number)
            die_if(store_create(s, id, partition, &topic, &c->logs[n++].plog), "a log");
    }
    return s;
}

/* Appends until DEPTH batches are on their way; false: no room now. */
static bool
log_feed(struct core *c, struct store *s, struct log *l, int64_t now_ms)
{
    const struct plan *plan = c->plan;
    while (l->next - l->first < plan->depth) {
        const uint8_t *at;
        struct store_appended done;
        struct view batch = plan->batches[(c->batches + l->next) % TEMPLATES];
        int rc = store_stage(s, l->plog, &plan->info, now_ms, &at);
        if (rc == ERR_OK) {
            store_stage_put(s, batch.at, batch.len);
            if (store_stage_crc(s) != plan->info.crc)
                die("the checksum of a batch", ERR_CORRUPT);
            rc = store_append_staged(s, &plan->info, 0, now_ms, &done);
        } else if (rc == ERR_LIMIT) {
            rc = store_append(s, l->plog, &plan->info, batch, 0, now_ms, &done);
        }
        if (rc == ERR_AGAIN)
            return false;
        if (rc != KERR_NONE)
            die("an append", ERR_IO);
        l->lsn[l->next++ % DEPTH_MAX] = done.lsn;
    }
    return true;
}

static void
turn(struct core *c, struct store *s, struct clock *clock)
{
    uint64_t now_ns = clock->ops->now_ns(clock->self), deadline_ns;
    bool refused = false;
    for (uint32_t i = 0; i < c->plan->logs && !refused; i++)
        refused = !log_feed(c, s, &c->logs[i], clock->ops->wall_ms(clock->self));
    die_if(store_step(s, now_ns, &deadline_ns), "the journal");
    const uint64_t *ns;
    uint32_t count = store_extent_writes(s, &ns);
    for (uint32_t i = 0; i < count; i++)
        c->extent_ns += ns[i];
    c->extents += count;
    while (store_take_changed(s)) {
    }
    uint64_t durable = store_durable_lsn(s), before = c->batches;
    for (uint32_t i = 0; i < c->plan->logs; i++)
        for (struct log *l = &c->logs[i];
             l->first < l->next && l->lsn[l->first % DEPTH_MAX] <= durable; l->first++)
            c->batches++;
    /* The room may be there by now, and the store waits for nothing. */
    if (refused && deadline_ns > now_ns + CLOCK_NS_PER_MS)
        deadline_ns = now_ns + CLOCK_NS_PER_MS;
    clock->ops->wait(clock->self, c->batches == before ? deadline_ns : 0);
}

/* A turn without appends, a millisecond at most. */
static void
rest(struct store *s, struct clock *clock)
{
    uint64_t now_ns = clock->ops->now_ns(clock->self), deadline_ns;
    die_if(store_step(s, now_ns, &deadline_ns), "the journal");
    uint64_t latest_ns = now_ns + CLOCK_NS_PER_MS;
    clock->ops->wait(clock->self, deadline_ns < latest_ns ? deadline_ns : latest_ns);
}

static uint64_t
written(struct store *s)
{
    struct store_stats stats;
    store_stats(s, &stats);
    return stats.frame_bytes + stats.extent_bytes + stats.writeback_bytes +
           stats.writeback_again_bytes + stats.checkpoint_bytes + stats.sidecar_bytes;
}

static void *
core_main(void *user)
{
    struct core *c = user;
    struct plan *plan = c->plan;
    struct disk disk;
    if (c->number < (uint32_t)plan->cpu_count)
        die_if(os_pin(plan->cpus[c->number]), "a processor");
    struct uring *u = ring_create(plan);
    struct store *s = store_make(c, u, &disk);
    struct clock clock = uring_clock(u);
    pthread_barrier_wait(&plan->begun);
    uint64_t start_ns = os_now_ns();
    while (os_now_ns() - start_ns < MAKE_NS)
        rest(s, &clock);
    while (os_now_ns() - start_ns < MAKE_NS + WARM_NS)
        turn(c, s, &clock);
    c->batches = c->extents = c->extent_ns = 0;
    uint64_t cpu_ns = thread_cpu_ns(), bytes = written(s);
    start_ns = os_now_ns();
    while (os_now_ns() - start_ns < plan->seconds * CLOCK_NS_PER_S)
        turn(c, s, &clock);
    c->elapsed_ns = os_now_ns() - start_ns;
    c->cpu_ns = thread_cpu_ns() - cpu_ns;
    c->written = written(s) - bytes;
    pthread_barrier_wait(&plan->begun); /* all have measured */
    die_if(store_close(s), "the end");
    uring_destroy(u);
    return NULL;
}

static void
report(const struct plan *plan, const struct core *cores)
{
    double mb_s = 0, bytes = 0, out = 0, cpu_s = 0, device = 0;
    for (uint32_t i = 0; i < plan->cores; i++) {
        const struct core *c = &cores[i];
        double b = (double)c->batches * plan->info.bytes;
        mb_s += b * 1e3 / (double)c->elapsed_ns;
        bytes += b;
        out += (double)c->written;
        cpu_s += (double)c->cpu_ns / 1e9;
        device += (double)c->extent_ns / (double)c->elapsed_ns;
    }
    printf("{\"mb_per_s\": %.0f, \"cpu_s_per_gb\": %.3f, \"extents_at_device\": %.1f, "
           "\"written_per_byte\": %.3f}\n",
           mb_s, cpu_s / (bytes / 1e9), device, out / bytes);
}

static uint32_t
number(const char *text, uint32_t most)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);
    if (*end || n == 0 || n > most) {
        fprintf(stderr, "append-alone: %s: 1 to %u\n", text, most);
        exit(2);
    }
    return (uint32_t)n;
}

int
main(int argc, char **argv)
{
    static struct core cores[CORES_MAX];
    static struct plan plan;
    if (argc != 7) {
        fprintf(stderr, "append-alone DIR CORES LOGS DEPTH BATCH_BYTES SECONDS\n");
        return 2;
    }
    plan.dir = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (plan.dir < 0)
        die(argv[1], ERR_NOT_FOUND);
    plan.cores = number(argv[2], CORES_MAX);
    plan.logs = number(argv[3], LOGS_MAX);
    plan.depth = number(argv[4], DEPTH_MAX);
    plan.batch_bytes = number(argv[5], BATCH_BYTES_MAX);
    plan.seconds = number(argv[6], SECONDS_MAX);
    char error[OS_ERROR_BYTES];
    plan.cpu_count = os_cpus("auto", plan.cpus, error);
    if (plan.cpu_count < 0)
        die(error, ERR_INVALID);
    batches_make(&plan);
    os_limits_raise();
    struct uring *u = ring_create(&plan);
    struct disk disk = uring_disk(u);
    die_if(store_recover(&disk, plan.cores, JOURNAL_BYTES, &plan.boot), "an empty folder");
    uring_destroy(u);
    pthread_barrier_init(&plan.begun, NULL, plan.cores);
    for (uint32_t i = 0; i < plan.cores; i++) {
        cores[i] = (struct core){.plan = &plan, .number = i};
        if (pthread_create(&cores[i].thread, NULL, core_main, &cores[i]))
            die("a thread", ERR_LIMIT);
    }
    for (uint32_t i = 0; i < plan.cores; i++)
        pthread_join(cores[i].thread, NULL);
    store_boot_free(plan.boot);
    report(&plan, cores);
    return 0;
}
