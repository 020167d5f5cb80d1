/* cli_log_names.c: names of topics from control's metadata: the newest snapshot, and the journal
 * behind it.  Where it cannot be read ids stand in their place, and what is wrong is told. */
#include "cli/cli.h"

#include "control/meta/meta.h"
#include "core/base/err.h"
#include "core/store/check.h"
#include "core/store/journal.h"

#include <stdlib.h>
#include <string.h>

/* As control/server/server_log.h writes them. */
enum {
    NAMES_FILE_BYTES = 8 << 20,
    NAMES_FILES = 4,
    NAMES_ENTRY_HEADER = 16,
    NAMES_TOPICS_MAX = 1 << 20,
    NAMES_PARTITIONS_MAX = 1 << 21,
    NAMES_SNAPSHOT_MAX = 1 << 30,
    NAMES_PATH_BYTES = 64,
};

struct cli_log_names {
    struct meta_image image;
    uint64_t newest;
    bool there, journal;
    const char *what; /* why the metadata cannot be read; NULL: it can, or there is none */
    char path[NAMES_PATH_BYTES];
};

static void
name_seen(void *user, const char *name)
{
    struct cli_log_names *n = user;
    char *end;
    n->journal = n->journal || strncmp(name, "journal-", 8) == 0;
    if (strncmp(name, "snapshot-", 9) != 0 || name[9] < '0' || name[9] > '9')
        return;
    uint64_t index = strtoull(name + 9, &end, 10);
    if (*end || (n->there && index <= n->newest))
        return;
    n->newest = index;
    n->there = true;
}

static int64_t
run(struct disk *disk, struct disk_op op)
{
    return disk->ops->run(disk->self, &op);
}

static bool
snapshot_read(struct cli_log_names *n, struct disk *disk, struct meta_place *place)
{
    snprintf(n->path, sizeof n->path, "control/snapshot-%llu", (unsigned long long)n->newest);
    int64_t file = run(disk, (struct disk_op){.kind = DISK_OPEN, .path = n->path});
    if (file < 0)
        return false;
    int64_t size = run(disk, (struct disk_op){.kind = DISK_SIZE, .file = (int32_t)file});
    bool fits = size > 0 && size <= NAMES_SNAPSHOT_MAX;
    uint8_t *mem = fits ? malloc((size_t)size) : NULL;
    bool good = mem && run(disk, (struct disk_op){.kind = DISK_READ,
                                                  .file = (int32_t)file,
                                                  .at = mem,
                                                  .len = (uint32_t)size}) == size;
    good = good && meta_snapshot_decode(&n->image, view_of(mem, (uint32_t)size), place) == ERR_OK;
    free(mem);
    (void)run(disk, (struct disk_op){.kind = DISK_CLOSE, .file = (int32_t)file});
    return good;
}

static int
entry_seen(void *user, uint64_t lsn, uint32_t kind, struct view body)
{
    struct cli_log_names *n = user;
    (void)lsn;
    if (kind != 1 || body.len < NAMES_ENTRY_HEADER)
        return ERR_CORRUPT;
    uint64_t term = get_u64(body.at), index = get_u64(body.at + 8);
    if (index <= n->image.index)
        return ERR_OK;
    return meta_apply(&n->image, term, index,
                      view_of(body.at + NAMES_ENTRY_HEADER, body.len - NAMES_ENTRY_HEADER));
}

struct cli_log_names *
cli_log_names_read(struct disk *disk)
{
    struct cli_log_names *n = calloc(1, sizeof *n);
    must(n != NULL);
    meta_image_init(&n->image, NAMES_TOPICS_MAX, NAMES_PARTITIONS_MAX);
    struct meta_place place = {0};
    struct journal_config config = {.dir = "control",
                                    .file_bytes = NAMES_FILE_BYTES,
                                    .file_count = NAMES_FILES,
                                    .arena_bytes = NAMES_FILE_BYTES,
                                    .record_bytes_max = META_ENTRY_BYTES_MAX + NAMES_ENTRY_HEADER,
                                    .frames_in_flight = 1};
    struct journal_end end;
    snprintf(n->path, sizeof n->path, "control");
    if (disk->ops->list(disk->self, 0, "control", name_seen, n) != ERR_OK)
        n->there = n->journal = false; /* no broker was ever started here */
    if (n->journal && !n->there)
        n->what = "control's metadata snapshot is gone";
    else if (n->there && !snapshot_read(n, disk, &place))
        n->what = "control's metadata snapshot cannot be read";
    else if (n->there && journal_recover(disk, &config, place.generation, place.lsn, entry_seen, n,
                                         &end) != ERR_OK) {
        snprintf(n->path, sizeof n->path, "control/journal-0000");
        n->what = "control's metadata journal is damaged";
    }
    if (n->what || !n->there)
        fputs("sluice: note: control's metadata cannot be read: topics are shown by their ids\n",
              stderr);
    n->there = n->there && !n->what;
    return n;
}

bool
cli_log_names_damage(const struct cli_log_names *n, struct check_finding *out)
{
    *out = (struct check_finding){.bad = true,
                                  .what = n->what,
                                  .path = n->path,
                                  .position = -1,
                                  .offset_first = -1,
                                  .offset_limit = -1};
    return n->what != NULL;
}

void
cli_log_names_free(struct cli_log_names *n)
{
    meta_image_free(&n->image);
    free(n);
}

void
cli_log_name(const struct cli_log_names *n, const uint8_t *id, int32_t partition,
             char out[CLI_LOG_NAME_BYTES])
{
    const struct meta_topic *t = n->there ? meta_topic_by_id(&n->image, id) : NULL;
    char text[META_ID_TEXT_BYTES + 1];
    meta_id_text(id, text);
    if (t)
        snprintf(out, CLI_LOG_NAME_BYTES, "%s-%d", t->name, partition);
    else
        snprintf(out, CLI_LOG_NAME_BYTES, "%s-%d", text, partition);
}
