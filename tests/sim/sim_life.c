/* sim_life.c: one life: a configuration, then stretches of work that end with a crash, a kill or a
 * clean stop, each followed by a recovery (which may crash too) and by a comparison. */
#include "core/base/err.h"
#include "tests/sim/sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    LIFE_SEGMENT_SHORT = 8 << 10, /* or up to eight times as long */
    LIFE_SEGMENT_LONG = 128 << 10,
    LIFE_STRETCHES = 5,
    LIFE_RECOVERIES_MAX = 8,
    LIFE_IDLE_TURNS = 800,
    LIFE_QUIET_TURNS = 40,
    LIFE_SMALL_BYTES = 800,
    LIFE_PENDING_MAX = 10,
    LIFE_LATE_POLLS = 60,
    LIFE_EDGE_CACHE = 64 << 10,
    LIFE_EDGE_LOGS = 3,
    LIFE_EDGE_ROUNDS = 100,
    LIFE_EDGE_BUFFERS = 4,
    LIFE_MIXED_LOGS = 2,
    LIFE_MIXED_ROUNDS = 60,
    LIFE_MIXED_STRETCHES = 3,
    LIFE_HASTY = 2,
};

/* ---- starting and stopping ---------------------------------------------------------------------
 */

int
sim_start(struct sim *s)
{
    struct store_boot *boot;
    s->dead = false;
    int rc = store_recover(disk_mem_port(s->disk, 0), s->cores, s->journal_bytes, &boot);
    if (rc != ERR_OK)
        return rc;
    for (uint32_t i = 0; i < s->cores && rc == ERR_OK; i++) {
        struct store_config c = {.core = i,
                                 .core_count = s->cores,
                                 .journal_bytes = s->journal_bytes,
                                 .cache_bytes = s->cache_bytes,
                                 .read_buffers = s->read_buffers,
                                 .read_bytes = s->read_bytes,
                                 .sidecar_bytes = 1,
                                 .shrink_bytes = 4096,
                                 .move_bytes = s->seed % 4 ? 2048 << s->seed % 6 : 0,
                                 .logs_max = 16,
                                 .extent_bytes_min = s->extent_bytes_min,
                                 .frames_in_flight = s->flight,
                                 .hold_least_ns = s->hold_ns / 4,
                                 .hold_most_ns = s->hold_ns};
        rc = store_init(&c, disk_mem_port(s->disk, i), boot, &s->stores[i]);
        if (rc != ERR_OK)
            s->stores[i] = NULL;
    }
    struct store_boot_facts facts;
    store_boot_facts(boot, &facts);
    memset(s->rounds_seen, 0, sizeof s->rounds_seen);
    s->was_cut = facts.cut > 0;
    s->cuts += facts.cut;
    s->cut_records += facts.cut_records;
    store_boot_free(boot);
    if (rc != ERR_OK)
        sim_kill(s);
    return rc;
}

void
sim_kill(struct sim *s)
{
    sim_readers_end(s);
    for (uint32_t i = 0; i < SIM_CORES_MAX; i++)
        if (s->stores[i])
            store_abandon(s->stores[i]);
    for (uint32_t i = 0; i < SIM_CORES_MAX; i++)
        disk_mem_drop(s->disk, i);
    memset(s->stores, 0, sizeof s->stores);
}

/* A clean stop; what it kept is acknowledged. */
static void
stop(struct sim *s)
{
    int first = ERR_OK;
    sim_readers_end(s);
    for (uint32_t i = 0; i < s->cores; i++) {
        int rc = store_close(s->stores[i]);
        s->stores[i] = NULL;
        disk_mem_drop(s->disk, i);
        if (first == ERR_OK)
            first = rc;
    }
    sim_say(s, "stopped: %s", err_name(first));
    if (first != ERR_OK) {
        if (!disk_mem_is_cut(s->disk) && !s->excused && s->dir_state == SIM_DIR_WELL)
            sim_fail(s, "store_close: %s", err_name(first));
        return;
    }
    for (uint32_t i = 0; i < s->log_count; i++) {
        struct sim_log *l = &s->logs[i];
        l->change_lsn = l->config_lsn = 0;
        if (l->held)
            continue;
        for (uint32_t k = l->acked; k < l->count; k++)
            l->batches[k].acked = true;
        l->acked = l->count;
        l->start_lsn = 0;
        l->start = l->start_asked;
    }
    if (!s->excused && !disk_mem_is_cut(s->disk) && disk_mem_open_files(s->disk))
        sim_fail(s, "%u files are open after a stop: %s", disk_mem_open_files(s->disk),
                 disk_mem_open_path(s->disk));
}

