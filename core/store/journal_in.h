/* journal_in.h: format and files of the journal, shared by journal*.c. */
#ifndef SLUICE_STORE_JOURNAL_IN_H
#define SLUICE_STORE_JOURNAL_IN_H

#include "core/base/varint.h"
#include "core/store/journal.h"

#define JOURNAL_FRAME_MAGIC UINT32_C(0x534c4a46) /* "SLJF" */
#define JOURNAL_FILE_MAGIC  UINT32_C(0x534c4a48) /* "SLJH" */

enum {
    JOURNAL_BLOCK = 4096,      /* frames start and end at multiples of it */
    JOURNAL_VERSION = 3,       /* 1: 8 bytes in front of each record, and records aligned */
    JOURNAL_VERSION_FIRST = 2, /* that is read: without written_ahead, which is 0 then */
    JOURNAL_PATH_BYTES = 128,
    JOURNAL_FRAME_FILL = 1 << 20, /* a frame with more than one record is not larger */
    FRAME_HEADER_BYTES = 64,
    RECORD_HEADER_MAX = VARINT_BYTES_MAX,
    RECORD_KIND_BITS = 4,
    RECORD_BODY_MAX = (1 << 28) - 1,
    FRAME_FLAG_MARK = 1, /* no records: notes durable_upto and written_ahead only */
    FRAME_AT_CRC = 60,
};

struct frame_header {
    uint32_t magic;
    uint16_t header_bytes, flags;
    uint64_t generation, seq, lsn_first, durable_upto;
    uint32_t prev_crc, record_count, payload_bytes, window, written_ahead, crc;
};

/* The highest seq that was written when this frame was submitted, all before it too: extents that
 * they tell of or not. */
static inline uint64_t
frame_written_upto(const struct frame_header *h)
{
    return h->durable_upto + h->written_ahead;
}

static inline uint64_t
journal_round(uint64_t n, uint64_t to)
{
    return (n + to - 1) / to * to;
}

static inline uint64_t
frame_bytes(const struct frame_header *h)
{
    return journal_round((uint64_t)FRAME_HEADER_BYTES + h->payload_bytes, JOURNAL_BLOCK);
}

/* With its header; the kind does not change the length of that. */
static inline uint32_t
record_bytes(uint32_t body_bytes)
{
    return varint_size_u32(body_bytes << RECORD_KIND_BITS) + body_bytes;
}

/* The next record of a frame; false when it is not whole (c->bad). */
static inline bool
journal_record_read(struct cur *c, uint32_t *kind, struct view *body)
{
    uint32_t head = varint_read_u32(c);
    *kind = head & ((1U << RECORD_KIND_BITS) - 1);
    *body = cur_view(c, head >> RECORD_KIND_BITS);
    return !c->bad;
}

void journal_path(const struct journal_config *config, uint32_t index,
                  char out[static JOURNAL_PATH_BYTES]);

/* The block at the front of each file. */
void journal_file_header(const struct journal_config *config, uint32_t index,
                         uint8_t block[JOURNAL_BLOCK]);
bool journal_file_header_ok(const struct journal_config *config, uint32_t index,
                            const uint8_t block[JOURNAL_BLOCK]);
/* What a header says that is whole, of any version and geometry; false: there is none. */
struct journal_file_header {
    uint32_t version, index, file_count;
    uint64_t file_bytes;
};
must_check bool journal_file_header_read(const uint8_t block[JOURNAL_BLOCK],
                                         struct journal_file_header *out);

static inline bool
journal_version_known(uint32_t version)
{
    return version >= JOURNAL_VERSION_FIRST && version <= JOURNAL_VERSION;
}

/* Where the frame behind the last one that is there would begin; seq: its own. */
struct journal_place {
    uint32_t index; /* of the file */
    uint64_t at, seq;
};
/* journal_cut.c: true when that is in a part of a file that was there once; the log says which. */
must_check bool journal_cut(struct disk *disk, const struct journal_config *config,
                            uint64_t generation, const struct journal_place *end);

