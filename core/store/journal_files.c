/* journal_files.c: the files of a journal: opening those that are whole, making those that are
 * missing.
 *
 * A file is made in steps: open, zeros over its whole length (a few writes in flight), sync, header
 * block, sync of the directory.  The header comes last, so a half-made file has none and is made
 * again. When the disk is full it is cut to nothing, for others need the space, and made later. The
 * first file is made while journal_init blocks, the others beside the running loop, in
 * the order the ring will need them. */
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/base/mutant.h"
#include "core/store/journal_in.h"

#include <sys/mman.h>

enum { JOURNAL_ZERO_BYTES = 1 << 20 };

enum make_step {
    MAKE_IDLE,
    MAKE_OPEN,
    MAKE_ZERO,
    MAKE_SYNC,
    MAKE_HEADER,
    MAKE_DIR,
    MAKE_CUT,
    MAKE_CLOSE
};

static void
make_submit(struct journal_files *f, uint32_t slot, const struct disk_op *proto)
{
    struct disk_op *op = &f->ops[slot];
    *op = *proto;
    op->user = f;
    op->tag = slot;
    f->flight++;
    f->disk->ops->submit(f->disk->self, op);
}

static void
make_zero(struct journal_files *f, uint32_t slot)
{
    uint64_t left = f->config->file_bytes - f->at;
    if (left == 0)
        return;
    uint32_t n = left < JOURNAL_ZERO_BYTES ? (uint32_t)left : JOURNAL_ZERO_BYTES;
    make_submit(
        f, slot,
        &(struct disk_op){
            .kind = DISK_WRITE, .file = f->making, .at = f->zeros, .len = n, .offset = f->at});
    f->at += n;
}

uint64_t
journal_files_missing(const struct journal_files *f)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < f->config->file_count; i++)
        if (f->file[i] < 0)
            bytes += f->config->file_bytes;
    return f->step == MAKE_IDLE || f->full ? bytes : bytes - f->at;
}

void
journal_files_make(struct journal_files *f, uint64_t ordinal)
{
    f->wanted = ordinal;
    for (uint64_t n = 0; n < f->config->file_count && f->step == MAKE_IDLE && !f->stopping; n++) {
        uint32_t index = (uint32_t)((ordinal + n) % f->config->file_count);
        if (f->file[index] >= 0)
            continue;
        f->index = index;
        f->step = MAKE_OPEN;
        f->at = 0;
        journal_path(f->config, index, f->path);
        make_submit(f, 0,
                    &(struct disk_op){.kind = DISK_OPEN,
                                      .path = f->path,
                                      .flags = DISK_CREATE | DISK_WRITABLE | DISK_DIRECT});
    }
}

bool
journal_files_stop(struct journal_files *f)
{
    f->stopping = true;
    return f->step == MAKE_IDLE;
}

/* The owner stops: the next start finds half a file and makes it anew. */
static void
make_leave(struct journal_files *f, const struct disk_op *done)
{
    if (f->step == MAKE_OPEN)
        f->making = (int32_t)done->result;
    if (f->flight)
        return;
    f->step = MAKE_CLOSE;
    make_submit(f, 0, &(struct disk_op){.kind = DISK_CLOSE, .file = f->making});
}

static void
make_next(struct journal_files *f, const struct disk_op *done)
{
    if (f->stopping && f->step <= MAKE_ZERO) {
        make_leave(f, done);
        return;
    }
    switch (f->step) {
    case MAKE_OPEN:
        f->making = (int32_t)done->result;
        f->step = MAKE_ZERO;
        for (uint32_t slot = 0; slot < JOURNAL_ZERO_FLIGHT; slot++)
            make_zero(f, slot);
        return;
    case MAKE_ZERO:
        make_zero(f, done->tag);
        if (f->flight)
            return;
        f->step = MAKE_SYNC;
        make_submit(f, 0, &(struct disk_op){.kind = DISK_SYNC, .file = f->making});
        return;
    case MAKE_SYNC:
        f->step = MAKE_HEADER;
        journal_file_header(f->config, f->index, f->zeros);
        make_submit(f, 0,
                    &(struct disk_op){.kind = DISK_WRITE,
                                      .file = f->making,
                                      .at = f->zeros,
                                      .len = JOURNAL_BLOCK,
                                      .flags = DISK_DURABLE});
        return;
    case MAKE_HEADER:
        memset(f->zeros, 0, JOURNAL_BLOCK);
        f->step = MAKE_DIR;
        make_submit(f, 0, &(struct disk_op){.kind = DISK_SYNC_DIR, .path = f->config->dir});
        return;
    case MAKE_DIR:
        f->file[f->index] = f->making;
        f->step = MAKE_IDLE;
        journal_files_make(f, f->wanted);
        return;
    case MAKE_CUT:
        f->step = MAKE_CLOSE;
        make_submit(f, 0, &(struct disk_op){.kind = DISK_CLOSE, .file = f->making});
        return;
    case MAKE_CLOSE:
        f->full = false;
        f->step = MAKE_IDLE;
        return;
    default:
        must(false);
    }
}

