/* sim_check.c: after a recovery: what was promised is there, what is there was produced. */
#include "core/base/err.h"
#include "core/wire/kerr.h"
#include "tests/sim/sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How much of the journal of each core survived: later records only when all earlier ones, except
 * that a log may end where a large batch of its own is torn. */
struct survival {
    uint64_t most_kept[SIM_CORES_MAX], least_lost[SIM_CORES_MAX];
};

static void
survival_note(struct survival *v, const struct sim_log *l, uint32_t kept)
{
    for (uint32_t i = 0; i < l->count; i++) {
        uint64_t lsn = l->batches[i].lsn;
        if (lsn == 0 || lsn == SIM_UNDECIDED)
            continue;
        if (i < kept && lsn > v->most_kept[l->core])
            v->most_kept[l->core] = lsn;
        if (i >= kept && !l->batches[kept].extent && lsn < v->least_lost[l->core])
            v->least_lost[l->core] = lsn;
    }
}

/* ---- one log -----------------------------------------------------------------------------------
 */

static void
check_producers(struct sim *s, const struct sim_log *l, const struct plog *p)
{
    for (int64_t id = SIM_PRODUCER_FIRST_ID; id < SIM_PRODUCER_FIRST_ID + SIM_PRODUCERS; id++) {
        int16_t epoch;
        int32_t next;
        if (!sim_producer_next(l, id, &epoch, &next))
            continue;
        struct {
            int16_t epoch;
            int32_t sequence, records;
        } probes[16] = {{epoch, next, 1},
                        {epoch, 77, 3},
                        {(int16_t)(epoch - 1), next, 1},
                        {(int16_t)(epoch + 1), 0, 1},
                        {(int16_t)(epoch + 1), 5, 1}};
        uint32_t count = 5;
        for (uint32_t i = l->count; i-- > 0 && count < 12;)
            if (l->batches[i].producer == id) {
                probes[count].epoch = l->batches[i].epoch;
                probes[count].sequence = l->batches[i].sequence;
                probes[count++].records = l->batches[i].records;
            }
        for (uint32_t i = 0; i < count; i++) {
            const struct sim_batch *first = NULL;
            struct producer_batch found;
            int want =
                sim_producer(l, id, probes[i].epoch, probes[i].sequence, probes[i].records, &first);
            struct producer_ask ask = {.id = id,
                                       .epoch = probes[i].epoch,
                                       .sequence_first = probes[i].sequence,
                                       .record_count = probes[i].records};
            int got = producer_check(&p->producers, &ask, &found);
            if (got != want || (first && found.offset_first != first->base))
                sim_fail(s, "log %d: producer %lld epoch %d sequence %d: answer %d, not %d",
                         l->partition, (long long)id, probes[i].epoch, probes[i].sequence, got,
                         want);
        }
    }
}

/* A start says which records are lost, and not what was in them: a log that goes on behind them is
 * served, with the configuration that it had before (store_damage.c). */
static bool
had_config(const struct sim_log *l, const struct plog_config *config)
{
    uint32_t count = l->config_count < SIM_CONFIGS_MAX ? l->config_count : SIM_CONFIGS_MAX;
    for (uint32_t i = 0; i < count; i++)
        if (plog_config_same(config, &l->configs[i]))
            return true;
    return false;
}

static void
check_config(struct sim *s, struct sim_log *l, const struct plog *p)
{
    if (plog_config_same(&p->config, &l->config)) {
        l->config_lsn = 0;
        return;
    }
    bool pending = l->config_lsn && plog_config_same(&p->config, &l->config_before);
    if (!pending && !(s->records_rotten && had_config(l, &p->config)))
        sim_fail(s, "log %d: its configuration is lost", l->partition);
    l->config = p->config;
    l->config_lsn = 0;
}

/* The log is not there. */
static void
check_gone(struct sim *s, struct sim_log *l)
{
    /* Rotten: the record that made it may be what is lost, and then nothing has its name. */
    if (l->state == SIM_THERE && (l->acked || l->seen || !l->change_lsn) && !s->rotten)
        sim_fail(s, "log %d is lost, acknowledged batches=%u", l->partition, l->acked);
    sim_forget(l);
}

