/* clean_filter.c: compaction's verdict on each batch.
 *
 * Transactions are followed as Kafka's CleanedTransactionMetadata does: rules.aborted says which
 * producer's data are aborted from which offset on; the marker ends that.  A marker is of no use
 * any more when no batch of its transaction came since the one before it. */
#include "core/store/clean_filter.h"
#include "core/base/err.h"
#include "core/base/mutant.h"
#include "core/wire/batch_build.h"

#include <stdlib.h>

enum { FILTER_ROOM_MIN = 64 << 10, FILTER_OPEN_MIN = 16, MARKER_ABORT = 0, MARKER_COMMIT = 1 };

void
clean_filter_init(struct clean_filter *f, const struct clean_rules *rules)
{
    *f = (struct clean_filter){.rules = *rules};
}

void
clean_filter_free(struct clean_filter *f)
{
    free(f->open);
    free(f->scratch);
    free(f->out);
    *f = (struct clean_filter){0};
}

void
clean_filter_rewind(struct clean_filter *f)
{
    f->aborted_next = f->open_count = 0;
}

/* Makes room for at least `want` bytes; what was there is lost. */
static int
room_take(uint8_t **at, uint32_t *room, uint64_t want)
{
    if (want <= *room)
        return ERR_OK;
    uint64_t more = *room ? *room : FILTER_ROOM_MIN;
    while (more < want)
        more *= 2;
    if (more > BATCH_INFLATED_BYTES_MAX)
        return ERR_LIMIT;
    free(*at);
    *at = malloc(more);
    *room = *at ? (uint32_t)more : 0;
    return *at ? ERR_OK : ERR_LIMIT;
}

/* ---- transactions ------------------------------------------------------------------------------
 */

static struct clean_open *
open_find(struct clean_filter *f, int64_t producer_id, bool aborted)
{
    for (uint32_t i = 0; i < f->open_count; i++)
        if (f->open[i].producer_id == producer_id && f->open[i].aborted == aborted)
            return &f->open[i];
    return NULL;
}

static int
open_add(struct clean_filter *f, struct clean_open one)
{
    struct clean_open *known = open_find(f, one.producer_id, one.aborted);
    if (known) {
        *known = one;
        return ERR_OK;
    }
    if (f->open_count == f->open_room) {
        uint32_t room = f->open_room ? f->open_room * 2 : FILTER_OPEN_MIN;
        void *more = realloc(f->open, room * sizeof *f->open);
        if (!more)
            return ERR_LIMIT;
        f->open = more;
        f->open_room = room;
    }
    f->open[f->open_count++] = one;
    return ERR_OK;
}

static int
aborted_begin(struct clean_filter *f, const struct batch_info *info)
{
    int64_t last_offset = info->base_offset + info->last_offset_delta;
    int rc = ERR_OK;
    for (; rc == ERR_OK && f->aborted_next < f->rules.aborted_count; f->aborted_next++) {
        const struct clean_aborted *a = &f->rules.aborted[f->aborted_next];
        if (a->first_offset > last_offset)
            break;
        if (a->last_offset < info->base_offset)
            continue; /* over before this pass began */
        rc = open_add(f, (struct clean_open){.producer_id = a->producer_id,
                                             .last_offset = a->last_offset,
                                             .aborted = true});
    }
    return rc;
}

/* What the records of a batch are good for. */
enum use {
    USED,
    KNOWN,  /* a marker without data, but rules.aborted has its transaction */
    USELESS /* aborted data; a marker without data */
};

/* The transaction is over: of what use its marker is. */
static enum use
open_end(struct clean_filter *f, int64_t producer_id, bool aborted)
{
    struct clean_open *o = open_find(f, producer_id, aborted);
    if (!o)
        return USELESS;
    bool seen = o->seen;
    *o = f->open[--f->open_count];
    return seen ? USED : KNOWN;
}

/* The type in the key of a control record (int16 version, int16 type), -1: it is none. */
static int
marker_type(struct view batch)
{
    struct batch_read r;
    struct batch_record record;
    if (batch_read_open(&r, batch, NULL, 0) != ERR_OK || r.info.record_count == 0)
        return -1;
    if (batch_read_next(&r, &record) != ERR_OK || record.key.len < 4)
        return -1;
    return get_u16(record.key.at + 2);
}

