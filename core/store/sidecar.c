/* sidecar.c: see sidecar.h. */
#include "core/store/sidecar.h"

#include "core/base/crc32c.h"
#include "core/base/err.h"
#include "core/base/mutant.h"
#include "core/store/slab.h"

#define SIDECAR_MAGIC UINT32_C(0x534c4958)

enum {
    SIDECAR_VERSION = 1,
    SIDECAR_SECTIONS = 5, /* at most */
    SIDECAR_ROWS_MAX = 64,
    ROW_BYTES = 16,
    FOOTER_BYTES = 8 + 4 + 8 + 8 + 4 + 4 + 4 + 4,
    INDEX_BYTES = 16,
    SUM_BYTES = 4,
    EPOCH_BYTES = 12,
    ABORTED_BYTES = 32,
};

/* Epochs that begin before the segment ends; the last of them at or below its base begins it. */
static uint32_t
epochs_of(const struct plog *p, const struct segment *seg, uint32_t *first)
{
    int64_t limit = plog_segment_limit(p, seg);
    uint32_t n = 0;
    *first = 0;
    for (uint32_t i = 0; i < p->epoch_count && p->epochs[i].start < limit; i++) {
        if (p->epochs[i].start <= seg->base)
            *first = i;
        n = i + 1;
    }
    return n - *first;
}

/* Aborted transactions whose marker is in the segment. */
static uint32_t
aborted_of(const struct plog *p, const struct segment *seg, uint32_t *first)
{
    int64_t limit = plog_segment_limit(p, seg);
    uint32_t n = *first = 0;
    for (uint32_t i = 0; i < p->stable.aborted_count; i++) {
        *first += p->stable.aborted[i].last < seg->base;
        n += p->stable.aborted[i].last < limit;
    }
    return n - *first;
}

static uint64_t
round_8(uint64_t n)
{
    return (n + 7) / 8 * 8;
}

/* The entries of the index, as sparse as those of a sealed segment, below `limit`; their count.
 * w NULL: that alone. */
static uint32_t
index_write(const struct segment *seg, uint32_t limit, struct put *w)
{
    uint32_t count = 0, last = 0, step = seg->sealed ? 0 : PLOG_INDEX_SEALED;
    for (uint32_t i = 0; i < seg->idx.count; i++) {
        const struct index_entry *e = index_get(&seg->idx, i);
        if (e->pos >= limit)
            break;
        if (count && e->pos - last < step)
            continue;
        last = e->pos;
        count++;
        if (!w)
            continue;
        put_u32(w, e->rel);
        put_u32(w, e->pos);
        put_u64(w, (uint64_t)e->max_ts);
    }
    return count;
}

/* The bytes of a section; false: it is left out. */
static bool
section_bytes(const struct plog *p, const struct segment *seg, enum sidecar_section type,
              uint64_t *bytes)
{
    uint32_t first, count, size;
    switch (type) {
    case SIDECAR_INDEX:
        *bytes = (uint64_t)index_write(seg, sums_covered(&seg->sums), NULL) * INDEX_BYTES;
        return true;
    case SIDECAR_SUMS:
        *bytes = (uint64_t)sums_count(&seg->sums) * SUM_BYTES;
        return true;
    case SIDECAR_EPOCHS:
        *bytes = (uint64_t)epochs_of(p, seg, &first) * EPOCH_BYTES;
        return true;
    case SIDECAR_ABORTED:
        count = aborted_of(p, seg, &first);
        *bytes = (uint64_t)count * ABORTED_BYTES;
        return count <= SIDECAR_ABORTED_MAX;
    case SIDECAR_PRODUCERS:
        count = producer_count_before(&p->producers, plog_segment_limit(p, seg), &size);
        *bytes = size;
        return count <= SIDECAR_PRODUCERS_MAX;
    }
    return false;
}

/* The last section that one of so many bytes of the segment has. */
static enum sidecar_section
last_section(const struct segment *seg, uint32_t covers)
{
    must(covers == sums_covered(&seg->sums) && covers <= seg->bytes);
    return covers < seg->bytes ? SIDECAR_SUMS : SIDECAR_PRODUCERS;
}

