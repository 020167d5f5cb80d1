/* journal.c: writing the journal.
 *
 * Files <dir>/journal-NNNN (journal_files.c), all of file_bytes: one header block, then frames.
 * They are written with zeros once (an overwrite of written blocks needs no metadata, so a durable
 * write is one device write) and used as a ring.
 *
 * Frame (big endian): a multiple of 4 KiB, zero-padded, in one file, never written twice:
 *    0 u32 magic          4 u16 header bytes (64)   6 u16 flags
 *    8 u64 generation    16 u64 seq                24 u64 lsn of the first record
 *   32 u64 durable_upto: highest seq known durable (I5) when this frame was submitted
 *   40 u32 crc of the frame before                 44 u32 record count
 *   48 u32 payload bytes                           52 u32 K, the frames in flight at most
 *   56 u32 frames behind durable_upto that were written then, all before them too: what they tell
 *      of extents was not yet sure (I6)
 *   60 u32 crc-32c of the whole frame with this field zero
 *   64 records: varint (body bytes * 16 + kind), body
 *
 * A frame is made durable by its write (RWF_DSYNC) or by a sync behind it (journal_probe.c).
 *
 * Under steady load the last records of a frame are left to the next one rather than pad a block
 * (journal_carry.c).
 *
 * Time: when the open frame goes out says journal_pace.c; at once with JOURNAL_GOOD_BYTES.  When
 * nothing happened for JOURNAL_IDLE_NS after frames became written, or durable, and no later frame
 * says so, a frame without records (a mark) does: from then on a damaged frame, or extent, can be
 * told from a torn one.
 *
 * Between frames lie extents (journal_extent.c): they have a number like frames, but no seq.
 * Numbers only grow: tail <= durable <= written <= submit <= open.
 * I1 [tail, open] lie in the arena in order of place, none overlaps, none crosses its end.
 * I2 frames are submitted in order, and at most K are between written and submit.
 * I3 place, seq, lsn and ring position grow together; modulo arena_bytes a place is an address.
 * I4 a file is written again only when every record in it was released.
 * I5 durable: a frame that is written, all before it too, and every extent before it.
 * I6 written: a frame on stable storage, and all before it.  What extents hold is not in frames, so
 *    an owner who keeps in mind which extents his records follow may go by this prefix
 *    (journal_written_lsn); the ring, the arena and what a recovery calls acknowledged extents go
 * by I5. */
#include "core/base/clock.h"
#include "core/base/crc32c.h"
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/base/mutant.h"
#include "core/store/journal_in.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { JOURNAL_GOOD_BYTES = 256 << 10, JOURNAL_FILES_MAX = 1 << 14 };
#define JOURNAL_IDLE_NS UINT64_C(5000000)
#define JOURNAL_FULL_NS UINT64_C(500000000)

static void
fail(struct journal *j, int error, const char *what)
{
    if (j->error != ERR_OK)
        return;
    j->error = error;
    log_error("journal", "stopped: %s failed dir=%s error=%s", what, j->config.dir,
              err_name(error));
}

/* ---- life --------------------------------------------------------------------------------------
 */

static void *
map(uint64_t bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return at == MAP_FAILED ? NULL : at;
}

static bool
config_ok(const struct journal_config *c)
{
    return c->file_count >= 2 && c->file_count <= JOURNAL_FILES_MAX && c->frames_in_flight >= 1 &&
           c->frames_in_flight <= JOURNAL_FLIGHT_MAX && c->file_bytes % JOURNAL_BLOCK == 0 &&
           c->arena_bytes % JOURNAL_BLOCK == 0 && c->record_bytes_max <= c->arena_bytes / 4 &&
           c->record_bytes_max <= c->file_bytes / 2 && c->record_bytes_max <= RECORD_BODY_MAX &&
           c->arena_bytes >= 16 * JOURNAL_BLOCK && c->file_bytes >= 4 * JOURNAL_BLOCK;
}

