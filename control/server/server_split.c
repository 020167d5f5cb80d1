/* server_split.c: see server_split.h.  The generated structs are walked by a table of where they
 * keep their items, so that another API is another row. */
#include "control/server/server_split.h"
#include "control/group/group.h"
#include "core/base/err.h"
#include "core/base/javahash.h"
#include "core/base/must.h"
#include "core/wire/kerr.h"
#include "core/wire/wire_gen.h"
#include "core/wire/wire_table.h"

#include <stddef.h>

enum { HEADER_ROOM = 16, NO_ERROR = -1 };

struct split_row {
    int16_t key, since;               /* the first version that has several */
    int16_t error_at;                 /* in the response: an error of the whole, or NO_ERROR */
    uint16_t in_at, in_bytes, key_at; /* in the request: the array, one item, its key; in_bytes 0:
                                         there are no items, every partition is asked */
    uint16_t out_at, out_bytes;       /* in the response */
};

#define REQUEST(api, member)  offsetof(struct wire_##api##_request, member)
#define RESPONSE(api, member) offsetof(struct wire_##api##_response, member)
static const struct split_row rows[] = {
    {WIRE_API_OFFSET_FETCH, 8, NO_ERROR, REQUEST(offset_fetch, groups),
     sizeof(struct wire_offset_fetch_request_group),
     offsetof(struct wire_offset_fetch_request_group, group_id), RESPONSE(offset_fetch, groups),
     sizeof(struct wire_offset_fetch_response_group)},
    {WIRE_API_DESCRIBE_GROUPS, 0, NO_ERROR, REQUEST(describe_groups, groups), sizeof(struct view),
     0, RESPONSE(describe_groups, groups),
     sizeof(struct wire_describe_groups_response_described_group)},
    {WIRE_API_DELETE_GROUPS, 0, NO_ERROR, REQUEST(delete_groups, groups_names), sizeof(struct view),
     0, RESPONSE(delete_groups, results),
     sizeof(struct wire_delete_groups_response_deletable_group_result)},
    {WIRE_API_CONSUMER_GROUP_DESCRIBE, 0, NO_ERROR, REQUEST(consumer_group_describe, group_ids),
     sizeof(struct view), 0, RESPONSE(consumer_group_describe, groups),
     sizeof(struct wire_consumer_group_describe_response_described_group)},
    {WIRE_API_ADD_PARTITIONS_TO_TXN, 4, RESPONSE(add_partitions_to_txn, error_code),
     REQUEST(add_partitions_to_txn, transactions),
     sizeof(struct wire_add_partitions_to_txn_request_add_partitions_to_txn_transaction),
     offsetof(struct wire_add_partitions_to_txn_request_add_partitions_to_txn_transaction,
              transactional_id),
     RESPONSE(add_partitions_to_txn, results_by_transaction),
     sizeof(struct wire_add_partitions_to_txn_response_add_partitions_to_txn_result)},
    {WIRE_API_DESCRIBE_TRANSACTIONS, 0, NO_ERROR, REQUEST(describe_transactions, transactional_ids),
     sizeof(struct view), 0, RESPONSE(describe_transactions, transaction_states),
     sizeof(struct wire_describe_transactions_response_transaction_state)},
    {WIRE_API_LIST_TRANSACTIONS, 0, RESPONSE(list_transactions, error_code), 0, 0, 0,
     RESPONSE(list_transactions, transaction_states),
     sizeof(struct wire_list_transactions_response_transaction_state)},
    {WIRE_API_LIST_GROUPS, 0, RESPONSE(list_groups, error_code), 0, 0, 0,
     RESPONSE(list_groups, groups), sizeof(struct wire_list_groups_response_listed_group)},
};
#undef REQUEST
#undef RESPONSE

static const struct split_row *
row_of(const struct wire_api *api, int16_t version)
{
    for (uint32_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].key == api->key && version >= rows[i].since)
            return &rows[i];
    return NULL;
}

bool
server_split_many(const struct wire_api *api, int16_t version)
{
    return row_of(api, version) != NULL;
}

static void *
take(struct wire_arena *arena, uint64_t count, size_t size)
{
    return count > arena->room / size ? NULL : wire_arena_take(arena, count ? count * size : 1);
}

/* ---- cutting ---------------------------------------------------------------------------------
 */