/* How many batches of the model are there. */
static uint32_t
check_length(struct sim *s, const struct sim_log *l, const struct plog_facts *facts)
{
    uint32_t kept = 0;
    while (kept < l->count && l->batches[kept].base < facts->log_end_offset)
        kept++;
    int64_t end = kept ? l->batches[kept - 1].base + l->batches[kept - 1].records : 0;
    if (end != facts->log_end_offset)
        sim_fail(s, "log %d ends at %lld: nothing like that was produced (%lld)", l->partition,
                 (long long)facts->log_end_offset, (long long)end);
    if (facts->high_watermark != facts->log_end_offset)
        sim_fail(s, "log %d: high watermark %lld, end %lld", l->partition,
                 (long long)facts->high_watermark, (long long)facts->log_end_offset);
    if (kept < l->acked || l->seen > end)
        sim_fail(s, "log %d: lost: ends at %lld, acknowledged to %lld, seen to %lld", l->partition,
                 (long long)end,
                 (long long)(l->acked
                                 ? l->batches[l->acked - 1].base + l->batches[l->acked - 1].records
                                 : 0),
                 (long long)l->seen);
    return kept;
}

/* Its directory is not there.  It may end before a large batch of which nobody can say whether it
 * is torn, whatever was told of that: the rest is seen when the directory is back. */
static bool
check_held(struct sim *s, struct sim_log *l, const struct plog *p, struct survival *v)
{
    uint32_t kept = 0;
    while (kept < l->count && l->batches[kept].base < p->end)
        kept++;
    l->held = kept < l->count && l->batches[kept].extent;
    if (!l->held)
        return false;
    if (p->end != l->batches[kept].base)
        sim_fail(s, "log %d ends at %lld, within a batch", l->partition, (long long)p->end);
    survival_note(v, l, kept);
    for (uint32_t i = 0; i < l->count; i++) {
        l->batches[i].lsn = i < kept ? 0 : SIM_UNDECIDED;
        l->batches[i].acked = l->batches[i].acked || i < kept;
    }
    l->acked = l->acked > kept ? l->acked : kept;
    l->state = SIM_THERE;
    l->change_lsn = 0;
    check_config(s, l, p);
    return true;
}

static void
check_log(struct sim *s, struct sim_log *l, struct survival *v)
{
    l->dies = false;
    struct plog *p = sim_plog(s, l);
    if (!p) {
        check_gone(s, l);
        return;
    }
    if (l->state == SIM_NONE)
        sim_fail(s, "log %d was never made", l->partition);
    struct plog_facts facts;
    plog_facts(p, &facts);
    bool unreadable = s->faults == SIM_FAULT_ERROR &&
                      (facts.damage == PLOG_DAMAGE_UNREADABLE || facts.dir == PLOG_DIR_NONE);
    unreadable = unreadable || (facts.state == PLOG_OFFLINE && sim_dirs_is_bad(s, l, p));
    l->offline = unreadable; /* its length is known all the same */
    if (facts.state != PLOG_ONLINE && !unreadable) {
        if (!s->rotten && !l->damaged)
            sim_fail(s, "log %d is offline", l->partition);
        l->damaged = l->damaged || facts.damage; /* stays so */
        l->offline = true;
        return;
    }
    l->held = false;
    if (facts.dir == PLOG_DIR_NONE && check_held(s, l, p, v))
        return;
    uint32_t kept = check_length(s, l, &facts);
    if (l->state == SIM_THERE)
        survival_note(v, l, kept);
    l->state = SIM_THERE; /* deleted, but not durably */
    l->change_lsn = 0;
    /* Rotten: the record of the start may be what is lost. */
    if ((p->start < l->start && !s->rotten) || p->start > l->start_asked)
        sim_fail(s, "log %d: starts at %lld, told %lld, asked for %lld", l->partition,
                 (long long)p->start, (long long)l->start, (long long)l->start_asked);
    l->start = l->start_asked = p->start;
    l->start_lsn = 0;
    l->count = l->acked = kept;
    for (uint32_t i = 0; i < kept; i++) {
        l->batches[i].lsn = 0;
        l->batches[i].acked = true;
    }
    check_config(s, l, p);
    check_producers(s, l, p);
    sim_txns_check(s, l, p);
}

/* ---- files -------------------------------------------------------------------------------------
 */