/* Power back, or a new process; recovery may lose power again, some times.  False: it refused, for
 * damage that there is. */
static bool
recover(struct sim *s, bool power)
{
    for (uint32_t n = 0;; n++) {
        if (power || disk_mem_is_cut(s->disk))
            disk_mem_restart(s->disk);
        else
            disk_mem_reopen(s->disk);
        s->cores = 1 + sim_below(s, s->cores_max);
        sim_dirs_before_start(s);
        bool again = n < LIFE_RECOVERIES_MAX && sim_chance(s, 3);
        disk_mem_cut_after(s->disk, again ? 1 + sim_below(s, 80) : UINT64_MAX);
        int rc = sim_start(s);
        sim_say(s, "recovery: %s cores=%u%s", err_name(rc), s->cores,
                disk_mem_is_cut(s->disk) ? " cut" : "");
        if (disk_mem_is_cut(s->disk)) {
            sim_kill(s);
            power = true;
            continue;
        }
        disk_mem_cut_after(s->disk, UINT64_MAX);
        s->recoveries++;
        s->cuts_again += n > 0 && rc == ERR_OK && s->was_cut;
        if (rc == ERR_OK)
            return true;
        if (rc == ERR_CORRUPT && s->rotten) {
            s->refused++;
            return false;
        }
        if (s->excused && n < LIFE_RECOVERIES_MAX) {
            sim_fault_clear(s); /* the device is well again */
            continue;
        }
        sim_fail(s, "recovery: %s", err_name(rc));
    }
}

/* ---- work --------------------------------------------------------------------------------------
 */

static void
reconfigure(struct sim *s, struct sim_log *l)
{
    struct plog_config before = l->config;
    if (l->state != SIM_THERE || l->config_lsn || l->change_lsn)
        return;
    l->config.segment_bytes = 8192u << sim_below(s, 4);
    l->config.log_append_time = sim_chance(s, 4);
    if (s->retains && l->config.retention_bytes >= 0)
        l->config.retention_bytes = INT64_C(2048) << sim_below(s, 8);
    if (plog_config_same(&before, &l->config))
        return;
    uint8_t id[16];
    sim_topic(l, id);
    struct plog *p;
    struct store *store = sim_store(s, l);
    if (store_create(store, id, l->partition, &l->config, &p) != ERR_OK) {
        l->config = before;
        return;
    }
    l->config_before = before;
    l->configs[l->config_count++ % SIM_CONFIGS_MAX] = before;
    l->config_lsn = journal_last_lsn(store->journal);
}

static void
read_some(struct sim *s, struct sim_log *l)
{
    struct plog *p = sim_plog(s, l);
    struct plog_facts facts;
    plog_facts(p, &facts);
    if (facts.state != PLOG_ONLINE || facts.high_watermark == 0)
        return;
    int64_t from = facts.high_watermark - 1 - sim_below(s, sim_chance(s, 2) ? 5 : 1000);
    if (from < 0)
        from = sim_below(s, (uint32_t)facts.high_watermark);
    if (from < facts.log_start_offset)
        from = facts.log_start_offset;
    if (s->mixed && l->config.cleanup_compact && sim_chance(s, 2)) {
        sim_clean_read_committed(s, l, from);
        return;
    }
    int64_t limit = from + 1 + sim_below(s, 40);
    if (limit > facts.high_watermark)
        limit = facts.high_watermark;
    sim_read(s, l, from, limit, 1 + sim_below(s, 16384));
}

