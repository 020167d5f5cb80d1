/* admin_slow.c: /v1/slowest: of each core the slowest Produce requests of the minute that runs and
 * of the one before it (core/shm/slow.h), slowest first. */
#include "control/admin/admin_in.h"

#include "core/base/bytes.h"
#include "core/net/iptext.h"
#include "core/shm/slow.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

enum { CLIENT_BYTES = IPTEXT_BYTES + 16, SLOW_TOLD_MS = 2 * 60 * 1000 };

struct told {
    uint32_t core;
    struct slow_row row;
};

struct slow_told {
    int32_t core;
    int64_t at_ms;
    struct view client;
    int32_t correlation_id;
    uint64_t total_ns, queue_ns, durable_ns, send_ns, frame_ns, extent_ns, turn_ns;
    const char *turn_place;
};
#define FIELD(name, type, help)                                                                    \
    {                                                                                              \
#name, ADMIN_##type, offsetof(struct slow_told, name), help, NULL                          \
    }
const struct admin_schema admin_slow_schema = {
    "Slow",
    (const struct admin_field[]){
        FIELD(core, I32, "number of the loop"),
        FIELD(at_ms, I64, "when its answer was out, ms since 1970"),
        FIELD(client, TEXT, "address of the client"),
        FIELD(correlation_id, I32, "as the client chose it"),
        FIELD(total_ns, U64, "from its last byte until the peer's side had the answer"),
        FIELD(queue_ns, U64, "waiting for memory or a place in the journal"),
        FIELD(durable_ns, U64, "waiting until its batches were durable"),
        FIELD(send_ns, U64, "from its answer until the peer's side had all of it"),
        FIELD(frame_ns, U64, "slowest write of a journal frame that ended meanwhile"),
        FIELD(extent_ns, U64, "slowest write of a large batch that ended meanwhile"),
        FIELD(turn_ns, U64, "longest turn of the loop that ended meanwhile"),
        FIELD(turn_place, STATIC, "what that turn spent its time with; \"\": none was long"),
        {0}}};
#undef FIELD

static int
slower_first(const void *a, const void *b)
{
    uint64_t x = ((const struct told *)a)->row.field[SLOW_TOTAL];
    uint64_t y = ((const struct told *)b)->row.field[SLOW_TOTAL];
    return (x < y) - (x > y);
}

/* Rows of spans that nothing has ended since are old. */
static uint32_t
rows_read(const struct admin_call *c, struct told *out)
{
    uint32_t count = 0;
    for (uint32_t core = 0; core < c->source.region->header->shard_count; core++) {
        for (uint32_t i = 0; i < SLOW_ROWS; i++) {
            struct told *t = &out[count];
            if (!slow_read(region_slow(c->source.region, core), i, &t->row) ||
                (int64_t)t->row.field[SLOW_AT] < c->source.now_ms - SLOW_TOLD_MS)
                continue;
            t->core = core;
            count++;
        }
    }
    qsort(out, count, sizeof *out, slower_first);
    return count;
}

static json_t *
row_tell(const struct told *t)
{
    static const char *const places[] = {"requests", "disk", "timers", "send"};
    const uint64_t *f = t->row.field;
    uint8_t ip[16];
    char host[IPTEXT_BYTES], client[CLIENT_BYTES];
    set_u64(ip, f[SLOW_PEER_HIGH]);
    set_u64(ip + 8, f[SLOW_PEER_LOW]);
    iptext_print(ip, host);
    int n = snprintf(client, sizeof client, iptext_is_v4(ip) ? "%s:%" PRIu64 : "[%s]:%" PRIu64,
                     host, f[SLOW_PORT]);
    uint64_t place = f[SLOW_PLACE];
    struct slow_told row = {
        .core = (int32_t)t->core,
        .at_ms = (int64_t)f[SLOW_AT],
        .client = view_of((const uint8_t *)client, (uint32_t)n),
        .correlation_id = (int32_t)(uint32_t)f[SLOW_CORRELATION],
        .total_ns = f[SLOW_TOTAL],
        .queue_ns = f[SLOW_QUEUE],
        .durable_ns = f[SLOW_DURABLE],
        .send_ns = f[SLOW_SEND],
        .frame_ns = f[SLOW_FRAME],
        .extent_ns = f[SLOW_EXTENT],
        .turn_ns = f[SLOW_TURN],
        .turn_place = f[SLOW_TURN] && place < sizeof places / sizeof *places ? places[place] : "",
    };
    return admin_json_object(&admin_slow_schema, &row);
}

json_t *
admin_slow_list(struct admin_call *c)
{
    struct told *all =
        calloc((size_t)c->source.region->header->shard_count * SLOW_ROWS + 1, sizeof *all);
    must(all != NULL);
    uint32_t count = rows_read(c, all);
    json_t *items, *list = admin_json_list(c, count, &items);
    for (uint32_t i = 0; i < count; i++)
        if (admin_json_wanted(c, i))
            json_array_append_new(items, row_tell(&all[i]));
    free(all);
    return list;
}
