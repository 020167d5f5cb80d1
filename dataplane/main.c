/* main.c: sluice-data --region FD.  Started and supervised by sluice run.
 *
 * Boot: attach to the region, recover the data directory (all of it, before any loop runs), then
 * one pinned thread a shard: its storage, its loop, control's tables, and only then its listeners.
 * The process is ready when all shards listen.  One more thread, which gives way to all, carries
 * out long work on files (cleaner.h).  End: SIGTERM lets every shard answer what it took and close
 * its storage cleanly.  A shard that cannot go on ends the process at once and flushes nothing:
 * recovery decides what is true. */
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/net/iptext.h"
#include "core/store/clean_map.h"
#include "core/wire/batch.h"
#include "dataplane/broker/seats.h"
#include "dataplane/broker/shard.h"
#include "dataplane/netup/netup.h"
#include "drivers/os/os.h"
#include "drivers/uring/uring.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

enum {
    DATA_CONTROL_WAIT_MS = 10000, /* for control's tables, before listening without them */
    DATA_READ_BUFFERS = 64,
    DATA_READ_BYTES = 1 << 20,
    DATA_FRAMES_IN_FLIGHT = 8,
    DATA_HOLD_LEAST_NS = 1000000, /* blocks of small records are filled at 6 MB/s of a core: */
    DATA_HOLD_MOST_NS = 2000000,  /* at 3 where a write takes so long */
    DATA_EXIT_FAILED = 1,
};

struct data;

struct data_shard {
    struct data *data;
    uint32_t number;
    int cpu;
    pthread_t thread;
    struct uring *uring;
    struct bypass *bypass; /* NULL: kernel sockets */
    struct mesh_end *mesh;
    struct disk disk;
    struct shard shard;
};

struct data {
    struct conf conf;
    struct region region;
    int dir_fds[DISK_DIRS_MAX]; /* -1: out of order */
    uint8_t dir_ids[DISK_DIRS_MAX][16];
    uint32_t dir_count;
    uint32_t shard_count;
    struct store_boot *boot;
    struct netup *net; /* NULL: kernel sockets */
    struct mesh *mesh;
    struct quota_usage *quota_usage;
    struct seats *seats;
    struct clock clocks[REGION_SHARDS_MAX];
    struct data_shard *shards;
    int cpus[OS_CPUS_MAX], cpu_count;
    struct cleaner *cleaner;
    struct uring *cleaner_uring;
    pthread_t cleaner_thread;
    pthread_barrier_t stores_ready; /* after it nobody needs `boot` */
    atomic_bool stop;
    atomic_uint drained, listening;
};

/* What another start cannot mend must not be tried again and again. */
static int
exit_code(int err)
{
    return err == ERR_CORRUPT || err == ERR_INVALID || err == ERR_UNSUPPORTED || err == ERR_VERSION
               ? OS_EXIT_REFUSED
               : DATA_EXIT_FAILED;
}

/* Ends the process as it stands. */
static _Noreturn void
die(int err, const char *what)
{
    log_error("data", "%s: %s", what, err_text(err));
    _exit(exit_code(err));
}

static void
die_if(int err, const char *what)
{
    if (err)
        die(err, what);
}

/* ---- data directories ---- */

_Static_assert((int)DISK_DIRS_MAX == (int)CONF_DIRS_MAX, "as many directories as log.dirs names");

/* Opens all of log.dirs.  Another than the first may be out of order. */
static void
dirs_open(struct data *d)
{
    char path[CONF_TEXT_BYTES_MAX], error[OS_ERROR_BYTES];
    int32_t node_id = (int32_t)conf_number(&d->conf, CONF_NODE_ID);
    while (d->dir_count < DISK_DIRS_MAX &&
           conf_dir(conf_text(&d->conf, CONF_LOG_DIRS), d->dir_count, path) == ERR_OK) {
        struct os_format format;
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
            log_error("data", "data directory %s: %s", path, strerror(errno));
        else if (os_format_peek(path, node_id, &format, error)) {
            log_error("data", "data directory %s: %s", path, error);
            close(fd);
            fd = -1;
        } else {
            memcpy(d->dir_ids[d->dir_count], format.directory, sizeof format.directory);
        }
        d->dir_fds[d->dir_count++] = fd;
    }
    if (d->dir_count == 0 || d->dir_fds[0] < 0)
        _exit(OS_EXIT_REFUSED);
}

