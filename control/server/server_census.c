/* server_census.c: a walk over kinds, partitions and buckets.
 *
 * I1 A partition whose machine or number of buckets changed under the walk is walked anew, and what
 * it had told is taken back: so nobody is told twice. */
#include "control/server/server_census.h"

#include "control/group/group.h"
#include "control/server/server_telemetry.h"
#include "control/txn/txn.h"
#include "core/base/must.h"

#include <stdlib.h>

void
server_census_init(struct server_census *c, struct census_desk *desk,
                   const struct server_coords *coords, const struct server_core *core)
{
    *c = (struct server_census){.desk = desk, .coords = coords, .core = core};
}

static void
filling_drop(struct server_census *c)
{
    if (c->filling)
        census_free(c->filling);
    free(c->filling);
    c->filling = NULL;
}

void
server_census_free(struct server_census *c)
{
    filling_drop(c);
}

static void
group_take(void *user, const struct group_fact *f)
{
    struct server_census *c = user;
    struct census_group g = {
        .state = f->state, .type = f->type, .members = f->members, .coordinator = c->partition};
    (void)census_add_group(c->filling, &g, f->id, f->protocol_type, f->protocol);
}

static void
offset_take(void *user, struct view topic, int32_t partition, int64_t offset, int64_t commit_ms)
{
    struct server_census *c = user;
    if (c->filling->short_of == 0) /* else they might become those of another group */
        (void)census_add_offset(c->filling, topic, partition, offset, commit_ms);
}

static void
txn_take(void *user, const struct txn_fact *f)
{
    struct server_census *c = user;
    struct census_txn t = {.state = f->state,
                           .producer_id = f->producer_id,
                           .epoch = f->epoch,
                           .timeout_ms = f->timeout_ms,
                           .start_ms = f->start_ms,
                           .partitions = f->partitions,
                           .coordinator = c->partition};
    (void)census_add_txn(c->filling, &t, f->id);
}

static bool
client_add(struct server_census *c, const struct telemetry_client *client)
{
    struct census_client_texts texts = {
        view_of_text(client->client_id), view_of_text(client->software_name),
        view_of_text(client->software_version), view_of_text(client->address)};
    memcpy(c->client, client->id, sizeof c->client);
    return census_add_client(c->filling, client->id, client->pushed_ms, &texts);
}

/* The labels of a client are those of each of its values. */
static bool
value_take(void *user, const struct telemetry_client *client, const struct telemetry_value *v)
{
    struct server_census *c = user;
    uint8_t text[TELEMETRY_LABEL_BYTES_MAX + TELEMETRY_SERIES_BYTES_MAX];
    struct put labels = put_of(text, sizeof text);
    put_bytes(&labels, client->labels.at, client->labels.len);
    put_bytes(&labels, v->labels.at, v->labels.len);
    must(!labels.bad);
    bool first =
        c->filling->client_count == 0 || memcmp(c->client, client->id, sizeof c->client) != 0;
    if (c->filling->short_of > 0) /* values might become those of another client */
        return false;
    return (!first || client_add(c, client)) &&
           census_add_value(c->filling, v->name, view_of(text, put_len(&labels)), v->counter,
                            v->value);
}

/* One bucket of clients.  False: the walk is over. */
static bool
clients_walk(struct server_census *c)
{
    const struct telemetry *t = c->core ? server_telemetry(c->core) : NULL;
    if (!t)
        return false;
    uint32_t buckets = telemetry_bucket(t, c->bucket, value_take, c);
    return ++c->bucket < buckets;
}

static uint32_t
bucket_tell(struct server_census *c, const void *machine, uint32_t bucket)
{
    struct group_sink sink = {group_take, offset_take, c};
    if (c->kind == SERVER_GROUPS)
        return group_list_bucket(machine, bucket, &sink);
    return txn_list_bucket(machine, bucket, txn_take, c);
}

static void
partition_begin(struct server_census *c, uint32_t kind, int32_t partition)
{
    c->kind = kind;
    c->partition = partition;
    c->bucket = c->bucket_count = 0;
    c->machine = NULL;
    c->mark = census_mark_of(c->filling);
}

/* One bucket, or the step to the next partition.  False: the walk is over. */
static bool
walk(struct server_census *c)
{
    int32_t count;
    if (c->kind == SERVER_COORDINATORS)
        return clients_walk(c);
    const struct server_coord *runtime =
        server_coords_runtime(c->coords, (enum server_coordinator)c->kind);
    const void *machine = server_coord_machine(runtime, c->partition, &count);
    if (c->bucket > 0 && machine != c->machine) { /* I1 */
        census_rewind(c->filling, &c->mark);
        partition_begin(c, c->kind, c->partition);
    }
    if (machine) {
        uint32_t buckets = bucket_tell(c, machine, c->bucket);
        if (c->bucket > 0 && buckets != c->bucket_count) { /* I1 */
            census_rewind(c->filling, &c->mark);
            partition_begin(c, c->kind, c->partition);
            return true;
        }
        c->machine = machine;
        c->bucket_count = buckets;
        if (++c->bucket < buckets)
            return true;
    }
    if (c->partition + 1 < count) {
        partition_begin(c, c->kind, c->partition + 1);
        return true;
    }
    partition_begin(c, c->kind + 1, 0);
    return true;
}

static uint32_t
rows_of(const struct census *c)
{
    return c->group_count + c->offset_count + c->txn_count + c->value_count;
}

bool
server_census_step(struct server_census *c)
{
    if (!c->desk)
        return false;
    if (!c->filling) {
        if (!census_desk_asked(c->desk, &c->ticket))
            return false;
        c->filling = calloc(1, sizeof *c->filling);
        must(c->filling != NULL);
        partition_begin(c, 0, 0);
    }
    uint32_t rows = rows_of(c->filling);
    for (uint32_t n = 0; n < SERVER_CENSUS_BUCKETS; n++) {
        if (!walk(c)) {
            census_desk_give(c->desk, c->filling, c->ticket);
            c->filling = NULL;
            return false;
        }
        uint32_t now = rows_of(c->filling);
        if (now > rows && now - rows >= SERVER_CENSUS_ROWS)
            break;
    }
    return true;
}
