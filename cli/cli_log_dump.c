/* cli_log_dump.c: the batches, and with --deep the records, of one segment file. */
#include "cli/cli.h"

#include "core/base/err.h"
#include "core/store/check.h"
#include "core/wire/batch_read.h"

#include <jansson.h>
#include <stdlib.h>

enum { SCRATCH_BYTES = 1 << 20 };

struct dump {
    const struct cli_args *args;
    FILE *out;
    uint8_t *scratch;
    uint32_t scratch_bytes;
    bool failed;
};

static const char *const codecs[] = {"none", "gzip", "snappy", "lz4", "zstd"};

static void
line(struct dump *d, json_t *o)
{
    must(o != NULL);
    json_dumpf(o, d->out, JSON_COMPACT);
    fputc('\n', d->out);
    json_decref(o);
}

/* What a control record says; NULL: it is none that ends a transaction.  Key: i16 version, i16
 * type; value: i16 version, i32 epoch of the coordinator.  Source: Kafka EndTransactionMarker. */
static const char *
marker_of(const struct batch_record *r, int32_t *coordinator_epoch)
{
    static const char *const types[] = {"abort", "commit"};
    struct cur key = cur_of(r->key), value = cur_of(r->value);
    cur_i16(&key);
    cur_i16(&value);
    int16_t type = cur_i16(&key);
    *coordinator_epoch = cur_i32(&value);
    return key.bad || value.bad || type < 0 || type > 1 ? NULL : types[type];
}

static void
record_print(struct dump *d, const struct batch_record *r, bool control)
{
    int32_t epoch = 0;
    const char *marker = control ? marker_of(r, &epoch) : NULL;
    json_int_t key = r->key.at ? (json_int_t)r->key.len : -1;
    json_int_t value = r->value.at ? (json_int_t)r->value.len : -1;
    if (d->args->json) {
        json_t *o = json_pack("{s:I, s:I, s:I, s:I}", "offset", (json_int_t)r->offset, "timestamp",
                              (json_int_t)r->timestamp_ms, "key_bytes", key, "value_bytes", value);
        if (o && marker)
            json_object_update_new(
                o, json_pack("{s:s, s:i}", "marker", marker, "coordinator_epoch", epoch));
        line(d, o);
        return;
    }
    fprintf(d->out, "  offset %lld time %lld key %lld value %lld", (long long)r->offset,
            (long long)r->timestamp_ms, (long long)key, (long long)value);
    if (marker)
        fprintf(d->out, " marker %s coordinator_epoch %d", marker, epoch);
    fputc('\n', d->out);
}

/* Begins the batch anew, with room for the record that had too little. */
static int
larger(struct dump *d, struct batch_read *r, struct view batch)
{
    uint32_t bytes = r->record_bytes;
    uint8_t *more = realloc(d->scratch, bytes);
    if (!more)
        return ERR_LIMIT;
    d->scratch = more;
    d->scratch_bytes = bytes;
    return batch_read_open(r, batch, d->scratch, bytes);
}

static void
records_print(struct dump *d, struct view batch, bool control)
{
    struct batch_read r;
    struct batch_record record;
    int64_t printed = -1; /* up to this offset */
    int rc = batch_read_open(&r, batch, d->scratch, d->scratch_bytes);
    while (rc == ERR_OK && r.left > 0) {
        rc = batch_read_next(&r, &record);
        if (rc == ERR_FULL && r.record_bytes > d->scratch_bytes) {
            rc = larger(d, &r, batch);
            continue;
        }
        if (rc != ERR_OK || record.offset <= printed)
            continue;
        record_print(d, &record, control);
        printed = record.offset;
    }
    if (rc != ERR_OK) {
        fprintf(d->out, "  the records cannot be read: %s\n", err_text(rc));
        d->failed = true;
    }
}

static void
batch_json(struct dump *d, uint64_t position, const struct batch_info *info, const char *codec)
{
    json_t *o = json_pack(
        "{s:I, s:I, s:I, s:i, s:I, s:s, s:b, s:b, s:I, s:i, s:i, s:I, s:i, s:I, s:b}", "position",
        (json_int_t)position, "base_offset", (json_int_t)info->base_offset, "last_offset",
        (json_int_t)(info->base_offset + info->last_offset_delta), "records", info->record_count,
        "bytes", (json_int_t)info->bytes, "codec", codec, "transactional",
        !!(info->attributes & BATCH_TRANSACTIONAL), "control", !!(info->attributes & BATCH_CONTROL),
        "producer_id", (json_int_t)info->producer_id, "producer_epoch", info->producer_epoch,
        "base_sequence", info->base_sequence, "max_timestamp", (json_int_t)info->max_timestamp_ms,
        "leader_epoch", info->leader_epoch, "crc", (json_int_t)info->crc, "log_append_time",
        !!(info->attributes & BATCH_LOG_APPEND_TIME));
    if (o && info->attributes & BATCH_DELETE_HORIZON)
        json_object_set_new(o, "delete_horizon", json_integer(info->base_timestamp_ms));
    line(d, o);
}

static void
batch_text(struct dump *d, uint64_t position, const struct batch_info *info, const char *codec)
{
    fprintf(d->out,
            "position %llu offsets %lld to %lld records %d bytes %u codec %s%s%s%s producer %lld "
            "epoch %d sequence %d max_time %lld leader_epoch %d crc %u",
            (unsigned long long)position, (long long)info->base_offset,
            (long long)info->base_offset + info->last_offset_delta, info->record_count, info->bytes,
            codec, info->attributes & BATCH_LOG_APPEND_TIME ? " log_append_time" : "",
            info->attributes & BATCH_TRANSACTIONAL ? " transactional" : "",
            info->attributes & BATCH_CONTROL ? " control" : "", (long long)info->producer_id,
            info->producer_epoch, info->base_sequence, (long long)info->max_timestamp_ms,
            info->leader_epoch, info->crc);
    if (info->attributes & BATCH_DELETE_HORIZON)
        fprintf(d->out, " delete_horizon %lld", (long long)info->base_timestamp_ms);
    fputc('\n', d->out);
}

static void
batch_print(void *user, uint64_t position, struct view batch, const struct batch_info *info)
{
    struct dump *d = user;
    unsigned codec = info->attributes & BATCH_CODEC_MASK;
    const char *name = codec < BATCH_CODECS ? codecs[codec] : "unknown";
    if (d->args->json)
        batch_json(d, position, info, name);
    else
        batch_text(d, position, info, name);
    if (d->args->deep)
        records_print(d, batch, info->attributes & BATCH_CONTROL);
}

int
cli_log_dump(struct disk *disk, const struct cli_args *args, FILE *out)
{
    struct dump d = {
        .args = args, .out = out, .scratch = malloc(SCRATCH_BYTES), .scratch_bytes = SCRATCH_BYTES};
    struct check_scan s = {.path = args->segment,
                           .base = -1,
                           .limit = UINT64_MAX,
                           .holes = true,
                           .epoch = -1,
                           .each = batch_print,
                           .user = &d};
    int rc = d.scratch ? check_scan(disk, &s) : ERR_LIMIT;
    free(d.scratch);
    if (rc != ERR_OK) {
        fprintf(stderr, "sluice: %s: %s: give a path under the data directory\n", args->segment,
                err_text(rc));
        return CLI_EXIT_FAILED;
    }
    if (s.what)
        fprintf(stderr, "sluice: %s: byte %llu: %s\n", args->segment,
                (unsigned long long)s.good_bytes, s.what);
    return s.what || d.failed ? CLI_EXIT_FAILED : CLI_EXIT_OK;
}
