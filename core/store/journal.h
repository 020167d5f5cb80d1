/* journal.h: a ring of preallocated, zero-written files that makes records durable in groups.
 *
 * Used twice: one per core by store.h, one by control for its metadata log.  Owned by one loop.
 * Records are appended to the open frame; frames are written in order, several in flight, and acked
 * on the contiguous written prefix (extents: below).  While a frame is in flight the next one
 * fills: group commit. A frame is never written again once submitted.  lsn: position in the
 * sequence of all records of this generation, strictly growing; 0 is before the first.
 *
 * The arena that frames are built in is also a cache: a frame's bytes stay where they are until the
 * arena comes round, so the owner may serve reads from them.  What a reader still uses he pins:
 * appends go round it, however long he takes.
 *
 * Format of files and frames: journal.c. */
#ifndef SLUICE_STORE_JOURNAL_H
#define SLUICE_STORE_JOURNAL_H

#include "core/base/bytes.h"
#include "core/base/clock.h"
#include "core/base/must.h"
#include "core/store/disk.h"

struct journal;

/* How a frame gets to stable storage. */
enum journal_sync {
    JOURNAL_SYNC_AUTO,  /* the faster of the two, as journal_init finds out; needs a clock */
    JOURNAL_SYNC_DSYNC, /* the write itself is durable (RWF_DSYNC: FUA where the device has it) */
    JOURNAL_SYNC_FDATASYNC, /* fdatasync behind the write */
};

struct journal_config {
    const char *dir;      /* of its files, under the data directory; borrowed for ever */
    uint64_t file_bytes;  /* of each file */
    uint32_t file_count;  /* at least 2 */
    uint64_t arena_bytes; /* memory for frames; also the most that can be read back from memory */
    uint32_t record_bytes_max; /* at most arena_bytes / 4 and file_bytes / 2 */
    uint32_t frames_in_flight; /* K: 1 to JOURNAL_FLIGHT_MAX */
    enum journal_sync sync;
    /* Under steady load of small records blocks are filled: a frame is held (journal_pace.c) for as
     * long as a write takes, within these limits, and records are carried (journal_carried, which
     * the owner follows).  Most 0: never. */
    uint64_t hold_least_ns, hold_most_ns;
    const struct clock *clock; /* for journal_init only; NULL: AUTO is DSYNC */
};

enum { JOURNAL_FLIGHT_MAX = 8 };

struct journal_end {
    uint64_t lsn_last;  /* of the last good record (lsn_after when none) */
    uint64_t lsn_acked; /* every record up to here is known to have been durable, extents too */
};

/* Recovery, before journal_init; blocks.  Syncs and reads the files under config->dir and calls
 * each(user, lsn, kind, body) for every record of `generation` behind lsn_after, in order; body is
 * lent for the call.  A torn tail is cut (not reported as an error); a bad frame that was
 * acknowledged is ERR_CORRUPT with the place in a log line; files of another version are
 * ERR_VERSION. No files: ERR_OK, no calls.  each() returns ERR_OK to go on, or an error that is
 * passed on. */
must_check int journal_recover(struct disk *disk, const struct journal_config *config,
                               uint64_t generation, uint64_t lsn_after,
                               int (*each)(void *user, uint64_t lsn, uint32_t kind,
                                           struct view body),
                               void *user, struct journal_end *end);

/* A part of the journal that was acknowledged and cannot be read. */
struct journal_gap {
    uint64_t seq_first, seq_limit; /* frames; first 0: not known, limit 0: to the end */
    uint64_t lsn_first, lsn_limit; /* records; limit 0: to the end */
    char path[128];                /* of the file where it begins, "" when that is gone */
    uint64_t offset;               /* there */
    struct view raw; /* the bytes where the one missing frame stands, when that much is sure */
};

/* After journal_recover found damage: reads every frame of `generation` that is whole, wherever it
 * lies, and calls each() for the records behind lsn_after in order, and gap(user, gap) where
 * acknowledged frames are missing (gap is lent for the call).  A torn tail is cut, as ever; what
 * cannot be read counts as damaged.  Changes nothing; blocks. */
must_check int journal_salvage(struct disk *disk, const struct journal_config *config,
                               uint64_t generation, uint64_t lsn_after,
                               int (*each)(void *user, uint64_t lsn, uint32_t kind,
                                           struct view body),
                               int (*gap)(void *user, const struct journal_gap *gap), void *user);

/* Starts a new generation at the beginning of the ring (files are created and zero-written when
 * missing or of another geometry; blocks).  The owner has made everything older durable elsewhere,
 * and has durably noted `generation`, which is greater than any before. */
must_check int journal_init(struct disk *disk, const struct journal_config *config,
                            uint64_t generation, struct journal **out);
void journal_free(struct journal *j);

/* Reads from the files under `dir` which geometry they have, into *out (all else of it is zero),
 * and the newest generation of the frames at their fronts, 0: none is whole.  For who has lost what
 * he noted; blocks, changes nothing.  ERR_NOT_FOUND: no file there says; ERR_VERSION. */
must_check int journal_found(struct disk *disk, const char *dir, struct journal_config *out,
                             uint64_t *generation);

struct journal_slot {
    uint8_t *body; /* body_bytes to fill before the next journal_step; not aligned */
    uint64_t lsn;
    uint64_t place; /* of the body in the arena: grows for ever, see journal_at */
};

/* Appends a record; kind < 16.  ERR_AGAIN: no room in the arena or in the ring now (see
 * journal_release); ERR_LIMIT: larger than record_bytes_max. */
must_check int journal_append(struct journal *j, uint32_t kind, uint32_t body_bytes,
                              struct journal_slot *out);