uint32_t
sidecar_bytes(const struct plog *p, const struct segment *seg, uint32_t covers)
{
    uint64_t bytes = SIDECAR_SECTIONS * ROW_BYTES + FOOTER_BYTES, one;
    enum sidecar_section last = last_section(seg, covers);
    for (enum sidecar_section type = SIDECAR_INDEX; type <= last; type++)
        if (section_bytes(p, seg, type, &one))
            bytes += round_8(one);
    return bytes > SIDECAR_BYTES_MAX ? 0 : (uint32_t)plog_round_block(bytes);
}

struct row {
    uint32_t type, at, bytes;
};

static void
aborted_write(struct put *w, const struct stable_aborted *a, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        put_u64(w, (uint64_t)a[i].producer_id);
        put_u64(w, (uint64_t)a[i].first);
        put_u64(w, (uint64_t)a[i].last);
        put_u64(w, (uint64_t)a[i].stable);
    }
}

static void
section_write(struct put *w, const struct plog *p, const struct segment *seg,
              enum sidecar_section type)
{
    uint32_t first, count;
    switch (type) {
    case SIDECAR_INDEX:
        index_write(seg, sums_covered(&seg->sums), w);
        return;
    case SIDECAR_SUMS:
        for (uint32_t i = 0; i < sums_count(&seg->sums); i++)
            put_u32(w, sums_get(&seg->sums, i));
        return;
    case SIDECAR_ABORTED:
        count = aborted_of(p, seg, &first);
        aborted_write(w, p->stable.aborted + first, count);
        return;
    case SIDECAR_PRODUCERS:
        producer_save_before(&p->producers, plog_segment_limit(p, seg), w);
        return;
    case SIDECAR_EPOCHS:
        count = epochs_of(p, seg, &first);
        for (uint32_t i = 0; i < count; i++) {
            put_u32(w, (uint32_t)p->epochs[first + i].epoch);
            put_u64(w, (uint64_t)p->epochs[first + i].start);
        }
    }
}

void
sidecar_write(const struct plog *p, const struct segment *seg, uint32_t covers, uint8_t *at,
              uint32_t bytes)
{
    enum sidecar_section last = last_section(seg, covers);
    memset(at, 0, bytes);
    struct put w = put_of(at, bytes);
    uint8_t table[SIDECAR_SECTIONS * ROW_BYTES + FOOTER_BYTES];
    struct put f = put_of(table, sizeof table);
    uint32_t rows = 0;
    for (enum sidecar_section type = SIDECAR_INDEX; type <= last; type++) {
        uint64_t want;
        uint32_t begin = put_len(&w);
        if (!section_bytes(p, seg, type, &want))
            continue;
        section_write(&w, p, seg, type);
        uint32_t len = put_len(&w) - begin;
        must(len == want);
        put_u32(&f, type);
        put_u32(&f, begin);
        put_u32(&f, len);
        put_u32(&f, crc32c(0, at + begin, len));
        put_take(&w, (uint32_t)round_8(len) - len);
        rows++;
    }
    put_u64(&f, (uint64_t)seg->base);
    put_u32(&f, covers);
    put_u64(&f, (uint64_t)seg->max_ts);
    put_u64(&f, (uint64_t)seg->first_ts);
    put_u32(&f, SIDECAR_VERSION);
    put_u32(&f, rows);
    put_u32(&f, crc32c(0, table, put_len(&f)));
    put_u32(&f, SIDECAR_MAGIC);
    must(!f.bad && !w.bad && put_len(&f) == rows * ROW_BYTES + FOOTER_BYTES &&
         put_len(&w) + put_len(&f) <= bytes);
    memcpy(at + bytes - put_len(&f), table, put_len(&f));
}

static bool
sum_ok(uint32_t got, uint32_t want)
{
    return got == want || mutant(MUTANT_SIDECAR_UNCHECKED);
}

struct footer {
    uint32_t covers;
    int64_t max_ts;
    struct view table; /* its rows */
};