static int
use_of(struct clean_filter *f, const struct batch_info *info, struct view batch, enum use *out)
{
    *out = USED;
    int rc = aborted_begin(f, info);
    if (rc != ERR_OK)
        return rc;
    if (info->attributes & BATCH_CONTROL) {
        if (info->record_count == 0) {
            *out = USELESS;
            return ERR_OK;
        }
        int type = marker_type(batch);
        if (type == MARKER_ABORT || type == MARKER_COMMIT)
            *out = open_end(f, info->producer_id, type == MARKER_ABORT);
        if (mutant(MUTANT_MARKER_BEFORE_DATA) ||
            (*out == KNOWN && mutant(MUTANT_MARKER_BEFORE_TXN)))
            *out = USELESS;
        return ERR_OK;
    }
    if (!(info->attributes & BATCH_TRANSACTIONAL))
        return ERR_OK;
    struct clean_open *aborted = open_find(f, info->producer_id, true);
    if (aborted && aborted->last_offset >= info->base_offset) { /* its marker may be gone */
        aborted->seen = true;
        *out = USELESS;
        return ERR_OK;
    }
    return open_add(f, (struct clean_open){.producer_id = info->producer_id, .seen = true});
}

/* ---- records -----------------------------------------------------------------------------------
 */

static int
records_open(struct clean_filter *f, struct batch_read *r, struct view batch)
{
    return batch_read_open(r, batch, f->scratch, f->scratch_room);
}

/* What each walk does with a record. */
struct walk {
    const struct batch_info *info;
    bool (*keep)(const struct clean_filter *f, const struct batch_info *info,
                 const struct batch_record *record);
    struct batch_build *build;
    uint32_t kept, tombstones, keyless;
    int64_t first_ms; /* of what is kept */
};

static bool
keep_all(const struct clean_filter *f, const struct batch_info *info,
         const struct batch_record *record)
{
    (void)f;
    (void)info;
    (void)record;
    return true;
}

static bool
keep_last(const struct clean_filter *f, const struct batch_info *info,
          const struct batch_record *record)
{
    if (!record->key.at || record->offset < clean_map_get(f->rules.map, record->key))
        return false;
    bool expired =
        info->attributes & BATCH_DELETE_HORIZON && info->base_timestamp_ms <= f->rules.now_ms;
    return record->value.at || !expired;
}

