/* txn_record.c: keys and values of __transaction_state, as Kafka's generated code writes them.
 *
 * key    i16 0, string transactional id (i16 length)
 * value  i16 version, 0 or 1 (flexible); we write 1:
 *        i64 producer id, i16 epoch, i32 timeout, i8 status,
 *        partitions, null when there is no transaction: [topic, [i32], (tags)],
 *        i64 last update, i64 start, (tags: 0 i64 previous id, 1 i64 next id, 2 i16 client's
 * version) Tags that say the default are left out; unknown ones are skipped. Source: Kafka
 * TransactionLogKey.json, TransactionLogValue.json. */
#include "control/txn/txn_in.h"
#include "core/base/err.h"
#include "core/base/varint.h"

enum {
    KEY_VERSION = 0,
    VALUE_VERSION = 1,
    FIXED_BYTES = 2 + 8 + 2 + 4 + 1 + VARINT_BYTES_MAX + 8 + 8 + 1,
    TAGS_BYTES = 2 * (2 + 8) + 2 + 2,
    TAG_PREVIOUS_ID = 0,
    TAG_NEXT_ID = 1,
    TAG_VERSION = 2,
};

uint32_t
txn_record_key_bytes(struct view transactional_id)
{
    return 4 + transactional_id.len;
}

void
txn_record_key(struct put *w, struct view transactional_id)
{
    put_u16(w, KEY_VERSION);
    put_u16(w, (uint16_t)transactional_id.len);
    put_bytes(w, transactional_id.at, transactional_id.len);
}

int
txn_record_read_key(struct view key, struct view *transactional_id)
{
    struct cur c = cur_of(key);
    int16_t version = cur_i16(&c);
    if (c.bad)
        return ERR_CORRUPT;
    if (version != KEY_VERSION)
        return ERR_NOT_FOUND;
    int16_t len = cur_i16(&c);
    *transactional_id = cur_view(&c, len > 0 ? (uint32_t)len : 0);
    return c.bad || len < 0 || cur_left(&c) ? ERR_CORRUPT : ERR_OK;
}

/* ---- writing ---- */

uint32_t
txn_record_value_bytes(const struct txn_part *parts, uint32_t count)
{
    uint32_t bytes = FIXED_BYTES + TAGS_BYTES;
    for (uint32_t i = 0; i < count; i++)
        bytes += 4 + 2 * VARINT_BYTES_MAX + 1 + parts[i].topic.len;
    return bytes;
}

static uint32_t
topic_run(const struct txn_part *parts, uint32_t i, uint32_t count)
{
    uint32_t end = i + 1;
    while (end < count && view_equal(parts[end].topic, parts[i].topic))
        end++;
    return end - i;
}

static void
write_parts(struct put *w, const struct txn_part *parts, uint32_t count)
{
    uint32_t topics = 0;
    for (uint32_t i = 0; i < count; i += topic_run(parts, i, count))
        topics++;
    varint_write_u32(w, topics + 1);
    for (uint32_t i = 0, run; i < count; i += run) {
        run = topic_run(parts, i, count);
        varint_write_u32(w, parts[i].topic.len + 1);
        put_bytes(w, parts[i].topic.at, parts[i].topic.len);
        varint_write_u32(w, run + 1);
        for (uint32_t k = 0; k < run; k++)
            put_u32(w, (uint32_t)parts[i + k].partition);
        varint_write_u32(w, 0); /* tags */
    }
}

static void
write_tag_id(struct put *w, uint32_t tag, int64_t id)
{
    if (id == -1)
        return;
    varint_write_u32(w, tag);
    varint_write_u32(w, 8);
    put_u64(w, (uint64_t)id);
}

