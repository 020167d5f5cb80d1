/* shard.c: the loop of one core.  It composes and decides nothing: what a message, a byte, a
 * completion or a time means is said by conn, req, produce, fetch, offsets, forward and route.
 *
 * I1 Both waits are ordered by lsn, so completion looks at their heads only.
 * I2 Each has a place for each request of this shard and each job of any shard, and each of them
 * waits at most once, so it is never full. */
#include "dataplane/broker/shard.h"

#include "core/base/err.h"
#include "core/base/log.h"
#include "dataplane/broker/alter_dirs.h"
#include "dataplane/broker/asks.h"
#include "dataplane/broker/epochs.h"
#include "dataplane/broker/forward.h"
#include "dataplane/broker/logdirs.h"
#include "dataplane/broker/offsets.h"
#include "dataplane/broker/produce.h"
#include "dataplane/broker/producers.h"
#include "dataplane/broker/scatter.h"
#include "dataplane/broker/trim.h"

static uint64_t
least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* ---- one turn ---- */

void
shard_turn_begin(struct shard *s)
{
    s->now_ns = s->clock.ops->now_ns(s->clock.self);
    s->now_ms = s->clock.ops->wall_ms(s->clock.self);
    uint64_t lease = atomic_load_explicit(&s->region->header->lease_until_ns, memory_order_relaxed);
    s->fenced = lease < s->now_ns;
    s->lease_ns = s->fenced || lease == UINT64_MAX ? CLOCK_NEVER : lease + 1;
    s->work = 0;
    s->turn_bytes = 0;
}

static void
job_carry_out(struct shard *s, struct job *j)
{
    switch ((enum job_kind)j->kind) {
    case JOB_APPEND:
    case JOB_MARKER:
        produce_append(s, j);
        return;
    case JOB_LOCATE:
        fetch_locate(s, j);
        return;
    case JOB_WATCH:
        fetch_watch(s, j);
        return;
    case JOB_HOLD:
        conn_hold(s, j);
        return;
    case JOB_TIME:
        offsets_find(s, j);
        return;
    case JOB_TRIM:
        trim_carry_out(s, j);
        return;
    case JOB_EPOCH:
        epochs_find(s, j);
        return;
    case JOB_LOGDIR:
        logdirs_find(s, j);
        return;
    case JOB_MOVE_LOG:
        alter_dirs_move(s, j);
        return;
    case JOB_PRODUCERS:
        producers_list(s, j);
        return;
    case JOB_KINDS:
        break;
    }
    must(false);
}

static void
job_home(struct shard *s, struct job *j)
{
    switch ((enum job_kind)j->kind) {
    case JOB_APPEND:
        produce_back(s, j);
        return;
    case JOB_LOCATE:
    case JOB_WATCH:
        fetch_back(s, j);
        return;
    case JOB_HOLD:
        conn_held(s, j);
        return;
    case JOB_TIME:
        offsets_back(s, j);
        return;
    case JOB_TRIM:
    case JOB_EPOCH:
    case JOB_LOGDIR:
    case JOB_MOVE_LOG:
        asks_back(s, j);
        return;
    case JOB_MARKER:
    case JOB_PRODUCERS:
        scatter_back(s, j);
        return;
    case JOB_KINDS:
        break;
    }
    must(false);
}

void
shard_submit(struct shard *s, struct job *j)
{
    j->returning = 0;
    if (j->kind == JOB_APPEND)
        s->append_ns = s->now_ns;
    if (j->owner == s->config.shard)
        job_carry_out(s, j);
    else
        mesh_send(s->mesh, j);
}

void
shard_cancel(struct shard *s, struct job *j)
{
    if (j->owner == s->config.shard)
        fetch_unwatch(s, j);
    else
        mesh_cancel(s->mesh, j);
}

void
shard_return(struct shard *s, struct job *j)
{
    j->returning = 1;
    if (j->home == s->config.shard)
        job_home(s, j);
    else
        mesh_send(s->mesh, j);
}

static void
take_jobs(struct shard *s)
{
    for (uint32_t n = 0; n < SHARD_BURST; n++) {
        struct job *j = NULL;
        struct mesh_pin pin = {0};
        switch (mesh_take(s->mesh, &j, &pin)) {
        case MESH_NOTHING:
            return;
        case MESH_JOB:
            if (j->returning)
                job_home(s, j);
            else
                job_carry_out(s, j);
            break;
        case MESH_CANCEL:
            fetch_unwatch(s, j);
            break;
        case MESH_LENT:
            produce_lent_back(s, j);
            break;
        case MESH_RELEASE:
            shard_hold_of(s, &pin);
            store_release(s->store, &s->hold);
            break;
        }
        s->work++;
    }
}

