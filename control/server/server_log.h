/* server_log.h: the metadata log: entries that a quorum of one makes durable.
 *
 * An entry is (term, index, records).  It is appended, and some time later committed; today
 * committed means durable here, with a quorum it will mean durable on a majority: users know only
 * the two words. The image is changed at the append, so it may be ahead of what is committed;
 * whoever lets a fact leave waits until the entry that it stems from is committed.
 *
 * One loop owns it.  A disk error is final: server_log_error says so, and nothing is committed any
 * more.
 *
 * Under DATA/control: the files of one journal (store/journal.h) and snapshot-<index>.  A snapshot
 * holds the image at an index, and the place in the journal that its followers stand behind: I1
 * the snapshot that names a generation is durable before that generation's first frame; I2 of
 * several snapshots the one with the highest index counts; older ones are only not yet removed; I3
 * entries of the generation up to the snapshot's index are skipped at recovery. */
#ifndef SLUICE_SERVER_SERVER_LOG_H
#define SLUICE_SERVER_SERVER_LOG_H

#include "control/meta/meta.h"
#include "core/base/clock.h"
#include "core/store/journal.h"

enum {
    SERVER_LOG_FILE_BYTES = 8 << 20,
    SERVER_LOG_FILES = 4,
    SERVER_LOG_ARENA_BYTES = 8 << 20,
    SERVER_LOG_PENDING_MAX = 1024, /* entries appended and not committed */
    SERVER_LOG_ENTRY_HEADER = 16,  /* u64 term, u64 index */
};

struct server_log;

struct server_log_config {
    struct disk disk;
    struct clock clock;
    uint64_t file_bytes;  /* 0: SERVER_LOG_FILE_BYTES */
    uint64_t arena_bytes; /* 0: SERVER_LOG_ARENA_BYTES */
};

/* Recovers the image (fresh from meta_image_init) and starts a new generation; blocks.  `image` is
 * borrowed for ever.  ERR_CORRUPT, ERR_LIMIT, ERR_UNSUPPORTED: the log cannot be used, a log line
 * says why; ERR_IO, ERR_NO_SPACE, ...: the disk. */
must_check int server_log_open(const struct server_log_config *config, struct meta_image *image,
                               struct server_log **out);
/* Frees memory; does not wait for anything. */
void server_log_close(struct server_log *l);

/* Appends an entry and applies it to the image.  Blocks while the journal has no room.  Records
 * that the image does not take are our own mistake: must(). */
must_check int server_log_append(struct server_log *l, struct view records);

/* Submits what was appended and takes what is done; call once a turn.  Never blocks, but every so
 * often for a snapshot.  Returns server_log_error. */
int server_log_step(struct server_log *l, uint64_t now_ns);

/* Entries up to this index are committed. */
uint64_t server_log_committed(const struct server_log *l);
/* When server_log_step wants to be called at the latest. */
uint64_t server_log_deadline(const struct server_log *l);
int server_log_error(const struct server_log *l);

/* Waits until everything is committed, and writes a snapshot; blocks. */
must_check int server_log_snapshot(struct server_log *l);

#endif