void journal_frame_write(const struct frame_header *h, uint8_t *at);
void journal_frame_read(const uint8_t *at, struct frame_header *h);

/* The crc of a whole frame, its own field counted as zero. */
uint32_t journal_frame_crc(const uint8_t *at, uint64_t bytes);

/* Runs operations side by side; blocks until all are done.  The first error, in their order. */
must_check int journal_run_all(struct disk *disk, struct disk_op *ops, uint32_t count);

/* ---- journal_files.c ---------------------------------------------------------------------------
 */

enum { JOURNAL_ZERO_FLIGHT = 4 };

struct journal_files {
    struct disk *disk;
    const struct journal_config *config;
    int32_t *file; /* -1: not made yet */
    /* the file that is being made */
    uint32_t index, flight;
    int step;
    int32_t making;
    uint64_t at, wanted;
    struct disk_op ops[JOURNAL_ZERO_FLIGHT];
    char path[JOURNAL_PATH_BYTES];
    uint8_t *zeros;
    bool full; /* the disk is, and the file goes back to nothing */
    bool stopping;
};

/* Opens what is whole and makes the first file when it is missing; blocks.  journal_files_close
 * also after an error.  `file` has room for file_count numbers; lent. */
must_check int journal_files_open(struct journal_files *f, struct disk *disk,
                                  const struct journal_config *config, int32_t *file);
void journal_files_close(struct journal_files *f);
/* Goes on making files, that of ring ordinal `ordinal` first. */
void journal_files_make(struct journal_files *f, uint64_t ordinal);
/* Begins no other file, and leaves the one that is being made; true: nothing is under way. */
bool journal_files_stop(struct journal_files *f);
uint64_t journal_files_missing(const struct journal_files *f); /* bytes still to be written */
/* True when the operation was of the making; *error: why that failed.  ERR_NO_SPACE: it begins anew
 * with the next journal_files_make, or a later one. */
bool journal_files_take(struct journal_files *f, struct disk_op *op, int *error);

/* ---- journal.c, journal_arena.c -----------------------------------------------------------------
 */

enum { JOURNAL_SLABS = 64 }; /* at most */

/* A stretch of the arena: a frame, or an extent: bytes that the owner writes to a file of its own.
 */
struct frame {
    uint64_t place, ring;   /* of its first byte */
    uint64_t seq;           /* of a frame that was submitted */
    uint64_t lsn_first;     /* of an extent: of the record that has its bytes when they cannot be
                             * written, 0 none */
    uint32_t used, records; /* header included */
    uint64_t
        submit_ns; /* when it was submitted; of an extent: as the first step saw it, 0 not yet */
    /* The last record that ends beyond a block begins at `cut`, behind so many. */
    uint32_t cut, cut_records;
    uint64_t cut_ns; /* when that one came */
    bool done, mark, extent;
    bool fixed; /* somebody knows places in it: it stays where it is */
    bool tells; /* of extents */
};

enum { JOURNAL_EXTENTS_TIMED = 32 }; /* between two steps; the others are not */

/* As ended_ns, writes_ns and their counts below. */
struct journal_extent_times {
    uint64_t seen; /* the steps have seen stretches below this number */
    uint32_t ended, count;
    uint64_t ended_ns[JOURNAL_EXTENTS_TIMED], ns[JOURNAL_EXTENTS_TIMED];
};

/* How fast records come, and writes go: journal_pace.c. */
struct journal_pace {
    uint64_t bytes, since_ns; /* of records that are no extents', since a block of them was counted
                               */
    uint64_t block_ns;        /* in which a block of them comes; 0: not known */
    uint64_t write_ns;        /* of a frame */
    uint64_t rest_until_ns;   /* no frame is held before */
    uint32_t rest;            /* that was so many times a hold; 0: the last ones were of use */
};

/* What journal_take_back brings back. */
struct journal_mark {
    uint64_t open, place_next, ring_next, lsn_next, extent_bytes, open_since_ns, pace_bytes;
    uint64_t file_newest, lsn_last; /* the latter of that file */
    bool set, open_any;
    struct frame frame; /* the open one */
};