static void
take_event(struct shard *s, const struct stream_event *e)
{
    switch (e->kind) {
    case STREAM_OPENED:
        conn_opened(s, e);
        return;
    case STREAM_READABLE:
        conn_readable(s, e);
        return;
    case STREAM_SENT:
        conn_sent(s, e);
        return;
    case STREAM_WRITABLE:
        conn_writable(s, e);
        return;
    case STREAM_CLOSED:
        conn_closed(s, e);
        return;
    }
    must(false);
}

static void
take_bytes(struct shard *s)
{
    struct stream_event events[SHARD_EVENTS_MAX];
    uint32_t n = s->stream.ops->poll(s->stream.self, events, SHARD_EVENTS_MAX);
    for (uint32_t i = 0; i < n; i++)
        take_event(s, &events[i]);
    s->work += n;
    conn_run(s);
}

/* Answers what has become durable (I1). */
static void
take_durable(struct shard *s, struct shard_waits *waits, uint64_t durable)
{
    while (waits->head != waits->tail) {
        struct shard_wait *w = &waits->ring[waits->head & s->waits_mask];
        if (w->lsn > durable)
            return;
        waits->head++;
        s->work++;
        if (w->job)
            shard_return(s, w->job);
        else if (req_piece_back(s, w->req) && w->req->pending == 0 && !w->req->done)
            req_finish(s, w->req);
    }
}

static void
take_changes(struct shard *s)
{
    struct plog *log;
    while ((log = store_take_changed(s->store))) {
        struct route_part *p = plog_user(log);
        if (!p)
            continue; /* nobody names that log */
        struct plog_facts facts;
        plog_facts(log, &facts);
        route_mark_stale(s->route, p);
        if (facts.state == PLOG_OFFLINE) {
            route_report(s->route, p, TABLE_FAILED);
            route_mark_changed(s->route, p);
        }
        fetch_changed(s, p);
    }
    struct route_part *p;
    s->have_unsent = false;
    while (!s->have_unsent && (p = route_take_changed(s->route))) {
        fetch_changed(s, p);
        if (!forward_have(s, p->slot, p->version)) {
            route_mark_changed(s->route, p);
            s->have_unsent = true;
        }
    }
}

static void
take_reads(struct shard *s)
{
    uint64_t waiter;
    for (uint32_t n = 0; n < SHARD_BURST && store_take_read(s->store, &waiter); n++) {
        s->work++;
        if (waiter & 1) {
            conn_read_done(s, (uint32_t)(waiter >> 1));
            continue;
        }
        struct job *j = (struct job *)(uintptr_t)waiter;
        if (j->kind == JOB_TIME)
            offsets_read_done(s, j);
        else
            job_carry_out(s, j);
    }
}

/* Takes completions and submits what was appended; answers what they made possible.  Negative: the
 * journal failed. */
static int
take_disk(struct shard *s)
{
    produce_retry(s);
    trim_retry(s);
    int err = store_step(s->store, s->now_ns, &s->store_ns);
    if (err)
        return err;
    timing_writes(s);
    uint32_t tasks =
        s->config.cleaner ? cleaner_look(s->config.cleaner, s->config.shard, s->store) : 0;
    s->work += tasks;
    if (tasks && s->clean_on) /* one may have ended: there may be more to do */
        s->clean_ns = least(s->clean_ns, s->now_ns + SHARD_TICK_MS * CLOCK_NS_PER_MS);
    take_durable(s, &s->waits[0], store_written_lsn(s->store));
    if (s->waits[1].head != s->waits[1].tail)
        take_durable(s, &s->waits[1], store_durable_lsn(s->store));
    take_changes(s);
    take_reads(s);
    return ERR_OK;
}

