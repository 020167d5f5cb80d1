/* store_replay_in.h: the parts of a boot, shared by store_recover.c, store_replay*.c and others.
 *
 *   store_recover.c    checkpoints, journals, and what is made of them
 *   store_stray.c      directories of logs that nobody knows
 *   store_replay.c     journal records into segments; _extent, _swap, _move: those records
 *   store_finish.c     all that was replayed, cut to length and synced
 *   store_damage.c     logs that are not proven whole; store_rescue.c: records kept elsewhere */
#ifndef SLUICE_STORE_STORE_REPLAY_IN_H
#define SLUICE_STORE_STORE_REPLAY_IN_H

#include "core/store/store_in.h"

/* store_replay.c: logs of the process that is gone, while its journals are read into their files.
 */
struct replay_log {
    struct plog log; /* segments: written is what the file holds */
    uint8_t *pending;
    uint32_t pending_len, pending_room;
    struct segment *pending_seg;
    uint32_t finish_from; /* segments from this one on are cut and synced at the end */
    bool touched;         /* names of it may have changed */
    bool dirs_made;
    bool keeps_files; /* what its files hold is not all in the journal */
    bool ghost;       /* it is deleted later, and another log has its files by now */
    /* Of a dry replay: its records from cut_lsn on do not count, 0: all do; and where the batch
     * lies that it is cut before. */
    uint64_t cut_lsn;
    int64_t cut_base; /* of the segment */
    uint32_t cut_pos;
    /* Of a dry replay, of a log whose directory is not there: its records from held_lsn on wait for
     * it (store_replay_kept.c), 0: none do; and where the batch lies that is the first. */
    uint64_t held_lsn;
    int64_t held_base; /* of the segment */
    uint32_t held_pos;
    uint64_t kept;     /* records that have waited for its directory, so far */
    uint64_t kept_cut; /* of a dry replay: those from this one on do not count, 0: all do */
    bool doubt; /* journal records are missing, and no later one shows that none was of this log */
};

struct bad_extent {
    uint64_t id;  /* of the log */
    int64_t base; /* of the segment */
};

struct suspect {
    struct plog *log;
    uint64_t serial;    /* of the segment: compaction may have put another in its place */
    int64_t base, size; /* of the segment; size may be an enum err */
    uint32_t wanted;
};

/* A SWAP record that is still to come. */
struct replay_swap {
    uint32_t core;
    uint64_t lsn, log;
    int64_t first, limit;
    uint64_t kept; /* its number among the records that waited; 0: it did not */
};

/* A MOVE record that is still to come. */
struct replay_move {
    uint32_t core;
    uint64_t lsn, log;
    uint8_t id[16];
};

/* store_rescue.c: a file being written; disk, generation, core and number come from the caller. */
struct rescue_out {
    struct disk *disk;
    uint64_t generation, at, bytes;
    uint32_t core, number, fill;
    int32_t file;
    uint8_t *mem; /* NULL: no file yet */
};

struct rescue_set {
    struct rescue_file {
        char name[64];
        bool needed;
    } * files;
    uint32_t count;
    bool failed;
};

struct replay {
    struct disk *disk;
    struct rescue_out rescue;  /* of logs that are offline */
    struct rescue_set rescued; /* files of before */
    struct store_dirs dirs;
    struct replay_log **logs;
    uint32_t count, room;
    uint32_t core_first; /* logs of the core being replayed begin here */
    uint64_t new_from;   /* a log with a lower id that the checkpoint lacks was gone by then */
    uint32_t *ids;       /* hash of their ids */
    uint32_t ids_room;
    uint64_t pending_total, records, bytes;
    bool dry;                  /* nothing is written; extents are noted */
    const struct replay *seen; /* what the dry replay of this core ended with; NULL: none */
    uint64_t kept;             /* the record being replayed waited in a rescue file; its number */
    uint32_t held_count;       /* of a dry replay: logs of which records are to wait */
    uint32_t cut_count;        /* of a dry replay: logs that are cut */
    uint64_t cut_records;      /* left out since they are behind a cut */
    struct replay_extent *extents;
    uint32_t extent_count, extent_room;
    uint32_t core;             /* being replayed */
    struct replay_swap *swaps; /* of all cores */
    uint32_t swap_count, swap_room, swap_at;
    struct suspect *suspects; /* files of the present core that are not as they should be */
    uint32_t suspect_count, suspect_room;
    struct bad_extent *bad; /* found by a dry replay */
    uint32_t bad_count, bad_room;
    bool gaps;                 /* journal records are missing */
    bool keep;                 /* the journals hold what no file does: they are kept */
    struct replay_move *moves; /* of all cores */
    uint32_t move_count, move_room;
};

