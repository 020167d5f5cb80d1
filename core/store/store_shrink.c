/* store_shrink.c: long files that go, step by step.
 *
 * A file system gives the blocks of a file back in one go when its name and its last descriptor are
 * gone, and who writes durably to any other file waits meanwhile: ext4 holds its journal for a
 * fifth of a second for 1 GiB.  So a long file that has lost its name is kept open, its blocks
 * are punched out from its end on, in small steps with rests between them, and only what little is
 * left goes with the close.  Where a file system cannot do that the close does all.
 *
 * I1 A file is here only once no start needs a byte of it: the record that says so is durable.  A
 *    power cut may bring its name back with any part of it punched; recovery removes it unread.
 * I2 A step is begun when the one before has ended; of one store there is one at a time.
 * I3 In a stop nothing is punched: nobody waits for the file system then. */
#include "core/base/err.h"
#include "core/store/store_in.h"

#include <stdio.h>

enum { SHRINK_PUNCH, SHRINK_CLOSE };

enum {
    SHRINK_REST = 4,   /* times as long as a step took, */
    SHRINK_BEHIND = 8, /* unless so many files wait */
};
#define SHRINK_REST_MAX_NS (50 * CLOCK_NS_PER_MS)

static uint32_t
step_bytes(const struct store *s)
{
    return s->config.shrink_bytes ? s->config.shrink_bytes : STORE_SHRINK_BYTES;
}

bool
store_shrink_long(const struct store *s, const struct segment *seg)
{
    return !s->flushing && seg->created && seg->allocated > step_bytes(s);
}

bool
store_shrink_room(const struct store *s)
{
    return s->flushing || s->shrink.count + s->shrink.taken < STORE_SHRINKS_MAX;
}

bool
store_shrink_take(struct store *s, const struct segment *seg)
{
    bool take = store_shrink_long(s, seg) && store_shrink_room(s);
    s->shrink.taken += take;
    return take;
}

void
store_shrink_add(struct store *s, int32_t file, uint64_t bytes)
{
    struct shrink *x = &s->shrink;
    must(x->taken > 0);
    x->taken--;
    if (file < 0)
        return;
    x->files[(x->first + x->count++) % STORE_SHRINKS_MAX] =
        (struct shrink_file){.file = file, .left = bytes};
}

/* The first one is closed, and not known any more. */
static void
first_close(struct store *s, struct job *j)
{
    struct shrink *x = &s->shrink;
    int32_t file = x->files[x->first].file;
    x->first = (x->first + 1) % STORE_SHRINKS_MAX;
    x->count--;
    j->step = SHRINK_CLOSE;
    store_job_run(s, j, &(struct disk_op){.kind = DISK_CLOSE, .file = file});
}

static void
first_punch(struct store *s, struct job *j)
{
    struct shrink_file *f = &s->shrink.files[s->shrink.first];
    uint32_t step = step_bytes(s);
    uint64_t from = (f->left - 1) / step * step;
    s->shrink.began_ns = s->now_ns;
    j->step = SHRINK_PUNCH;
    store_job_run(s, j,
                  &(struct disk_op){.kind = DISK_PUNCH,
                                    .file = f->file,
                                    .offset = from,
                                    .length = plog_round_block(f->left - from)});
    f->left = from;
}

static bool
hurries(const struct store *s)
{
    bool low = false;
    for (uint32_t i = 0; i < s->dirs.count; i++)
        low = low || s->rooms[i].low;
    return low || s->shrink.count > SHRINK_BEHIND;
}

void
store_shrink_next(struct store *s, struct job *j)
{
    struct shrink *x = &s->shrink;
    x->busy = false;
    if (j->step == SHRINK_PUNCH) {
        if (j->result < 0)
            x->files[x->first].left = 0; /* the close does the rest */
        uint64_t rest = (s->now_ns - x->began_ns) * SHRINK_REST;
        x->next_ns = s->now_ns + (rest < SHRINK_REST_MAX_NS ? rest : SHRINK_REST_MAX_NS);
    }
    store_job_end(s, j);
}

uint64_t
store_shrink_step(struct store *s)
{
    struct shrink *x = &s->shrink;
    if (x->count == 0 || x->busy)
        return CLOCK_NEVER;
    bool at_once = s->flushing || s->ending || hurries(s);
    if (!at_once && s->now_ns < x->next_ns)
        return x->next_ns;
    struct job *j = store_job_room(s) ? store_job(s, JOB_SHRINK, NULL, NULL) : NULL;
    if (!j)
        return CLOCK_NEVER; /* until one ends */
    x->busy = true;
    if (x->files[x->first].left == 0 || s->flushing || s->ending)
        first_close(s, j);
    else
        first_punch(s, j);
    return CLOCK_NEVER;
}

void
store_shrink_forget(struct store *s)
{
    struct shrink *x = &s->shrink;
    for (; x->count; x->count--) {
        disk_do(s->disk, (struct disk_op){.kind = DISK_CLOSE, .file = x->files[x->first].file});
        x->first = (x->first + 1) % STORE_SHRINKS_MAX;
    }
}

static int64_t
name_sync(struct disk *disk, uint8_t dir, const char *path)
{
    char folder[2 * PLOG_PATH_BYTES];
    const char *end = strrchr(path, '/');
    snprintf(folder, sizeof folder, "%.*s", end ? (int)(end - path) : 1, end ? path : ".");
    return store_run(disk, (struct disk_op){.kind = DISK_SYNC_DIR, .dir = dir, .path = folder});
}

int64_t
store_shrink_unlink(struct disk *disk, uint8_t dir, const char *path, struct pace *pace)
{
    int64_t file = -1, left = 0;
    if (pace)
        file = store_run(
            disk,
            (struct disk_op){.kind = DISK_OPEN, .dir = dir, .path = path, .flags = DISK_WRITABLE});
    if (file >= 0)
        left = store_run(disk, (struct disk_op){.kind = DISK_SIZE, .file = (int32_t)file});
    int64_t got = store_run(disk, (struct disk_op){.kind = DISK_UNLINK, .dir = dir, .path = path});
    /* Back after a power cut, it is to have all its bytes. */
    bool on = got >= 0 && left > STORE_SHRINK_BYTES && name_sync(disk, dir, path) >= 0;
    while (on && left > STORE_SHRINK_BYTES) {
        uint64_t from = ((uint64_t)left - 1) / STORE_SHRINK_BYTES * STORE_SHRINK_BYTES;
        struct disk_op punch = {.kind = DISK_PUNCH,
                                .file = (int32_t)file,
                                .offset = from,
                                .length = plog_round_block((uint64_t)left - from)};
        on = pace_wait(pace, STORE_SHRINK_BYTES) == ERR_OK && store_run(disk, punch) >= 0;
        left = (int64_t)from;
    }
    if (file >= 0)
        store_run(disk, (struct disk_op){.kind = DISK_CLOSE, .file = (int32_t)file});
    return got;
}