static int
walk_once(struct clean_filter *f, struct view batch, struct walk *w, struct batch_read *r)
{
    struct batch_record record;
    w->kept = w->tombstones = w->keyless = 0;
    int rc = records_open(f, r, batch);
    while (rc == ERR_OK && (rc = batch_read_next(r, &record)) == ERR_OK) {
        w->keyless += !record.key.at && !(w->info->attributes & BATCH_CONTROL);
        if (!w->keep(f, w->info, &record))
            continue;
        if (w->kept++ == 0)
            w->first_ms = record.timestamp_ms;
        w->tombstones += !record.value.at;
        if (w->build)
            rc = batch_build_add(w->build, &record);
    }
    return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

/* Counts what is kept; the scratch is large enough for every record afterwards. */
static int
survey(struct clean_filter *f, struct view batch, struct walk *w)
{
    for (;;) {
        struct batch_read r;
        int rc = walk_once(f, batch, w, &r);
        if (rc != ERR_FULL)
            return rc;
        rc = room_take(&f->scratch, &f->scratch_room, r.record_bytes);
        if (rc != ERR_OK)
            return rc;
    }
}

static int
build_once(struct clean_filter *f, struct view batch, struct walk *w,
           const struct batch_template *form, struct view *out)
{
    struct batch_build b;
    struct batch_read r;
    int rc = batch_build_begin(&b, form, f->out, f->out_room);
    w->build = &b;
    if (rc == ERR_OK)
        rc = walk_once(f, batch, w, &r);
    if (rc == ERR_OK)
        rc = batch_build_end(&b, out);
    return rc;
}

/* Writes the batch anew, with what is kept. */
static int
rewrite(struct clean_filter *f, struct view batch, struct walk *w, int64_t horizon_ms,
        struct view *out)
{
    struct batch_template form = batch_template_of(w->info);
    form.base_timestamp_ms = w->first_ms;
    form.attributes &= (uint16_t)~BATCH_DELETE_HORIZON;
    if (horizon_ms >= 0) {
        form.attributes |= BATCH_DELETE_HORIZON;
        form.base_timestamp_ms = horizon_ms;
    }
    int rc = room_take(&f->out, &f->out_room, (uint64_t)batch.len + FILTER_ROOM_MIN);
    while (rc == ERR_OK) {
        rc = build_once(f, batch, w, &form, out);
        if (rc != ERR_FULL) /* another level may pack worse than the producer's */
            break;
        rc = room_take(&f->out, &f->out_room, (uint64_t)f->out_room + 1);
    }
    return rc == ERR_INVALID ? ERR_CORRUPT : rc;
}

/* ---- the passes --------------------------------------------------------------------------------
 */

static int
note_keys(struct clean_filter *f, struct view batch)
{
    struct batch_read r;
    struct batch_record record;
    int rc = records_open(f, &r, batch);
    while (rc == ERR_OK && (rc = batch_read_next(&r, &record)) == ERR_OK)
        if (record.key.at && clean_map_put(f->rules.map, record.key, record.offset) != ERR_OK)
            return ERR_AGAIN; /* not to be taken for a scratch that is too small */
    if (rc == ERR_FULL) {
        rc = room_take(&f->scratch, &f->scratch_room, r.record_bytes);
        return rc == ERR_OK ? note_keys(f, batch) : rc;
    }
    return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

int
clean_filter_note(struct clean_filter *f, struct view batch)
{
    struct batch_info info;
    int rc = batch_header(batch, &info);
    must(rc == ERR_OK && info.bytes == batch.len);
    enum use use;
    rc = use_of(f, &info, batch, &use);
    bool counts = use == USED || mutant(MUTANT_ABORTED_SHADOWS);
    if (rc == ERR_OK && counts && !(info.attributes & BATCH_CONTROL))
        rc = note_keys(f, batch);
    if (rc == ERR_OK)
        f->rules.map->latest = info.base_offset + info.last_offset_delta;
    return rc == ERR_AGAIN ? ERR_FULL : rc;
}

/* Whether a batch says what an active producer did last. */
static bool
producer_needs(const struct clean_filter *f, const struct batch_info *info)
{
    uint32_t low = 0, high = f->rules.producer_count;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (f->rules.producers[mid].id < info->producer_id)
            low = mid + 1;
        else
            high = mid;
    }
    const struct clean_producer *p = &f->rules.producers[low];
    if (mutant(MUTANT_LAST_BATCH_CLEANED))
        return false;
    if (info->producer_id < 0 || low == f->rules.producer_count || p->id != info->producer_id)
        return false;
    if (p->last_offset >= 0)
        return info->base_offset + info->last_offset_delta == p->last_offset;
    return info->attributes & BATCH_CONTROL && info->producer_epoch == p->epoch;
}

static int
header_only(struct clean_filter *f, const struct batch_info *info, struct view batch,
            struct view *out)
{
    *out = batch;
    if (info->record_count == 0)
        return ERR_OK;
    int rc = room_take(&f->out, &f->out_room, BATCH_HEADER_BYTES);
    if (rc != ERR_OK)
        return rc;
    struct batch_template form = batch_template_of(info);
    batch_build_empty(f->out, &form, info->max_timestamp_ms);
    *out = view_of(f->out, BATCH_HEADER_BYTES);
    return ERR_OK;
}

/* What stays of a batch in the range of the map. */
static int
verdict(struct clean_filter *f, const struct batch_info *info, struct view batch, bool last,
        struct view *out)
{
    enum use use;
    bool control = info->attributes & BATCH_CONTROL;
    bool has_horizon = info->attributes & BATCH_DELETE_HORIZON;
    int rc = use_of(f, info, batch, &use);
    if (rc != ERR_OK)
        return rc;
    struct walk w = {.info = info, .keep = control ? keep_all : keep_last};
    bool all_go = use == USELESS;
    if (control && !mutant(MUTANT_MARKER_AT_ONCE))
        all_go = all_go && has_horizon && info->base_timestamp_ms <= f->rules.now_ms;
    if (!all_go)
        rc = survey(f, batch, &w);
    if (rc != ERR_OK)
        return rc;
    uint32_t records = (uint32_t)info->record_count;
    f->counts.records += records;
    f->counts.records_dropped += records - w.kept;
    f->counts.keyless += w.keyless;
    if (w.kept == 0) {
        *out = (struct view){0};
        last = last || info->base_offset + info->last_offset_delta == f->rules.map->latest;
        return last || producer_needs(f, info) ? header_only(f, info, batch, out) : ERR_OK;
    }
    bool horizon_wanted = !has_horizon && (w.tombstones || (control && use != USED));
    *out = batch;
    if (w.kept == records && !horizon_wanted)
        return ERR_OK;
    int64_t horizon_ms = has_horizon ? info->base_timestamp_ms : -1;
    if (horizon_wanted) {
        int64_t room_ms = INT64_MAX - f->rules.now_ms;
        int64_t wait_ms = f->rules.delete_retention_ms;
        horizon_ms = f->rules.now_ms + (wait_ms < room_ms ? wait_ms : room_ms);
    }
    return rewrite(f, batch, &w, horizon_ms, out);
}

int
clean_filter_apply(struct clean_filter *f, struct view batch, bool last, struct view *out)
{
    struct batch_info info;
    int rc = batch_header(batch, &info);
    must(rc == ERR_OK && info.bytes == batch.len);
    *out = batch;
    if (info.record_count < 0)
        return ERR_CORRUPT;
    f->counts.batches++;
    if (info.base_offset <= f->rules.map->latest)
        rc = verdict(f, &info, batch, last, out);
    f->counts.batches_changed += out->at != batch.at;
    return rc;
}
