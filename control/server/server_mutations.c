#include "control/server/server_mutations.h"
#include "control/meta/meta_quota.h"
#include "control/server/server_core.h"

static const char mutation_key[] = "controller_mutation_rate";
static const char mutation_user[] = "ANONYMOUS"; /* Kafka KafkaPrincipal.ANONYMOUS */

/* Kafka's order: the first that has a bound counts. */
static const struct level {
    uint8_t user, client; /* META_QUOTA_ABSENT .. NAMED */
} levels[] = {
    {META_QUOTA_NAMED, META_QUOTA_NAMED},     {META_QUOTA_NAMED, META_QUOTA_DEFAULT},
    {META_QUOTA_NAMED, META_QUOTA_ABSENT},    {META_QUOTA_DEFAULT, META_QUOTA_NAMED},
    {META_QUOTA_DEFAULT, META_QUOTA_DEFAULT}, {META_QUOTA_DEFAULT, META_QUOTA_ABSENT},
    {META_QUOTA_ABSENT, META_QUOTA_NAMED},    {META_QUOTA_ABSENT, META_QUOTA_DEFAULT},
};

/* The bound in force, 0: none; *whole: it is of the user, whatever his client ids. */
static double
bound_of(const struct server_core *core, struct view client, bool *whole)
{
    uint8_t bytes[META_RESOURCE_NAME_BYTES_MAX];
    for (uint32_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        const struct level *l = &levels[i];
        struct meta_quota_entity q = {0};
        if (l->client == META_QUOTA_NAMED &&
            (client.len == 0 || client.len > META_QUOTA_NAME_BYTES_MAX))
            continue; /* nobody can have set one */
        q.parts[META_QUOTA_USER] = (struct meta_quota_part){
            l->user, view_of_text(l->user == META_QUOTA_NAMED ? mutation_user : "")};
        q.parts[META_QUOTA_CLIENT] = (struct meta_quota_part){l->client, client};
        const char *v = meta_resource_value(&core->image, META_RESOURCE_QUOTA,
                                            meta_quota_name(&q, bytes), mutation_key);
        *whole = l->client == META_QUOTA_ABSENT;
        if (v)
            return meta_quota_value(v);
    }
    return 0;
}

bool
server_mutations_bound(const struct server_core *core, const struct server_call *call)
{
    bool whole;
    uint32_t count;
    (void)meta_resource_range(&core->image, META_RESOURCE_QUOTA, &count);
    return count > 0 && bound_of(core, call->client_id, &whole) > 0;
}

static uint64_t
client_hash(struct view client, bool whole)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325); /* FNV-1a (Fowler, Noll, Vo), 64 bits */
    for (uint32_t i = 0; i < client.len && !whole; i++)
        h = (h ^ client.at[i]) * UINT64_C(0x100000001b3);
    return whole ? 1 : h | 2;
}

/* The client's bucket, filled up to now. */
static struct server_bucket *
bucket_of(struct server_core *core, uint64_t client, double bound)
{
    struct server_bucket *all = core->mutations.buckets, *b = &all[0];
    double most = bound * SERVER_MUTATIONS_BURST_S;
    for (uint32_t i = 0; i < SERVER_MUTATIONS_MAX; i++) {
        if (all[i].client == client) {
            b = &all[i];
            break;
        }
        if (all[i].at_ms < b->at_ms)
            b = &all[i];
    }
    if (b->client != client)
        *b = (struct server_bucket){client, most, core->now_ms};
    if (core->now_ms > b->at_ms) /* a clock that was set back gives nothing */
        b->tokens += bound * (double)(core->now_ms - b->at_ms) / 1000;
    b->tokens = b->tokens > most ? most : b->tokens;
    b->at_ms = core->now_ms;
    return b;
}

int16_t
server_mutations_take(struct server_core *core, struct server_call *call, uint32_t count,
                      bool strict, struct meta_error *e)
{
    bool whole;
    double bound = bound_of(core, call->client_id, &whole);
    if (!(bound > 0))
        return KERR_NONE;
    struct server_bucket *b = bucket_of(core, client_hash(call->client_id, whole), bound);
    bool refused = strict && b->tokens < 0;
    if (!refused)
        b->tokens -= count;
    if (b->tokens < 0 && (refused || !strict)) {
        double ms = -b->tokens / bound * 1000 + 0.5;
        int32_t throttle_ms = ms > INT32_MAX ? INT32_MAX : (int32_t)ms;
        call->throttle_ms = throttle_ms > call->throttle_ms ? throttle_ms : call->throttle_ms;
    }
    return refused ? meta_error_set(e, KERR_THROTTLING_QUOTA_EXCEEDED, "%s",
                                    kerr_message(KERR_THROTTLING_QUOTA_EXCEEDED))
                   : KERR_NONE;
}