struct journal {
    struct disk *disk;
    struct journal_config config;
    uint64_t generation;
    int error;
    struct journal_files files;
    int32_t *file_numbers;
    uint64_t *lsn_last;                /* per file: of the last record in it */
    uint64_t file_oldest, file_newest; /* ordinals of the ring; modulo file_count: the file */
    uint8_t *arena;
    struct frame *frames; /* ring of frame_slots */
    uint64_t frame_slots;
    uint64_t tail, durable, written, submit, open; /* numbers of frames and extents */
    bool open_any;                                 /* frame `open` has begun */
    uint64_t seq_submitted, seq_written, seq_durable;
    uint64_t place_next, ring_next, lsn_next, keep;
    uint64_t slab_bytes;
    uint64_t clear; /* appends may go on up to here (journal_arena.c); 0: not known */
    uint64_t open_since_ns, ack_ns, now_ns;
    uint64_t make_ns;                     /* no file is made before */
    uint64_t durable_noted;               /* highest durable_upto in a submitted frame */
    uint64_t durable_data;                /* seq of the newest durable frame that is not a mark */
    uint64_t written_noted, written_data; /* the same of written frames */
    uint64_t lsn_durable, lsn_written;
    uint64_t extent_bytes; /* of extents that are not done, in arena bytes */
    struct journal_pace pace;
    struct journal_carry carried;
    struct journal_mark mark;
    bool rescuing; /* the append under way may use what is kept for failed extents */
    uint32_t prev_crc;
    uint32_t pins[JOURNAL_SLABS], slabs_pinned; /* the latter: how many have pins */
    struct disk_op ops[JOURNAL_FLIGHT_MAX];
    bool busy[JOURNAL_FLIGHT_MAX];
    uint32_t ended, write_count; /* frames that ended since the last step; before it */
    uint64_t ended_ns[JOURNAL_FLIGHT_MAX], writes_ns[JOURNAL_FLIGHT_MAX];
    struct journal_extent_times extent_times;
    struct journal_stats stats;
};

static inline struct frame *
journal_frame_of(const struct journal *j, uint64_t n)
{
    return &j->frames[n % j->frame_slots];
}

/* Drops the oldest stretches until `bytes` from `place` on, where appends stand, can be written.
 * False: somebody needs what is there. */
bool journal_arena_reach(struct journal *j, uint64_t place, uint64_t bytes);
/* The same, from the first place on, at or behind *place, where so many lie in one piece and are
 * not pinned; says which.  False leaves it as it is. */
bool journal_arena_find(struct journal *j, uint64_t *place, uint64_t bytes);
/* Arena bytes that an append leaves alone, so that extents which fail can be journaled. */
uint64_t journal_arena_kept(const struct journal *j);

/* journal_probe.c: decides config.sync; blocks.  The ring is not in use yet. */
must_check int journal_probe(struct journal *j);

/* journal.c, for journal_extent.c */
void journal_frame_seal(struct journal *j);
void journal_frame_end(struct journal *j); /* journal_carry.c */
bool journal_frame_ring(struct journal *j, uint64_t bytes, uint64_t *ring);
bool journal_ring_kept(const struct journal *j, uint64_t ordinal);
void journal_frame_begin(struct journal *j, uint64_t place, uint64_t ring);
void journal_record_add(struct journal *j, uint32_t kind, uint32_t body_bytes,
                        struct journal_slot *out);
void journal_prefix_move(struct journal *j);

/* journal_pace.c: a step has begun; a frame was written in so long. */
void journal_pace_note(struct journal *j);
void journal_pace_write(struct journal *j, uint64_t ns);
bool journal_may_carry(const struct journal *j);
/* When the open frame goes out, if a place in flight is free; that it does. */
uint64_t journal_frame_due(const struct journal *j);
void journal_pace_end(struct journal *j);

/* journal_extent.c: a step has begun. */
void journal_extents_note(struct journal *j, uint64_t now_ns);

#endif
