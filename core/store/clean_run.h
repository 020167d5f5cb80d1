/* clean_run.h: one round of compaction over the sealed segments of a log: the task that
 * store_clean.c makes and whose result it puts in place.
 *
 * Reads the dirty segments once (fills the map), then all segments up to where the map got, and
 * writes each group of them as one new file beside the old ones, synced, its name too.  Nothing of
 * the log changes here. */
#ifndef SLUICE_STORE_CLEAN_RUN_H
#define SLUICE_STORE_CLEAN_RUN_H

#include "core/store/clean_filter.h"
#include "core/store/plog_in.h"
#include "core/store/task.h"

#define CLEAN_SUFFIX_END ".cleaned"

enum { CLEAN_SUFFIX_BYTES = 40, CLEAN_GROUP_MAX = 128 /* segments that become one */ };

struct clean_source {    /* a segment to read */
    int64_t base, limit; /* offsets */
    uint64_t serial;
    uint32_t bytes;
};

struct clean_group {
    uint32_t first, count; /* sources */
    bool changed;          /* else the new file says what the old one says, and is gone again */
    uint32_t bytes;        /* of the new segment, like the rest */
    int64_t max_ts, first_ts;
    struct index idx;
};

struct clean_run {
    struct store_task task;
    /* What to do; set before the task is handed out: */
    char dir[PLOG_PATH_BYTES];
    uint8_t disk_dir;
    uint64_t tag;
    char suffix[CLEAN_SUFFIX_BYTES]; /* of the new files, behind the base: clean_run_suffix */
    struct clean_source *sources;    /* whole segments from the first of the log on */
    uint32_t source_count;
    int64_t dirty_from;
    uint32_t segment_bytes;
    struct clean_rules rules; /* but for the map; arrays are owned */
    /* What came of it: */
    struct clean_group *groups; /* as many as sources have room */
    uint32_t group_count;
    int64_t clean_to; /* the first offset that is dirty now */
    uint64_t bytes_read, bytes_written;
    struct clean_counts counts;
    /* store_clean.c, while it puts the result in place: */
    uint32_t group;
    uint64_t lsn;
};

/* The name of new files, unlike that of any other round: `tag` is. */
void clean_run_suffix(uint64_t tag, char out[static CLEAN_SUFFIX_BYTES]);

/* store_task_ops.run.  ERR_FULL: not even one batch of keys fits into the map. */
must_check int clean_run(struct store_worker *w, struct store_task *t);
void clean_run_free(struct store_task *t);

#endif
