#include "dataplane/bypass/bypass_tap.h"

#include "core/net/iptext.h"
#include "core/shm/msg.h"

#include <string.h>

enum {
    ETH_BYTES = 14,
    TAG_BYTES = 4,
    TYPE_VLAN = 0x8100,
    TYPE_IP4 = 0x0800,
    TYPE_IP6 = 0x86dd,
    IP4_LEAST = 20,
    IP6_BYTES = 40,
    PROTO_TCP = 6,
};

/* ---- the filter ---- */

/* One end of a packet. */
struct end {
    uint8_t ip[16];
    uint16_t port;
};

/* Both ends of an IP packet; ports are 0 where it is not TCP or they are not there. */
static bool
ends_of(const uint8_t *p, uint32_t n, uint16_t type, struct end *from, struct end *to)
{
    uint32_t head = type == TYPE_IP4 ? IP4_LEAST : IP6_BYTES;
    if (n < head)
        return false;
    bool tcp;
    if (type == TYPE_IP4) {
        iptext_of_v4(p + 12, from->ip);
        iptext_of_v4(p + 16, to->ip);
        head = (uint32_t)(p[0] & 15) * 4;
        tcp = p[9] == PROTO_TCP && (get_u16(p + 6) & 0x1fff) == 0;
    } else {
        memcpy(from->ip, p + 8, 16);
        memcpy(to->ip, p + 24, 16);
        tcp = p[6] == PROTO_TCP;
    }
    from->port = to->port = 0;
    if (tcp && n >= head + 4) {
        from->port = get_u16(p + head);
        to->port = get_u16(p + head + 2);
    }
    return true;
}

static bool
is_end(const struct capring_filter *f, const struct end *e)
{
    return memcmp(f->ip, e->ip, sizeof f->ip) == 0 && (f->port == 0 || f->port == e->port);
}

bool
bypass_tap_wants(const struct capring_filter *f, const uint8_t *frame, uint32_t bytes)
{
    if (!f->some)
        return true;
    struct end from, to;
    uint32_t at = ETH_BYTES;
    if (bytes < at)
        return false;
    uint16_t type = get_u16(frame + at - 2);
    if (type == TYPE_VLAN && bytes >= at + TAG_BYTES) {
        at += TAG_BYTES;
        type = get_u16(frame + at - 2);
    }
    if (type != TYPE_IP4 && type != TYPE_IP6)
        return false;
    return ends_of(frame + at, bytes - at, type, &from, &to) &&
           (is_end(f, &from) || is_end(f, &to));
}

/* ---- copying ---- */

/* Room for `kept` bytes of a frame of `whole`; NULL: the ring is full. */
static uint8_t *
frame_begin(struct bypass_tap *t, uint32_t whole, uint32_t kept, bool out)
{
    struct msg_frame m = {.at_ns = t->now_ns, .wire_bytes = whole, .out = out};
    uint8_t *at = chan_reserve(&t->ring, (uint32_t)sizeof m + kept);
    if (!at) {
        atomic_store_explicit(&t->core->lost, ++t->lost, memory_order_relaxed);
        return NULL;
    }
    memcpy(at, &m, sizeof m);
    return at + sizeof m;
}

static void
frame_end(struct bypass_tap *t, uint32_t kept)
{
    chan_publish(&t->ring, MSG_FRAME, t->task.number, (uint32_t)sizeof(struct msg_frame) + kept);
}

static uint32_t
least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static void
arrived(struct bypass_tap *t, struct view v)
{
    uint32_t kept = least(v.len, t->task.snap);
    if (!bypass_tap_wants(&t->task.filter, v.at, v.len))
        return;
    uint8_t *to = frame_begin(t, v.len, kept, false);
    if (!to)
        return;
    memcpy(to, v.at, kept);
    frame_end(t, kept);
}

static void
leaving(struct bypass_tap *t, const struct nic_tx *tx)
{
    uint32_t whole = tx->header_bytes + tx->payload_bytes, kept = least(whole, t->task.snap);
    if (!bypass_tap_wants(&t->task.filter, tx->header, tx->header_bytes))
        return;
    uint8_t *to = frame_begin(t, whole, kept, true);
    if (!to)
        return;
    uint32_t at = least(tx->header_bytes, kept);
    memcpy(to, tx->header, at);
    for (uint32_t i = 0; i < tx->span_count && at < kept; i++) {
        uint32_t n = least(tx->spans[i].bytes.len, kept - at);
        if (n)
            memcpy(to + at, tx->spans[i].bytes.at, n);
        at += n;
    }
    frame_end(t, at);
}

/* ---- nic_ops ---- */

static uint32_t
tap_rx(void *self, struct nic_rx *out, uint32_t max)
{
    struct bypass_tap_link *l = self;
    uint32_t n = l->nic.ops->rx(l->nic.self, out, max);
    for (uint32_t i = 0; i < n; i++)
        arrived(l->tap, out[i].bytes);
    return n;
}

static void
tap_release(void *self, struct packet_frame *const *frames, uint32_t count)
{
    struct bypass_tap_link *l = self;
    l->nic.ops->release(l->nic.self, frames, count);
}

static uint32_t
tap_tx(void *self, const struct nic_tx *const *frames, uint32_t count)
{
    struct bypass_tap_link *l = self;
    uint32_t taken = l->nic.ops->tx(l->nic.self, frames, count);
    for (uint32_t i = 0; i < taken; i++)
        leaving(l->tap, frames[i]);
    return taken;
}

static void
tap_facts(void *self, struct nic_facts *out)
{
    struct bypass_tap_link *l = self;
    l->nic.ops->facts(l->nic.self, out);
}

static void
tap_stat(void *self, struct nic_stat *out)
{
    struct bypass_tap_link *l = self;
    l->nic.ops->stat(l->nic.self, out);
}

/* ---- the loop ---- */

void
bypass_tap_init(struct bypass_tap *t, const struct nic *nics, uint32_t count,
                struct capring_core *core)
{
    must(count <= IPNET_LINKS_MAX);
    *t = (struct bypass_tap){.core = core};
    for (uint32_t i = 0; i < count; i++)
        t->links[i] = (struct bypass_tap_link){nics[i], t};
    if (core)
        chan_join(&t->ring, core->ring, CAPRING_BYTES);
}

void
bypass_tap_turn(struct bypass_tap *t, uint64_t now_ns)
{
    t->now_ns = now_ns;
    if (t->core && capring_look(t->core, &t->task))
        t->lost = 0;
}

struct nic
bypass_tap_nic(struct bypass_tap *t, uint32_t link)
{
    static const struct nic_ops ops = {
        .rx = tap_rx,
        .release = tap_release,
        .tx = tap_tx,
        .facts = tap_facts,
        .stat = tap_stat,
    };
    uint32_t wanted = t->task.filter.device;
    struct bypass_tap_link *l = &t->links[link];
    return t->task.snap && (wanted == 0 || wanted == link + 1) ? (struct nic){&ops, l} : l->nic;
}
