#include "core/shm/region.h"

#include "core/base/err.h"
#include "core/shm/capring.h"
#include "core/shm/chan.h"
#include "core/shm/hists.h"
#include "core/shm/msg.h"
#include "core/shm/netview.h"
#include "core/shm/quotas.h"
#include "core/shm/slow.h"
#include "core/shm/table.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define REGION_MAGIC UINT64_C(0x53484d5f5543494c) /* bytes "LICU_MHS" */
enum { PART_ALIGN = 4096 };

_Static_assert(sizeof(struct region_peer) == REGION_LINE, "a line for each process");
_Static_assert(offsetof(struct region_header, peers) % REGION_LINE == 0, "I2");
_Static_assert(offsetof(struct region_header, lease_until_ns) % REGION_LINE == 0, "I2");
_Static_assert(sizeof(struct region_header) <= PART_ALIGN, "the header is the first page");
_Static_assert((int)CHAN_LINE == (int)REGION_LINE, "one size of line");

#define FIELD(type, field) offsetof(type, field), sizeof(((type *)0)->field)

/* What both processes must agree on.  A field that is added, moved or resized changes the hash. */
static const uint64_t layout[] = {
    sizeof(struct region_header),
    FIELD(struct region_header, magic),
    FIELD(struct region_header, abi_hash),
    FIELD(struct region_header, bytes),
    FIELD(struct region_header, boot_id),
    FIELD(struct region_header, shard_count),
    FIELD(struct region_header, conf_at),
    FIELD(struct region_header, counters_at),
    FIELD(struct region_header, netviews_at),
    FIELD(struct region_header, captures_at),
    FIELD(struct region_header, wake_fds),
    FIELD(struct region_header, peers),
    FIELD(struct region_header, lease_until_ns),
    FIELD(struct region_header, published),
    FIELD(struct region_header, cluster_id),
    FIELD(struct region_header, node_id),
    FIELD(struct region_header, features_epoch),
    FIELD(struct region_peer, generation),
    FIELD(struct region_peer, ready),
    FIELD(struct region_peer, heartbeat_ns),
    FIELD(struct region_peer, pid),
    sizeof(struct chan_memory),
    FIELD(struct chan_memory, head),
    FIELD(struct chan_memory, tail),
    FIELD(struct chan_memory, sleeps),
    sizeof(struct table_topic),
    FIELD(struct table_topic, fact),
    FIELD(struct table_topic_fact, state),
    FIELD(struct table_topic_fact, version),
    FIELD(struct table_topic_fact, id),
    FIELD(struct table_topic_fact, partition_count),
    FIELD(struct table_topic_fact, name_bytes),
    FIELD(struct table_topic_fact, internal),
    FIELD(struct table_topic_fact, name),
    FIELD(struct table_topic_fact, config),
    FIELD(struct table_topic_config, max_message_bytes),
    FIELD(struct table_topic_config, segment_bytes),
    FIELD(struct table_topic_config, index_interval_bytes),
    FIELD(struct table_topic_config, segment_index_bytes),
    FIELD(struct table_topic_config, min_insync_replicas),
    FIELD(struct table_topic_config, min_dirty_millionths),
    FIELD(struct table_topic_config, segment_ms),
    FIELD(struct table_topic_config, segment_jitter_ms),
    FIELD(struct table_topic_config, retention_ms),
    FIELD(struct table_topic_config, retention_bytes),
    FIELD(struct table_topic_config, file_delete_delay_ms),
    FIELD(struct table_topic_config, min_compaction_lag_ms),
    FIELD(struct table_topic_config, max_compaction_lag_ms),
    FIELD(struct table_topic_config, delete_retention_ms),
    FIELD(struct table_topic_config, timestamp_before_max_ms),
    FIELD(struct table_topic_config, timestamp_after_max_ms),
    FIELD(struct table_topic_config, gzip_level),
    FIELD(struct table_topic_config, lz4_level),
    FIELD(struct table_topic_config, zstd_level),
    FIELD(struct table_topic_config, log_append_time),
    FIELD(struct table_topic_config, cleanup_compact),
    FIELD(struct table_topic_config, cleanup_delete),
    FIELD(struct table_topic_config, compression),
    FIELD(struct table_topic_config, write_caching),
    FIELD(struct table_topic_config, preallocate),
    sizeof(struct table_want),
    FIELD(struct table_want, fact),
    FIELD(struct table_want_fact, topic),
    FIELD(struct table_want_fact, partition),
    FIELD(struct table_want_fact, topic_id),
    FIELD(struct table_want_fact, leader_id),
    FIELD(struct table_want_fact, leader_epoch),
    sizeof(struct table_have),
    FIELD(struct table_have, fact),
    FIELD(struct table_have_fact, shard),
    FIELD(struct table_have_fact, topic_id),
    FIELD(struct table_have_fact, log_start_offset),
    FIELD(struct table_have_fact, high_watermark),
    FIELD(struct table_have_fact, log_end_offset),
    FIELD(struct table_have_fact, bytes),
    sizeof(struct quotas_table),
    FIELD(struct quotas_table, fact),
    FIELD(struct quotas_fact, defaults),
    FIELD(struct quotas_fact, rows),
    FIELD(struct quotas_row, bounds),
    FIELD(struct quotas_row, name),
    FIELD(struct region_header, settings),
    REGION_SETTINGS,
    QUOTAS_NAMED,
    QUOTAS_DEFAULTS,
    sizeof(struct msg_request),
    FIELD(struct msg_request, token),
    FIELD(struct msg_request, again),
    FIELD(struct msg_request, listener),
    FIELD(struct msg_request, peer_ip),
    FIELD(struct msg_request, peer_port),
    sizeof(struct netview),
    FIELD(struct netview, words),
    FIELD(struct netview, device_words),
    FIELD(struct netview, rows),
    FIELD(struct netview_port, device),
    FIELD(struct netview_address, device),
    FIELD(struct netview_route, device),
    FIELD(struct netview_neighbour, age_ns),
    FIELD(struct netview_connection, remote_port),
    FIELD(struct netview_connection, timeouts),
    NETVIEW_LISTS,
    sizeof(struct capring_core),
    FIELD(struct capring_core, filter),
    FIELD(struct capring_core, lost),
    FIELD(struct capring_core, ring),
    sizeof(struct capring_order),
    FIELD(struct capring_order, want),
    FIELD(struct capring_want, filter),
    FIELD(struct capring_want, path),
    FIELD(struct capring_order, lost),
    FIELD(struct capring_order, path),
    CAPRING_WHYS,
    FIELD(struct msg_frame, wire_bytes),
    FIELD(struct msg_frame, out),
    REGION_CONF_BYTES,
    MSG_KINDS,
    COUNTERS,
    COUNTERS_WORDS,
    HISTS_WORDS,
    HISTS,
    SLOW_ROWS,
    SLOW_FIELDS,
};