/* What the store counts. */
static void
count(struct shard *s)
{
    struct store_stats st;
    store_stats(s->store, &st);
    counters_set(&s->counters, COUNTER_CONNECTIONS_OPEN, s->conn_count);
    counters_set(&s->counters, COUNTER_ANSWER_MEMORY, buddy_used(s->memory));
    counters_set(&s->counters, COUNTER_JOURNAL_USED, st.journal_used_bytes);
    counters_set(&s->counters, COUNTER_SIDECARS, st.sidecars);
    counters_set(&s->counters, COUNTER_SIDECARS_BAD, st.sidecars_bad);
    counters_set(&s->counters, COUNTER_INDEXES_DROPPED, st.indexes_dropped);
    counters_set(&s->counters, COUNTER_DAMAGED, st.damaged);
    counters_set(&s->counters, COUNTER_JOURNAL_FRAMES, st.frames);
    counters_set(&s->counters, COUNTER_JOURNAL_BYTES, st.frame_bytes);
    counters_set(&s->counters, COUNTER_JOURNAL_PADDING, st.journal_padding_bytes);
    counters_set(&s->counters, COUNTER_WRITEBACK_BYTES, st.writeback_bytes);
    counters_set(&s->counters, COUNTER_WRITEBACK_AGAIN, st.writeback_again_bytes);
    counters_set(&s->counters, COUNTER_EXTENT_BYTES, st.extent_bytes);
    counters_set(&s->counters, COUNTER_CHECKPOINTS, st.checkpoints);
    counters_set(&s->counters, COUNTER_CHECKPOINT_BYTES, st.checkpoint_bytes);
    counters_set(&s->counters, COUNTER_SIDECAR_BYTES, st.sidecar_bytes);
    counters_set(&s->counters, COUNTER_SEGMENTS_DROPPED, st.segments_dropped);
    counters_set(&s->counters, COUNTER_READS_CACHE, st.cache_reads);
    counters_set(&s->counters, COUNTER_READS_DISK, st.cold_reads);
    counters_set(&s->counters, COUNTER_COMPACTIONS, st.clean_rounds);
    counters_set(&s->counters, COUNTER_COMPACTION_READ, st.clean_bytes_read);
    counters_set(&s->counters, COUNTER_COMPACTION_WRITTEN, st.clean_bytes_written);
    counters_set(&s->counters, COUNTER_COMPACTION_RECORDS, st.clean_records);
    counters_set(&s->counters, COUNTER_COMPACTION_DROPPED, st.clean_records_dropped);
    counters_set(&s->counters, COUNTER_COMPACTION_KEYLESS, st.clean_keyless);
}

/* What may change while the broker runs. */
static void
settings_read(struct shard *s)
{
    const struct conf *c = s->config.conf;
    const struct region *r = s->region;
    s->producer_ms =
        region_setting(r, REGION_PRODUCER_EXPIRY_MS, conf_number(c, CONF_PRODUCER_EXPIRY_MS));
    s->txn_verify = region_setting(r, REGION_TXN_VERIFY, conf_bool(c, CONF_TXN_VERIFY)) != 0;
    s->clean_every_ns = shard_ns_of_ms(
        region_setting(r, REGION_CLEANER_BACKOFF_MS, conf_number(c, CONF_CLEANER_BACKOFF)));
}

/* The heartbeat of the process. */
static void
tick(struct shard *s)
{
    count(s);
    settings_read(s);
    s->door_ns = s->now_ns;
    (void)route_report_stale(s->route, SHARD_BURST);
    if (s->config.shard == 0)
        atomic_store_explicit(&s->region->header->peers[REGION_DATA].heartbeat_ns, s->now_ns,
                              memory_order_relaxed);
    if (s->producers_ns <= s->now_ns) {
        store_expire_producers(s->store, s->now_ms, s->producer_ms);
        s->producers_ns = s->now_ns + SHARD_PRODUCERS_MS * CLOCK_NS_PER_MS;
    }
    s->tick_ns = s->now_ns + SHARD_TICK_MS * CLOCK_NS_PER_MS;
}

/* A round over all logs in small pieces, then a pause. */
static void
retain(struct shard *s)
{
    bool round = store_retain(s->store, s->now_ms);
    s->retain_ns = s->now_ns + (round ? s->retain_every_ns : SHARD_TICK_MS * CLOCK_NS_PER_MS);
}

static void
log_wake(void *user, struct plog *log)
{
    struct route_part *p = plog_user(log);
    if (p)
        fetch_changed(user, p);
}

/* Control is silent for too long, so this node may not be the leader any more: nothing is appended
 * or read from now on, and who waits for data is told so.  What was appended before is still
 * answered when it is durable: the log of a cluster of one is the truth whoever leads; with
 * replicas the ISR, not the lease, has to decide it. */
