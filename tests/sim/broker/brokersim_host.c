/* brokersim_host.c: the broker's machine: store, shard and our own network as dataplane/main.c
 * joins them; control is played through the real rings and tables.  One topic, "0". */
#include "core/base/err.h"
#include "tests/sim/broker/brokersim.h"

#include <stdlib.h>
#include <string.h>

enum { HOST_REQUEST_BYTES = 1 << 20, HOST_COPIES = 64, HOST_US = 1000000 };

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
ring_row(struct host *h, enum msg_kind kind, uint32_t row)
{
    struct msg_row m = {row, 1};
    uint8_t *at = chan_reserve(&h->to_data, sizeof m);
    must(at);
    memcpy(at, &m, sizeof m);
    chan_publish(&h->to_data, kind, 1, sizeof m);
}

static void
control_start(struct host *h)
{
    uint32_t generation = region_join(&h->region, REGION_CONTROL, 1);
    uint32_t bytes = h->region.header->ring_bytes;
    chan_join(&h->from_data, region_ring_to_control(&h->region, 0), bytes);
    chan_join(&h->to_data, region_ring_to_data(&h->region, 0), bytes);
    tables_write(h);
    atomic_store(&h->region.header->published, generation);
    region_set_ready(&h->region, REGION_CONTROL);
    ring_row(h, MSG_TOPIC, 0);
    for (uint32_t i = 0; i < SIM_PARTITIONS; i++)
        ring_row(h, MSG_WANT, i);
}

/* ---- the machine ---- */

static bool
store_start(struct sim *s)
{
    struct store_boot *boot;
    struct disk *disk = disk_mem_port(s->disk, 0);
    struct store_config config = {
        .core_count = 1,
        .journal_bytes = SIM_JOURNAL_BYTES,
        .cache_bytes = 2 << 20,
        .read_buffers = 16,
        .logs_max = 16,
        .frames_in_flight = 2,
    };
    int err = store_recover(disk, 1, config.journal_bytes, &boot);
    if (err == ERR_OK) {
        err = store_init(&config, disk, boot, &s->host.store);
        store_boot_free(boot);
    }
    if (err == ERR_OK)
        return true;
    s->host.store = NULL;
    disk_mem_drop(s->disk, 0);
    if (!disk_mem_is_cut(s->disk))
        sim_fail(s, "recovery: %s", err_name(err));
    return false;
}

static void
shard_start(struct sim *s)
{
    struct host *h = &s->host;
    char error[CONF_ERROR_BYTES];
    conf_defaults(&h->conf);
    must(conf_set(&h->conf, "max.connections", "32", CONF_OPTION, error) == ERR_OK);
    struct region_shape shape = {1, 16, 64, 1 << 20};
    must(region_create(&h->region, &shape, "") == ERR_OK);
    atomic_store(&h->region.header->lease_until_ns, UINT64_MAX);
    region_join(&h->region, REGION_DATA, 1);
    must(mesh_create(1, &h->mesh) == ERR_OK);
    h->quota_usage = quota_init(calloc(1, quota_footprint(1)), 1);
    h->seats =
        seats_init(calloc(1, seats_footprint(96)), 96, (const uint8_t[SEATS_SECRET_BYTES]){1});
    h->clock = bypass_clock(h->bypass);
    struct shard_config config = {
        .shard_count = 1,
        .conf = &h->conf,
        .region = &h->region,
        .clock = h->clock,
        .stream = bypass_stream(h->bypass),
        .store = h->store,
        .mesh = mesh_join(h->mesh, 0, &h->clock),
        .quota_usage = h->quota_usage,
        .seats = h->seats,
    };
    must(shard_init(&h->shard, &config) == ERR_OK);
}

bool
host_start(struct sim *s)
{
    struct host *h = &s->host;
    if (!store_start(s))
        return false;
    h->ring = (struct clock){&ring_ops, s};
    struct bypass_config config = {
        .link_count = s->link_count,
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
    for (uint32_t i = 0; i < s->link_count; i++) {
        uint64_t delay_ns = h->nics[i].delay_ns, jitter_ns = h->nics[i].jitter_ns;
        nics[i] = nic_pair_port(s->wires[i], 0);
        config.links[i].net = sim_net_config(nics[i], i, 2);
        nic_late_init(&h->nics[i], nics[i], &s->now_ns, s->seed + 1 + i);
        nic_late_set(&h->nics[i], delay_ns, jitter_ns);
        nics[i] = nic_late_port(&h->nics[i]);
    }
    must(bypass_create(&config, &h->bypass) == ERR_OK);
    shard_start(s);
    bypass_enter(h->bypass, nics);
    control_start(h);
    h->up = true;
    /* Tables first, as dataplane/main.c: a topic that is not known yet is an error to a client. */
    while (!h->shard.published)
        if (!host_turn(s))
            return false;
    struct stream_addr at = {.port = SIM_PORT};
    must(iptext_read("0.0.0.0", at.ip));
    must(h->shard.stream.ops->listen(h->shard.stream.self, &at) == ERR_OK);
    return true;
}

bool
host_turn(struct sim *s)
{
    struct host *h = &s->host;
    uint64_t deadline_ns;
    int err = shard_turn(&h->shard, &deadline_ns);
    if (err || disk_mem_is_cut(s->disk)) {
        if (!disk_mem_is_cut(s->disk))
            sim_fail(s, "the loop ended: %s", err_name(err));
        host_die(s);
        return false;
    }
    h->clock.ops->wait(h->clock.self, deadline_ns);
    /* Control does nothing but listen. */
    struct chan_message m;
    while (chan_peek(&h->from_data, &m) == ERR_OK)
        chan_done(&h->from_data);
    return true;
}

void
host_die(struct sim *s)
{
    struct host *h = &s->host;
    if (!h->up)
        return;
    h->up = false;
    struct bypass_stat stat;
    bypass_stat(h->bypass, &stat);
    s->scattered += stat.stream.requests_scattered;
    shard_free(&h->shard);
    store_abandon(h->store);
    disk_mem_drop(s->disk, 0);
    bypass_destroy(h->bypass);
    for (uint32_t i = 0; i < s->link_count; i++)
        nic_pair_reset(s->wires[i], 0);
    mesh_free(h->mesh);
    free(h->quota_usage);
    free(h->seats);
    region_destroy(&h->region);
}
