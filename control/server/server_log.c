#include "control/server/server_log.h"
#include "core/base/err.h"
#include "core/base/log.h"

#include <stdio.h>
#include <stdlib.h>

enum { RECORD_KIND = 1, PATH_BYTES = 64, DISK_BURST = 16, SNAPSHOT_BYTES_MAX = 1 << 30 };

static const char log_dir[] = "control";
static const char log_temporary[] = "control/snapshot.new";
static const char snapshot_prefix[] = "snapshot-";

/* An entry that is appended and not committed. */
struct pending {
    uint64_t index, lsn;
};

struct server_log {
    struct disk disk;
    struct clock clock;
    struct journal_config config;
    struct journal *journal;
    struct meta_image *image;
    struct meta_place place; /* of the last snapshot; its generation is the journal's */
    uint64_t committed;
    struct pending pending[SERVER_LOG_PENDING_MAX]; /* a ring */
    uint32_t pending_first, pending_count;
    uint64_t snapshot_index;
    bool snapshot_there, journal_there;
    int error;
};

/* ---- Snapshot files ---- */

static void
snapshot_path(uint64_t index, char path[PATH_BYTES])
{
    (void)snprintf(path, PATH_BYTES, "%s/%s%llu", log_dir, snapshot_prefix,
                   (unsigned long long)index);
}

static int
disk_run(struct server_log *l, struct disk_op op, int64_t *result)
{
    int64_t rc = l->disk.ops->run(l->disk.self, &op);
    if (result)
        *result = rc;
    return rc < 0 ? (int)rc : ERR_OK;
}

static int
file_write(struct server_log *l, const char *path, struct view bytes)
{
    int64_t file;
    int rc = disk_run(l, (struct disk_op){.kind = DISK_UNLINK, .path = path}, NULL);
    if (rc != ERR_OK && rc != ERR_NOT_FOUND)
        return rc;
    rc = disk_run(
        l, (struct disk_op){.kind = DISK_OPEN, .path = path, .flags = DISK_CREATE | DISK_WRITABLE},
        &file);
    if (rc != ERR_OK)
        return rc;
    rc = disk_run(l,
                  (struct disk_op){.kind = DISK_WRITE,
                                   .file = (int32_t)file,
                                   .at = (void *)(uintptr_t)bytes.at,
                                   .len = bytes.len},
                  NULL);
    if (rc == ERR_OK)
        rc = disk_run(l, (struct disk_op){.kind = DISK_SYNC, .file = (int32_t)file}, NULL);
    int closed = disk_run(l, (struct disk_op){.kind = DISK_CLOSE, .file = (int32_t)file}, NULL);
    return rc == ERR_OK ? closed : rc;
}

static int
file_read(struct server_log *l, const char *path, uint8_t **out, uint32_t *len)
{
    int64_t file, size = 0, got = 0;
    *out = NULL;
    int rc = disk_run(l, (struct disk_op){.kind = DISK_OPEN, .path = path}, &file);
    if (rc != ERR_OK)
        return rc;
    rc = disk_run(l, (struct disk_op){.kind = DISK_SIZE, .file = (int32_t)file}, &size);
    if (rc == ERR_OK && size > SNAPSHOT_BYTES_MAX)
        rc = ERR_LIMIT;
    if (rc == ERR_OK) {
        *out = malloc(size ? (size_t)size : 1);
        must(*out != NULL);
        rc = disk_run(
            l,
            (struct disk_op){
                .kind = DISK_READ, .file = (int32_t)file, .at = *out, .len = (uint32_t)size},
            &got);
    }
    if (rc == ERR_OK && got != size)
        rc = ERR_IO;
    (void)disk_run(l, (struct disk_op){.kind = DISK_CLOSE, .file = (int32_t)file}, NULL);
    *len = (uint32_t)size;
    return rc;
}

/* Makes the image durable under its index; the entries to come stand behind `place`. */
static int
snapshot_write(struct server_log *l, struct meta_place place)
{
    uint64_t room = meta_snapshot_bytes(l->image);
    if (room > SNAPSHOT_BYTES_MAX)
        return ERR_LIMIT;
    uint8_t *at = malloc(room);
    must(at != NULL);
    struct put w = put_of(at, (uint32_t)room);
    meta_snapshot_encode(l->image, place, &w);
    must(!w.bad);
    char path[PATH_BYTES], old[PATH_BYTES];
    snapshot_path(l->image->index, path);
    int rc = file_write(l, log_temporary, view_of(at, put_len(&w)));
    free(at);
    if (rc == ERR_OK)
        rc = disk_run(
            l, (struct disk_op){.kind = DISK_RENAME, .path = log_temporary, .path_to = path}, NULL);
    if (rc == ERR_OK)
        rc = disk_run(l, (struct disk_op){.kind = DISK_SYNC_DIR, .path = log_dir}, NULL);
    if (rc != ERR_OK)
        return rc;
    snapshot_path(l->snapshot_index, old);
    if (l->snapshot_there && l->snapshot_index != l->image->index)
        (void)disk_run(l, (struct disk_op){.kind = DISK_UNLINK, .path = old}, NULL);
    l->snapshot_index = l->image->index;
    l->snapshot_there = true;
    l->place = place;
    return ERR_OK;
}

