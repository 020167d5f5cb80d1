/* brokersim_host.c: the broker's machine: store, shard and our own network as dataplane/main.c
 * joins them; control is played through the real rings and tables.  One topic, "0". */
#include "core/base/err.h"
#include "tests/sim/broker/brokersim.h"

#include <stdlib.h>
#include <string.h>

enum {
    HOST_REQUEST_BYTES = 1 << 20,
    HOST_COPIES = 64,
    HOST_US = 1000000,
    HOST_PAUSE_ONE_IN = 20,
    HOST_PAUSE_STEPS = 60
};

static uint64_t
ring_now(void *self)
{
    return ((struct sim *)self)->now_ns;
}

static int64_t
ring_wall(void *self)
{
    return 1700000000000 + (int64_t)(((struct sim *)self)->now_ns / CLOCK_NS_PER_MS);
}

/* The life moves the clock; the store polls its disk itself. */
static void
ring_wait(void *self, uint64_t deadline_ns)
{
    (void)self;
    (void)deadline_ns;
}

static void
ring_wake(void *self)
{
    (void)self;
}

static const struct clock_ops ring_ops = {
    .now_ns = ring_now, .wall_ms = ring_wall, .wait = ring_wait, .wake = ring_wake};

/* ---- control ---- */

static void
id_of(uint8_t id[16])
{
    memset(id, 0x40, 16);
    id[0] = 1;
}

static void
tables_write(struct host *h)
{
    struct table_topic_fact t = {
        .state = TABLE_LIVE,
        .version = 1,
        .partition_count = SIM_PARTITIONS,
        .config = {.max_message_bytes = 1048588,
                   .segment_bytes = 1 << 20,
                   .index_interval_bytes = 4096,
                   .min_insync_replicas = 1,
                   .segment_ms = 604800000,
                   .timestamp_before_max_ms = INT64_MAX,
                   .timestamp_after_max_ms = INT64_MAX,
                   .compression = TABLE_COMPRESSION_PRODUCER},
        .name = "0",
        .name_bytes = 1,
    };
    id_of(t.id);
    table_topic_write(&region_topics(&h->region)[0], &t);
    for (int32_t i = 0; i < SIM_PARTITIONS; i++) {
        struct table_want_fact w = {
            .state = TABLE_LIVE, .version = 1, .partition = i, .leader_id = 1, .leader_epoch = 5};
        id_of(w.topic_id);
        table_want_write(&region_want(&h->region)[i], &w);
    }
}

static void
ring_row(struct core *c, enum msg_kind kind, uint32_t row)
{
    struct msg_row m = {row, 1};
    uint8_t *at = chan_reserve(&c->to_data, sizeof m);
    must(at);
    memcpy(at, &m, sizeof m);
    chan_publish(&c->to_data, kind, 1, sizeof m);
}

static void
control_start(struct host *h)
{
    uint32_t generation = region_join(&h->region, REGION_CONTROL, 1);
    uint32_t bytes = h->region.header->ring_bytes;
    for (uint32_t i = 0; i < h->core_count; i++) {
        chan_join(&h->cores[i].from_data, region_ring_to_control(&h->region, i), bytes);
        chan_join(&h->cores[i].to_data, region_ring_to_data(&h->region, i), bytes);
    }
    tables_write(h);
    atomic_store(&h->region.header->published, generation);
    region_set_ready(&h->region, REGION_CONTROL);
    for (uint32_t i = 0; i < h->core_count; i++) {
        ring_row(&h->cores[i], MSG_TOPIC, 0);
        for (uint32_t p = 0; p < SIM_PARTITIONS; p++)
            ring_row(&h->cores[i], MSG_WANT, p);
    }
}

/* ---- the machine ---- */

static void
disks_drop(struct sim *s)
{
    for (uint32_t i = 0; i < s->host.core_count; i++)
        disk_mem_drop(s->disk, i);
}

static void
stores_abandon(struct sim *s)
{
    for (uint32_t i = 0; i < s->host.core_count; i++) {
        if (s->host.cores[i].store)
            store_abandon(s->host.cores[i].store);
        s->host.cores[i].store = NULL;
    }
    disks_drop(s);
}