/* FNV-1a (Fowler, Noll, Vo), 64 bits. */
static uint64_t
hash_add(uint64_t hash, const void *at, size_t n)
{
    const uint8_t *p = at;
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ p[i]) * UINT64_C(0x100000001b3);
    return hash;
}

uint64_t
region_abi_hash(void)
{
    uint64_t hash = hash_add(UINT64_C(0xcbf29ce484222325), layout, sizeof layout);
    /* Names too: a list in another order has the same size and another meaning. */
    for (uint32_t i = 0; i < MSG_KINDS; i++) {
        uint32_t bytes = msg_bytes(i);
        hash = hash_add(hash, msg_name(i), strlen(msg_name(i)) + 1);
        hash = hash_add(hash, &bytes, sizeof bytes);
    }
    for (uint32_t i = 0; i < COUNTERS; i++)
        hash = hash_add(hash, counters_row(i)->name, strlen(counters_row(i)->name) + 1);
    for (uint32_t i = 0; i < HISTS; i++)
        hash = hash_add(hash, hists_row(i)->name, strlen(hists_row(i)->name) + 1);
    for (uint32_t i = 0; i < SLOW_FIELDS; i++)
        hash = hash_add(hash, slow_name(i), strlen(slow_name(i)) + 1);
    for (uint32_t i = 0; i < NETVIEW_COUNTERS; i++) {
        const char *name = netview_counter_row((enum netview_counter)i)->name;
        hash = hash_add(hash, name, strlen(name) + 1);
    }
    return hash;
}