static void
lease_look(struct shard *s)
{
    if (s->fenced && !s->was_fenced)
        store_each(s->store, log_wake, s);
    s->was_fenced = s->fenced;
}

static void
take_timers(struct shard *s)
{
    lease_look(s);
    s->forward_next_ns = forward_run(s, s->now_ns);
    s->vouch_ns = vouch_run(s, s->now_ns);
    s->fetch_ns = fetch_expire(s, s->now_ns);
    mesh_lent_short_say(s->mesh, store_lent_short(s->store));
    uint64_t soon_ns = s->now_ns + CONN_SHORT_SWEEP_MS * CLOCK_NS_PER_MS;
    if (shard_memory_short(s) && s->expire_ns > soon_ns)
        s->expire_ns = soon_ns;
    if (s->expire_ns <= s->now_ns)
        s->expire_ns = conn_expire(s, s->now_ns);
    if (s->mute_ns <= s->now_ns)
        s->mute_ns = conn_unmute(s, s->now_ns);
    if (s->route_retry_ns <= s->now_ns) {
        s->route_retry_ns = CLOCK_NEVER;
        if (route_refresh_all(s->route, s->store))
            s->route_retry_ns = s->now_ns + SHARD_RETRY_MS * CLOCK_NS_PER_MS;
    }
    if (s->retain_ns <= s->now_ns)
        retain(s);
    if (s->clean_ns <= s->now_ns)
        s->clean_ns = store_clean(s->store, s->now_ms) ? s->now_ns + s->clean_every_ns : s->now_ns;
    if (s->tick_ns <= s->now_ns)
        tick(s);
    if (s->door_ns <= s->now_ns)
        s->door_ns = conn_door(s, s->now_ns);
}

/* Until when the loop may sleep; 0: there is more to do at once. */
static uint64_t
turn_deadline(struct shard *s)
{
    uint64_t durable = store_durable_lsn(s->store);
    bool progress = durable != s->durable_lsn;
    s->durable_lsn = durable;
    bool inner_blocked, inner_waiting = inner_waits(&s->inner, &inner_blocked);
    if (!list_empty(&s->conns_dirty) || inner_waiting)
        return 0;
    uint64_t at = least(least(s->expire_ns, s->fetch_ns), least(s->forward_next_ns, s->store_ns));
    at = least(least(at, s->route_retry_ns), least(s->lease_ns, s->clean_ns));
    at = least(at, least(s->retain_ns, least(s->vouch_ns, least(s->mute_ns, s->door_ns))));
    if (s->config.shard == 0 || route_stale(s->route))
        at = least(at, s->tick_ns);
    if (!list_empty(&s->conns_stalled) || !list_empty(&s->appends) || !list_empty(&s->trims))
        at = progress ? 0 : least(at, s->now_ns + SHARD_RETRY_MS * CLOCK_NS_PER_MS);
    /* Control rings neither for room in its ring nor when it starts again. */
    if (s->forwards_unsent || s->have_unsent || inner_blocked)
        at = least(at, s->now_ns + SHARD_RETRY_MS * CLOCK_NS_PER_MS);
    else if (!list_empty(&s->forwards) || !list_empty(&s->forwards_endless))
        at = least(at, s->now_ns + SHARD_TICK_MS * CLOCK_NS_PER_MS);
    return at;
}

/* Turns and system calls together: their ratio is what tests look at. */
static void
count_turn(struct shard *s)
{
    struct clock_calls calls = {0};
    if (s->clock.ops->calls)
        s->clock.ops->calls(s->clock.self, &calls);
    counters_set(&s->counters, COUNTER_ENTERS, calls.enters);
    counters_set(&s->counters, COUNTER_WAKES, calls.wakes);
    counters_set(&s->counters, COUNTER_HOPS, mesh_sent(s->mesh));
    counters_add(&s->counters, s->work ? COUNTER_TURNS : COUNTER_TURNS_IDLE, 1);
}