static bool
stores_start(struct sim *s)
{
    struct store_boot *boot;
    struct host *h = &s->host;
    struct store_config config = {
        .core_count = h->core_count,
        .journal_bytes = SIM_JOURNAL_BYTES,
        .cache_bytes = 2 << 20,
        .read_buffers = 16,
        .logs_max = 16,
        .frames_in_flight = 2,
        .extent_bytes_min = s->seed % 4 < 2 ? 64 << 10 : 0,
    };
    int err = store_recover(disk_mem_port(s->disk, 0), h->core_count, config.journal_bytes, &boot);
    bool recovered = err == ERR_OK;
    for (uint32_t i = 0; i < h->core_count && err == ERR_OK; i++) {
        config.core = i;
        err = store_init(&config, disk_mem_port(s->disk, i), boot, &h->cores[i].store);
        if (err)
            h->cores[i].store = NULL;
    }
    if (recovered)
        store_boot_free(boot);
    if (err == ERR_OK)
        return true;
    stores_abandon(s);
    if (!disk_mem_is_cut(s->disk))
        sim_fail(s, "recovery: %s", err_name(err));
    return false;
}

static void
shards_start(struct sim *s)
{
    struct host *h = &s->host;
    char error[CONF_ERROR_BYTES];
    conf_defaults(&h->conf);
    must(conf_set(&h->conf, "max.connections", "32", CONF_OPTION, error) == ERR_OK);
    struct region_shape shape = {h->core_count, 16, 64, 1 << 20};
    must(region_create(&h->region, &shape, "") == ERR_OK);
    atomic_store(&h->region.header->lease_until_ns, UINT64_MAX);
    region_join(&h->region, REGION_DATA, 1);
    must(mesh_create(h->core_count, &h->mesh) == ERR_OK);
    uint32_t conns = h->core_count * shard_conns(&h->conf, h->core_count);
    h->quota_usage = quota_init(calloc(1, quota_footprint(h->core_count)), h->core_count);
    h->seats =
        seats_init(calloc(1, seats_footprint(conns)), conns, (uint8_t[SEATS_SECRET_BYTES]){1});
    for (uint32_t i = 0; i < h->core_count; i++)
        h->clocks[i] = bypass_clock(h->cores[i].bypass);
    for (uint32_t i = 0; i < h->core_count; i++) {
        struct shard_config config = {
            .shard = i,
            .shard_count = h->core_count,
            .conf = &h->conf,
            .region = &h->region,
            .clock = h->clocks[i],
            .stream = bypass_stream(h->cores[i].bypass),
            .store = h->cores[i].store,
            .mesh = mesh_join(h->mesh, i, h->clocks),
            .quota_usage = h->quota_usage,
            .seats = h->seats,
        };
        must(shard_init(&h->cores[i].shard, &config) == ERR_OK);
    }
}

/* A core with the links from `first` on. */
static void
bypass_start(struct sim *s, struct core *c, uint32_t first, uint32_t count)
{
    struct host *h = &s->host;
    struct bypass_config config = {
        .link_count = count,
        .tcp = sim_tcp_config((uint8_t)sim_below(s, 256)),
        .stream = {.conns = SIM_CONNS,
                   .request_bytes_max = HOST_REQUEST_BYTES,
                   .scatter_bytes = 32 << 10,
                   .copies = HOST_COPIES,
                   .tail_bytes = 2 * SIM_MTU,
                   .stall_us = 5 * HOST_US,
                   .linger_us = HOST_US},
        .clock = h->ring,
    };
    struct nic nics[SIM_LINKS];
    for (uint32_t i = 0; i < count; i++) {
        struct nic_late *late = &h->nics[first + i];
        uint64_t delay_ns = late->delay_ns, jitter_ns = late->jitter_ns;
        nics[i] = nic_pair_port(s->wires[first + i], 0);
        config.links[i].net = sim_net_config(nics[i], first + i, 2);
        nic_late_init(late, nics[i], &s->now_ns, s->seed + 1 + first + i);
        nic_late_set(late, delay_ns, jitter_ns);
        nics[i] = nic_late_port(late);
    }
    must(bypass_create(&config, &c->bypass) == ERR_OK);
    bypass_enter(c->bypass, nics);
}