void
txn_record_value(struct put *w, const struct txn_values *v, const struct txn_part *parts,
                 uint32_t count)
{
    put_u16(w, VALUE_VERSION);
    put_u64(w, (uint64_t)v->producer_id);
    put_u16(w, (uint16_t)v->epoch);
    put_u32(w, (uint32_t)v->timeout_ms);
    put_u8(w, (uint8_t)v->status);
    if (v->status == TXN_EMPTY)
        varint_write_u32(w, 0); /* null */
    else
        write_parts(w, parts, count);
    put_u64(w, (uint64_t)v->update_ms);
    put_u64(w, (uint64_t)v->start_ms);
    varint_write_u32(w, (v->previous_id != -1) + (v->next_id != -1) + (v->version != 0));
    write_tag_id(w, TAG_PREVIOUS_ID, v->previous_id);
    write_tag_id(w, TAG_NEXT_ID, v->next_id);
    if (v->version != 0) {
        varint_write_u32(w, TAG_VERSION);
        varint_write_u32(w, 2);
        put_u16(w, (uint16_t)v->version);
    }
}

/* ---- reading ---- */

/* A length: compact (one more, 0 null) or as i16 or i32 (-1 null).  -1: null. */
static int64_t
read_length(struct cur *c, bool flexible, bool wide)
{
    if (flexible)
        return (int64_t)varint_read_u32(c) - 1;
    return wide ? cur_i32(c) : cur_i16(c);
}

static void
skip_tags(struct cur *c)
{
    for (uint32_t n = varint_read_u32(c); n > 0 && !c->bad; n--) {
        (void)varint_read_u32(c);
        (void)cur_take(c, varint_read_u32(c));
    }
}

static void
read_parts(struct cur *c, bool flexible,
           void (*add)(void *user, struct view topic, int32_t partition), void *user)
{
    int64_t topics = read_length(c, flexible, true);
    for (int64_t i = 0; i < topics && !c->bad; i++) {
        int64_t len = read_length(c, flexible, false);
        struct view topic = cur_view(c, len > 0 ? (uint32_t)len : 0);
        int64_t count = read_length(c, flexible, true);
        c->bad = c->bad || len < 0 || count < 0;
        for (int64_t k = 0; k < count && !c->bad; k++) {
            int32_t partition = cur_i32(c);
            if (!c->bad)
                add(user, topic, partition);
        }
        if (flexible)
            skip_tags(c);
    }
}

static void
read_value_tags(struct cur *c, struct txn_values *v)
{
    for (uint32_t n = varint_read_u32(c); n > 0 && !c->bad; n--) {
        uint32_t tag = varint_read_u32(c), len = varint_read_u32(c);
        struct cur field = cur_of(cur_view(c, len));
        if (tag == TAG_PREVIOUS_ID)
            v->previous_id = cur_i64(&field);
        else if (tag == TAG_NEXT_ID)
            v->next_id = cur_i64(&field);
        else if (tag == TAG_VERSION)
            v->version = cur_i16(&field);
        c->bad = c->bad || field.bad;
    }
}

int
txn_record_read_value(struct view value, struct txn_values *v,
                      void (*add)(void *user, struct view topic, int32_t partition), void *user)
{
    struct cur c = cur_of(value);
    int16_t version = cur_i16(&c);
    if (c.bad || version < 0 || version > VALUE_VERSION)
        return ERR_CORRUPT;
    bool flexible = version >= 1;
    *v = (struct txn_values){.previous_id = -1, .next_id = -1, .last_epoch = TXN_NO_EPOCH};
    v->producer_id = cur_i64(&c);
    v->epoch = cur_i16(&c);
    v->timeout_ms = cur_i32(&c);
    v->status = (int8_t)cur_u8(&c);
    read_parts(&c, flexible, add, user);
    v->update_ms = cur_i64(&c);
    v->start_ms = cur_i64(&c);
    if (flexible)
        read_value_tags(&c, v);
    bool known = v->status >= TXN_EMPTY && v->status <= TXN_COMPLETE_ABORT;
    return c.bad || !known ? ERR_CORRUPT : ERR_OK;
}