static int
part_encode(const struct server_split *s, struct server_split_part *part, struct wire_arena *arena)
{
    int64_t bytes = wire_size(s->api->request, s->version, part->body);
    must(bytes >= 0); /* less than what was decoded */
    uint8_t *at = take(arena, (uint64_t)bytes + HEADER_ROOM, 1);
    if (!at)
        return ERR_LIMIT;
    struct put w = put_of(at, (uint32_t)bytes + HEADER_ROOM);
    put_u16(&w, (uint16_t)s->api->key);
    put_u16(&w, (uint16_t)s->version);
    put_u32(&w, (uint32_t)s->correlation_id);
    put_u16(&w, UINT16_MAX); /* no client id */
    if (s->version >= s->api->flexible_min)
        put_u8(&w, 0);
    int rc = wire_encode(s->api->request, s->version, part->body, &w);
    must(rc == ERR_OK && !w.bad);
    part->request = view_of(at, put_len(&w));
    return ERR_OK;
}

/* Every partition gets the whole request. */
static int
cut_all(struct server_split *s, const void *body, int32_t partition_count, struct wire_arena *arena)
{
    s->part_count = (uint32_t)partition_count;
    s->parts = take(arena, s->part_count, sizeof *s->parts);
    if (!s->parts)
        return ERR_LIMIT;
    for (uint32_t i = 0; i < s->part_count; i++) {
        s->parts[i] = (struct server_split_part){.partition = (int32_t)i, .body = body};
        int rc = i ? ERR_OK : part_encode(s, &s->parts[i], arena);
        if (rc != ERR_OK)
            return rc;
        s->parts[i].request = s->parts[0].request;
    }
    return ERR_OK;
}

/* The part of a partition, made when there is none yet; by_partition holds part numbers + 1. */
static uint32_t
part_need(struct server_split *s, uint32_t *by_partition, int32_t partition)
{
    if (by_partition[partition] == 0) {
        s->parts[s->part_count] = (struct server_split_part){.partition = partition};
        by_partition[partition] = ++s->part_count;
    }
    return by_partition[partition] - 1;
}

static int
part_body(const struct server_split *s, const struct split_row *row, const void *body,
          uint32_t part, struct wire_arena *arena)
{
    struct wire_array all, own = {0};
    memcpy(&all, (const uint8_t *)body + row->in_at, sizeof all);
    uint32_t count = 0;
    for (uint32_t i = 0; i < s->item_count; i++)
        count += s->order[i] == part;
    uint8_t *copy = take(arena, 1, s->api->request->top.size);
    own.items = take(arena, count, row->in_bytes);
    if (!copy || !own.items)
        return ERR_LIMIT;
    for (uint32_t i = 0; i < s->item_count; i++)
        if (s->order[i] == part)
            memcpy((uint8_t *)own.items + (size_t)own.count++ * row->in_bytes,
                   (uint8_t *)all.items + (size_t)i * row->in_bytes, row->in_bytes);
    memcpy(copy, body, s->api->request->top.size);
    memcpy(copy + row->in_at, &own, sizeof own);
    s->parts[part].body = copy;
    return ERR_OK;
}

int
server_split_request(const struct wire_api *api, int16_t version, int32_t correlation_id,
                     const void *body, int32_t partition_count, struct wire_arena *arena,
                     struct server_split *out)
{
    const struct split_row *row = row_of(api, version);
    must(row && partition_count > 0);
    *out = (struct server_split){.api = api, .version = version, .correlation_id = correlation_id};
    if (row->in_bytes == 0)
        return cut_all(out, body, partition_count, arena);
    struct wire_array all;
    memcpy(&all, (const uint8_t *)body + row->in_at, sizeof all);
    out->item_count = all.count > 0 ? (uint32_t)all.count : 0;
    uint32_t most =
        out->item_count < (uint32_t)partition_count ? out->item_count : (uint32_t)partition_count;
    uint32_t *by_partition = take(arena, (uint64_t)partition_count, sizeof *by_partition);
    out->order = take(arena, out->item_count, sizeof *out->order);
    out->parts = take(arena, most + 1, sizeof *out->parts);
    if (!by_partition || !out->order || !out->parts)
        return ERR_LIMIT;
    for (uint32_t i = 0; i < out->item_count; i++) {
        struct view key;
        memcpy(&key, (uint8_t *)all.items + (size_t)i * row->in_bytes + row->key_at, sizeof key);
        out->order[i] = part_need(out, by_partition, javahash_partition(key, partition_count));
    }
    if (out->item_count == 0)
        (void)part_need(out, by_partition, 0);
    int rc = ERR_OK;
    for (uint32_t k = 0; k < out->part_count && rc == ERR_OK; k++) {
        rc = part_body(out, row, body, k, arena);
        if (rc == ERR_OK)
            rc = part_encode(out, &out->parts[k], arena);
    }
    return rc;
}