static void
dirs_set(const struct data *d, struct uring_config *config)
{
    memcpy(config->data_dir_fds, d->dir_fds, sizeof d->dir_fds);
    memcpy(config->data_dir_ids, d->dir_ids, sizeof d->dir_ids);
    config->data_dirs = d->dir_count;
}

_Static_assert((int)OS_CPUS_MAX == (int)URING_WORKER_CPUS_MAX, "as many processors");

/* Calls that sleep are carried out elsewhere than on the processors of the loops. */
static void
workers_set(const struct data *d, struct uring_config *config)
{
    config->worker_cpu_count = (uint32_t)os_cpus_others(d->cpus, d->cpu_count, config->worker_cpus);
}

/* ---- listeners ---- */

static void
address_copy(const struct addrinfo *a, struct stream_addr *out)
{
    if (a->ai_family == AF_INET) {
        struct sockaddr_in in;
        uint8_t v4[4];
        memcpy(&in, a->ai_addr, sizeof in);
        memcpy(v4, &in.sin_addr, sizeof v4);
        iptext_of_v4(v4, out->ip);
        return;
    }
    struct sockaddr_in6 in6;
    memcpy(&in6, a->ai_addr, sizeof in6);
    memcpy(out->ip, &in6.sin6_addr, sizeof out->ip);
}

/* The address of one listener: IPv4, IPv6 or a name; no host: all addresses of this machine.
 * ERR_NOT_FOUND: the name has none. */
static int
listener_address(const struct conf_listener *l, struct stream_addr *out)
{
    *out = (struct stream_addr){.port = l->port};
    if (l->host[0] == '\0') {
        iptext_of_v4((const uint8_t[4]){0}, out->ip);
        return ERR_OK;
    }
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *list;
    if (getaddrinfo(l->host, NULL, &hints, &list))
        return ERR_NOT_FOUND;
    /* As Java does: IPv4 first, when a name has both. */
    const struct addrinfo *best = NULL;
    for (const struct addrinfo *a = list; a; a = a->ai_next) {
        bool usable = a->ai_family == AF_INET || a->ai_family == AF_INET6;
        if (usable && (!best || (best->ai_family == AF_INET6 && a->ai_family == AF_INET)))
            best = a;
    }
    if (best)
        address_copy(best, out);
    freeaddrinfo(list);
    return best ? ERR_OK : ERR_NOT_FOUND;
}

/* Listens on every address of "listeners", in order. */
static int
listen_all(const struct data *d, struct stream stream)
{
    const struct conf *c = &d->conf;
    struct conf_listener listeners[CONF_LISTENERS_MAX];
    char error[CONF_ERROR_BYTES];
    int count = conf_listeners(conf_text(c, CONF_LISTENERS), listeners, error);
    if (count <= 0) {
        log_error("data", "listeners: %s", count < 0 ? error : "none are named");
        return ERR_INVALID;
    }
    for (int i = 0; i < count; i++) {
        struct stream_addr at;
        int err = listener_address(&listeners[i], &at);
        if (!err && d->net && !netup_is_ours(d->net, at.ip)) {
            log_error("data", "listeners: %s is none of net.address=%s", listeners[i].host,
                      conf_text(c, CONF_NET_ADDRESS));
            return ERR_INVALID;
        }
        if (!err)
            err = stream.ops->listen(stream.self, &at);
        if (err) {
            log_error("data", "cannot listen on %s:%u: %s", listeners[i].host, listeners[i].port,
                      err_text(err));
            return err;
        }
    }
    return ERR_OK;
}

/* ---- one shard ---- */

/* Smaller ones have too little between the blocks at their ends. */
static uint32_t
extent_bytes(const struct conf *c)
{
    uint32_t bytes = (uint32_t)conf_number(c, CONF_JOURNAL_EXTENT);
    return bytes && bytes < STORE_EXTENT_BYTES_LEAST ? STORE_EXTENT_BYTES_LEAST : bytes;
}

