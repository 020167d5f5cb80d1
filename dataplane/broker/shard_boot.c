/* shard_boot.c: what a shard takes at its start, all memory of its life, and gives back at its end.
 */
#include "dataplane/broker/shard.h"

#include "core/base/err.h"

#include <stdlib.h>
#include <sys/mman.h>

_Static_assert(SHARD_ANSWER_BYTES % SHARD_ANSWER_BLOCK_MAX == 0, "buddy_init rounds down");

static void
configure(struct shard *s)
{
    const struct conf *c = s->config.conf;
    s->request_bytes_max = (uint32_t)conf_number(c, CONF_REQUEST_MAX_BYTES);
    s->in_flight_max = (uint32_t)conf_number(c, CONF_MAX_IN_FLIGHT);
    s->fetch_bytes_max = (uint32_t)conf_number(c, CONF_FETCH_MAX_BYTES);
    s->retain_every_ns = shard_ns_of_ms(conf_number(c, CONF_RETENTION_CHECK_MS));
    s->idle_ns = shard_ns_of_ms(conf_number(c, CONF_IDLE_MS));
    s->stall_ns = shard_ns_of_ms(conf_number(c, CONF_REQUEST_TIMEOUT_MS));
    s->forward_ns = shard_ns_of_ms(conf_number(c, CONF_FORWARD_TIMEOUT_MS));
    s->clean_on = s->config.cleaner && conf_bool(c, CONF_CLEANER_ENABLE);
    s->clean_ns = s->clean_on ? 0 : CLOCK_NEVER;
    s->node_id = (int32_t)conf_number(c, CONF_NODE_ID);
    s->spin = conf_number(c, CONF_IDLE) == 1;                  /* sleep|spin */
    s->conn_slots = shard_conns(c, s->config.shard_count) + 1; /* the last one is control's */
}

/* Zeroed by the kernel, touched as it is used; NULL: none. */
static void *
pages_take(size_t bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return at == MAP_FAILED ? NULL : at;
}

static int
memory_take(struct shard *s)
{
    s->memory_at = pages_take(buddy_footprint(SHARD_ANSWER_BYTES));
    s->arena_at = pages_take(SHARD_ANSWER_BYTES);
    s->scratch_at = pages_take(SHARD_SCRATCH_BYTES);
    s->conns = pages_take(s->conn_slots * sizeof *s->conns);
    uint64_t places =
        (uint64_t)s->conn_slots + SHARD_REQS_SPARE + (uint64_t)JOB_MAX * s->config.shard_count;
    uint32_t ring = 1;
    while (ring < places)
        ring *= 2;
    s->waits_mask = ring - 1;
    s->waits[0].ring = pages_take(2 * (size_t)ring * sizeof *s->waits[0].ring);
    s->waits[1].ring = s->waits[0].ring ? s->waits[0].ring + ring : NULL;
    s->pieces = pages_take(sizeof *s->pieces);
    if (!s->pieces || !s->memory_at || !s->arena_at || !s->scratch_at || !s->conns ||
        !s->waits[0].ring)
        return ERR_FULL;
    s->memory = buddy_init(s->memory_at, s->arena_at, SHARD_ANSWER_BYTES, SHARD_ANSWER_BLOCK_MAX);
    wire_arena_init(&s->scratch, s->scratch_at, SHARD_SCRATCH_BYTES);
    s->vouch = vouch_new();
    if (!s->vouch)
        return ERR_FULL;
    int err = inner_init(&s->inner, s->conn_slots - 1);
    return err ? err : req_pool_init(s, s->conn_slots + SHARD_REQS_SPARE);
}

static void
region_enter(struct shard *s)
{
    uint32_t shard = s->config.shard, bytes = s->region->header->ring_bytes;
    s->counters.words = region_counters(s->region, shard);
    slow_begin(&s->timing.slow, region_slow(s->region, shard));
    chan_join(&s->to_control, region_ring_to_control(s->region, shard), bytes);
    chan_join(&s->from_control, region_ring_to_data(s->region, shard), bytes);
    s->generation = atomic_load_explicit(&s->region->header->peers[REGION_DATA].generation,
                                         memory_order_acquire);
    inner_attach(&s->inner, &s->to_control, s->generation, &s->to_control_sent);
}

int
shard_init(struct shard *s, const struct shard_config *config)
{
    memset(s, 0, sizeof *s);
    s->config = *config;
    s->clock = config->clock;
    s->store = config->store;
    s->mesh = config->mesh;
    s->region = config->region;
    configure(s);
    list_init(&s->conns_dirty);
    list_init(&s->reqs_held);
    list_init(&s->reqs_stay);
    list_init(&s->conns_stalled);
    list_init(&s->conns_muted);
    list_init(&s->conns_line);
    s->mute_ns = s->door_ns = CLOCK_NEVER;
    s->quota.usage = config->quota_usage;
    s->quota.shard = config->shard;
    list_init(&s->forwards);
    list_init(&s->forwards_endless);
    list_init(&s->appends);
    list_init(&s->trims);
    s->expire_ns = s->fetch_ns = s->forward_next_ns = s->store_ns = s->vouch_ns = CLOCK_NEVER;
    s->route_retry_ns = CLOCK_NEVER;
    int err = memory_take(s);
    s->stream = inner_stream(&s->inner, config->stream);
    if (!err)
        err = route_init(s->region, config->shard, config->shard_count, &s->route);
    uint32_t sessions = (uint32_t)conf_number(config->conf, CONF_FETCH_SESSIONS);
    if (!err)
        err = fetch_init(s, (sessions + config->shard_count - 1) / config->shard_count, &s->fetch);
    if (err) {
        shard_free(s);
        return err;
    }
    region_enter(s);
    shard_turn_begin(s);
    s->retain_ns = s->now_ns + s->retain_every_ns;
    return ERR_OK;
}

static void
pages_give(void *at, size_t bytes)
{
    if (at)
        munmap(at, bytes);
}

void
shard_free(struct shard *s)
{
    if (s->fetch)
        fetch_free(s->fetch);
    route_free(s->route);
    inner_free(&s->inner);
    vouch_free(s->vouch);
    free(s->reqs);
    pages_give(s->memory_at, buddy_footprint(SHARD_ANSWER_BYTES));
    pages_give(s->arena_at, SHARD_ANSWER_BYTES);
    pages_give(s->scratch_at, SHARD_SCRATCH_BYTES);
    pages_give(s->conns, s->conn_slots * sizeof *s->conns);
    pages_give(s->pieces, sizeof *s->pieces);
    pages_give(s->waits[0].ring, 2 * ((size_t)s->waits_mask + 1) * sizeof *s->waits[0].ring);
    memset(s, 0, sizeof *s);
}
