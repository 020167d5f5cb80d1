/* check_dump.c: what checkpoints and journal files hold, as rows for people and programs.
 *
 * A journal file is shown as it lies there: frames of earlier generations stand where later ones
 * have not come yet, and one that was half overwritten has a bad sum.  Which of them count is for
 * check_verify to say. */
#include "core/base/err.h"
#include "core/store/check_in.h"
#include "core/store/journal_in.h"

#include <stdlib.h>

enum { DUMP_BYTES_MAX = 1 << 30 };

static const char *const record_kinds[] = {
    [STORE_REC_BATCH] = "batch",   [STORE_REC_CREATE] = "create", [STORE_REC_DELETE] = "delete",
    [STORE_REC_EXTENT] = "extent", [STORE_REC_START] = "start",   [STORE_REC_SWAP] = "swap",
    [STORE_REC_MOVE] = "move",     [STORE_REC_AGAIN] = "again",   [STORE_REC_WISH] = "wish",
    [STORE_REC_COPY] = "copy",
};

static void
number(struct check_row *r, const char *name, int64_t value)
{
    must(r->count < CHECK_CELLS_MAX);
    r->cells[r->count++] = (struct check_cell){.name = name, .number = value};
}

static void
text(struct check_row *r, const char *name, const char *value)
{
    must(r->count < CHECK_CELLS_MAX);
    r->cells[r->count++] = (struct check_cell){.name = name, .text = value};
}

/* ---- checkpoints -------------------------------------------------------------------------------
 */

static void
log_row(struct check_dump *d, const struct plog *p)
{
    struct check_row r = {.kind = "log", .topic = p->topic, .partition = p->partition};
    number(&r, "id", (int64_t)p->id);
    number(&r, "start", p->start);
    number(&r, "end", p->end);
    number(&r, "segments", p->segment_count);
    number(&r, "bytes", (int64_t)p->bytes);
    number(&r, "leader_epochs", p->epoch_count);
    number(&r, "producers", p->producers.count);
    number(&r, "aborted_transactions", p->stable.aborted_count);
    number(&r, "compacted_to", p->clean_to);
    text(&r, "state",
         p->dead               ? "deleted"
         : p->damage           ? plog_damage_text(p->damage)
         : p->unfinished.limit ? "compaction not finished"
         : p->wished           ? "to move to another directory"
                               : "whole");
    d->row(d->user, &r);
    for (uint32_t i = 0; d->deep && i < p->segment_count; i++) {
        const struct segment *seg = p->segments[i];
        r = (struct check_row){.kind = "segment", .inner = true};
        number(&r, "base", seg->base);
        number(&r, "bytes", seg->bytes);
        number(&r, "bytes_in_file", seg->synced);
        number(&r, "compacted", seg->gaps);
        d->row(d->user, &r);
    }
}

static int
ckpt_dump(struct check_dump *d, const uint8_t *at, uint64_t bytes)
{
    struct ckpt_header h;
    if (store_ckpt_header_read(at, bytes, &h) != ERR_OK) {
        d->what = "the checkpoint is torn or damaged: its checksum is not that of its bytes";
        return ERR_OK;
    }
    struct check_row r = {.kind = "checkpoint"};
    number(&r, "generation", (int64_t)h.generation);
    number(&r, "seq", (int64_t)h.seq);
    number(&r, d->boot ? "journal_bytes" : "lsn", (int64_t)h.lsn);
    number(&r, "next_id", (int64_t)h.next_id);
    number(&r, "cores", h.core_count);
    number(&r, "clean_stop", h.flags & CKPT_FLAG_CLEAN);
    number(&r, "logs", h.log_count);
    d->row(d->user, &r);
    struct cur c = cur_of(view_of(at + CKPT_HEADER_BYTES, (uint32_t)h.bytes));
    for (uint32_t i = 0; i < h.log_count; i++) {
        struct plog p;
        int rc = plog_load(&p, &c);
        if (rc != ERR_OK)
            return rc;
        log_row(d, &p);
        plog_free(&p);
    }
    return ERR_OK;
}

/* ---- journals ----------------------------------------------------------------------------------
 */

static void
batch_cells(struct check_row *r, uint32_t kind, struct view body)
{
    struct batch_place x;
    if (store_record_read(kind, body, &x) != ERR_OK)
        return;
    number(r, "segment", x.base);
    number(r, "position", x.pos);
    number(r, "batch_bytes", x.len);
    struct cur c = cur_of(x.rest);
    if (kind == STORE_REC_EXTENT)
        cur_u32(&c);
    struct view batch = cur_view(&c, BATCH_HEADER_BYTES);
    struct batch_info info;
    if (c.bad || batch_header(batch, &info) != ERR_OK)
        return;
    number(r, "base_offset", info.base_offset);
    number(r, "records", info.record_count);
}