static void
store_open(struct data_shard *d, struct store **out)
{
    const struct conf *c = &d->data->conf;
    const struct clock clock = uring_clock(d->uring);
    uint64_t seed;
    memcpy(&seed, d->data->region.header->boot_id, sizeof seed);
    struct store_config config = {
        .core = d->number,
        .core_count = d->data->shard_count,
        .journal_bytes = (uint64_t)conf_number(c, CONF_JOURNAL_BYTES),
        .cache_bytes = (uint64_t)conf_number(c, CONF_CACHE_BYTES),
        .read_buffers = DATA_READ_BUFFERS,
        .read_bytes = DATA_READ_BYTES,
        .logs_max = (uint32_t)conf_number(c, CONF_PARTITIONS_MAX),
        .extent_bytes_min = extent_bytes(c),
        .sync = (enum journal_sync)conf_number(c, CONF_JOURNAL_SYNC),
        .clock = &clock,
        .frames_in_flight = DATA_FRAMES_IN_FLIGHT,
        .hold_least_ns = DATA_HOLD_LEAST_NS,
        .hold_most_ns = DATA_HOLD_MOST_NS,
        .jitter_seed = seed,
    };
    d->disk = uring_disk(d->uring);
    die_if(store_init(&config, &d->disk, d->data->boot, out), "storage of a shard");
}

static void
serve(struct data_shard *d, struct store *store)
{
    struct data *data = d->data;
    struct shard_config config = {
        .shard = d->number,
        .shard_count = data->shard_count,
        .conf = &data->conf,
        .region = &data->region,
        .clock = d->bypass ? bypass_clock(d->bypass) : uring_clock(d->uring),
        .stream = d->bypass ? bypass_stream(d->bypass) : uring_stream(d->uring),
        .store = store,
        .mesh = d->mesh,
        .quota_usage = data->quota_usage,
        .seats = data->seats,
        .cleaner = data->cleaner,
        .drained = &data->drained,
    };
    die_if(shard_init(&d->shard, &config), "memory of a shard");
    int err = shard_await_control(&d->shard, DATA_CONTROL_WAIT_MS * CLOCK_NS_PER_MS, &data->stop);
    if (err == ERR_AGAIN)
        log_warn("data", "no tables of control yet: listening without them shard=%u", d->number);
    else
        die_if(err, "a shard cannot go on");
    die_if(listen_all(data, config.stream), "listeners");
    if (atomic_fetch_add(&data->listening, 1) + 1 == data->shard_count) {
        region_set_ready(&data->region, REGION_DATA);
        region_wake(&data->region, data->shard_count);
        log_info("data", "serving shards=%u listeners=%s", data->shard_count,
                 conf_text(&data->conf, CONF_LISTENERS));
    }
    die_if(shard_run(&d->shard, &data->stop), "a shard cannot go on");
    if (d->bypass) /* before the log memory goes that it may still send from */
        netup_leave(data->net, d->number);
}

/* Answers leave from where the storage lends them. */
static void
net_enter(struct data_shard *d, const struct store *store)
{
    struct store_memory from[STORE_MEMORY_ROWS];
    struct nic_memory memory[STORE_MEMORY_ROWS];
    store_memory(store, from);
    for (uint32_t i = 0; i < STORE_MEMORY_ROWS; i++)
        memory[i] = (struct nic_memory){from[i].at, from[i].bytes};
    d->bypass = netup_enter(d->data->net, d->number, memory, STORE_MEMORY_ROWS);
}

static void *
shard_main(void *arg)
{
    struct data_shard *d = arg;
    struct store *store;
    char name[16];
    (void)snprintf(name, sizeof name, "core-%u", d->number);
    os_thread_name(name);
    if (os_pin(d->cpu))
        log_warn("data", "cannot bind shard %u to processor %d", d->number, d->cpu);
    os_foreground();
    uring_enable(d->uring);
    die_if(batch_thread_ready(), "memory for codecs");
    store_open(d, &store);
    (void)pthread_barrier_wait(&d->data->stores_ready);
    if (d->data->net)
        net_enter(d, store);
    serve(d, store);
    die_if(store_close(store), "the clean stop of a shard failed");
    shard_free(&d->shard);
    batch_thread_end();
    return NULL;
}

/* ---- the cleaner ---- */

