#include "cli/client/client_raw.h"

#include "core/base/err.h"
#include "core/wire/kerr.h"
#include "drivers/os/os.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HEADER_BYTES = 64 };

static bool
plaintext(const struct client *c)
{
    char value[64] = "";
    size_t n = sizeof value;
    return rd_kafka_conf_get(rd_kafka_conf(c->rk), "security.protocol", value, &n) !=
               RD_KAFKA_CONF_OK ||
           strcmp(value, "plaintext") == 0;
}

static int
broker_address(struct client_raw *r, int32_t broker, char host[CLIENT_ADDRESS_BYTES], int *port)
{
    const struct rd_kafka_metadata *m;
    int code = client_metadata(r->c, NULL, &m);
    if (code != COMMAND_EXIT_OK)
        return code;
    int found = -1;
    for (int i = 0; i < m->broker_cnt && found < 0; i++)
        if (broker == CLIENT_RAW_ANY || m->brokers[i].id == broker)
            found = i;
    if (found >= 0) {
        snprintf(host, CLIENT_ADDRESS_BYTES, "%s", m->brokers[found].host);
        *port = m->brokers[found].port;
    }
    rd_kafka_metadata_destroy(m);
    if (found >= 0)
        return COMMAND_EXIT_OK;
    fprintf(stderr, "sluice: no broker %d: 'sluice cluster info' shows those that there are\n",
            broker);
    return COMMAND_EXIT_FAILED;
}

/* Learns what the broker speaks.  Version 0: every broker answers it. */
static int
versions_ask(struct client_raw *r)
{
    static struct wire_api_versions_response_api_version first = {WIRE_API_API_VERSIONS, 0, 0};
    struct wire_api_versions_request request;
    struct wire_api_versions_response answer;
    r->versions.items = &first;
    r->versions.count = 1;
    wire_init(&wire_api_versions_request_message, &request);
    int code = client_raw_call(r, WIRE_API_API_VERSIONS, &request, &answer);
    r->versions.items = NULL;
    r->versions.count = 0;
    if (code != COMMAND_EXIT_OK)
        return code;
    size_t bytes = (size_t)(answer.api_keys.count > 0 ? answer.api_keys.count : 0) *
                   sizeof answer.api_keys.items[0];
    r->versions.items = malloc(bytes + 1);
    must(r->versions.items != NULL);
    memcpy(r->versions.items, answer.api_keys.items, bytes);
    r->versions.count = answer.api_keys.count;
    client_raw_reset(r);
    return COMMAND_EXIT_OK;
}

int
client_raw_open(struct client_raw *r, struct client *c, int32_t broker)
{
    char host[CLIENT_ADDRESS_BYTES];
    int port = 0;
    *r = (struct client_raw){.c = c, .fd = -1};
    if (!plaintext(c)) {
        fputs("sluice: this command speaks without TLS and SASL only: use a listener that has "
              "neither\n",
              stderr);
        return COMMAND_EXIT_FAILED;
    }
    int code = broker_address(r, broker, host, &port);
    if (code != COMMAND_EXIT_OK)
        return code;
    snprintf(r->address, sizeof r->address, "%.250s:%d", host, port);
    r->memory = malloc(CLIENT_RAW_ARENA_BYTES);
    must(r->memory != NULL);
    wire_arena_init(&r->arena, r->memory, CLIENT_RAW_ARENA_BYTES);
    r->fd = os_dial(host, (uint16_t)port, c->timeout_ms);
    if (r->fd >= 0)
        return versions_ask(r);
    fprintf(stderr, "sluice: nobody answers at %s: is advertised.listeners of the broker right?\n",
            r->address);
    return COMMAND_EXIT_FAILED;
}

void
client_raw_close(struct client_raw *r)
{
    if (r->fd >= 0)
        close(r->fd);
    free(r->memory);
    free(r->frame);
    free(r->versions.items);
    *r = (struct client_raw){.fd = -1};
}

void
client_raw_reset(struct client_raw *r)
{
    wire_arena_reset(&r->arena);
}

/* The newest version that both have, -1: there is none. */
static int16_t
version_of(const struct client_raw *r, const struct wire_api *api)
{
    for (int32_t i = 0; i < r->versions.count; i++) {
        const struct wire_api_versions_response_api_version *v = &r->versions.items[i];
        int16_t most = v->max_version < api->version_max ? v->max_version : api->version_max;
        if (v->api_key == api->key)
            return most >= api->version_min && most >= v->min_version ? most : -1;
    }
    return -1;
}

