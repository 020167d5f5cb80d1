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

static void
record_print(struct dump *d, const struct batch_record *r)
{
    if (d->args->json)
        line(d, json_pack("{s:I, s:I, s:I, s:I}", "offset", (json_int_t)r->offset, "timestamp",
                          (json_int_t)r->timestamp_ms, "key_bytes",
                          (json_int_t)(r->key.at ? (int64_t)r->key.len : -1), "value_bytes",
                          (json_int_t)(r->value.at ? (int64_t)r->value.len : -1)));
    else
        fprintf(d->out, "  offset %lld time %lld key %lld value %lld\n", (long long)r->offset,
                (long long)r->timestamp_ms, r->key.at ? (long long)r->key.len : -1LL,
                r->value.at ? (long long)r->value.len : -1LL);
}

static void
records_print(struct dump *d, struct view batch)
{
    struct batch_read r;
    struct batch_record record;
    int rc = batch_read_open(&r, batch, d->scratch, SCRATCH_BYTES);
    while (rc == ERR_OK && r.left > 0) {
        rc = batch_read_next(&r, &record);
        if (rc == ERR_OK)
            record_print(d, &record);
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
        records_print(d, batch);
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