static void *
cleaner_main(void *arg)
{
    struct data *d = arg;
    os_thread_name("cleaner");
    os_background(d->cpus, d->cpu_count);
    uring_enable(d->cleaner_uring);
    struct disk disk = uring_disk(d->cleaner_uring);
    struct pace pace = {
        .clock = uring_clock(d->cleaner_uring),
        .bytes_per_second = (uint64_t)conf_number(&d->conf, CONF_CLEANER_RATE),
        .live = &d->region.header->settings[REGION_CLEANER_RATE],
        .stop = &d->stop,
    };
    struct clean_map map;
    uint8_t secret[CLEAN_MAP_SECRET_BYTES];
    os_random(secret, sizeof secret);
    uint64_t bytes = (uint64_t)conf_number(&d->conf, CONF_CLEANER_MEMORY);
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    die_if(memory == MAP_FAILED ? ERR_LIMIT : ERR_OK, "memory for log.cleaner.dedupe.buffer.size");
    die_if(clean_map_init(&map, memory, bytes, secret), "log.cleaner.dedupe.buffer.size");
    struct store_worker worker = {.disk = &disk, .pace = &pace, .map = &map};
    cleaner_run(d->cleaner, &worker);
    batch_thread_end();
    (void)munmap(memory, bytes);
    return NULL;
}

static void
cleaner_start(struct data *d)
{
    struct uring_config config = {.wake_fd = -1};
    dirs_set(d, &config);
    workers_set(d, &config);
    die_if(uring_create(&config, &d->cleaner_uring), "io_uring");
    die_if(cleaner_create(d->shard_count, d->clocks, uring_clock(d->cleaner_uring), &d->cleaner),
           "memory");
    if (pthread_create(&d->cleaner_thread, NULL, cleaner_main, d))
        die(ERR_LIMIT, "thread");
}

static void
cleaner_stop(struct data *d)
{
    cleaner_end(d->cleaner);
    must(pthread_join(d->cleaner_thread, NULL) == 0);
    cleaner_free(d->cleaner);
    uring_destroy(d->cleaner_uring);
}

/* ---- boot ---- */

/* The number behind --region, or -1. */
static int
region_fd(int argc, char **argv)
{
    if (argc != 3 || strcmp(argv[1], "--region") != 0)
        return -1;
    char *end;
    long fd = strtol(argv[2], &end, 10);
    return *end == '\0' && end != argv[2] && fd >= 0 && fd < 1 << 20 ? (int)fd : -1;
}

static void
configure(struct data *d)
{
    char error[CONF_ERROR_BYTES];
    conf_defaults(&d->conf);
    if (conf_parse(&d->conf, region_conf(&d->region), CONF_FILE, error)) {
        log_error("data", "configuration: %s", error);
        _exit(OS_EXIT_REFUSED);
    }
    static const enum log_level levels[] = {LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR};
    log_level_set(levels[conf_number(&d->conf, CONF_LOG_LEVEL)]);
    d->shard_count = d->region.header->shard_count;
    dirs_open(d);
}

/* Reads what the last run left behind and makes it whole. */
static void
recover(struct data *d)
{
    struct uring_config config = {.wake_fd = -1};
    dirs_set(d, &config);
    struct uring *u;
    die_if(uring_create(&config, &u), "io_uring");
    struct disk disk = uring_disk(u);
    uint64_t start = os_now_ns();
    die_if(store_recover(&disk, d->shard_count, (uint64_t)conf_number(&d->conf, CONF_JOURNAL_BYTES),
                         &d->boot),
           "recovery");
    struct store_boot_facts facts;
    store_boot_facts(d->boot, &facts);
    log_info("data", "recovered logs=%llu frames=%llu bytes=%llu clean=%d ms=%llu",
             (unsigned long long)facts.logs, (unsigned long long)facts.frames_replayed,
             (unsigned long long)facts.bytes_replayed, facts.clean,
             (unsigned long long)((os_now_ns() - start) / CLOCK_NS_PER_MS));
    uring_destroy(u);
}

static void
shard_prepare(struct data *d, struct data_shard *s)
{
    const struct conf *c = &d->conf;
    uint32_t n = d->shard_count;
    uint32_t connections = shard_conns(c, n);
    struct uring_config config = {
        .wake_fd = d->region.header->wake_fds[s->number],
        .connections_max = d->net ? 0 : connections,
        .request_bytes_max = (uint32_t)conf_number(c, CONF_REQUEST_MAX_BYTES),
        .receive_bytes_max = (size_t)conf_number(c, CONF_REQUEST_MEMORY) / n,
    };
    dirs_set(d, &config);
    workers_set(d, &config);
    die_if(uring_create(&config, &s->uring), "io_uring");
    d->clocks[s->number] = uring_clock(s->uring);
    struct netup_shard shard = {s->number, uring_clock(s->uring), connections,
                                region_netview(&d->region, s->number),
                                region_capring(&d->region, s->number)};
    die_if(d->net ? netup_prepare(d->net, &shard) : ERR_OK, "memory for net=dpdk");
    s->mesh = mesh_join(d->mesh, s->number, d->clocks);
    die_if(s->mesh ? ERR_OK : ERR_FULL, "mesh");
}