static uint64_t
part_take(uint64_t *end, uint64_t bytes)
{
    uint64_t at = *end;
    *end = (at + bytes + PART_ALIGN - 1) & ~(uint64_t)(PART_ALIGN - 1);
    return at;
}

/* Words of one block of counters, rounded up so that two blocks never share a line (I2). */
static uint64_t
counter_block_bytes(void)
{
    uint64_t bytes = (HISTS_BLOCK_WORDS + SLOW_WORDS) * sizeof(uint64_t);
    return (bytes + REGION_LINE - 1) & ~(uint64_t)(REGION_LINE - 1);
}

/* The order stands in front of the cores' rings. */
static uint64_t
captures_first(void)
{
    return (sizeof(struct capring_order) + PART_ALIGN - 1) & ~(uint64_t)(PART_ALIGN - 1);
}

/* Fills in the shape, the offsets and the size.  ERR_LIMIT when out of the named limits. */
static int
header_lay_out(struct region_header *h, const struct region_shape *s)
{
    if (s->shard_count < 1 || s->shard_count > REGION_SHARDS_MAX)
        return ERR_LIMIT;
    if (s->topics_max > REGION_ROWS_MAX || s->partitions_max > REGION_ROWS_MAX)
        return ERR_LIMIT;
    if (s->ring_bytes < CHAN_BYTES_MIN || s->ring_bytes > REGION_RING_BYTES_MAX ||
        s->ring_bytes % REGION_LINE != 0)
        return ERR_LIMIT;
    h->shard_count = s->shard_count;
    h->topics_max = s->topics_max;
    h->partitions_max = s->partitions_max;
    h->ring_bytes = s->ring_bytes;
    uint64_t end = PART_ALIGN;
    h->conf_at = part_take(&end, REGION_CONF_BYTES);
    h->topics_at = part_take(&end, sizeof(struct table_topic) * (uint64_t)s->topics_max);
    h->want_at = part_take(&end, sizeof(struct table_want) * (uint64_t)s->partitions_max);
    h->have_at = part_take(&end, sizeof(struct table_have) * (uint64_t)s->partitions_max);
    h->quotas_at = part_take(&end, sizeof(struct quotas_table));
    h->rings_at = part_take(&end, (uint64_t)s->ring_bytes * 2 * s->shard_count);
    h->counters_at = part_take(&end, counter_block_bytes() * (s->shard_count + 1));
    h->netviews_at = part_take(&end, sizeof(struct netview) * (uint64_t)s->shard_count);
    h->captures_at =
        part_take(&end, captures_first() + sizeof(struct capring_core) * (uint64_t)s->shard_count);
    h->bytes = end;
    return ERR_OK;
}

static void
wake_fds_close(int32_t *fds)
{
    for (int i = 0; i <= REGION_SHARDS_MAX; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
        fds[i] = -1;
    }
}

static int
wake_fds_open(struct region_header *h)
{
    memset(h->wake_fds, 0xff, sizeof h->wake_fds); /* -1 */
    for (uint32_t i = 0; i <= h->shard_count; i++) {
        h->wake_fds[i] = eventfd(0, EFD_NONBLOCK);
        if (h->wake_fds[i] < 0) {
            wake_fds_close(h->wake_fds);
            return ERR_LIMIT;
        }
    }
    return ERR_OK;
}

/* A sealed memfd of that size, or a negative enum err. */
static int
memory_create(uint64_t bytes)
{
    int fd = memfd_create("sluice-region", MFD_ALLOW_SEALING);
    if (fd < 0)
        return errno == EMFILE || errno == ENFILE ? ERR_LIMIT : ERR_NO_SPACE;
    if (ftruncate(fd, (off_t)bytes) ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)) {
        close(fd);
        return ERR_NO_SPACE;
    }
    return fd;
}