/* ---- putting together -------------------------------------------------------------------------
 */

/* Decodes one reply, which the machine made itself.  NULL: it cannot be read, or does not fit. */
static uint8_t *
reply_read(const struct server_split *s, const struct server_split_part *part,
           struct wire_arena *arena)
{
    uint8_t head[HEADER_ROOM];
    struct put w = put_of(head, sizeof head);
    wire_header_answer(&w, s->api, s->version, s->correlation_id);
    uint32_t n = put_len(&w);
    uint8_t *body = take(arena, 1, s->api->response->top.size);
    if (!body || part->reply.len < n)
        return NULL;
    struct view rest = view_of(part->reply.at + n, part->reply.len - n);
    return wire_decode(s->api->response, s->version, rest, body, arena) == ERR_OK ? body : NULL;
}

static int16_t
error_of(const struct split_row *row, const uint8_t *reply)
{
    int16_t error = KERR_NONE;
    if (row->error_at != NO_ERROR)
        memcpy(&error, reply + row->error_at, sizeof error);
    return error;
}

static int
answer_write(const struct server_split *s, const void *response, struct wire_arena *arena,
             struct view *out)
{
    int64_t bytes = wire_size(s->api->response, s->version, response);
    if (bytes < 0) /* the pieces are fine: they are too much together */
        return ERR_LIMIT;
    uint8_t *at = take(arena, (uint64_t)bytes + HEADER_ROOM, 1);
    if (!at)
        return ERR_LIMIT;
    struct put w = put_of(at, (uint32_t)bytes + HEADER_ROOM);
    wire_header_answer(&w, s->api, s->version, s->correlation_id);
    int rc = wire_encode(s->api->response, s->version, response, &w);
    must(rc == ERR_OK && !w.bad);
    *out = view_of(at, put_len(&w));
    return ERR_OK;
}

static struct wire_array
items_of(const struct split_row *row, const uint8_t *reply)
{
    struct wire_array a;
    memcpy(&a, reply + row->out_at, sizeof a);
    a.count = a.count > 0 ? a.count : 0;
    return a;
}

/* The items of all replies, in the order of the request where there is one. */
static struct wire_array
items_merge(const struct server_split *s, const struct split_row *row, uint8_t *const *replies,
            uint32_t total, struct wire_arena *arena)
{
    struct wire_array out = {.items = take(arena, total, row->out_bytes)};
    uint32_t *done = take(arena, s->part_count, sizeof *done);
    if (!out.items || !done)
        return (struct wire_array){0};
    uint8_t *to = out.items;
    for (uint32_t i = 0; i < s->item_count; i++) {
        uint32_t k = s->order[i];
        struct wire_array from = items_of(row, replies[k]);
        if (done[k] >= (uint32_t)from.count)
            continue;
        memcpy(to + (size_t)out.count++ * row->out_bytes,
               (uint8_t *)from.items + (size_t)done[k]++ * row->out_bytes, row->out_bytes);
    }
    for (uint32_t k = 0; k < s->part_count; k++) {
        struct wire_array from = items_of(row, replies[k]);
        uint32_t left = (uint32_t)from.count - done[k];
        if (left)
            memcpy(to + (size_t)out.count * row->out_bytes,
                   (uint8_t *)from.items + (size_t)done[k] * row->out_bytes,
                   (size_t)left * row->out_bytes);
        out.count += (int32_t)left;
    }
    return out;
}

int
server_split_merge(const struct server_split *s, struct wire_arena *arena, struct view *out)
{
    const struct split_row *row = row_of(s->api, s->version);
    uint8_t **replies = take(arena, s->part_count, sizeof *replies);
    if (!replies)
        return ERR_LIMIT;
    uint64_t total = 0;
    for (uint32_t k = 0; k < s->part_count; k++) {
        replies[k] = reply_read(s, &s->parts[k], arena);
        if (!replies[k])
            return ERR_CORRUPT;
        int16_t error = error_of(row, replies[k]);
        if (error != KERR_NONE && error != KERR_NOT_COORDINATOR)
            return answer_write(s, replies[k], arena, out);
        total += (uint32_t)items_of(row, replies[k]).count;
    }
    if (total > INT32_MAX)
        return ERR_LIMIT;
    struct wire_array items = items_merge(s, row, replies, (uint32_t)total, arena);
    if (!items.items)
        return ERR_LIMIT;
    memcpy(replies[0] + row->out_at, &items, sizeof items);
    if (row->error_at != NO_ERROR)
        memset(replies[0] + row->error_at, 0, sizeof(int16_t));
    return answer_write(s, replies[0], arena, out);
}
