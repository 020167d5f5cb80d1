/* server_inner.c: see server_inner.h.
 *
 * I1 Answers come in the order of the calls: the correlation id only proves it.  I2 A call is taken
 * off the ring before `done` hears of it, which may make new ones. */
#include "control/server/server_inner.h"
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/shm/msg.h"

#include <stdlib.h>

enum { LENGTH_BYTES = 4, HEADER_ROOM = 64, RX_FIRST = 64 << 10 };

void
server_inner_init(struct server_inner *i, struct server_shard *shards, uint32_t shard_count,
                  uint32_t generation, uint32_t data_generation)
{
    *i = (struct server_inner){.shards = shards,
                               .shard_count = shard_count,
                               .generation = generation,
                               .data_generation = data_generation};
    for (uint32_t k = 0; k < shard_count; k++) {
        i->links[k].calls = calloc(SERVER_INNER_CALLS, sizeof *i->links[k].calls);
        must(i->links[k].calls != NULL);
    }
}

void
server_inner_free(struct server_inner *i)
{
    for (uint32_t k = 0; k < i->shard_count; k++) {
        free(i->links[k].calls);
        free(i->links[k].rx);
    }
    *i = (struct server_inner){0};
}

bool
server_inner_open(const struct server_inner *i, uint32_t shard)
{
    return i->links[shard].connection != 0;
}

/* ---- calls -------------------------------------------------------------------------------------
 */

int
server_inner_call(struct server_inner *i, uint32_t shard, const struct wire_api *api,
                  int16_t version, const void *request, uint64_t token)
{
    struct server_inner_link *l = &i->links[shard];
    struct server_shard *to = &i->shards[shard];
    int64_t body = wire_size(api->request, version, request);
    must(body >= 0); /* what we ask is always encodable */
    uint64_t bytes = sizeof(struct msg_call) + HEADER_ROOM + (uint64_t)body;
    if (bytes > chan_body_max(&to->to_data) || bytes > SERVER_INNER_BYTES)
        return ERR_LIMIT;
    if (!l->connection || l->count == SERVER_INNER_CALLS || l->bytes + bytes > SERVER_INNER_BYTES)
        return ERR_AGAIN;
    uint8_t *at = chan_reserve(&to->to_data, (uint32_t)bytes);
    if (!at)
        return ERR_AGAIN;
    struct msg_call head = {.generation = i->data_generation, .connection = l->connection};
    memcpy(at, &head, sizeof head);
    uint8_t *frame = at + sizeof head;
    struct put w = put_of(frame, (uint32_t)bytes - (uint32_t)sizeof head);
    put_u32(&w, 0);
    put_u16(&w, (uint16_t)api->key);
    put_u16(&w, (uint16_t)version);
    put_u32(&w, (uint32_t)++l->correlation_id);
    put_u16(&w, sizeof "control" - 1);
    put_bytes(&w, "control", sizeof "control" - 1);
    if (version >= api->flexible_min)
        put_u8(&w, 0);
    int rc = wire_encode(api->request, version, request, &w);
    must(rc == ERR_OK && !w.bad);
    set_u32(frame, put_len(&w) - LENGTH_BYTES);
    chan_publish(&to->to_data, MSG_CALL, i->generation, (uint32_t)sizeof head + put_len(&w));
    to->sent = true;
    l->calls[(l->first + l->count++) % SERVER_INNER_CALLS] =
        (struct server_inner_call){.token = token,
                                   .api = api,
                                   .version = version,
                                   .correlation_id = l->correlation_id,
                                   .bytes = put_len(&w)};
    l->bytes += put_len(&w);
    return ERR_OK;
}

static struct server_inner_call
call_take(struct server_inner_link *l)
{
    must(l->count > 0);
    struct server_inner_call c = l->calls[l->first];
    l->first = (l->first + 1) % SERVER_INNER_CALLS;
    l->count--;
    l->bytes -= c.bytes;
    return c;
}

/* The connection is gone: its calls end, without those that `done` makes meanwhile. */
static void
link_end(struct server_inner *i, struct server_inner_link *l, uint32_t connection)
{
    l->connection = 0;
    l->rx_len = 0;
    while (l->count) {
        struct server_inner_call c = call_take(l);
        i->done(i->user, c.token, ERR_CLOSED, view_of(NULL, 0));
    }
    l->connection = connection;
}

/* ---- answers -----------------------------------------------------------------------------------
 */

static bool
rx_add(struct server_inner_link *l, struct view bytes)
{
    if (bytes.len > SERVER_INNER_ANSWER_MAX - l->rx_len)
        return false;
    if (l->rx_len + bytes.len > l->rx_room) {
        uint32_t room = l->rx_room ? l->rx_room : RX_FIRST;
        while (room < l->rx_len + bytes.len)
            room *= 2;
        l->rx = realloc(l->rx, room);
        must(l->rx != NULL);
        l->rx_room = room;
    }
    memcpy(l->rx + l->rx_len, bytes.at, bytes.len);
    l->rx_len += bytes.len;
    return true;
}

/* One whole answer, from the correlation id on. */
static bool
answer_take(struct server_inner *i, struct server_inner_link *l, struct view answer)
{
    if (l->count == 0)
        return false;
    struct server_inner_call c = call_take(l);
    uint8_t want[HEADER_ROOM];
    struct put w = put_of(want, sizeof want);
    wire_header_answer(&w, c.api, c.version, c.correlation_id);
    uint32_t n = put_len(&w);
    if (answer.len < n || memcmp(answer.at, want, n) != 0)
        return false;
    i->done(i->user, c.token, ERR_OK, view_of(answer.at + n, answer.len - n));
    return true;
}

int
server_inner_take(struct server_inner *i, uint32_t shard, const struct chan_message *m)
{
    struct server_inner_link *l = &i->links[shard];
    struct msg_call head;
    if (m->body.len < sizeof head)
        return ERR_CORRUPT;
    memcpy(&head, m->body.at, sizeof head);
    if (m->generation != i->data_generation || head.generation != i->generation)
        return ERR_OK; /* of another life */
    struct view bytes = view_of(m->body.at + sizeof head, m->body.len - (uint32_t)sizeof head);
    if (bytes.len == 0) {
        link_end(i, l, head.connection);
        return ERR_OK;
    }
    if (head.connection != l->connection)
        return ERR_OK;
    if (!rx_add(l, bytes))
        return ERR_CORRUPT;
    uint32_t at = 0;
    while (l->rx_len - at >= LENGTH_BYTES && l->rx_len - at - LENGTH_BYTES >= get_u32(l->rx + at)) {
        uint32_t len = get_u32(l->rx + at);
        if (!answer_take(i, l, view_of(l->rx + at + LENGTH_BYTES, len)))
            return ERR_CORRUPT;
        at += LENGTH_BYTES + len;
    }
    memmove(l->rx, l->rx + at, l->rx_len - at);
    l->rx_len -= at;
    return ERR_OK;
}

void
server_inner_restarted(struct server_inner *i, uint32_t data_generation)
{
    i->data_generation = data_generation;
    for (uint32_t k = 0; k < i->shard_count; k++)
        link_end(i, &i->links[k], 0);
}