/* ---- Recovery ---- */

static void
name_seen(void *user, const char *name)
{
    struct server_log *l = user;
    size_t n = sizeof snapshot_prefix - 1;
    l->journal_there = l->journal_there || strncmp(name, "journal-", 8) == 0;
    if (strncmp(name, snapshot_prefix, n) != 0 || name[n] < '0' || name[n] > '9')
        return;
    char *end;
    uint64_t index = strtoull(name + n, &end, 10);
    if (*end != '\0' || (l->snapshot_there && index <= l->snapshot_index))
        return;
    l->snapshot_index = index;
    l->snapshot_there = true;
}

static int
snapshot_read(struct server_log *l)
{
    char path[PATH_BYTES];
    uint8_t *at;
    uint32_t len;
    snapshot_path(l->snapshot_index, path);
    int rc = file_read(l, path, &at, &len);
    if (rc == ERR_OK)
        rc = meta_snapshot_decode(l->image, view_of(at, len), &l->place);
    free(at);
    if (rc == ERR_OK && l->image->index != l->snapshot_index)
        rc = ERR_CORRUPT;
    if (rc != ERR_OK)
        log_error("control", "the metadata snapshot cannot be used file=%s error=%s", path,
                  rc == ERR_LIMIT ? "topics.max or partitions.max is too small for it"
                                  : err_name(rc));
    return rc;
}

static int
entry_replay(void *user, uint64_t lsn, uint32_t kind, struct view body)
{
    struct server_log *l = user;
    if (kind != RECORD_KIND)
        return ERR_UNSUPPORTED;
    if (body.len < SERVER_LOG_ENTRY_HEADER)
        return ERR_CORRUPT;
    uint64_t term = get_u64(body.at), index = get_u64(body.at + 8);
    if (index <= l->image->index)
        return ERR_OK;
    struct view records =
        view_of(body.at + SERVER_LOG_ENTRY_HEADER, body.len - SERVER_LOG_ENTRY_HEADER);
    int rc = meta_apply(l->image, term, index, records);
    if (rc != ERR_OK)
        log_error("control", "a metadata entry cannot be applied index=%llu lsn=%llu error=%s",
                  (unsigned long long)index, (unsigned long long)lsn, err_name(rc));
    return rc;
}

static int
recover(struct server_log *l)
{
    int rc = disk_run(l, (struct disk_op){.kind = DISK_MKDIR, .path = log_dir}, NULL);
    if (rc == ERR_OK)
        rc = disk_run(l, (struct disk_op){.kind = DISK_SYNC_DIR, .path = "."}, NULL);
    if (rc != ERR_OK && rc != ERR_EXISTS)
        return rc;
    rc = l->disk.ops->list(l->disk.self, 0, log_dir, name_seen, l);
    if (rc == ERR_OK && l->snapshot_there)
        rc = snapshot_read(l);
    else if (rc == ERR_OK && l->journal_there) { /* the first one is there before the journal is */
        log_error("control", "the metadata snapshot is gone, though there is a journal dir=%s",
                  log_dir);
        rc = ERR_CORRUPT;
    }
    if (rc != ERR_OK)
        return rc;
    struct journal_end end;
    if (l->snapshot_there)
        rc = journal_recover(&l->disk, &l->config, l->place.generation, l->place.lsn, entry_replay,
                             l, &end);
    if (rc != ERR_OK) {
        log_error("control", "the metadata journal cannot be recovered generation=%llu error=%s",
                  (unsigned long long)l->place.generation, err_name(rc));
        return rc;
    }
    if (l->image->term == 0)
        l->image->term = 1;
    struct meta_place place = {.generation = l->place.generation + 1};
    rc = snapshot_write(l, place);
    if (rc == ERR_OK)
        rc = journal_init(&l->disk, &l->config, place.generation, &l->journal);
    l->committed = l->image->index;
    return rc;
}

