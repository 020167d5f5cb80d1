/* check.h: looks over a data directory that no broker uses, and mends it on demand.
 *
 * Blocks; for tools only.  Findings are told one by one in plain words.  check_verify changes
 * nothing on disk.  What it looks at: the boot checkpoints, the core checkpoints, every journal
 * frame and batch in it, and of every log every batch that a file holds for sure: format, crc,
 * offsets that go on without a hole (ascending, where compaction may have been), leader epochs that
 * never fall; and of sealed segments the sidecar, which is a remark when it is bad, since a start
 * makes it anew. */
#ifndef SLUICE_STORE_CHECK_H
#define SLUICE_STORE_CHECK_H

#include "core/base/bytes.h"
#include "core/base/must.h"
#include "core/store/disk.h"
#include "core/store/plog.h"
#include "core/wire/batch.h"

struct check_finding {
    bool bad;             /* acknowledged data is, or may be, concerned; else a remark */
    const char *what;     /* a clause in plain words */
    const char *path;     /* of the file, "" when it is none */
    int64_t position;     /* in it; -1 */
    const uint8_t *topic; /* id, NULL: of no single log */
    int32_t partition;
    int64_t offset_first, offset_limit; /* records concerned; -1 not known */
};

struct check {
    struct disk *disk;
    void (*tell)(void *user, const struct check_finding *f);
    void *user;
    /* What was seen. */
    uint64_t bad, logs, offline, segments, batches, bytes, journal_records;
};

/* ERR_OK: c->bad says how many findings are bad.  An error: it could not be done. */
must_check int check_verify(struct check *c);

/* What the boot checkpoint says of the process that wrote it.  ERR_CORRUPT: none can be read. */
must_check int check_shape(struct check *c, uint32_t *core_count, uint64_t *journal_bytes);

/* Recovers the directory as a start does (store_recover), and then decides for each log that is
 * offline because of damage, or whose files hold a bad batch: it is built anew from its files, up
 * to the first batch that is not good, and serves again.  Bytes behind that are moved to
 * removed/GENERATION-..., where they stay.  Without a boot checkpoint one is made first, as far as
 * the rest of the directory tells.  tell() says what was done.  ERR_CORRUPT: not even journals
 * tell. */
must_check int check_repair(struct check *c);

/* ---- one checkpoint or journal file ------------------------------------------------------------
 */

enum { CHECK_CELLS_MAX = 12 };

struct check_cell {
    const char *name, *text; /* text NULL: the number */
    int64_t number;
};

struct check_row {
    const char *kind;     /* "checkpoint", "log", "segment", "frame", "record" */
    bool inner;           /* a part of the row before it: only with `deep` */
    const uint8_t *topic; /* id, NULL: of no single log */
    int32_t partition;
    struct check_cell cells[CHECK_CELLS_MAX];
    uint32_t count;
};

struct check_dump {
    /* in */
    const char *path; /* in the first data directory */
    bool deep;        /* segments of logs, records of frames too */
    void (*row)(void *user, const struct check_row *r);
    void *user;
    /* out */
    const char *what;   /* is wrong with the file; NULL: nothing */
    bool control, boot; /* it is control's; a boot checkpoint */
};
/* True for the names of such files. */
bool check_dump_knows(const char *path);
/* ERR_INVALID: no such file by its name; ERR_NOT_FOUND, ERR_IO, ERR_LIMIT, ... */
must_check int check_dump(struct disk *disk, struct check_dump *d);

/* ---- one segment file --------------------------------------------------------------------------
 */

struct check_scan {
    /* in */
    uint8_t dir;
    const char *path;
    int64_t base;   /* the first offset that may come; -1: any */
    uint64_t limit; /* bytes to look at; UINT64_MAX: all that the file has */
    bool holes;     /* offsets may be missing (compaction) */
    bool partial;   /* `limit` may lie within a batch */
    void (*each)(void *user, uint64_t position, struct view batch, const struct batch_info *info);
    void *user;
    /* out */
    uint64_t good_bytes; /* of good batches from the start on */
    uint64_t size;       /* of the file */
    int64_t end;         /* offset behind them; base when there are none */
    int32_t epoch;       /* of the last one; in: the least that may come */
    uint64_t batches;
    const char *what; /* is wrong at good_bytes; NULL: nothing */
};
/* ERR_OK with s->what set or not; ERR_NOT_FOUND, ERR_IO, ...: the file. */
must_check int check_scan(struct disk *disk, struct check_scan *s);

#endif