static int
footer_read(const uint8_t *at, uint32_t bytes, int64_t base, struct footer *out)
{
    if (bytes < FOOTER_BYTES)
        return ERR_CORRUPT;
    struct cur c = cur_of(view_of(at + bytes - FOOTER_BYTES, FOOTER_BYTES));
    int64_t its_base = cur_i64(&c);
    out->covers = cur_u32(&c);
    out->max_ts = cur_i64(&c);
    cur_take(&c, 8); /* the first time: for tools */
    uint32_t version = cur_u32(&c), rows = cur_u32(&c), crc = cur_u32(&c), magic = cur_u32(&c);
    if (magic != SIDECAR_MAGIC || version != SIDECAR_VERSION || rows > SIDECAR_ROWS_MAX ||
        rows * ROW_BYTES > bytes - FOOTER_BYTES)
        return ERR_CORRUPT;
    out->table = view_of(at + bytes - FOOTER_BYTES - rows * ROW_BYTES, rows * ROW_BYTES);
    uint32_t sum = crc32c(0, out->table.at, out->table.len + FOOTER_BYTES - 8);
    return sum_ok(sum, crc) && its_base == base ? ERR_OK : ERR_CORRUPT;
}

/* The rows of one that covers so many bytes. */
static int
table_read(const uint8_t *at, uint32_t bytes, int64_t base, uint32_t segment_bytes,
           struct view *table)
{
    struct footer f;
    int rc = footer_read(at, bytes, base, &f);
    if (rc == ERR_OK && f.covers != segment_bytes)
        rc = ERR_CORRUPT;
    if (rc == ERR_OK)
        *table = f.table;
    return rc;
}

int
sidecar_covers(const uint8_t *at, uint32_t bytes, int64_t base, uint32_t *covers, int64_t *max_ts)
{
    struct footer f;
    int rc = footer_read(at, bytes, base, &f);
    if (rc != ERR_OK)
        return rc;
    *covers = f.covers;
    *max_ts = f.max_ts;
    return ERR_OK;
}

/* Sound: grows as an index does, within the segment. */
static int
index_read(struct view v, uint32_t segment_bytes, struct index *idx)
{
    if (v.len % INDEX_BYTES)
        return ERR_CORRUPT;
    struct cur c = cur_of(v);
    struct index_entry last = {0};
    for (uint32_t i = 0; i < v.len / INDEX_BYTES; i++) {
        struct index_entry e = {.rel = cur_u32(&c), .pos = cur_u32(&c), .max_ts = cur_i64(&c)};
        bool grows =
            i == 0 ? e.pos == 0 : e.rel > last.rel && e.pos > last.pos && e.max_ts >= last.max_ts;
        if (!grows || e.pos >= segment_bytes)
            return ERR_CORRUPT;
        index_add(idx, e);
        if (idx->count == 0)
            return ERR_LIMIT;
        last = e;
    }
    return v.len ? ERR_OK : ERR_CORRUPT;
}

static int
sums_read(struct view v, uint32_t segment_bytes, struct sums *sums)
{
    uint32_t count = segment_bytes / SUMS_PIECE + (segment_bytes % SUMS_PIECE != 0);
    if (v.len != count * SUM_BYTES)
        return ERR_CORRUPT;
    uint32_t *crcs = slab_take(sums->memory, count * sizeof *crcs + 1);
    if (!crcs)
        return ERR_LIMIT;
    for (uint32_t i = 0; i < count; i++)
        crcs[i] = get_u32(v.at + i * SUM_BYTES);
    bool loaded = sums_load(sums, segment_bytes, crcs);
    slab_give(sums->memory, crcs);
    return loaded ? ERR_OK : ERR_LIMIT;
}