/* Is it of a move that goes on, or begins anew, and has what was noted? */
static bool
is_copy(struct sim *s, uint8_t dir, const char *path, uint64_t size)
{
    for (uint32_t i = 0; i < s->log_count; i++) {
        struct plog *p = sim_plog(s, &s->logs[i]);
        char name[PLOG_PATH_BYTES];
        if (!p || p->copies_in != dir)
            continue;
        plog_path_dir(p, name);
        if (strncmp(path, name, strlen(name)) != 0 || path[strlen(name)] != '/')
            continue;
        int64_t base = strtoll(path + strlen(name) + 1, NULL, 10);
        const struct segment *seg = plog_segment_at(p, base);
        uint64_t noted = base == p->copied.base         ? p->copied.to
                         : seg && base < p->copied.base ? seg->written
                                                        : 0;
        if (size < noted)
            sim_fail(s, "a copy %s in directory %u has %llu bytes, %llu were noted", path, dir,
                     (unsigned long long)size, (unsigned long long)noted);
        return true;
    }
    return false;
}

static struct segment *
segment_of_path(struct sim *s, uint8_t dir, const char *path)
{
    for (uint32_t i = 0; i < s->log_count; i++) {
        struct plog *p = sim_plog(s, &s->logs[i]);
        for (uint32_t k = 0; p && k < p->segment_count; k++) {
            char name[PLOG_PATH_BYTES];
            plog_path_segment(p, p->segments[k]->base, ".log", name);
            if (p->dir == dir && strcmp(name, path) == 0)
                return p->segments[k];
        }
    }
    return NULL;
}

/* True for a segment file that begins below the start of its log: it may have left it. */
static bool
below_start(struct sim *s, const char *path)
{
    for (uint32_t i = 0; i < s->log_count; i++) {
        const struct plog *p = sim_plog(s, &s->logs[i]);
        char dir[PLOG_PATH_BYTES];
        if (!p)
            continue;
        plog_path_dir(p, dir);
        size_t len = strlen(dir);
        if (strncmp(dir, path, len) == 0 && path[len] == '/')
            return strtoll(path + len + 1, NULL, 10) < p->start;
    }
    return false;
}

static void
check_file(void *user, const char *path, uint64_t size)
{
    struct sim *s = user;
    uint8_t dir;
    path = sim_dirs_path(path, &dir);
    size_t len = strlen(path);
    if (dir && dir == s->bad_dir && s->was_bad)
        return; /* what could not be removed there stays until a start that was not clean */
    if (strncmp(path, "log/", 4) != 0 || len < 4 || strcmp(path + len - 4, ".log") != 0)
        return;
    const struct segment *seg = segment_of_path(s, dir, path);
    if (!seg && is_copy(s, dir, path, size))
        return;
    if (!seg && (s->faults == SIM_FAULT_ERROR || s->rotten || below_start(s, path)))
        return; /* a name whose removal was not synced: the next recovery removes it again; or of a
                   log of which nothing else is known */
    if (!seg)
        sim_fail(s, "nobody knows the file %s in directory %u (%llu bytes)", path, dir,
                 (unsigned long long)size);
    if (seg->bytes > size && !seg->log->damage) /* longer it may be: it is cut without a sync */
        sim_fail(s, "file %s has %llu bytes, its segment %u", path, (unsigned long long)size,
                 seg->bytes);
}

void
sim_check_files(struct sim *s)
{
    disk_mem_each(s->disk, check_file, s);
}

/* ---- all ---------------------------------------------------------------------------------------
 */

void
sim_check_all(struct sim *s)
{
    struct survival v = {0};
    for (uint32_t i = 0; i < SIM_CORES_MAX; i++)
        v.least_lost[i] = UINT64_MAX;
    for (uint32_t i = 0; i < s->log_count; i++)
        check_log(s, &s->logs[i], &v);
    for (uint32_t i = 0; i < SIM_CORES_MAX; i++)
        if (v.most_kept[i] > v.least_lost[i])
            sim_fail(s, "core %u: record %llu survived, %llu before it did not", i,
                     (unsigned long long)v.most_kept[i], (unsigned long long)v.least_lost[i]);
    sim_check_files(s);
    for (uint32_t i = 0; i < s->log_count; i++) {
        struct sim_log *l = &s->logs[i];
        if (l->state != SIM_THERE || l->offline)
            continue;
        if (!l->damaged)
            sim_read(s, l, l->start, sim_end(l), 8192);
        if (!l->damaged && s->mixed && !sim_over(s))
            sim_clean_read_committed(s, l, l->start);
        for (uint32_t k = 0; l->damaged && k < l->count; k++) /* the rest of it is still served */
            if (l->batches[k].base >= l->start)
                sim_read(s, l, l->batches[k].base, l->batches[k].base + 1, 1);
        if (l->count && !l->damaged && !sim_over(s))
            sim_find_time(s, l);
    }
}
