#include "dataplane/broker/versions.h"

#include "core/base/err.h"
#include "core/wire/feature.h"
#include "core/wire/kerr.h"
#include "core/wire/wire_gen.h"
#include "dataplane/broker/shard.h"

enum {
    VERSIONS_APIS_MAX = 96,
    /* KAFKA-18659: librdkafka gives up unless Produce is offered from 0 on; 0 to 2 are refused. */
    VERSIONS_PRODUCE_MIN = 0,
    /* KAFKA-17011: clients take no feature whose least level is 0 before this version. */
    VERSIONS_LEVEL_0_MIN = 4,
};

static struct wire_api_versions_response_api_version
range_of(const struct wire_api *api)
{
    int16_t min = api->key == WIRE_API_PRODUCE ? (int16_t)VERSIONS_PRODUCE_MIN : api->version_min;
    return (struct wire_api_versions_response_api_version){api->key, min, api->version_max};
}

static bool
letter_or_digit(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool
versions_name_ok(struct view name)
{
    if (name.len == 0)
        return false;
    if (!letter_or_digit(name.at[0]) || !letter_or_digit(name.at[name.len - 1]))
        return false;
    for (uint32_t i = 0; i < name.len; i++) {
        if (!letter_or_digit(name.at[i]) && name.at[i] != '-' && name.at[i] != '.')
            return false;
    }
    return true;
}

enum req_verdict
versions_refuse(struct shard *s, struct req *r)
{
    struct wire_api_versions_response_api_version self = range_of(r->api);
    struct wire_api_versions_response body = {
        .error_code = KERR_UNSUPPORTED_VERSION,
        .api_keys = {&self, 1},
        .finalized_features_epoch = -1,
    };
    r->version = 0;
    return req_answer_struct(s, r, &body);
}

static void
software_keep(struct conn *c, struct view name, struct view version)
{
    if (!c || name.len > CONN_SOFTWARE_BYTES_MAX || version.len > CONN_SOFTWARE_BYTES_MAX)
        return;
    memcpy(c->software, name.at, name.len);
    memcpy(c->software + name.len, version.at, version.len);
    c->name_bytes = (uint8_t)name.len;
    c->version_bytes = (uint8_t)version.len;
}

/* What the client calls itself must be well formed: the names end up in metrics. */
static int16_t
client_check(struct shard *s, struct req *r, struct view body, bool *bad)
{
    struct wire_api_versions_request request;
    *bad = wire_decode(r->api->request, r->version, body, &request, &s->scratch) != ERR_OK;
    if (*bad || r->version < 3)
        return KERR_NONE;
    if (!versions_name_ok(request.client_software_name) ||
        !versions_name_ok(request.client_software_version))
        return KERR_INVALID_REQUEST;
    software_keep(r->conn, request.client_software_name, request.client_software_version);
    return KERR_NONE;
}

enum req_verdict
versions_start(struct shard *s, struct req *r, struct view body)
{
    bool bad;
    int16_t error = client_check(s, r, body, &bad);
    if (bad)
        return REQ_BAD;
    struct wire_api_versions_response_api_version apis[VERSIONS_APIS_MAX];
    struct wire_api_versions_response_supported_feature_key supported[FEATURES];
    struct wire_api_versions_response_finalized_feature_key finalized[FEATURES];
    struct wire_api_versions_response answer = {
        .error_code = error,
        .api_keys = {apis, 0},
        .finalized_features_epoch = -1,
    };
    if (error)
        return req_answer_struct(s, r, &answer);
    uint32_t count;
    const struct req_handler *rows = req_handlers(&count);
    must(count <= VERSIONS_APIS_MAX);
    for (uint32_t i = 0; i < count; i++)
        apis[answer.api_keys.count++] = range_of(wire_api_find(rows[i].key));
    answer.supported_features.items = supported;
    answer.finalized_features.items = finalized;
    for (uint32_t f = 0; f < FEATURES; f++) {
        const struct feature_row *row = feature_row((enum feature)f);
        struct view name = view_of_text(row->name);
        finalized[answer.finalized_features.count++] =
            (struct wire_api_versions_response_finalized_feature_key){name, row->max, row->max};
        if (row->min > 0 || r->version >= VERSIONS_LEVEL_0_MIN)
            supported[answer.supported_features.count++] =
                (struct wire_api_versions_response_supported_feature_key){name, row->min, row->max};
    }
    answer.finalized_features_epoch =
        atomic_load_explicit(&s->region->header->features_epoch, memory_order_relaxed);
    return req_answer_struct(s, r, &answer);
}