static void
parts_format(struct region *r)
{
    for (uint32_t i = 0; i < REGION_SETTINGS; i++)
        atomic_store_explicit(&r->header->settings[i], -1, memory_order_relaxed);
    for (uint32_t i = 0; i < r->header->shard_count; i++) {
        chan_format(region_ring_to_data(r, i), r->header->ring_bytes);
        chan_format(region_ring_to_control(r, i), r->header->ring_bytes);
        chan_format(region_capring(r, i)->ring, CAPRING_BYTES);
    }
}

int
region_create(struct region *r, const struct region_shape *shape, const char *conf)
{
    struct region_header h = {0};
    *r = (struct region){.fd = -1};
    int err = header_lay_out(&h, shape);
    if (err)
        return err;
    size_t conf_bytes = strlen(conf) + 1;
    if (conf_bytes > REGION_CONF_BYTES)
        return ERR_LIMIT;
    int fd = memory_create(h.bytes);
    if (fd < 0)
        return fd;
    void *at = mmap(NULL, h.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED) {
        close(fd);
        return ERR_NO_SPACE;
    }
    *r = (struct region){at, fd, h.bytes};
    h.abi_hash = region_abi_hash();
    must(getrandom(h.boot_id, sizeof h.boot_id, 0) == (ssize_t)sizeof h.boot_id);
    err = wake_fds_open(&h);
    if (err) {
        munmap(at, h.bytes);
        close(fd);
        return err;
    }
    memcpy(r->header, &h, sizeof h);
    memcpy((char *)at + h.conf_at, conf, conf_bytes);
    parts_format(r);
    /* Pairs with the acquire in region_attach: a region with its magic is complete. */
    __atomic_store_n(&r->header->magic, REGION_MAGIC, __ATOMIC_RELEASE);
    return ERR_OK;
}

/* The header says what its own shape says, and what the file is: nothing beyond it is ever touched.
 */
static int
header_check(const struct region_header *h, uint64_t bytes)
{
    if (__atomic_load_n(&h->magic, __ATOMIC_ACQUIRE) != REGION_MAGIC)
        return ERR_CORRUPT;
    if (h->abi_hash != region_abi_hash())
        return ERR_UNSUPPORTED;
    struct region_shape shape = {h->shard_count, h->topics_max, h->partitions_max, h->ring_bytes};
    struct region_header want = {0};
    if (header_lay_out(&want, &shape))
        return ERR_CORRUPT;
    if (want.bytes != bytes || h->bytes != bytes)
        return ERR_CORRUPT;
    size_t from = offsetof(struct region_header, conf_at);
    size_t limit = offsetof(struct region_header, wake_fds);
    if (memcmp((const char *)h + from, (const char *)&want + from, limit - from) != 0)
        return ERR_CORRUPT;
    return memchr((const char *)h + h->conf_at, 0, REGION_CONF_BYTES) ? ERR_OK : ERR_CORRUPT;
}

int
region_attach(struct region *r, int fd, int writable)
{
    *r = (struct region){.fd = -1};
    struct stat st;
    int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0 || !(seals & F_SEAL_SHRINK) || fstat(fd, &st))
        return ERR_CORRUPT;
    if (st.st_size < PART_ALIGN)
        return ERR_CORRUPT;
    size_t bytes = (size_t)st.st_size;
    void *at = mmap(NULL, bytes, PROT_READ | (writable ? PROT_WRITE : 0), MAP_SHARED, fd, 0);
    if (at == MAP_FAILED)
        return errno == EACCES || errno == EPERM ? ERR_DENIED : ERR_IO;
    int err = header_check(at, bytes);
    if (err) {
        munmap(at, bytes);
        return err;
    }
    *r = (struct region){at, fd, bytes};
    return ERR_OK;
}

void
region_detach(struct region *r)
{
    if (r->header)
        munmap(r->header, r->bytes);
    r->header = NULL;
}

