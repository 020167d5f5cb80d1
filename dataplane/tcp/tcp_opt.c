/* tcp_opt.c: see tcp_opt.h.
 *
 *   0 source port u16   2 destination port u16   4 seq u32   8 ack u32
 *  12 data offset (4 bits, in words), reserved   13 flags   14 window u16
 *  16 checksum u16     18 urgent pointer u16    20 options
 *
 * Options: kind u8, length u8 (of the whole option), value; kinds 0 (end) and 1 (padding) are a
 * single byte.  Written in the order that others write and recognise fast: MSS, SACK-permitted,
 * timestamps, window scale; in later segments padding, padding, timestamps, then SACK. */
#include "dataplane/tcp/tcp_opt.h"

#include "core/base/err.h"

/* Padding twice, kind and length of timestamps: what every segment but the first begins with. */
#define TS_ALONE UINT32_C(0x0101080a)

enum {
    KIND_END,
    KIND_PAD,
    KIND_MSS,
    KIND_SCALE,
    KIND_SACK_PERMITTED,
    KIND_SACK,
    KIND_TS = 8,
    TS_BYTES = 12
};

static void
sacks_read(struct cur *c, uint32_t bytes, struct tcp_options *o)
{
    if (o->sack_count || bytes % 8 != 0 || bytes == 0 || bytes > 8 * TCP_SACKS_MAX) {
        cur_take(c, bytes);
        return;
    }
    for (; bytes; bytes -= 8) {
        struct tcp_range *r = &o->sacks[o->sack_count++];
        r->first = cur_u32(c);
        r->limit = cur_u32(c);
    }
}

static void
option_read(uint8_t kind, struct cur *value, struct tcp_options *o, uint32_t *seen)
{
    uint32_t bytes = cur_left(value);
    bool first = kind >= 32 || !(*seen & 1u << kind);
    if (kind < 32)
        *seen |= 1u << kind;
    if (!first)
        return;
    switch (kind) {
    case KIND_MSS:
        if (bytes == 2)
            o->mss = cur_u16(value);
        break;
    case KIND_SCALE:
        if (bytes == 1) {
            o->scale = cur_u8(value);
            if (o->scale > TCP_SCALE_MAX) /* RFC 7323 2.3 */
                o->scale = TCP_SCALE_MAX;
            o->has_scale = true;
        }
        break;
    case KIND_SACK_PERMITTED:
        if (bytes == 0)
            o->sack_permitted = true;
        break;
    case KIND_SACK:
        sacks_read(value, bytes, o);
        break;
    case KIND_TS:
        if (bytes == 8) {
            o->ts_value = cur_u32(value);
            o->ts_echo = cur_u32(value);
            o->has_ts = true;
        }
        break;
    }
}

static void
options_read(struct view v, struct tcp_options *o)
{
    struct cur c = cur_of(v);
    uint32_t seen = 0;
    if (v.len == TS_BYTES && get_u32(v.at) == TS_ALONE) {
        o->ts_value = get_u32(v.at + 4);
        o->ts_echo = get_u32(v.at + 8);
        o->has_ts = true;
        return;
    }
    while (cur_left(&c) > 0) {
        uint8_t kind = cur_u8(&c);
        if (kind == KIND_END)
            return;
        if (kind == KIND_PAD)
            continue;
        uint8_t len = cur_u8(&c);
        if (c.bad || len < 2)
            return;
        struct view bytes = cur_view(&c, len - 2u);
        if (c.bad)
            return;
        struct cur value = cur_of(bytes);
        option_read(kind, &value, o, &seen);
    }
}

int
tcp_header_read(struct view l4, struct tcp_header *out)
{
    *out = (struct tcp_header){0};
    if (l4.len < TCP_HEADER_MIN)
        return ERR_CORRUPT;
    uint32_t header = (uint32_t)(l4.at[12] >> 4) * 4;
    if (header < TCP_HEADER_MIN || header > l4.len)
        return ERR_CORRUPT;
    out->src_port = get_u16(l4.at);
    out->dst_port = get_u16(l4.at + 2);
    out->seq = get_u32(l4.at + 4);
    out->ack = get_u32(l4.at + 8);
    out->flags = l4.at[13];
    out->window = get_u16(l4.at + 14);
    out->payload = view_of(l4.at + header, l4.len - header);
    options_read(view_of(l4.at + TCP_HEADER_MIN, header - TCP_HEADER_MIN), &out->options);
    return ERR_OK;
}

static void
timestamps_write(struct put *w, const struct tcp_options *o)
{
    put_u8(w, KIND_TS);
    put_u8(w, 10);
    put_u32(w, o->ts_value);
    put_u32(w, o->ts_echo);
}

static void
syn_options_write(struct put *w, const struct tcp_options *o)
{
    if (o->mss) {
        put_u8(w, KIND_MSS);
        put_u8(w, 4);
        put_u16(w, o->mss);
    }
    if (o->sack_permitted) {
        put_u8(w, KIND_SACK_PERMITTED);
        put_u8(w, 2);
    }
    if (o->has_ts)
        timestamps_write(w, o);
    if (o->has_scale) {
        put_u8(w, KIND_SCALE);
        put_u8(w, 3);
        put_u8(w, o->scale);
    }
}

static void
options_write(struct put *w, const struct tcp_options *o)
{
    uint8_t *ts = o->has_ts ? put_take(w, TS_BYTES) : NULL;
    if (ts) {
        set_u32(ts, TS_ALONE);
        set_u32(ts + 4, o->ts_value);
        set_u32(ts + 8, o->ts_echo);
    }
    uint32_t left = (uint32_t)(w->end - w->at);
    uint32_t count = o->sack_count;
    if (count == 0 || left < 12)
        return;
    if (count > (left - 4) / 8)
        count = (left - 4) / 8;
    put_u8(w, KIND_PAD);
    put_u8(w, KIND_PAD);
    put_u8(w, KIND_SACK);
    put_u8(w, (uint8_t)(2 + 8 * count));
    for (uint32_t i = 0; i < count; i++) {
        put_u32(w, o->sacks[i].first);
        put_u32(w, o->sacks[i].limit);
    }
}

uint32_t
tcp_header_write(uint8_t *at, const struct tcp_header *h)
{
    struct put w = put_of(at, TCP_HEADER_MIN + TCP_OPTIONS_MAX);
    (void)put_take(&w, TCP_HEADER_MIN);
    set_u16(at, h->src_port);
    set_u16(at + 2, h->dst_port);
    set_u32(at + 4, h->seq);
    set_u32(at + 8, h->ack);
    at[13] = h->flags;
    set_u16(at + 14, h->window);
    set_u32(at + 16, 0);
    if (h->flags & TCP_SYN)
        syn_options_write(&w, &h->options);
    else
        options_write(&w, &h->options);
    while (put_len(&w) % 4)
        put_u8(&w, KIND_END);
    must(!w.bad);
    at[12] = (uint8_t)(put_len(&w) / 4 << 4);
    return put_len(&w);
}