int
journal_init(struct disk *disk, const struct journal_config *config, uint64_t generation,
             struct journal **out)
{
    if (!config_ok(config))
        return ERR_INVALID;
    struct journal *j = calloc(1, sizeof *j);
    if (!j)
        return ERR_LIMIT;
    j->disk = disk;
    j->config = *config;
    j->generation = generation;
    j->frame_slots = config->arena_bytes / JOURNAL_BLOCK + 1;
    j->slab_bytes =
        journal_round((config->arena_bytes + JOURNAL_SLABS - 1) / JOURNAL_SLABS, JOURNAL_BLOCK);
    j->keep = UINT64_MAX;
    j->lsn_next = 1;
    j->ring_next = JOURNAL_BLOCK;
    j->file_numbers = calloc(config->file_count, sizeof *j->file_numbers);
    j->lsn_last = calloc(config->file_count, sizeof *j->lsn_last);
    j->arena = map(config->arena_bytes);
    j->frames = map(j->frame_slots * sizeof *j->frames);
    int rc = ERR_LIMIT;
    if (j->file_numbers && j->lsn_last && j->arena && j->frames) {
        madvise(j->arena, config->arena_bytes, MADV_HUGEPAGE); /* only speed */
        disk->ops->arena(disk->self, j->arena, config->arena_bytes);
        rc = journal_files_open(&j->files, disk, &j->config, j->file_numbers);
    }
    if (rc == ERR_OK)
        rc = journal_probe(j);
    if (rc != ERR_OK) {
        journal_free(j);
        return rc;
    }
    *out = j;
    return ERR_OK;
}

void
journal_free(struct journal *j)
{
    if (!j)
        return;
    if (j->files.disk)
        journal_files_close(&j->files);
    if (j->arena)
        munmap(j->arena, j->config.arena_bytes);
    if (j->frames)
        munmap(j->frames, j->frame_slots * sizeof *j->frames);
    free(j->lsn_last);
    free(j->file_numbers);
    free(j);
}

/* ---- appending ---------------------------------------------------------------------------------
 */

void
journal_frame_seal(struct journal *j)
{
    struct frame *f = journal_frame_of(j, j->open);
    uint64_t bytes = journal_round(f->used, JOURNAL_BLOCK);
    memset(j->arena + f->place % j->config.arena_bytes + f->used, 0, bytes - f->used);
    j->place_next = f->place + bytes;
    j->ring_next = f->ring + bytes;
    j->open_any = false;
    j->open++;
}

static bool
file_free(const struct journal *j, uint64_t ordinal)
{
    return ordinal - j->file_oldest < j->config.file_count &&
           j->files.file[ordinal % j->config.file_count] >= 0;
}

/* What is kept for extents that fail fits into one file. */
bool
journal_ring_kept(const struct journal *j, uint64_t ordinal)
{
    return j->extent_bytes == 0 || j->rescuing || file_free(j, ordinal + 1);
}

bool
journal_frame_ring(struct journal *j, uint64_t bytes, uint64_t *ring)
{
    uint64_t file = j->config.file_bytes;
    *ring = j->ring_next;
    if (*ring % file + bytes > file || *ring % file == 0)
        *ring = journal_round(*ring, file) + JOURNAL_BLOCK;
    return file_free(j, *ring / file) && journal_ring_kept(j, *ring / file);
}

void
journal_frame_begin(struct journal *j, uint64_t place, uint64_t ring)
{
    *journal_frame_of(j, j->open) = (struct frame){
        .place = place, .ring = ring, .lsn_first = j->lsn_next, .used = FRAME_HEADER_BYTES};
    j->file_newest = ring / j->config.file_bytes;
    j->lsn_last[j->file_newest % j->config.file_count] = j->lsn_next - 1;
    j->open_any = true;
    j->open_since_ns = CLOCK_NEVER; /* the next step says */
}

/* Begins a frame with room for `bytes`; false when the ring or the arena has none. */
static bool
frame_begin(struct journal *j, uint64_t bytes)
{
    uint64_t ring, place = j->place_next;
    if (!journal_frame_ring(j, bytes, &ring) || !journal_arena_find(j, &place, bytes))
        return false;
    journal_frame_begin(j, place, ring);
    return true;
}