static int
request_send(struct client_raw *r, const struct wire_api *api, int16_t version, const void *request)
{
    int64_t body = wire_size(api->request, version, request);
    if (body < 0)
        return (int)body;
    uint32_t room = (uint32_t)body + HEADER_BYTES;
    uint8_t *bytes = malloc(room);
    must(bytes != NULL);
    struct put w = put_of(bytes, room);
    put_u32(&w, 0);
    put_u16(&w, (uint16_t)api->key);
    put_u16(&w, (uint16_t)version);
    put_u32(&w, (uint32_t)++r->correlation_id);
    put_u16(&w, 6);
    put_bytes(&w, "sluice", 6);
    if (version >= api->flexible_min)
        put_u8(&w, 0);
    int err = wire_encode(api->request, version, request, &w);
    struct put size = put_of(bytes, 4);
    put_u32(&size, put_len(&w) - 4);
    if (err == ERR_OK)
        err = os_dial_send(r->fd, bytes, put_len(&w));
    free(bytes);
    return err;
}

static int
answer_receive(struct client_raw *r, const struct wire_api *api, int16_t version, void *out)
{
    uint8_t head[4];
    int err = os_dial_receive(r->fd, head, sizeof head);
    uint32_t n = err ? 0 : get_u32(head);
    uint32_t tags = version >= api->flexible_min && api->key != WIRE_API_API_VERSIONS;
    if (err)
        return err;
    if (n < 4 + tags || n > CLIENT_RAW_FRAME_MAX)
        return ERR_CORRUPT;
    free(r->frame);
    r->frame = malloc(n);
    must(r->frame != NULL);
    err = os_dial_receive(r->fd, r->frame, n);
    if (err)
        return err;
    if (get_i32(r->frame) != r->correlation_id || (tags && r->frame[4] != 0))
        return ERR_CORRUPT;
    return wire_decode(api->response, version, view_of(r->frame + 4 + tags, n - 4 - tags), out,
                       &r->arena);
}

int
client_raw_call(struct client_raw *r, int16_t api_key, const void *request, void *out)
{
    const struct wire_api *api = wire_api_find(api_key);
    must(api != NULL);
    int16_t version = version_of(r, api);
    if (version < 0) {
        fprintf(stderr, "sluice: %s does not know %s: this broker is too old for it\n", r->address,
                api->name);
        return COMMAND_EXIT_FAILED;
    }
    int err = request_send(r, api, version, request);
    if (err == ERR_OK)
        err = answer_receive(r, api, version, out);
    if (err == ERR_OK)
        return COMMAND_EXIT_OK;
    fprintf(stderr, "sluice: %s of %s: %s: %s\n", api->name, r->address, err_text(err),
            err == ERR_AGAIN ? "try again with a longer --timeout"
                             : "'sluice cluster health' shows how the brokers are");
    return COMMAND_EXIT_FAILED;
}

const char *
client_raw_text(struct client_raw *r, struct view v)
{
    char *text = wire_arena_take(&r->arena, (size_t)v.len + 1);
    must(text != NULL);
    if (v.len)
        memcpy(text, v.at, v.len);
    return text;
}

void *
client_raw_items(struct client_raw *r, const struct wire_struct *s, uint32_t count)
{
    void *items = wire_items(&r->arena, s, count);
    must(items != NULL);
    return items;
}

int
client_raw_fail(struct client_raw *r, int16_t code, struct view message, const char *what,
                const char *name)
{
    const char *text = message.at && message.len ? client_raw_text(r, message) : kerr_message(code);
    return client_fail((rd_kafka_resp_err_t)code, text, "%s %s", what, name);
}

int32_t
client_raw_coordinator(struct client_raw *r, int8_t type, const char *key)
{
    struct wire_find_coordinator_request request;
    struct wire_find_coordinator_response answer;
    struct view name = view_of_text(key);
    wire_init(&wire_find_coordinator_request_message, &request);
    request.key_type = type;
    request.coordinator_keys.items = &name;
    request.coordinator_keys.count = 1;
    if (client_raw_call(r, WIRE_API_FIND_COORDINATOR, &request, &answer) != COMMAND_EXIT_OK)
        return -1;
    if (answer.coordinators.count == 1 && answer.coordinators.items[0].error_code == 0)
        return answer.coordinators.items[0].node_id;
    int16_t code = answer.coordinators.count == 1 ? answer.coordinators.items[0].error_code
                                                  : (int16_t)KERR_UNKNOWN_SERVER_ERROR;
    client_raw_fail(r, code, view_of(NULL, 0), "coordinator of", key);
    return -1;
}