static void
record_row(struct check_dump *d, uint64_t lsn, uint32_t kind, struct view body)
{
    struct check_row r = {.kind = "record", .inner = true};
    struct cur c = cur_of(body);
    bool known = !d->control && kind < sizeof record_kinds / sizeof *record_kinds &&
                 record_kinds[kind] != NULL;
    number(&r, "lsn", (int64_t)lsn);
    text(&r, "what", known ? record_kinds[kind] : d->control ? "metadata" : "unknown");
    number(&r, "bytes", body.len);
    uint64_t log;
    if (known && store_record_log(kind, body, &log))
        number(&r, "log", (int64_t)log);
    int64_t first = cur_i64(&c); /* whatever the kind is, of metadata */
    if (d->control) {
        number(&r, "term", first);
        number(&r, "index", cur_i64(&c));
    }
    if (known && store_record_of_batch(kind))
        batch_cells(&r, kind, body);
    if (known && (kind == STORE_REC_START || kind == STORE_REC_SWAP))
        number(&r, kind == STORE_REC_START ? "start" : "first", cur_i64(&c));
    if (known && kind == STORE_REC_SWAP)
        number(&r, "limit", cur_i64(&c));
    struct view topic = cur_view(&c, known && kind == STORE_REC_CREATE ? 16 : 0);
    if (topic.len) {
        r.topic = topic.at;
        r.partition = cur_i32(&c);
    }
    d->row(d->user, &r);
}

static void
frame_row(struct check_dump *d, uint64_t position, const uint8_t *at, const struct frame_header *h,
          bool good)
{
    struct check_row r = {.kind = "frame"};
    number(&r, "position", (int64_t)position);
    number(&r, "generation", (int64_t)h->generation);
    number(&r, "seq", (int64_t)h->seq);
    number(&r, "lsn", (int64_t)h->lsn_first);
    number(&r, "records", h->record_count);
    number(&r, "payload_bytes", h->payload_bytes);
    number(&r, "durable_upto", (int64_t)h->durable_upto);
    number(&r, "written_upto", (int64_t)frame_written_upto(h));
    text(&r, "sum", good ? "good" : "bad");
    d->row(d->user, &r);
    if (!good || !d->deep)
        return;
    struct cur c = cur_of(view_of(at + FRAME_HEADER_BYTES, h->payload_bytes));
    for (uint32_t i = 0; i < h->record_count; i++) {
        uint32_t kind;
        struct view body;
        if (!journal_record_read(&c, &kind, &body))
            return;
        record_row(d, h->lsn_first + i, kind, body);
    }
}

static void
journal_dump(struct check_dump *d, const uint8_t *at, uint64_t bytes)
{
    for (uint64_t pos = JOURNAL_BLOCK; pos + JOURNAL_BLOCK <= bytes;) {
        struct frame_header h;
        journal_frame_read(at + pos, &h);
        uint64_t len = frame_bytes(&h);
        bool frame = h.magic == JOURNAL_FRAME_MAGIC && h.header_bytes == FRAME_HEADER_BYTES;
        bool good = frame && len <= bytes - pos && journal_frame_crc(at + pos, len) == h.crc;
        if (frame)
            frame_row(d, pos, at + pos, &h, good);
        pos += good ? len : JOURNAL_BLOCK;
    }
}

/* ---- both --------------------------------------------------------------------------------------
 */

static const char *
last_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

bool
check_dump_knows(const char *path)
{
    static const char *const names[] = {"journal-", "ckpt-", "boot-checkpoint"};
    for (uint32_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strncmp(last_name(path), names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

static int
file_dump(struct disk *disk, struct check_dump *d, int32_t file)
{
    int64_t size = store_run(disk, (struct disk_op){.kind = DISK_SIZE, .file = file});
    if (size < 0 || size > DUMP_BYTES_MAX)
        return size < 0 ? (int)size : ERR_LIMIT;
    uint8_t *mem = aligned_alloc(STORE_BLOCK, plog_round_block((uint64_t)size + 1));
    if (!mem)
        return ERR_LIMIT;
    struct disk_op op = {.kind = DISK_READ, .file = file, .at = mem, .len = (uint32_t)size};
    int64_t got = store_run(disk, op);
    int rc = got < 0 ? (int)got : got < size ? ERR_IO : ERR_OK;
    if (rc == ERR_OK && strncmp(last_name(d->path), "journal-", 8) == 0)
        journal_dump(d, mem, (uint64_t)size);
    else if (rc == ERR_OK)
        rc = ckpt_dump(d, mem, (uint64_t)size);
    free(mem);
    return rc;
}

int
check_dump(struct disk *disk, struct check_dump *d)
{
    if (!check_dump_knows(d->path))
        return ERR_INVALID;
    d->what = NULL;
    d->control = strncmp(d->path, "control/", 8) == 0;
    d->boot = strncmp(last_name(d->path), "boot-", 5) == 0;
    int64_t file = store_run(disk, (struct disk_op){.kind = DISK_OPEN, .path = d->path});
    if (file < 0)
        return (int)file;
    int rc = file_dump(disk, d, (int32_t)file);
    store_run(disk, (struct disk_op){.kind = DISK_CLOSE, .file = (int32_t)file});
    return rc;
}