/* True when the open frame can take `bytes` more. */
static bool
frame_fits(struct journal *j, const struct frame *f, uint32_t bytes)
{
    uint64_t total = journal_round((uint64_t)f->used + bytes, JOURNAL_BLOCK);
    uint64_t size = j->config.arena_bytes, file = j->config.file_bytes;
    return (uint64_t)f->used + bytes <= JOURNAL_FRAME_FILL && f->place % size + total <= size &&
           f->ring % file + total <= file && journal_ring_kept(j, f->ring / file) &&
           journal_arena_reach(j, f->place, total);
}

void
journal_record_add(struct journal *j, uint32_t kind, uint32_t body_bytes, struct journal_slot *out)
{
    uint32_t need = record_bytes(body_bytes);
    struct frame *f = journal_frame_of(j, j->open);
    uint8_t *at = j->arena + f->place % j->config.arena_bytes + f->used;
    struct put w = put_of(at, RECORD_HEADER_MAX);
    varint_write_u32(&w, body_bytes << RECORD_KIND_BITS | kind);
    out->body = at + put_len(&w);
    out->place = f->place + f->used + put_len(&w);
    out->lsn = j->lsn_next++;
    j->lsn_last[j->file_newest % j->config.file_count] = out->lsn;
    if ((f->used + need) / JOURNAL_BLOCK != f->used / JOURNAL_BLOCK) {
        f->cut = f->used;
        f->cut_ns = j->now_ns;
        f->cut_records = f->records;
    }
    f->used += need;
    f->records++;
}

int
journal_append(struct journal *j, uint32_t kind, uint32_t body_bytes, struct journal_slot *out)
{
    if (j->error != ERR_OK)
        return j->error;
    must(kind >> RECORD_KIND_BITS == 0);
    if (body_bytes > j->config.record_bytes_max - RECORD_HEADER_MAX - FRAME_HEADER_BYTES)
        return ERR_LIMIT;
    uint32_t need = record_bytes(body_bytes);
    if (j->open_any && !frame_fits(j, journal_frame_of(j, j->open), need))
        journal_frame_seal(j);
    if (!j->open_any &&
        !frame_begin(j, journal_round((uint64_t)FRAME_HEADER_BYTES + need, JOURNAL_BLOCK)))
        return ERR_AGAIN;
    journal_record_add(j, kind, body_bytes, out);
    journal_frame_of(j, j->open)->fixed = true;
    j->pace.bytes += need;
    return ERR_OK;
}

/* ---- submitting and completing -----------------------------------------------------------------
 */

static void
frame_submit(struct journal *j)
{
    struct frame *f = journal_frame_of(j, j->submit);
    uint8_t *at = j->arena + f->place % j->config.arena_bytes;
    uint64_t bytes = journal_round(f->used, JOURNAL_BLOCK);
    f->seq = ++j->seq_submitted;
    f->submit_ns = j->now_ns;
    struct frame_header h = {
        .magic = JOURNAL_FRAME_MAGIC,
        .header_bytes = FRAME_HEADER_BYTES,
        .flags = f->mark ? FRAME_FLAG_MARK : 0,
        .generation = j->generation,
        .seq = f->seq,
        .lsn_first = f->lsn_first,
        .durable_upto = j->seq_durable,
        .prev_crc = j->prev_crc,
        .record_count = f->records,
        .payload_bytes = f->used - FRAME_HEADER_BYTES,
        .window = j->config.frames_in_flight,
        .written_ahead = (uint32_t)(j->seq_written - j->seq_durable),
    };
    journal_frame_write(&h, at);
    j->prev_crc = journal_frame_crc(at, bytes);
    set_u32(at + FRAME_AT_CRC, j->prev_crc);
    j->durable_noted = j->seq_durable;
    j->written_noted = j->seq_written;
    uint32_t slot = 0;
    while (j->busy[slot])
        slot++;
    must(slot < j->config.frames_in_flight);
    j->busy[slot] = true;
    j->ops[slot] = (struct disk_op){
        .kind = DISK_WRITE,
        .flags = j->config.sync == JOURNAL_SYNC_DSYNC ? DISK_DURABLE : 0,
        .file = j->files.file[f->ring / j->config.file_bytes % j->config.file_count],
        .at = at,
        .len = (uint32_t)bytes,
        .offset = f->ring % j->config.file_bytes,
        .user = f,
    };
    j->submit++;
    j->stats.frames++;
    j->stats.frame_bytes += bytes;
    j->stats.padding_bytes += bytes - f->used;
    j->disk->ops->submit(j->disk->self, &j->ops[slot]);
}

