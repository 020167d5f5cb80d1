/* move_run.h: copies the files of a log into another data directory, outside of the loop (task.h).
 *
 * The copies have the names of the originals, so a log that lives in one directory and has files
 * in another one has copies there: the next start removes them (store_recover.c).  One run is made
 * of rounds; the loop says before each what is to be copied (store_move.c).  Every batch is checked
 * on its way. */
#ifndef SLUICE_STORE_MOVE_RUN_H
#define SLUICE_STORE_MOVE_RUN_H

#include "core/base/bytes.h"
#include "core/store/plog_in.h"
#include "core/store/task.h"

enum { MOVE_CHUNK = 1 << 20 };

/* A check of batches that come in pieces. */
struct move_check {
    uint8_t head[BATCH_HEADER_BYTES];
    uint32_t have;          /* bytes of the header */
    uint32_t left;          /* bytes behind the header */
    uint32_t all;           /* bytes of this batch, with the header */
    uint32_t crc, crc_end;  /* so far; what it must come to */
    int64_t next, next_end; /* offset behind the last whole batch; behind this one */
};
/* ERR_CORRUPT: not what a segment holds. */
must_check int move_check_feed(struct move_check *c, struct view bytes);
static inline bool
move_check_whole(const struct move_check *c)
{
    return c->have == 0;
}

/* Bytes of the last batch, which is not whole; 0: it is. */
static inline uint32_t
move_check_open(const struct move_check *c)
{
    return c->have < BATCH_HEADER_BYTES ? c->have : c->all - c->left;
}

struct move_part { /* of one segment */
    int64_t base;
    uint32_t from, to; /* bytes */
};

struct move_run {
    struct store_task task;
    uint8_t topic[16];
    int32_t partition;
    uint8_t from, to; /* directories */
    bool remove;      /* a round that removes all files of the log in remove_dir */
    uint8_t remove_dir;
    bool begun;              /* directories were made */
    bool goes_on;            /* at first: with copies that are there, up to `copied` */
    bool refused;            /* those are not all there, and nothing was changed */
    struct move_part *parts; /* in the order of base */
    uint32_t part_count, part_room;
    struct move_part copied; /* where the next round goes on; base -1: at the beginning */
    uint64_t bytes;          /* copied */
    struct move_check check;
    uint8_t *mem; /* MOVE_CHUNK and two blocks, aligned */
};

/* A log of that identity, in that directory, for paths only. */
void move_run_log(const struct move_run *r, uint8_t dir, struct plog *out);
/* Where a part begins on the disk, and what of n bytes read from there belongs to it: checks these,
 * fills the last block with zeros.  ERR_CORRUPT: too few, or damaged. */
uint32_t move_run_start(const struct move_part *part);
must_check int move_run_take(struct move_run *r, const struct move_part *part, uint32_t at,
                             int64_t got);

/* store_task_ops.run.  A round that copies leaves everything durable, names too. */
must_check int move_run(struct store_worker *w, struct store_task *t);
void move_run_free(struct store_task *t);

/* Removes all files of a log in directory p->dir, and its directory.  pace: as store_shrink_unlink.
 * Blocks. */
must_check int move_run_remove(struct disk *disk, const struct plog *p, struct pace *pace);

#endif