/* ---- extents -----------------------------------------------------------------------------------
 * A large record need not travel through the ring: its bytes lie in the arena, between frames, and
 * the owner writes them to a file of its own, while the frame with the record that tells of it is
 * on its way.  Records count as durable (journal_durable_lsn, durable_upto in frames) only when
 * every extent up to them has ended too.  Of a record that does not depend on them it is enough
 * that it is written (journal_written_lsn): recovery gives it back whatever became of extents
 * before it, and the owner finds out which of those are whole. */
struct journal_extent {
    uint32_t bytes; /* wanted */
    uint32_t phase; /* place modulo 4096 wanted, so that direct writes need no copy */
    uint8_t *at;
    uint64_t place, number;
    struct journal_slot slot; /* of the record */
};

enum { JOURNAL_EXTENT_SHARE = 8 }; /* of the arena, for extents that have not ended */

/* Takes memory for an extent and appends the record that tells of it.  `at` is to be filled before
 * it is written.  ERR_AGAIN: no room now; ERR_LIMIT: too large, or too many have not ended. */
must_check int journal_extent_append(struct journal *j, uint32_t kind, uint32_t body_bytes,
                                     struct journal_extent *x);
/* Its bytes are on stable storage. */
void journal_extent_end(struct journal *j, uint64_t number);
/* Its bytes could not be written: appends a record that has them; the extent has ended when that
 * is durable.  Room for it is kept.  Errors as of journal_append. */
must_check int journal_extent_rescue(struct journal *j, uint64_t number, uint32_t kind,
                                     uint32_t body_bytes, struct journal_slot *out);

/* journal_take_back undoes the appends since journal_mark: their records have never been, and their
 * memory is that of the next ones.  Between the two only journal_append and journal_extent_append,
 * and one of the latter at most.  Each mark is used once at most. */
void journal_mark(struct journal *j);
void journal_take_back(struct journal *j);

/* Writes of frames are under way: their memory must stay. */
bool journal_busy(const struct journal *j);

/* Submits the open frame when a place in flight is free.  Call once a turn, after the appends. */
void journal_step(struct journal *j, uint64_t now_ns);

/* With config.hold_most_ns, under steady load: the last journal_step left the records whose places
 * were at or above `from` to the frame that is open now, and each of them lies at its place + `by`.
 * Ask after each step; false: none. */
struct journal_carry {
    uint64_t from, by;
};
bool journal_carried(struct journal *j, struct journal_carry *out);

/* Gives a completed disk_op back to the journal.  True: it was the journal's.  The owner of the
 * disk port polls it and offers each completion. */
bool journal_take(struct journal *j, struct disk_op *op);

/* ERR_OK, or why the journal failed: then it accepts nothing and the process must stop. */
int journal_error(const struct journal *j);

/* Every record with lsn <= this is on stable storage. */
uint64_t journal_durable_lsn(const struct journal *j);
/* Every record with lsn <= this is on stable storage, the bytes of extents aside. */
uint64_t journal_written_lsn(const struct journal *j);
uint64_t journal_last_lsn(const struct journal *j);

/* The owner no longer needs records up to lsn for recovery (a durable checkpoint or snapshot covers
 * them): their files are free again. */
void journal_release(struct journal *j, uint64_t lsn);

/* When journal_step wants to be called again at the latest; CLOCK_NEVER: only after a completion.
 */
uint64_t journal_deadline(const struct journal *j);

/* ---- the arena as a cache ----------------------------------------------------------------------
 * A place is an address in the endless sequence of all arena bytes.  Places in
 * [journal_place_first, journal_place_limit) are in memory; those below journal_place_durable are
 * on stable storage; frames below journal_place_written are. */
const uint8_t *journal_at(const struct journal *j, uint64_t place);
uint64_t journal_place_first(const struct journal *j);
uint64_t journal_place_durable(const struct journal *j);
uint64_t journal_place_written(const struct journal *j);
uint64_t journal_place_limit(const struct journal *j);

/* Bytes at or above `place` stay in memory until a later call says more.  UINT64_MAX, the default:
 * every durable frame may be overwritten. */
void journal_keep(struct journal *j, uint64_t place);

/* The arena is kept in parts, 64 at most: bit n is the n-th.  The parts that a stretch of one
 * record lies in. */
uint64_t journal_slabs(const struct journal *j, uint64_t place, uint64_t bytes);
/* Keeps the memory of these parts, where it is durable, as it is until journal_unpin of the same.
 * Appends go on; nobody finds there any more what they went round. */
void journal_pin(struct journal *j, uint64_t slabs);
void journal_unpin(struct journal *j, uint64_t slabs);
/* More than three quarters of the arena are so kept: appends go round them, and are refused with
 * ERR_AGAIN where the rest has no room in one piece. */
must_check bool journal_pins_short(const struct journal *j);

struct journal_stats {
    uint64_t frames, frame_bytes, padding_bytes, marks, carried; /* carried: records */
};
void journal_stats(const struct journal *j, struct journal_stats *out);

/* How long the writes took, from their submission on, of the frames that ended between the last two
 * steps; returns how many.  Lent until the next step. */
uint32_t journal_writes(const struct journal *j, const uint64_t **ns);
/* The same of extents: what their owner took to write them. */
uint32_t journal_extent_writes(const struct journal *j, const uint64_t **ns);

/* Bytes that the files which are still to be made will take.  A full disk only delays that. */
uint64_t journal_missing(const struct journal *j);

/* For a stop: no other file is begun, and one that is half made is left.  True: nothing of that is
 * under way any more; until then ask again after each step. */
bool journal_stop(struct journal *j);

/* Bytes of the ring that a recovery would read now, and how many there are. */
void journal_room(const struct journal *j, uint64_t *used, uint64_t *total);

#endif