/* I2: not only few in flight, but none far ahead of those that are written. */
static bool
window_open(const struct journal *j)
{
    return j->seq_submitted - j->seq_written < j->config.frames_in_flight;
}

static bool
all_written(const struct journal *j)
{
    return j->seq_submitted == j->seq_written;
}

static bool
mark_wanted(const struct journal *j)
{
    return !j->open_any && j->submit == j->open && all_written(j) &&
           (j->durable_noted < j->durable_data || j->written_noted < j->written_data);
}

/* Extents are no business of the ring. */
static void
extents_pass(struct journal *j)
{
    while (j->submit < j->open && journal_frame_of(j, j->submit)->extent)
        j->submit++;
}

static void
mark_write(struct journal *j)
{
    j->ack_ns = j->now_ns; /* without room: try again after another pause */
    if (mutant(MUTANT_FRAME_REWRITTEN))
        j->ring_next -= JOURNAL_BLOCK;
    if (!frame_begin(j, JOURNAL_BLOCK))
        return;
    journal_frame_of(j, j->open)->mark = true;
    journal_frame_seal(j);
    j->stats.marks++;
}

bool
journal_busy(const struct journal *j)
{
    for (uint32_t i = 0; i < JOURNAL_FLIGHT_MAX; i++)
        if (j->busy[i])
            return true;
    return false;
}

/* A completion has no time of its own: the step behind it has. */
static void
writes_note(struct journal *j, uint64_t now_ns)
{
    for (uint32_t i = 0; i < j->ended; i++) {
        j->writes_ns[i] = now_ns - j->ended_ns[i];
        journal_pace_write(j, j->writes_ns[i]);
    }
    j->write_count = j->ended;
    j->ended = 0;
}

void
journal_step(struct journal *j, uint64_t now_ns)
{
    writes_note(j, now_ns);
    journal_extents_note(j, now_ns);
    if (j->open_since_ns == CLOCK_NEVER)
        j->open_since_ns = now_ns;
    j->now_ns = now_ns;
    journal_pace_note(j);
    if (j->error != ERR_OK)
        return;
    if (now_ns >= j->make_ns)
        journal_files_make(&j->files, j->file_newest);
    if (mark_wanted(j) && now_ns - j->ack_ns >= JOURNAL_IDLE_NS)
        mark_write(j);
    extents_pass(j);
    if (j->open_any && j->submit == j->open && window_open(j)) {
        const struct frame *f = journal_frame_of(j, j->open);
        if (f->used >= JOURNAL_GOOD_BYTES || now_ns >= journal_frame_due(j))
            journal_frame_end(j);
    }
    while (j->submit < j->open && window_open(j)) {
        frame_submit(j);
        extents_pass(j);
    }
}

static bool
extent_done(const struct journal *j, const struct frame *x)
{
    return x->done || (x->lsn_first && x->lsn_first <= j->lsn_written);
}

