/* wire_header.c: the header before a request's body (v1: key, version, correlation id, client id;
 * v2: tagged fields too, none of which is defined) and before a response's (v0: correlation id; v1:
 * tagged fields too).  Source: Kafka RequestHeader.json, ResponseHeader.json, KIP-482; the client
 * id keeps its i16 length in v2, and ApiVersions answers with v0 so that any client can read it. */
#include "core/base/err.h"
#include "core/base/varint.h"
#include "core/wire/wire_gen.h"

static void
skip_tags(struct cur *c)
{
    uint32_t count = varint_read_u32(c);
    for (uint32_t i = 0; i < count && !c->bad; i++) {
        varint_read_u32(c);
        cur_take(c, varint_read_u32(c));
    }
}

int
wire_header_read(struct view request, struct wire_header *out)
{
    struct cur c = cur_of(request.at ? request : view_of("", 0));
    *out = (struct wire_header){0};
    out->api_key = cur_i16(&c);
    out->api_version = cur_i16(&c);
    out->correlation_id = cur_i32(&c);
    int16_t n = cur_i16(&c);
    if (n >= 0)
        out->client_id = cur_view(&c, (uint32_t)n);
    const struct wire_api *api = wire_api_find(out->api_key);
    if (api && out->api_version >= api->flexible_min && out->api_version <= api->version_max)
        skip_tags(&c);
    if (c.bad)
        return ERR_CORRUPT;
    out->bytes = request.len - cur_left(&c);
    return ERR_OK;
}

void
wire_header_answer(struct put *w, const struct wire_api *api, int16_t version,
                   int32_t correlation_id)
{
    put_u32(w, (uint32_t)correlation_id);
    if (version >= api->flexible_min && api->key != WIRE_API_API_VERSIONS)
        put_u8(w, 0);
}