int
shard_turn(struct shard *s, uint64_t *deadline_ns)
{
    shard_turn_begin(s);
    timing_turn_begin(s);
    quota_refresh(&s->quota, region_quotas(s->region));
    s->work += forward_take(s); /* control      -> answers, changed topics     */
    take_jobs(s);               /* other shards -> appends, locates, results   */
    take_bytes(s);              /* clients      -> requests                    */
    mesh_flush(s->mesh);        /* the others begin while the disk is looked at */
    if (s->work)
        timing_lap(s, TIMING_REQUESTS);
    int err = take_disk(s); /* disk         -> durable appends -> answers  */
    if (err)
        return err;
    if (s->work)
        timing_lap(s, TIMING_DISK);
    take_timers(s); /* time         -> what has waited too long    */
    timing_lap(s, TIMING_TIMERS);
    conn_flush(s); /* answers      -> clients, one send each      */
    mesh_flush(s->mesh);
    forward_flush(s);
    if (s->work)
        timing_lap(s, TIMING_SEND);
    timing_turn_end(s);
    count_turn(s);
    *deadline_ns = turn_deadline(s);
    return ERR_OK;
}

/* Submits what the ports queued, and sleeps unless there is more to do.  Every writer is told
 * before the last look whether something came. */
static void
rest(struct shard *s, uint64_t deadline_ns)
{
    if (s->spin || deadline_ns <= s->now_ns) {
        s->clock.ops->wait(s->clock.self, 0);
        return;
    }
    if (mesh_sleep(s->mesh, store_reads_wait(s->store)) || forward_sleep(s))
        deadline_ns = 0;
    s->clock.ops->wait(s->clock.self, deadline_ns);
    mesh_awake(s->mesh);
    forward_awake(s);
}

/* True when every shard has answered what it took, or time is up. */
static bool
stop_done(struct shard *s, uint64_t give_up_ns)
{
    bool quiet = s->waits[0].head == s->waits[0].tail && s->waits[1].head == s->waits[1].tail &&
                 list_empty(&s->appends) && list_empty(&s->trims) && !s->appends_out;
    if (quiet && !s->is_drained && s->config.drained)
        atomic_fetch_add_explicit(s->config.drained, 1, memory_order_relaxed);
    s->is_drained = s->is_drained || quiet;
    bool all = s->is_drained;
    if (s->config.drained)
        all =
            atomic_load_explicit(s->config.drained, memory_order_relaxed) == s->config.shard_count;
    return all || s->now_ns >= give_up_ns;
}

int
shard_run(struct shard *s, atomic_bool *stop)
{
    uint64_t give_up_ns = CLOCK_NEVER;
    for (;;) {
        uint64_t deadline_ns;
        int err = shard_turn(s, &deadline_ns);
        if (err)
            return err;
        if (!s->stopping && atomic_load_explicit(stop, memory_order_relaxed)) {
            s->stopping = true;
            /* First of all: who connects now finds the next broker here, or none. */
            (void)s->stream.ops->listen(s->stream.self, NULL);
            give_up_ns = s->now_ns + SHARD_STOP_MS * CLOCK_NS_PER_MS;
        }
        bool worked_on = s->config.cleaner && cleaner_busy(s->config.cleaner, s->config.shard);
        if (s->stopping && stop_done(s, give_up_ns) && !worked_on)
            return ERR_OK;
        /* While stopping it looks again soon: the other shards do not ring when they are drained.
         */
        rest(s, s->stopping ? least(deadline_ns, s->now_ns + CLOCK_NS_PER_MS) : deadline_ns);
    }
}

int
shard_await_control(struct shard *s, uint64_t timeout_ns, atomic_bool *stop)
{
    uint64_t give_up_ns = s->clock.ops->now_ns(s->clock.self) + timeout_ns;
    for (;;) {
        uint64_t deadline_ns;
        int err = shard_turn(s, &deadline_ns);
        if (err || s->published)
            return err;
        if (s->now_ns >= give_up_ns || atomic_load_explicit(stop, memory_order_relaxed))
            return ERR_AGAIN;
        /* Control does not ring for `published`. */
        rest(s, least(deadline_ns, s->now_ns + SHARD_RETRY_MS * CLOCK_NS_PER_MS));
    }
}

bool
shard_wait_durable(struct shard *s, uint64_t lsn, bool held, struct req *r, struct job *j)
{
    struct shard_waits *waits = &s->waits[held];
    if (waits->tail - waits->head > s->waits_mask)
        return false;
    if (waits->tail != waits->head) {
        /* A duplicate has the lsn of its first append: waiting a little longer keeps I1. */
        uint64_t last = waits->ring[(waits->tail - 1) & s->waits_mask].lsn;
        lsn = lsn < last ? last : lsn;
    }
    waits->ring[waits->tail++ & s->waits_mask] = (struct shard_wait){lsn, r, j};
    s->append_ns = s->now_ns;
    return true;
}