int
server_log_open(const struct server_log_config *config, struct meta_image *image,
                struct server_log **out)
{
    struct server_log *l = calloc(1, sizeof *l);
    must(l != NULL);
    l->disk = config->disk;
    l->clock = config->clock;
    l->image = image;
    l->config = (struct journal_config){
        .dir = log_dir,
        .file_bytes = config->file_bytes ? config->file_bytes : SERVER_LOG_FILE_BYTES,
        .file_count = SERVER_LOG_FILES,
        .arena_bytes = config->arena_bytes ? config->arena_bytes : SERVER_LOG_ARENA_BYTES,
        .record_bytes_max = META_ENTRY_BYTES_MAX + SERVER_LOG_ENTRY_HEADER,
        .frames_in_flight = 4,
    };
    int rc = recover(l);
    if (rc != ERR_OK) {
        server_log_close(l);
        return rc;
    }
    log_info("control", "metadata recovered index=%llu topics=%u partitions=%u generation=%llu",
             (unsigned long long)image->index, image->topic_count, image->partition_count,
             (unsigned long long)l->place.generation);
    *out = l;
    return ERR_OK;
}

void
server_log_close(struct server_log *l)
{
    if (l->journal)
        journal_free(l->journal);
    free(l);
}

/* ---- Append and commit ---- */

static int
step(struct server_log *l, uint64_t now_ns)
{
    struct disk_op *done[DISK_BURST];
    journal_step(l->journal, now_ns);
    uint32_t n;
    do {
        n = l->disk.ops->poll(l->disk.self, done, DISK_BURST);
        for (uint32_t i = 0; i < n; i++)
            must(journal_take(l->journal, done[i]));
    } while (n == DISK_BURST);
    journal_step(l->journal, now_ns);
    l->error = l->error ? l->error : journal_error(l->journal);
    uint64_t durable = journal_durable_lsn(l->journal);
    while (!l->error && l->pending_count > 0 && l->pending[l->pending_first].lsn <= durable) {
        l->committed = l->pending[l->pending_first].index;
        l->pending_first = (l->pending_first + 1) % SERVER_LOG_PENDING_MAX;
        l->pending_count--;
    }
    return l->error;
}

/* Sleeps until something of the journal's may have completed. */
static int
step_blocking(struct server_log *l)
{
    uint64_t now = l->clock.ops->now_ns(l->clock.self);
    if (step(l, now) != ERR_OK)
        return l->error;
    l->clock.ops->wait(l->clock.self, now + CLOCK_NS_PER_MS);
    return step(l, l->clock.ops->now_ns(l->clock.self));
}

static int
drain(struct server_log *l)
{
    while (!l->error && l->pending_count > 0)
        (void)step_blocking(l);
    return l->error;
}

int
server_log_snapshot(struct server_log *l)
{
    if (drain(l) != ERR_OK)
        return l->error;
    struct meta_place place = {l->place.generation, journal_durable_lsn(l->journal)};
    if (place.lsn != l->place.lsn)
        l->error = snapshot_write(l, place);
    if (!l->error)
        journal_release(l->journal, place.lsn);
    return l->error;
}

int
server_log_append(struct server_log *l, struct view records)
{
    struct journal_slot slot;
    uint32_t bytes = SERVER_LOG_ENTRY_HEADER + records.len;
    while (!l->error && l->pending_count == SERVER_LOG_PENDING_MAX)
        (void)step_blocking(l);
    int rc = l->error ? l->error : journal_append(l->journal, RECORD_KIND, bytes, &slot);
    if (rc == ERR_AGAIN) { /* first the arena, then the ring */
        rc = server_log_snapshot(l);
        if (rc == ERR_OK)
            rc = journal_append(l->journal, RECORD_KIND, bytes, &slot);
    }
    if (rc != ERR_OK) {
        l->error = rc;
        return rc;
    }
    uint64_t index = l->image->index + 1;
    set_u64(slot.body, l->image->term);
    set_u64(slot.body + 8, index);
    memcpy(slot.body + SERVER_LOG_ENTRY_HEADER, records.at, records.len);
    must(meta_apply(l->image, l->image->term, index, records) == ERR_OK);
    uint32_t last = (l->pending_first + l->pending_count) % SERVER_LOG_PENDING_MAX;
    l->pending[last] = (struct pending){index, slot.lsn};
    l->pending_count++;
    return ERR_OK;
}

int
server_log_step(struct server_log *l, uint64_t now_ns)
{
    if (step(l, now_ns) != ERR_OK)
        return l->error;
    uint64_t used, total;
    journal_room(l->journal, &used, &total);
    if (used > total / 2)
        return server_log_snapshot(l);
    return ERR_OK;
}

uint64_t
server_log_committed(const struct server_log *l)
{
    return l->committed;
}

uint64_t
server_log_deadline(const struct server_log *l)
{
    return journal_deadline(l->journal);
}

int
server_log_error(const struct server_log *l)
{
    return l->error;
}