/* I5 and I2: both points move over whole groups of extents and the frame behind them. */
void
journal_prefix_move(struct journal *j)
{
    for (uint64_t n = j->written; n < j->submit; n++) {
        const struct frame *f = journal_frame_of(j, n);
        if (f->extent)
            continue;
        if (!f->done)
            break;
        j->written = n + 1;
        j->seq_written = f->seq;
        j->ack_ns = j->now_ns;
        if (f->mark)
            continue;
        j->lsn_written = f->lsn_first + f->records - 1;
        j->written_data = f->seq;
    }
    for (uint64_t n = j->durable; n < j->written; n++) {
        const struct frame *f = journal_frame_of(j, n);
        if (f->extent && !extent_done(j, f))
            return;
        if (f->extent)
            continue;
        j->durable = n + 1;
        j->seq_durable = f->seq;
        j->ack_ns = j->now_ns;
        if (f->mark)
            continue;
        j->lsn_durable = f->lsn_first + f->records - 1;
        j->durable_data = f->seq;
    }
}

bool
journal_take(struct journal *j, struct disk_op *op)
{
    int error;
    if (journal_files_take(&j->files, op, &error)) {
        if (error == ERR_NO_SPACE)
            j->make_ns = j->now_ns + JOURNAL_FULL_NS;
        else if (error != ERR_OK)
            fail(j, error, "making a file");
        return true;
    }
    if (op < j->ops || op >= j->ops + JOURNAL_FLIGHT_MAX)
        return false;
    if (op->result != (op->kind == DISK_WRITE ? (int64_t)op->len : 0)) {
        fail(j, op->result < 0 ? (int)op->result : ERR_IO, "a write");
        j->busy[op - j->ops] = false;
        return true;
    }
    if (op->kind == DISK_WRITE && j->config.sync == JOURNAL_SYNC_FDATASYNC && j->error == ERR_OK) {
        op->kind = DISK_SYNC;
        j->disk->ops->submit(j->disk->self, op);
        return true;
    }
    j->busy[op - j->ops] = false;
    struct frame *f = op->user;
    f->done = true;
    must(j->ended < JOURNAL_FLIGHT_MAX); /* no more are submitted between two steps */
    j->ended_ns[j->ended++] = f->submit_ns;
    if (j->error != ERR_OK)
        return true;
    journal_prefix_move(j);
    return true;
}

/* ---- asking ------------------------------------------------------------------------------------
 */

int
journal_error(const struct journal *j)
{
    return j->error;
}

uint64_t
journal_durable_lsn(const struct journal *j)
{
    return j->lsn_durable;
}

uint64_t
journal_written_lsn(const struct journal *j)
{
    return j->lsn_written;
}

uint64_t
journal_last_lsn(const struct journal *j)
{
    return j->lsn_next - 1;
}

uint64_t
journal_deadline(const struct journal *j)
{
    if (j->error != ERR_OK)
        return CLOCK_NEVER;
    if (j->open_any && j->submit == j->open && window_open(j))
        return journal_frame_due(j);
    return mark_wanted(j) ? j->ack_ns + JOURNAL_IDLE_NS : CLOCK_NEVER;
}

void
journal_release(struct journal *j, uint64_t lsn)
{
    must(lsn <= j->lsn_durable);
    while (j->file_oldest < j->file_newest &&
           j->lsn_last[j->file_oldest % j->config.file_count] <= lsn)
        j->file_oldest++;
}

bool
journal_stop(struct journal *j)
{
    return journal_files_stop(&j->files);
}

uint64_t
journal_missing(const struct journal *j)
{
    return journal_files_missing(&j->files);
}

void
journal_room(const struct journal *j, uint64_t *used, uint64_t *total)
{
    *total = j->config.file_bytes * j->config.file_count;
    uint64_t limit = j->ring_next;
    if (j->open_any)
        limit = journal_frame_of(j, j->open)->ring + journal_frame_of(j, j->open)->used;
    uint64_t first = j->file_oldest * j->config.file_bytes;
    *used = limit > first ? limit - first : 0;
}

void
journal_stats(const struct journal *j, struct journal_stats *out)
{
    *out = j->stats;
}

uint32_t
journal_writes(const struct journal *j, const uint64_t **ns)
{
    *ns = j->writes_ns;
    return j->write_count;
}