/* No space: what was made of the file goes, as soon as nothing is in flight. */
static void
make_full(struct journal_files *f, const struct disk_op *done)
{
    f->full = true;
    if (f->flight)
        return;
    if (done->kind == DISK_OPEN) {
        f->full = false;
        f->step = MAKE_IDLE;
        return;
    }
    memset(f->zeros, 0, JOURNAL_BLOCK);
    f->step = MAKE_CUT;
    make_submit(f, 0, &(struct disk_op){.kind = DISK_TRUNCATE, .file = f->making});
}

bool
journal_files_take(struct journal_files *f, struct disk_op *op, int *error)
{
    if (op < f->ops || op >= f->ops + JOURNAL_ZERO_FLIGHT)
        return false;
    f->flight--;
    *error = op->result < 0 ? (int)op->result : ERR_OK;
    if (*error == ERR_OK && op->kind == DISK_WRITE && op->result != (int64_t)op->len)
        *error = ERR_IO;
    bool cutting = f->step == MAKE_CUT || f->step == MAKE_CLOSE;
    if (!cutting && (*error == ERR_NO_SPACE || (*error == ERR_OK && f->full)))
        make_full(f, op);
    else if (*error == ERR_OK || (cutting && *error == ERR_NO_SPACE))
        make_next(f, op);
    return true;
}

/* Opens a file that is there and whole; one that is not is removed, f->file[index] stays -1. */
static int
file_open(struct journal_files *f, uint32_t index)
{
    char path[JOURNAL_PATH_BYTES];
    journal_path(f->config, index, path);
    int64_t got = disk_do(
        f->disk,
        (struct disk_op){.kind = DISK_OPEN, .path = path, .flags = DISK_WRITABLE | DISK_DIRECT});
    if (got < 0)
        return got == ERR_NOT_FOUND ? ERR_OK : (int)got;
    int32_t file = (int32_t)got;
    got = disk_do(f->disk, (struct disk_op){.kind = DISK_SIZE, .file = file});
    if (got == (int64_t)f->config->file_bytes) {
        got = disk_do(f->disk,
                      (struct disk_op){
                          .kind = DISK_READ, .file = file, .at = f->zeros, .len = JOURNAL_BLOCK});
        bool whole = got == JOURNAL_BLOCK && journal_file_header_ok(f->config, index, f->zeros);
        memset(f->zeros, 0, JOURNAL_BLOCK);
        if (whole) {
            f->file[index] = file;
            return ERR_OK;
        }
    }
    disk_do(f->disk, (struct disk_op){.kind = DISK_CLOSE, .file = file});
    if (got >= 0)
        got = disk_do(f->disk, (struct disk_op){.kind = DISK_UNLINK, .path = path});
    return got < 0 ? (int)got : ERR_OK;
}

/* Makes the first file. */
static int
first_make(struct journal_files *f)
{
    int rc = ERR_OK;
    journal_files_make(f, 0);
    while (f->file[0] < 0 && (rc == ERR_OK || f->flight)) {
        struct disk_op *done[JOURNAL_ZERO_FLIGHT];
        uint32_t n = f->disk->ops->poll(f->disk->self, done, JOURNAL_ZERO_FLIGHT);
        for (uint32_t i = 0; i < n; i++) {
            int error;
            must(journal_files_take(f, done[i], &error));
            if (rc == ERR_OK)
                rc = error;
        }
        int64_t got = n ? 0 : disk_do(f->disk, (struct disk_op){.kind = DISK_WAIT});
        if (got < 0)
            return (int)got;
    }
    return rc;
}

int
journal_files_open(struct journal_files *f, struct disk *disk, const struct journal_config *config,
                   int32_t *file)
{
    *f = (struct journal_files){.disk = disk, .config = config, .file = file};
    void *zeros =
        mmap(NULL, JOURNAL_ZERO_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    f->zeros = zeros == MAP_FAILED ? NULL : zeros;
    if (!f->zeros)
        return ERR_LIMIT;
    for (uint32_t i = 0; i < config->file_count; i++)
        f->file[i] = -1;
    int64_t got = disk_do(f->disk, (struct disk_op){.kind = DISK_MKDIR, .path = config->dir});
    if (got >= 0 || got == ERR_EXISTS)
        got = mutant(MUTANT_BOOT_NOT_NAMED)
                  ? ERR_OK
                  : disk_do(f->disk, (struct disk_op){.kind = DISK_SYNC_DIR, .path = "."});
    /* A process may have died between the header of a file and the sync of its name. */
    if (got >= 0)
        got = disk_do(f->disk, (struct disk_op){.kind = DISK_SYNC_DIR, .path = config->dir});
    for (uint32_t i = 0; i < config->file_count && got >= 0; i++)
        got = file_open(f, i);
    if (got >= 0) /* a file may be whole whose maker died before it was named for good */
        got = disk_do(f->disk, (struct disk_op){.kind = DISK_SYNC_DIR, .path = config->dir});
    if (got < 0)
        return (int)got;
    return f->file[0] >= 0 ? ERR_OK : first_make(f);
}

void
journal_files_close(struct journal_files *f)
{
    for (uint32_t i = 0; i < f->config->file_count; i++)
        if (f->file[i] >= 0)
            disk_do(f->disk, (struct disk_op){.kind = DISK_CLOSE, .file = f->file[i]});
    if (f->zeros)
        munmap(f->zeros, JOURNAL_ZERO_BYTES);
}