void
region_destroy(struct region *r)
{
    if (!r->header)
        return;
    wake_fds_close(r->header->wake_fds);
    region_detach(r);
    close(r->fd);
    r->fd = -1;
}

uint32_t
region_join(struct region *r, enum region_process who, int32_t pid)
{
    must((unsigned)who < REGION_PROCESSES);
    struct region_peer *p = &r->header->peers[who];
    uint32_t next = atomic_load_explicit(&p->generation, memory_order_relaxed) + 1;
    if (next == 0)
        next = 1;
    atomic_store_explicit(&p->pid, pid, memory_order_relaxed);
    /* Readers that acquire the generation see the pid of it. */
    atomic_store_explicit(&p->generation, next, memory_order_release);
    return next;
}

void
region_set_ready(struct region *r, enum region_process who)
{
    must((unsigned)who < REGION_PROCESSES);
    struct region_peer *p = &r->header->peers[who];
    uint32_t generation = atomic_load_explicit(&p->generation, memory_order_relaxed);
    /* Pairs with an acquire of `ready`: what made the process ready is visible. */
    atomic_store_explicit(&p->ready, generation, memory_order_release);
}

static char *
part_at(const struct region *r, uint64_t at)
{
    return (char *)r->header + at;
}

const char *
region_conf(const struct region *r)
{
    return part_at(r, r->header->conf_at);
}

struct table_topic *
region_topics(const struct region *r)
{
    return (struct table_topic *)(void *)part_at(r, r->header->topics_at);
}

struct table_want *
region_want(const struct region *r)
{
    return (struct table_want *)(void *)part_at(r, r->header->want_at);
}

struct table_have *
region_have(const struct region *r)
{
    return (struct table_have *)(void *)part_at(r, r->header->have_at);
}

struct quotas_table *
region_quotas(const struct region *r)
{
    return (struct quotas_table *)(void *)part_at(r, r->header->quotas_at);
}

int64_t
region_setting(const struct region *r, enum region_setting key, int64_t start)
{
    must(key < REGION_SETTINGS);
    int64_t v = atomic_load_explicit(&r->header->settings[key], memory_order_relaxed);
    return v < 0 ? start : v;
}

void *
region_ring_to_data(const struct region *r, uint32_t shard)
{
    must(shard < r->header->shard_count);
    return part_at(r, r->header->rings_at + (uint64_t)shard * 2 * r->header->ring_bytes);
}

void *
region_ring_to_control(const struct region *r, uint32_t shard)
{
    return (char *)region_ring_to_data(r, shard) + r->header->ring_bytes;
}

_Atomic uint64_t *
region_counters(const struct region *r, uint32_t block)
{
    must(block <= r->header->shard_count);
    return (_Atomic uint64_t *)(void *)part_at(r, r->header->counters_at +
                                                      block * counter_block_bytes());
}

_Atomic uint64_t *
region_slow(const struct region *r, uint32_t shard)
{
    must(shard < r->header->shard_count);
    return region_counters(r, shard) + HISTS_BLOCK_WORDS;
}

struct netview *
region_netview(const struct region *r, uint32_t shard)
{
    must(shard < r->header->shard_count);
    return (struct netview *)(void *)part_at(r, r->header->netviews_at) + shard;
}

struct capring_core *
region_capring(const struct region *r, uint32_t shard)
{
    must(shard < r->header->shard_count);
    char *first = part_at(r, r->header->captures_at + captures_first());
    return (struct capring_core *)(void *)first + shard;
}

struct capring_order *
region_capring_order(const struct region *r)
{
    return (struct capring_order *)(void *)part_at(r, r->header->captures_at);
}

void
region_wake(const struct region *r, uint32_t block)
{
    must(block <= r->header->shard_count);
    uint64_t one = 1;
    /* EAGAIN: the count is at its maximum, so the reader is being woken already. */
    ssize_t n = write(r->header->wake_fds[block], &one, sizeof one);
    must(n == (ssize_t)sizeof one || errno == EAGAIN || errno == EINTR);
}
