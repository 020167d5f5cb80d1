/* group_embedded.c: the consumer's protocol inside the classic protocol:
 * ConsumerProtocolSubscription and ConsumerProtocolAssignment, opaque to a classic group, read
 * where members of both protocols meet.
 *
 *   subscription  int16 version, [string] topics, bytes user data (-1: null);
 *                 from 1: [(string topic, [int32])] owned; 2: int32 generation; 3: string rack
 *   assignment    int16 version, [(string topic, [int32])], bytes user data
 * Arrays have an int32 count, strings an int16 length, both big endian. */
#include "control/group/group_mixed.h"

#include <stdlib.h>

enum { VERSION_OWNED = 1, VERSION_GENERATION = 2, VERSION_RACK = 3 };

static struct view
string_read(struct cur *c)
{
    int16_t len = cur_i16(c);
    return len < 0 ? (struct view){0} : cur_view(c, (uint16_t)len);
}

static struct view
bytes_read(struct cur *c)
{
    int32_t len = cur_i32(c);
    return len < 0 ? (struct view){0} : cur_view(c, (uint32_t)len);
}

/* Topics by name become ids; those that are no more are left out. */
static void
parts_read(const struct group_port *port, struct cur *c, struct group_parts *out)
{
    struct group_part *items = NULL;
    uint32_t count = 0, room = 0;
    int32_t topics = cur_i32(c);
    for (int32_t i = 0; i < topics && !c->bad; i++) {
        struct group_topic t;
        struct view name = string_read(c);
        bool known = !c->bad && port->by_name && port->by_name(port->user, name, &t);
        int32_t partitions = cur_i32(c);
        for (int32_t j = 0; j < partitions && !c->bad; j++) {
            int32_t partition = cur_i32(c);
            if (c->bad || !known || partition < 0 || partition >= t.partition_count)
                continue;
            if (count == room) {
                room = room ? room * 2 : 16;
                items = realloc(items, room * sizeof *items);
                must(items);
            }
            memset(&items[count], 0, sizeof items[count]);
            memcpy(items[count].topic, t.id, sizeof t.id);
            items[count++].partition = partition;
        }
    }
    group_parts_set(out, items, c->bad ? 0 : count);
    free(items);
}

bool
group_embedded_subscription(const struct group_port *port, struct view bytes,
                            struct group_subscription *out)
{
    struct cur c = cur_of(bytes);
    *out = (struct group_subscription){.version = cur_i16(&c)};
    int32_t count = cur_i32(&c);
    /* each name has a length of two bytes at least */
    c.bad |= out->version < 0 || count < 0 || (uint32_t)count > cur_left(&c) / 2;
    struct view *names = group_alloc(c.bad ? 0 : (size_t)count, sizeof *names);
    for (int32_t i = 0; i < count && !c.bad; i++)
        names[i] = string_read(&c);
    bytes_read(&c);
    if (out->version >= VERSION_OWNED)
        parts_read(port, &c, &out->owned);
    if (out->version >= VERSION_GENERATION)
        cur_i32(&c);
    if (out->version >= VERSION_RACK)
        out->rack = string_read(&c);
    if (!c.bad) {
        struct wire_string_array array = {names, count};
        group_names_make(&out->names, &array);
    }
    free(names);
    if (c.bad)
        group_embedded_free(out);
    return !c.bad;
}

void
group_embedded_free(struct group_subscription *s)
{
    group_names_free(&s->names);
    group_parts_free(&s->owned);
}

bool
group_embedded_assignment(const struct group_port *port, struct view bytes, struct group_parts *out,
                          bool *custom)
{
    *custom = false;
    *out = (struct group_parts){0};
    if (bytes.len == 0)
        return true; /* it never had one */
    struct cur c = cur_of(bytes);
    c.bad |= cur_i16(&c) < 0;
    parts_read(port, &c, out);
    *custom = bytes_read(&c).len > 0;
    if (c.bad)
        group_parts_free(out);
    return !c.bad;
}

struct view
group_embedded_encode(const struct group_port *port, const struct group_parts *p, int16_t version)
{
    enum { VERSION_MAX = 3, NAME_MAX = 2 + INT16_MAX };
    size_t room = 2 + 4 + 4 + (size_t)p->count * 4;
    for (uint32_t i = 0; i < p->count; i = group_parts_end(p, i))
        room += NAME_MAX + 4;
    uint8_t *at = group_alloc(1, room);
    struct put w = put_of(at, (uint32_t)room);
    uint32_t topics = 0;
    put_u16(&w, (uint16_t)(version < VERSION_MAX ? version : VERSION_MAX));
    put_u32(&w, 0);
    for (uint32_t i = 0, end; i < p->count; i = end) {
        struct group_topic t;
        end = group_parts_end(p, i);
        if (!port->by_id || !port->by_id(port->user, p->items[i].topic, &t))
            continue;
        topics++;
        put_u16(&w, (uint16_t)t.name.len);
        put_bytes(&w, t.name.at, t.name.len);
        put_u32(&w, end - i);
        for (; i < end; i++)
            put_u32(&w, (uint32_t)p->items[i].partition);
    }
    put_u32(&w, UINT32_MAX); /* no user data */
    must(!w.bad);
    set_u32(at + 2, topics);
    return view_of(at, put_len(&w));
}
