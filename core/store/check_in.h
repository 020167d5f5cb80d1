/* check_in.h: the parts of the look over a data directory, shared by check*.c. */
#ifndef SLUICE_STORE_CHECK_IN_H
#define SLUICE_STORE_CHECK_IN_H

#include "core/store/check.h"
#include "core/store/store_in.h"

/* Counts a finding and tells it. */
void check_tell(struct check *c, struct check_finding f);

enum { CHECK_CORES_MAX = 1024 };

/* A checkpoint file; mem NULL: there is none, or it is not whole. */
struct check_file {
    struct ckpt_header header;
    uint8_t *mem;
};
/* Reads two copies, tells what is wrong with them, and keeps the better one of a generation, 0: of
 * any.  The caller frees best->mem.  ERR_VERSION: one is in another version's format, which was
 * told. */
must_check int check_pair_read(struct check *c, const char *const paths[2], uint64_t generation,
                               struct check_file *best);

/* check_boot.c: makes a boot checkpoint for a directory that has none.  ERR_CORRUPT: not even
 * journals say anything. */
must_check int check_boot_rebuild(struct check *c);

/* What records behind a checkpoint say of the files of logs, in their order. */
struct check_fact {
    uint32_t kind; /* enum store_record: DELETE, START, SWAP, MOVE */
    uint64_t log;
    int64_t first, limit;
    uint8_t dir_id[16];
};

struct check_facts {
    struct check_fact *facts;
    uint32_t count, room;
};

void check_facts_free(struct check_facts *f);
/* Brings a log of the checkpoint up to them: dead, its start, its directory. */
void check_facts_apply(const struct check_facts *f, struct plog *p);
/* Has compaction put another segment into the place of that one? */
bool check_facts_replaced(const struct check_facts *f, const struct plog *p, int64_t base);

/* check_journal.c: every record behind the core's checkpoint (NULL: it made none). */
must_check int check_journal(struct check *c, uint32_t core, const struct ckpt_header *boot,
                             const struct ckpt_header *ckpt, struct check_facts *facts);

/* check_sidecar.c.  Tells what is wrong with the file beside a segment; `right`: the sums of the
 * segment's bytes, which were found good. */
void check_sidecar(struct check *c, const struct plog *p, const struct segment *seg,
                   const struct sums *right);
/* A log that is built anew takes over the producers that it knows and the log does not: retention
 * has removed their batches.  ERR_LIMIT. */
must_check int check_sidecar_producers(struct disk *disk, struct plog *p,
                                       const struct segment *seg);

/* The same of those of a core. */
must_check int check_core_read(struct check *c, uint32_t core, uint64_t generation,
                               struct check_file *best);

#endif