static void
log_work(struct sim *s, struct sim_log *l)
{
    uint32_t what = sim_below(s, 100);
    if (s->dirs > 1 && l->state == SIM_THERE && sim_chance(s, 16)) {
        sim_dirs_move(s, l);
        return;
    }
    if (s->txns && what % (s->mixed ? 2 : 4) == 0 && (s->mixed || !l->config.cleanup_compact)) {
        sim_txn(s, l);
        return;
    }
    if (what < 82 || l->state != SIM_THERE)
        sim_append(s, l);
    else if (what < 92)
        read_some(s, l);
    else if (what < 95)
        sim_find_time(s, l);
    else if (what < 97)
        reconfigure(s, l);
    else if (what == 98)
        sim_trim(s, l);
    else if (what == 97 && (s->mixed || sim_chance(s, 3))) {
        struct plog *p = sim_plog(s, l);
        store_delete(sim_store(s, l), p);
        l->state = SIM_DELETED;
        sim_say(s, "log %d deleted", l->partition);
    }
}

static void
checkpoint(struct sim *s)
{
    struct store *store = s->stores[sim_below(s, s->cores)];
    if (store->ckpt.phase == CKPT_IDLE && !store->ending && !store->swap.under_way &&
        !store->move.held)
        store_ckpt_begin(store, false);
}

/* Segments have to be durable before they are compacted, rounds to follow each other, and some to
 * be met half way: true. */
static bool
mixed_step(struct sim *s)
{
    if (sim_chance(s, 6))
        checkpoint(s);
    if (sim_chance(s, 3))
        sim_clean(s);
    sim_clean_look(s);
    for (uint32_t i = 0; i < s->cores && !sim_over(s); i++) {
        const struct clean_run *run = s->stores[i]->swap.run;
        s->hasty = s->hasty || (run && run->group && sim_chance(s, LIFE_HASTY));
    }
    return s->hasty;
}

static void
work(struct sim *s)
{
    for (uint32_t n = 0; n < s->rounds && !sim_over(s); n++) {
        s->step++;
        if (n == s->die_round)
            sim_dirs_die(s);
        for (uint32_t k = sim_below(s, 6); k > 0 && !sim_over(s); k--)
            log_work(s, &s->logs[sim_below(s, s->log_count)]);
        sim_turns(s, 1 + sim_below(s, 3));
        if (sim_over(s))
            return;
        if (sim_chance(s, 40))
            s->now_ns += (uint64_t)sim_below(s, 3000) * CLOCK_NS_PER_MS;
        if (sim_chance(s, 30))
            checkpoint(s);
        if (s->compacts && sim_chance(s, 6))
            sim_clean(s);
        if (s->mixed && mixed_step(s))
            return;
        if (s->retains && sim_chance(s, 6))
            sim_retain(s);
    }
}

/* Until nothing is left to do, marks are written too: whatever was acknowledged can be proven. */
static void
idle(struct sim *s)
{
    uint32_t quiet = 0; /* turns; a mark in flight does not show */
    for (uint32_t n = 0; n < LIFE_IDLE_TURNS && quiet < LIFE_QUIET_TURNS && !sim_over(s); n++) {
        quiet++;
        for (uint32_t i = 0; i < s->cores; i++) {
            const struct journal *j = s->stores[i]->journal;
            if (journal_durable_lsn(j) < journal_last_lsn(j) || journal_deadline(j) != CLOCK_NEVER)
                quiet = 0;
        }
        sim_turns(s, 1);
        if (n % 8 == 7)
            s->now_ns += 6 * CLOCK_NS_PER_MS;
    }
}

/* What a life does beside the plain work: drawn apart, so that it does not change what the seeds of
 * lives without it do. */
static void
features_choose(struct sim *s)
{
    uint64_t f = s->seed * UINT64_C(0xd6e8feb86659fd93);
    f ^= f >> 32;
    static const uint32_t extents[] = {0, 0, STORE_EXTENT_BYTES_LEAST,
                                       2 * STORE_EXTENT_BYTES_LEAST};
    s->extent_bytes_min = extents[f & 3];
    s->txns = f >> 2 & 1;
    s->sidecars = (f >> 3 & 3) == 0;
    s->compacts = f >> 5 & 1;
    s->retains = (f >> 6 & 3) == 0;
    static const uint64_t hold_ns[] = {0, CLOCK_NS_PER_MS, 10 * CLOCK_NS_PER_MS,
                                       40 * CLOCK_NS_PER_MS};
    s->hold_ns = hold_ns[f >> 8 & 3];
    s->crowded = (f >> 10 & 3) == 0;
    s->late = f >> 12 & 1;
    s->heavy = s->extent_bytes_min && (f >> 13 & 1);
    s->reader_count = f >> 14 & 1 ? 1 + (f >> 15) % SIM_READERS_MAX : 0;
    s->read_bytes = f >> 17 & 1 ? 0 : (uint32_t)(2 + (f >> 18 & 1)) * SUMS_PIECE;
    s->edges = s->reader_count && s->read_bytes;
    s->vanishing = f >> 20 & 1;
    s->mixed = (f >> 43 & 7) == 0;
    s->txns = s->txns || s->mixed;
    s->compacts = s->compacts || s->mixed;
    s->reader_rng = f | 1;
    static const uint8_t secret[CLEAN_MAP_SECRET_BYTES] = "any";
    must(clean_map_init(&s->map, s->clean_slots, sizeof s->clean_slots, secret) == ERR_OK);
}