/* Adds the log at c (plog_save form) to the present core. */
must_check int store_replay_load(struct replay *r, struct cur *c);
void store_replay_core(struct replay *r, uint32_t core); /* its records come now */
must_check int store_replay_record(void *replay, uint64_t lsn, uint32_t kind, struct view body);
/* The parts of an EXTENT record that its segment misses. */
must_check int store_replay_extent_parts(struct replay *r, struct replay_log *l,
                                         struct segment *seg, struct view body);
/* After a dry replay of a core: looks for the extents that were noted.  A log is cut at its first
 * that is torn; one at or below lsn_acked is damage (replay.bad). */
must_check int store_replay_extents_check(struct replay *r, struct disk *disk, uint64_t lsn_acked);
/* Is a record left out, for it is of a log that the dry replay of this core cut before? */
bool store_replay_is_cut(const struct replay *seen, uint64_t lsn, uint32_t kind, struct view body);
/* The same of a log by its id. */
bool store_replay_log_is_cut(const struct replay *seen, uint64_t log, uint64_t lsn);
/* store_replay_kept.c: is a record to wait until the directory of its log is there? */
bool store_replay_is_held(const struct replay *seen, uint64_t lsn, uint32_t kind, struct view body);
/* Replays one that has waited; its body is changed. */
must_check int store_replay_kept(struct replay *r, struct replay_log *l, uint32_t kind,
                                 uint8_t *body, uint32_t len);
/* Is it behind where the dry replay has cut its log among those? */
bool store_replay_kept_is_cut(const struct replay *seen, uint64_t log, uint64_t kept);
/* store_replay_extent.c: records of these kinds. */
must_check int store_replay_extent(struct replay *r, uint64_t lsn, struct view body);
must_check int store_replay_again(struct replay *r, uint64_t lsn, struct view body);
/* Extents of segments in [first, limit) are of no use any more. */
void store_replay_extents_forget(struct replay *r, const struct replay_log *l, int64_t first,
                                 int64_t limit);
/* store_replay.c, for it: */
struct replay_place {
    uint64_t id;
    int64_t base;
    uint32_t pos;
    uint64_t lsn;
};
/* Writes what was gathered of all logs; their memory goes. */
must_check int store_replay_flush_all(struct replay *r);
struct replay_log *store_replay_log(const struct replay *r, uint64_t id);
/* Finds log and segment of a batch, and counts it; *seg NULL: nobody's any more. */
must_check int store_replay_place(struct replay *r, const struct replay_place *at,
                                  struct view batch, const struct batch_info *info,
                                  struct replay_log **log, struct segment **seg);
must_check int store_replay_add(struct replay *r, struct replay_log *l, struct segment *seg,
                                struct view bytes);
must_check int store_replay_flush(struct replay *r, struct replay_log *l);
must_check int store_replay_write(struct replay *r, struct replay_log *l, struct segment *seg,
                                  uint32_t at, struct view bytes);
int store_replay_misplaced(struct replay *r, struct replay_log *l, int64_t base, uint32_t pos,
                           uint64_t lsn);
/* Writes, cuts and syncs what was touched.  Logs that are not whole become damaged. */
void store_replay_free(struct replay *r);
must_check int store_replay_take(struct replay *r, struct replay_log *l);

/* store_finish.c */
must_check int store_finish(struct replay *r);

/* store_damage.c.  Looks at the segment files of the present core's logs, as far as names and sizes
 * tell; behind the replay store_damage_confirm judges, for what it found missing may have left the
 * log. */