int
sidecar_read(const uint8_t *at, uint32_t bytes, int64_t base, uint32_t segment_bytes,
             struct buddy *memory, struct index *idx, struct sums *sums)
{
    struct view table = {0};
    *idx = (struct index){.memory = memory};
    *sums = (struct sums){.memory = memory};
    int rc = table_read(at, bytes, base, segment_bytes, &table);
    struct cur c = cur_of(table);
    uint32_t front = rc == ERR_OK ? (uint32_t)(table.at - at) : 0, seen = 0;
    while (rc == ERR_OK && cur_left(&c)) {
        struct row r = {.type = cur_u32(&c), .at = cur_u32(&c), .bytes = cur_u32(&c)};
        uint32_t crc = cur_u32(&c);
        if (r.at > front || r.bytes > front - r.at || !sum_ok(crc32c(0, at + r.at, r.bytes), crc))
            rc = ERR_CORRUPT;
        else if (r.type == SIDECAR_INDEX && !(seen & 1U << r.type))
            rc = index_read(view_of(at + r.at, r.bytes), segment_bytes, idx);
        else if (r.type == SIDECAR_SUMS && !(seen & 1U << r.type))
            rc = sums_read(view_of(at + r.at, r.bytes), segment_bytes, sums);
        seen |= r.type < 32 ? 1U << r.type : 0;
    }
    if (rc == ERR_OK && (!(seen & 1U << SIDECAR_INDEX) || !(seen & 1U << SIDECAR_SUMS)))
        rc = ERR_CORRUPT;
    if (rc == ERR_OK)
        return ERR_OK;
    index_free(idx);
    sums_free(sums);
    return rc;
}

int
sidecar_section(const uint8_t *at, uint32_t bytes, int64_t base, uint32_t segment_bytes,
                enum sidecar_section type, struct view *out)
{
    struct view table = {0};
    int rc = table_read(at, bytes, base, segment_bytes, &table);
    if (rc != ERR_OK)
        return rc;
    struct cur c = cur_of(table);
    uint32_t front = (uint32_t)(table.at - at);
    while (cur_left(&c)) {
        struct row r = {.type = cur_u32(&c), .at = cur_u32(&c), .bytes = cur_u32(&c)};
        uint32_t crc = cur_u32(&c);
        if (r.type != type)
            continue;
        if (r.at > front || r.bytes > front - r.at || crc32c(0, at + r.at, r.bytes) != crc)
            return ERR_CORRUPT;
        *out = view_of(at + r.at, r.bytes);
        return ERR_OK;
    }
    return ERR_NOT_FOUND;
}

/* Is each of the rows in the section, in the same order?  Their first `key` bytes count. */
static bool
rows_contained(struct view section, struct view rows, uint32_t row, uint32_t key)
{
    uint32_t at = 0;
    for (uint32_t i = 0; i < rows.len; i += row, at += row) {
        while (at + row <= section.len && memcmp(section.at + at, rows.at + i, key) != 0)
            at += row;
        if (at + row > section.len)
            return false;
    }
    return section.len % row == 0;
}

bool
sidecar_agrees(const struct plog *p, const struct segment *seg, enum sidecar_section type,
               struct view section, uint8_t *rows, uint32_t room)
{
    uint64_t bytes;
    if (!section_bytes(p, seg, type, &bytes) || bytes > room)
        return true;                 /* cannot say */
    if (type == SIDECAR_PRODUCERS) { /* others have expired, or written more, since */
        struct producer_table t;
        struct cur c = cur_of(section);
        producer_table_init(&t);
        int rc = producer_load(&t, &c);
        producer_table_free(&t);
        return rc != ERR_CORRUPT && cur_left(&c) == 0;
    }
    struct put w = put_of(rows, (uint32_t)bytes);
    section_write(&w, p, seg, type);
    must(!w.bad);
    uint32_t skip = 0, len = put_len(&w);
    while (type == SIDECAR_EPOCHS && skip < len && get_i64(rows + skip + 4) <= p->start)
        skip += EPOCH_BYTES; /* the first one begins with the log */
    struct view now = view_of(rows + skip, len - skip);
    /* The last stable offset is as of when the marker was found durable, which a replay does anew.
     */
    return type == SIDECAR_ABORTED ? rows_contained(section, now, ABORTED_BYTES, ABORTED_BYTES - 8)
                                   : rows_contained(section, now, EPOCH_BYTES, EPOCH_BYTES);
}