/* ---- lives -------------------------------------------------------------------------------------
 */

static void
born(struct sim *s, uint64_t seed)
{
    s->seed = seed;
    features_choose(s);
    s->rng = seed * UINT64_C(0x9e3779b97f4a7c15) + 88172645463325252u;
    sim_random(s);
    s->disk = disk_mem_new(sim_random(s));
    s->cores_max = 1 + sim_below(s, SIM_CORES_MAX);
    s->cores = 1 + sim_below(s, s->cores_max);
    s->flight = 1 + sim_below(s, 8);
    s->read_buffers = 2 + sim_below(s, 5);
    s->journal_bytes = (64u << 10) << sim_below(s, 3);
    s->cache_bytes = (64u << 10) << sim_below(s, 3);
    if (s->heavy) { /* room for several extents at a time */
        s->journal_bytes *= 4;
        s->cache_bytes *= 8;
    }
    if (s->edges && !s->heavy)
        s->cache_bytes = LIFE_EDGE_CACHE;
    struct journal_config jc;
    store_journal_config(s->journal_bytes, s->cache_bytes, s->flight, "", &jc);
    s->batch_bytes_max = jc.record_bytes_max - 256;
    if (s->batch_bytes_max > SIM_BATCH_BYTES_MAX - 1024)
        s->batch_bytes_max = SIM_BATCH_BYTES_MAX - 1024;
    s->rounds = 1 + sim_below(s, sim_chance(s, 8) ? 400 : 80);
    s->now_ns = CLOCK_NS_PER_S;
    s->now_ms = 1000000;
    s->next_value = seed;
    s->log_count = 1 + sim_below(s, SIM_LOGS_MAX);
    if (s->edges) { /* few long logs, most of them in files only */
        s->log_count = s->log_count < LIFE_EDGE_LOGS ? s->log_count : LIFE_EDGE_LOGS;
        s->rounds += LIFE_EDGE_ROUNDS;
        s->read_buffers += LIFE_EDGE_BUFFERS;
    }
    if (s->mixed) { /* few logs, and many rounds of compaction */
        s->log_count = s->log_count < LIFE_MIXED_LOGS ? s->log_count : LIFE_MIXED_LOGS;
        s->rounds += LIFE_MIXED_ROUNDS;
    }
    for (uint32_t i = 0; i < s->log_count; i++)
        s->logs[i] = (struct sim_log){
            .topic = i / 2,
            .partition = (int32_t)i,
            .batches = s->logs[i].batches,
            .room = s->logs[i].room,
            .config = {
                .segment_bytes =
                    (s->crowded || s->heavy || s->edges ? LIFE_SEGMENT_LONG : LIFE_SEGMENT_SHORT)
                    << sim_below(s, 4),
                .index_interval_bytes = 4096,
                .cleanup_compact = s->compacts && (i % 2 || s->mixed),
                .delete_retention_ms = s->mixed ? (INT64_C(4) << 2 * ((s->seed + i) % 5)) - 4 : 0,
                .log_append_time = sim_chance(s, 6)}};
    for (uint32_t i = 0; i < s->log_count && s->retains; i++)
        sim_retain_choose(s, &s->logs[i]);
    disk_mem_trace(s->disk, s->verbose && getenv("SIM_TRACE"));
    if (sim_chance(s, 3))
        disk_mem_slow(s->disk, sim_below(s, 200), 1 + sim_below(s, 30));
    disk_mem_garbage(s->disk, sim_chance(s, 4));
    if (s->late)
        disk_mem_late(s->disk, "log/", LIFE_LATE_POLLS);
    sim_fault_choose(s);
    uint64_t f = s->seed * UINT64_C(0xc2b2ae3d27d4eb4f);
    sim_dirs_choose(s, f >> 40 & 1, f >> 41 & 1);
}