static bool
listen_all(struct sim *s)
{
    struct host *h = &s->host;
    struct stream_addr at = {.port = SIM_PORT};
    must(iptext_read("0.0.0.0", at.ip));
    /* Tables first, as dataplane/main.c: a topic that is not known yet is an error to a client. */
    for (uint32_t i = 0; i < h->core_count; i++) {
        struct stream *stream = &h->cores[i].shard.stream;
        while (!h->cores[i].shard.published)
            if (!host_turn(s))
                return false;
        must(stream->ops->listen(stream->self, &at) == ERR_OK);
    }
    return true;
}

bool
host_start(struct sim *s)
{
    struct host *h = &s->host;
    h->core_count = s->link_count > 1 && sim_below(s, 4) ? SIM_CORES : 1;
    if (!stores_start(s))
        return false;
    h->ring = (struct clock){&ring_ops, s};
    for (uint32_t i = 0; i < h->core_count; i++)
        bypass_start(s, &h->cores[i], i, s->link_count / h->core_count);
    shards_start(s);
    control_start(h);
    h->up = true;
    return listen_all(s);
}

static int
core_turn(struct core *c)
{
    uint64_t deadline_ns;
    struct chan_message m;
    int err = shard_turn(&c->shard, &deadline_ns);
    if (err)
        return err;
    c->shard.clock.ops->wait(c->shard.clock.self, deadline_ns);
    /* Control does nothing but listen. */
    while (chan_peek(&c->from_data, &m) == ERR_OK)
        chan_done(&c->from_data);
    return ERR_OK;
}

/* Cores are not in step: now and then one does nothing for a while, as when the kernel takes its
 * processor away, and the other goes on. */
static void
pause_draw(struct sim *s)
{
    struct host *h = &s->host;
    if (h->pause_steps > 0)
        h->pause_steps--;
    else if (h->core_count > 1 && sim_below(s, HOST_PAUSE_ONE_IN) == 0) {
        h->pause_steps = 1 + sim_below(s, HOST_PAUSE_STEPS);
        h->paused = sim_below(s, h->core_count);
    }
}

bool
host_turn(struct sim *s)
{
    struct host *h = &s->host;
    pause_draw(s);
    for (uint32_t i = 0; i < h->core_count; i++) {
        int err = h->pause_steps && i == h->paused ? ERR_OK : core_turn(&h->cores[i]);
        if (err && !disk_mem_is_cut(s->disk))
            sim_fail(s, "the loop of core %u ended: %s", i, err_name(err));
        if (err || disk_mem_is_cut(s->disk)) {
            host_die(s);
            return false;
        }
    }
    return true;
}

bool
host_settled(const struct sim *s)
{
    for (uint32_t i = 0; i < s->host.core_count; i++) {
        struct bypass_stat stat;
        bypass_stat(s->host.cores[i].bypass, &stat);
        if (stat.stream.kept || s->host.cores[i].shard.appends_out ||
            s->host.cores[i].shard.holds_out)
            return false;
    }
    return true;
}

void
host_die(struct sim *s)
{
    struct host *h = &s->host;
    if (!h->up)
        return;
    h->up = false;
    for (uint32_t i = 0; i < h->core_count; i++) {
        struct bypass_stat stat;
        bypass_stat(h->cores[i].bypass, &stat);
        s->scattered += stat.stream.requests_scattered;
        s->lent_bytes += atomic_load(&region_counters(&h->region, i)[COUNTER_PRODUCE_LENT]);
        shard_free(&h->cores[i].shard);
    }
    stores_abandon(s);
    for (uint32_t i = 0; i < h->core_count; i++)
        bypass_destroy(h->cores[i].bypass);
    for (uint32_t i = 0; i < s->link_count; i++)
        nic_pair_reset(s->wires[i], 0);
    mesh_free(h->mesh);
    free(h->quota_usage);
    free(h->seats);
    region_destroy(&h->region);
}
