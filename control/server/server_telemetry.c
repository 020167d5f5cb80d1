/* server_telemetry.c: see server_telemetry.h.  The machine is told of subscriptions only when a
 * request comes and they differ from those it has: clients that are in the middle of an interval
 * would be let ask anew otherwise. */
#include "control/server/server_telemetry.h"
#include "control/meta/meta_resource.h"
#include "core/base/crc32c.h"
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/wire/kerr.h"
#include "core/wire/wire_gen.h"

#include <stdlib.h>

struct server_telemetry {
    struct telemetry *machine;
    uint64_t seen;   /* the last entry of the log that was looked at */
    uint32_t digest; /* of the subscriptions that the machine has */
};

static uint32_t
digest_of(const struct meta_resource *r, uint32_t crc)
{
    crc = crc32c(crc, r->name, r->name_bytes);
    for (uint32_t i = 0; i < r->count; i++) {
        crc = crc32c(crc, r->settings[i].key, strlen(r->settings[i].key) + 1);
        crc = crc32c(crc, r->settings[i].value, strlen(r->settings[i].value) + 1);
    }
    return crc;
}

static void
subscribe(struct telemetry *t, const struct meta_resource *r)
{
    struct telemetry_subscription s = {.interval_ms = TELEMETRY_INTERVAL_MS};
    for (uint32_t i = 0; i < r->count; i++) {
        const struct meta_kept *k = &r->settings[i];
        if (strcmp(k->key, "metrics") == 0)
            s.metrics = view_of_text(k->value);
        else if (strcmp(k->key, "match") == 0)
            s.match = view_of_text(k->value);
        else if (strcmp(k->key, "interval.ms") == 0)
            s.interval_ms = (int32_t)strtol(k->value, NULL, 10); /* checked when it was set */
    }
    telemetry_subscribe(t, &s);
}

static void
subscriptions_look(struct server_core *core, struct server_telemetry *own)
{
    uint32_t count, crc = 0;
    if (own->seen == core->image.index)
        return;
    own->seen = core->image.index;
    uint32_t first = meta_resource_range(&core->image, META_RESOURCE_METRICS, &count);
    for (uint32_t i = 0; i < count; i++)
        crc = digest_of(core->image.resources[first + i], crc);
    if (crc == own->digest)
        return;
    own->digest = crc;
    telemetry_subscribe_begin(own->machine);
    for (uint32_t i = 0; i < count; i++)
        subscribe(own->machine, core->image.resources[first + i]);
    telemetry_subscribe_end(own->machine);
}

static struct telemetry *
machine_of(struct server_core *core)
{
    struct server_telemetry *own = core->telemetry;
    if (!own) {
        struct telemetry_config config = {
            .regex = core->regex,
            .bytes_max = (uint32_t)conf_number(core->conf, CONF_TELEMETRY_BYTES),
            .random = core->random,
            .user = core->user};
        own = calloc(1, sizeof *own);
        must(own != NULL);
        own->machine = telemetry_new(&config);
        must(own->machine != NULL);
        core->telemetry = own;
    }
    subscriptions_look(core, own);
    return own->machine;
}

const struct telemetry *
server_telemetry(const struct server_core *core)
{
    return core->telemetry ? core->telemetry->machine : NULL;
}

void
server_telemetry_free(struct server_core *core)
{
    if (!core->telemetry)
        return;
    telemetry_free(core->telemetry->machine);
    free(core->telemetry);
    core->telemetry = NULL;
}

/* ---- Requests ---- */

static struct telemetry_peer
peer_of(const struct server_core *core, const struct server_call *call)
{
    const struct server_origin *from = &core->from;
    /* What Kafka calls a client that did not say. */
    struct view unknown = view_of_text("unknown");
    struct telemetry_peer p = {
        .client_id = call->client_id,
        .software_name = from->software_name.len ? from->software_name : unknown,
        .software_version = from->software_version.len ? from->software_version : unknown,
        .port = from->port};
    server_host_text(from->ip, p.address, sizeof p.address);
    return p;
}

int
server_get_telemetry(struct server_core *core, struct server_call *call)
{
    static const int8_t codecs[] = {4, 3, 1, 2}; /* zstd, lz4, gzip, snappy: as Kafka prefers */
    const struct wire_get_telemetry_subscriptions_request *request = call->request;
    struct wire_get_telemetry_subscriptions_response *response =
        server_take(call, 1, sizeof *response);
    struct telemetry_peer peer = peer_of(core, call);
    struct telemetry_grant grant;
    if (!response)
        return ERR_LIMIT;
    call->response = response;
    response->error_code =
        telemetry_get(machine_of(core), core->now_ms, request->client_instance_id, &peer, &grant);
    if (response->error_code != KERR_NONE)
        return ERR_OK;
    response->accepted_compression_types.items = server_take(call, sizeof codecs, 1);
    response->requested_metrics.items =
        server_take(call, grant.metric_count, sizeof *grant.metrics);
    if (!response->accepted_compression_types.items || !response->requested_metrics.items)
        return ERR_LIMIT;
    memcpy(response->accepted_compression_types.items, codecs, sizeof codecs);
    response->accepted_compression_types.count = (int32_t)sizeof codecs;
    if (grant.metric_count)
        memcpy(response->requested_metrics.items, grant.metrics,
               grant.metric_count * sizeof *grant.metrics);
    response->requested_metrics.count = (int32_t)grant.metric_count;
    memcpy(response->client_instance_id, grant.id, sizeof grant.id);
    response->subscription_id = grant.subscription_id;
    response->push_interval_ms = grant.interval_ms;
    response->telemetry_max_bytes = (int32_t)conf_number(core->conf, CONF_TELEMETRY_BYTES);
    response->delta_temporality = true;
    return ERR_OK;
}

int
server_push_telemetry(struct server_core *core, struct server_call *call)
{
    const struct wire_push_telemetry_request *request = call->request;
    struct wire_push_telemetry_response *response = server_take(call, 1, sizeof *response);
    struct telemetry_peer peer = peer_of(core, call);
    struct telemetry_push push = {.subscription_id = request->subscription_id,
                                  .terminating = request->terminating,
                                  .codec = request->compression_type,
                                  .metrics = request->metrics};
    if (!response)
        return ERR_LIMIT;
    memcpy(push.id, request->client_instance_id, sizeof push.id);
    struct telemetry *t = machine_of(core);
    response->error_code = telemetry_push(t, core->now_ms, &peer, &push);
    call->response = response;
    log_debug("telemetry", "pushed software=%.*s last=%d bytes=%u series=%llu error=%s",
              (int)peer.software_name.len, (const char *)peer.software_name.at, push.terminating,
              push.metrics.len, (unsigned long long)telemetry_stats(t).series,
              kerr_name(response->error_code));
    return ERR_OK;
}