static void
gone(struct sim *s)
{
    sim_kill(s);
    disk_mem_free(s->disk);
    s->disk = NULL;
}

/* One stretch of work and its end; false: the life is over. */
static bool
stretch(struct sim *s)
{
    bool rest = s->faults == SIM_FAULT_REST;
    disk_mem_cut_after(s->disk,
                       rest || sim_chance(s, 4) ? UINT64_MAX : 1 + sim_below(s, s->rounds * 10));
    sim_fault_arm(s);
    sim_dirs_arm(s);
    s->hasty = false;
    work(s);
    uint32_t end = rest ? 2 : sim_below(s, 4);
    if (end >= 2 && (rest || !s->hasty) && !sim_over(s))
        idle(s);
    if (end == 0 && !sim_over(s))
        stop(s);
    bool power = end != 1 || disk_mem_is_cut(s->disk);
    sim_say(s, "end: %s", end == 0 ? "stop" : power ? "power" : "kill");
    disk_mem_cut_after(s->disk, power ? 0 : UINT64_MAX);
    if (!power)
        disk_mem_kill(s->disk);
    sim_kill(s);
    s->crashes++;
    s->cuts_later += s->was_cut;
    if (s->sidecars)
        sim_fault_sidecar(s);
    bool spoiled = rest && sim_fault_at_rest(s);
    if (rest || !sim_chance(s, 4))
        sim_fault_clear(s);
    if (!recover(s, power))
        return false;
    sim_fault_clear(s);
    s->excused = false; /* the device is well: what is wrong now is ours */
    sim_check_all(s);
    return !spoiled && !s->rotten;
}

/* A new life in the memory of the last one. */
static void
begin(struct sim *s, uint64_t seed)
{
    struct sim last = *s;
    *s = (struct sim){.batch = last.batch, .bytes = last.bytes, .verbose = last.verbose};
    for (uint32_t i = 0; i < SIM_LOGS_MAX; i++) {
        s->logs[i].batches = last.logs[i].batches;
        s->logs[i].room = last.logs[i].room;
    }
    born(s, seed);
}

void
sim_life(struct sim *s, uint64_t seed)
{
    begin(s, seed);
    int rc = sim_start(s);
    if (rc != ERR_OK && !s->excused)
        sim_fail(s, "first start: %s", err_name(rc));
    uint32_t stretches = rc == ERR_OK ? 1 + sim_below(s, LIFE_STRETCHES) : 0;
    stretches *= s->mixed ? LIFE_MIXED_STRETCHES : 1;
    for (uint32_t n = 0; n < stretches && stretch(s); n++)
        ;
    gone(s);
}

/* One of the ways in which the power cut may have left the disk, in a process of its own. */
static void
one_way(struct sim *s, uint64_t choice, uint32_t pending)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        disk_mem_choose(s->disk, choice);
        if (!recover(s, true))
            sim_fail(s, "recovery refused");
        sim_check_all(s);
        _exit(0);
    }
    int status;
    must(pid > 0 && waitpid(pid, &status, 0) == pid);
    if (status != 0)
        sim_fail(s, "choice %llu of %u pending", (unsigned long long)choice, pending);
}

void
sim_life_small(struct sim *s, uint64_t seed)
{
    begin(s, seed);
    s->faults = SIM_FAULT_NONE;
    s->rounds = 1 + sim_below(s, 8);
    s->batch_bytes_max = LIFE_SMALL_BYTES;
    if (sim_start(s) != ERR_OK)
        sim_fail(s, "first start");
    disk_mem_cut_after(s->disk, 1 + sim_below(s, 100));
    work(s);
    disk_mem_cut_after(s->disk, 0);
    sim_kill(s);
    s->crashes++;
    uint32_t pending = disk_mem_pending(s->disk);
    for (uint64_t choice = 0; pending <= LIFE_PENDING_MAX && choice >> pending == 0; choice++)
        one_way(s, choice, pending);
    if (pending <= LIFE_PENDING_MAX)
        s->recoveries += UINT64_C(1) << pending;
    gone(s);
}