/* It has said why; only memory and a device that just failed may be different next time. */
static void
net_create(struct data *d)
{
    int err = netup_create(&d->conf, d->shard_count, &d->net);
    if (err)
        _exit(err == ERR_LIMIT || err == ERR_IO ? DATA_EXIT_FAILED : OS_EXIT_REFUSED);
}

static void
seats_make(struct data *d)
{
    uint8_t secret[SEATS_SECRET_BYTES];
    uint32_t connections = d->shard_count * shard_conns(&d->conf, d->shard_count);
    void *memory = calloc(1, seats_footprint(connections));
    die_if(memory ? ERR_OK : ERR_FULL, "memory");
    os_random(secret, sizeof secret);
    d->seats = seats_init(memory, connections, secret);
}

static void
shards_prepare(struct data *d)
{
    char error[OS_ERROR_BYTES];
    d->cpu_count = os_cpus(conf_text(&d->conf, CONF_CORES), d->cpus, error);
    if (d->cpu_count <= 0) {
        log_error("data", "cores: %s", error);
        _exit(OS_EXIT_REFUSED);
    }
    net_create(d);
    d->shards = calloc(d->shard_count, sizeof *d->shards);
    die_if(d->shards ? ERR_OK : ERR_FULL, "memory");
    die_if(mesh_create(d->shard_count, &d->mesh), "mesh");
    void *usage = calloc(1, quota_footprint(d->shard_count));
    die_if(usage ? ERR_OK : ERR_FULL, "memory");
    d->quota_usage = quota_init(usage, d->shard_count);
    seats_make(d);
    for (uint32_t i = 0; i < d->shard_count; i++) {
        d->shards[i].data = d;
        d->shards[i].number = i;
        d->shards[i].cpu = d->cpus[i % (uint32_t)d->cpu_count];
        shard_prepare(d, &d->shards[i]);
    }
}

static void
shards_start(struct data *d)
{
    must(pthread_barrier_init(&d->stores_ready, NULL, d->shard_count + 1) == 0);
    for (uint32_t i = 0; i < d->shard_count; i++) {
        if (pthread_create(&d->shards[i].thread, NULL, shard_main, &d->shards[i]))
            die(ERR_LIMIT, "thread");
    }
    (void)pthread_barrier_wait(&d->stores_ready);
    store_boot_free(d->boot);
}

static void
shards_stop(struct data *d)
{
    atomic_store(&d->stop, true);
    for (uint32_t i = 0; i < d->shard_count; i++)
        d->clocks[i].ops->wake(d->clocks[i].self);
    for (uint32_t i = 0; i < d->shard_count; i++)
        must(pthread_join(d->shards[i].thread, NULL) == 0);
}

static void
stop_await(int signals)
{
    while (os_signal_read(signals) == 0)
        os_wait(&signals, 1, -1);
}

static struct data main_data;

int
main(int argc, char **argv)
{
    struct data *d = &main_data;
    log_process_set("data");
    int fd = region_fd(argc, argv);
    if (fd < 0) {
        log_error("data", "usage: sluice-data --region FD (sluice run starts it)");
        return OS_EXIT_REFUSED;
    }
    static const int stops[] = {SIGTERM, SIGINT, 0};
    int signals = os_signal_open(stops); /* before any thread: they inherit the mask */
    die_if(signals < 0 ? signals : ERR_OK, "signals");
    (void)signal(SIGPIPE, SIG_IGN);
    /* Also when started by hand: a broker without its supervisor does not go on alone. */
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    os_limits_raise();
    die_if(region_attach(&d->region, fd, 1), "shared memory");
    configure(d);
    region_join(&d->region, REGION_DATA, (int32_t)getpid());
    recover(d);
    shards_prepare(d);
    cleaner_start(d);
    shards_start(d);
    stop_await(signals);
    log_info("data", "stopping");
    shards_stop(d);
    netup_destroy(d->net);
    cleaner_stop(d);
    log_info("data", "stopped");
    return 0;
}