must_check int store_damage_files(struct replay *r);
void store_damage_confirm(struct replay *r);
/* An acknowledged batch of a dry replay is not in its file; and the logs of such, after the real
 * one. */
must_check int store_damage_extent(struct replay *r, uint64_t id, int64_t base);
void store_damage_extents(struct replay *r, const struct bad_extent *bad, uint32_t count);
/* The journal of the present core names logs of which no checkpoint tells: they may have had more.
 */
void store_damage_unknown(struct replay *r);
/* Replays what can be read of a damaged journal. */
must_check int store_damage_walk(struct disk *disk, struct replay *r,
                                 const struct journal_config *config, uint64_t generation,
                                 uint64_t lsn_after);
/* Records that made a log are missing, but its directory is there: it becomes a damaged log.
 * ERR_NOT_FOUND: not the name of a log. */
must_check int store_damage_adopt(struct replay *r, uint8_t dir, const char *topic,
                                  const char *partition);
/* Copies the journal of a core to damaged/GENERATION-core-N/, once. */
must_check int store_damage_keep(struct disk *disk, uint32_t core, uint64_t journal_bytes,
                                 uint64_t generation);
/* One line for each damaged log, some at most; how many there are. */
uint64_t store_damage_report(const struct replay *r);

/* store_replay_swap.c.  Takes over the SWAP records that a dry replay of the same core saw, as far
 * as they count. */
must_check int store_replay_swaps_take(struct replay *r, const struct replay *dry);
/* Will a swap behind `lsn` replace that segment?  Asked in the order of the records, for each that
 * tells of bytes of a segment: its file may be another one already. */
bool store_replay_doomed(struct replay *r, uint64_t log, int64_t segment_base, uint64_t lsn);
must_check int store_replay_swap(struct replay *r, uint64_t lsn, struct view body);
/* Finishes what a checkpoint says of a log that was loaded, if its directory is there. */
must_check int store_replay_unfinished(struct replay *r, struct replay_log *l);

/* store_replay_move.c.  Takes over the MOVE records that a dry replay saw, as far as they count. */
must_check int store_replay_moves_take(struct replay *r, const struct replay *dry);
/* The directory of a log that is being loaded: where its last MOVE record says it is. */
void store_replay_move_place(struct replay *r, struct plog *p);
must_check int store_replay_move(struct replay *r, uint64_t lsn, struct view body);
must_check int store_replay_wish(struct replay *r, struct view body);
must_check int store_replay_copy(struct replay *r, struct view body);
/* Forgets what moves had copied of logs that cannot go on with it. */
void store_replay_copies(struct replay *r);
/* Removes files of a log in a directory where it does not live, unless its move goes on with them.
 * False: no such log is known. */
must_check bool store_replay_move_copy(const struct replay *r, struct disk *disk, uint8_t dir,
                                       const char *path, int *rc);

/* store_rescue.c */
must_check int store_rescue_add(struct rescue_out *o, const uint8_t topic[16], int32_t partition,
                                uint32_t kind, const struct batch_place *x);
/* A journal record that replay sees: kept when its log is offline. */
must_check int store_rescue_keep(struct replay *r, uint32_t kind, struct view body);
/* One that store_replay_is_held: kept for later. */
must_check int store_rescue_hold(struct replay *r, uint32_t kind, struct view body);
/* For a dry replay: rescue files have what the segments miss. */
void store_rescue_assume(struct replay *r);
/* Makes the file durable when rc is ERR_OK; closes it.  The first error. */
must_check int store_rescue_end(struct rescue_out *o, int rc);
must_check int store_rescue_find(struct disk *disk, struct rescue_set *set);
/* Gives the logs of the present core what their files miss, and then the records that have waited
 * for their directory (a dry replay: these alone). */
must_check int store_rescue_replay(struct replay *r, struct disk *disk, struct rescue_set *set);
void store_rescue_tidy(struct disk *disk, const struct rescue_set *set);

/* store_stray.c.  Moves directories of logs that nobody knows to stray/, in one data directory;
 * removes copies of logs that live in another one; with records missing (r->gaps) they become
 * damaged logs. */
must_check int store_strays(struct replay *r, uint8_t dir);

#endif
