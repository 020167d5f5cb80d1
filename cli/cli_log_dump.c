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

static void
records_print(struct dump *d, struct view batch, bool control)
{
    struct batch_read r;
    struct batch_record record;
    int rc = batch_read_open(&r, batch, d->scratch, SCRATCH_BYTES);
    while (rc == ERR_OK && r.left > 0) {
        rc = batch_read_next(&r, &record);
        if (rc == ERR_OK)
            record_print(d, &record, control);
    }
    if (rc != ERR_OK) {
        fprintf(d->out, "  the records cannot be read: %s\n", err_text(rc));
        d->failed = true;
    }
}

static void
batch_print(void *user, uint64_t position, struct view batch, const struct batch_info *info)
{
    struct dump *d = user;
    unsigned codec = info->attributes & BATCH_CODEC_MASK;
    const char *name = codec < BATCH_CODECS ? codecs[codec] : "unknown";
    int64_t last = info->base_offset + info->last_offset_delta;
    if (d->args->json)
        line(d, json_pack("{s:I, s:I, s:I, s:i, s:I, s:s, s:b, s:b, s:I, s:i, s:i, s:I, s:i}",
                          "position", (json_int_t)position, "base_offset",
                          (json_int_t)info->base_offset, "last_offset", (json_int_t)last, "records",
                          info->record_count, "bytes", (json_int_t)info->bytes, "codec", name,
                          "transactional", !!(info->attributes & BATCH_TRANSACTIONAL), "control",
                          !!(info->attributes & BATCH_CONTROL), "producer_id",
                          (json_int_t)info->producer_id, "producer_epoch", info->producer_epoch,
                          "base_sequence", info->base_sequence, "max_timestamp",
                          (json_int_t)info->max_timestamp_ms, "leader_epoch", info->leader_epoch));
    else
        fprintf(d->out,
                "position %llu offsets %lld to %lld records %d bytes %u codec %s%s%s producer %lld "
                "epoch %d sequence %d max_time %lld leader_epoch %d\n",
                (unsigned long long)position, (long long)info->base_offset, (long long)last,
                info->record_count, info->bytes, name,
                info->attributes & BATCH_TRANSACTIONAL ? " transactional" : "",
                info->attributes & BATCH_CONTROL ? " control" : "", (long long)info->producer_id,
                info->producer_epoch, info->base_sequence, (long long)info->max_timestamp_ms,
                info->leader_epoch);
    if (d->args->deep)
        records_print(d, batch, info->attributes & BATCH_CONTROL);
}

int
cli_log_dump(struct disk *disk, const struct cli_args *args, FILE *out)
{
    struct dump d = {.args = args, .out = out, .scratch = malloc(SCRATCH_BYTES)};
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
