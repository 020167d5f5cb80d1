/* ipnet.c: the machine as a whole: its memory, its addresses and routes, its clock.
 *
 * memory: struct ipnet | IPNET_SLOTS struct ipnet_slot | IPNET_SLOTS times mtu bytes (slot.copy)
 *
 * An address of IPv6 is tentative until nobody answered for it during IPNET_DAD_NS (RFC 4862); one
 * of IPv4 is ours at once and is announced and defended (RFC 5227).  A duplicate of IPv6 is not
 * used again.  I1: ours[] never changes its order; the link-local address stands last.
 * I2: every slot is in exactly one place: free, ready, or waiting at one neighbour. */
#include "dataplane/net/ipnet_in.h"

static size_t
round_up(size_t n)
{
    return (n + 63) & ~(size_t)63;
}

const char *
ipnet_drop_name(enum ipnet_drop drop)
{
    static const char *const names[] = {
#define IPNET_DROP(name, text) text,
#include "dataplane/net/ipnet_drop.def"
#undef IPNET_DROP
    };
    must(drop < IPNET_DROPS);
    return names[drop];
}

/* ---- addresses ---- */

bool
ipnet_ip_in(const uint8_t ip[16], const uint8_t net[16], uint8_t prefix_bits)
{
    must(prefix_bits <= 128);
    uint64_t high = get_u64(ip) ^ get_u64(net), low = get_u64(ip + 8) ^ get_u64(net + 8);
    if (prefix_bits <= 64)
        return prefix_bits == 0 || high >> (64 - prefix_bits) == 0;
    return high == 0 && low >> (128 - prefix_bits) == 0;
}

bool
ipnet_ip_is_host(const uint8_t ip[16])
{
    if (iptext_is_v4(ip))
        return ip[12] != 0 && ip[12] != 127 && ip[12] < 224;
    static const uint8_t low[12];
    /* ::, ::1, the IPv4-compatible block; groups. */
    return ip[0] != 0xff && memcmp(ip, low, sizeof low) != 0;
}

struct ipnet_ours *
ipnet_ours_find(struct ipnet *n, const uint8_t ip[16])
{
    for (uint32_t i = 0; i < n->ours_count; i++)
        if (ipnet_ip_equal(n->ours[i].ip, ip))
            return &n->ours[i];
    return NULL;
}

const struct ipnet_ours *
ipnet_ours_near(const struct ipnet *n, const uint8_t ip[16])
{
    for (uint32_t i = 0; i < n->ours_count; i++) {
        const struct ipnet_ours *o = &n->ours[i];
        if (o->state == IPNET_OURS && ipnet_ip_in(ip, o->ip, o->prefix_bits))
            return o;
    }
    return NULL;
}

bool
ipnet_is_ours(const struct ipnet *n, const uint8_t ip[16])
{
    for (uint32_t i = 0; i < n->ours_count; i++)
        if (n->ours[i].state == IPNET_OURS && ipnet_ip_equal(n->ours[i].ip, ip))
            return true;
    return false;
}

void
ipnet_ours_claimed(struct ipnet *n, struct ipnet_ours *o)
{
    n->stat.duplicates++;
    ipnet_news_claimed(n, o->ip);
    if (o->state == IPNET_TENTATIVE)
        o->state = IPNET_DUPLICATE;
    if (o->state == IPNET_DUPLICATE)
        return;
    if (n->now_ns - o->defended_ns < IPNET_DEFEND_NS && o->defended_ns)
        return;
    o->defended_ns = n->now_ns;
    if (iptext_is_v4(o->ip))
        ipnet_arp_announce(n, o->ip);
    else
        ipnet_ndp_announce(n, o->ip);
}

/* ---- routes ---- */

static const struct ipnet_route *
route_find(const struct ipnet_config *c, const uint8_t dst[16])
{
    const struct ipnet_route *best = NULL;
    for (uint32_t i = 0; i < c->route_count; i++) {
        const struct ipnet_route *r = &c->routes[i];
        if (!ipnet_ip_in(dst, r->to.ip, r->to.prefix_bits) ||
            iptext_is_v4(dst) != iptext_is_v4(r->via))
            continue;
        if (!best || r->to.prefix_bits > best->to.prefix_bits)
            best = r;
    }
    return best;
}

int
ipnet_hop(const struct ipnet *n, const uint8_t dst[16], uint8_t hop[16])
{
    if (!ipnet_ip_is_host(dst))
        return ERR_NOT_FOUND;
    if (ipnet_ours_near(n, dst)) {
        memcpy(hop, dst, 16);
        return ERR_OK;
    }
    const struct ipnet_route *r = route_find(&n->config, dst);
    if (!r)
        return ERR_NOT_FOUND;
    memcpy(hop, r->via, 16);
    return ERR_OK;
}

bool
ipnet_source(const struct ipnet *n, const uint8_t dst[16], uint8_t src[16])
{
    uint8_t hop[16];
    if (ipnet_hop(n, dst, hop))
        return false;
    const struct ipnet_ours *o = ipnet_ours_near(n, hop);
    if (!o)
        return false;
    memcpy(src, o->ip, 16);
    return true;
}

/* ---- the configuration ---- */

static bool
address_good(const struct ipnet_address *a)
{
    if (!ipnet_ip_is_host(a->ip) || a->prefix_bits > 128)
        return false;
    if (!iptext_is_v4(a->ip))
        return true;
    if (a->prefix_bits < 96)
        return false;
    /* Neither the network's own address nor its broadcast address, where it has them. */
    uint32_t host = get_u32(a->ip + 12), bits = 128u - a->prefix_bits;
    uint32_t mask = bits == 32 ? UINT32_MAX : (UINT32_C(1) << bits) - 1;
    return bits < 2 || ((host & mask) != 0 && (host & mask) != mask);
}

static bool
route_good(const struct ipnet_config *c, const struct ipnet_route *r)
{
    bool v4 = iptext_is_v4(r->via);
    if (r->to.prefix_bits > 128 || (v4 && r->to.prefix_bits < 96) || !ipnet_ip_is_host(r->via))
        return false;
    if (!v4 && ipnet_ip_is_link_local(r->via))
        return true;
    for (uint32_t i = 0; i < c->address_count; i++)
        if (ipnet_ip_in(r->via, c->addresses[i].ip, c->addresses[i].prefix_bits))
            return true;
    return false;
}

int
ipnet_check(const struct ipnet_config *c)
{
    if (c->mtu < IPNET_MTU_LEAST || c->mtu > IPNET_MTU_MAX || c->vlan > 4094 || c->mac[0] & 1)
        return ERR_INVALID;
    if (c->tx_burst_bytes > (c->tx_l4_sum ? IPNET_BURST_MAX : 0))
        return ERR_INVALID;
    if (c->address_count == 0 || c->address_count > IPNET_ADDRESSES_MAX ||
        c->route_count > IPNET_ROUTES_MAX)
        return ERR_INVALID;
    for (uint32_t i = 0; i < c->address_count; i++) {
        if (!address_good(&c->addresses[i]))
            return ERR_INVALID;
        for (uint32_t j = 0; j < i; j++)
            if (ipnet_ip_equal(c->addresses[i].ip, c->addresses[j].ip))
                return ERR_INVALID;
    }
    for (uint32_t i = 0; i < c->route_count; i++)
        if (!route_good(c, &c->routes[i]))
            return ERR_INVALID;
    return ERR_OK;
}

static void
ours_add(struct ipnet *n, const uint8_t ip[16], uint8_t prefix_bits)
{
    must(n->ours_count < IPNET_OURS_MAX);
    struct ipnet_ours *o = &n->ours[n->ours_count++];
    memcpy(o->ip, ip, 16);
    o->prefix_bits = prefix_bits;
    o->announces = IPNET_ANNOUNCE_N;
    o->deadline_ns = n->now_ns;
    o->state = iptext_is_v4(ip) ? IPNET_OURS : IPNET_TENTATIVE;
    if (iptext_is_v4(ip) && prefix_bits <= 126)
        o->host4 = UINT32_MAX >> (prefix_bits - 96);
    if (o->state == IPNET_TENTATIVE) {
        o->deadline_ns += IPNET_DAD_NS;
        n->reports_left = IPNET_ANNOUNCE_N;
    }
}

/* fe80:: and the modified EUI-64 of the link address (RFC 4291 appendix A). */
static void
link_local(const uint8_t mac[IPNET_MAC_BYTES], uint8_t ip[16])
{
    memset(ip, 0, 16);
    ip[0] = 0xfe;
    ip[1] = 0x80;
    memcpy(ip + 8, mac, 3);
    ip[8] ^= 2;
    ip[11] = 0xff;
    ip[12] = 0xfe;
    memcpy(ip + 13, mac + 3, 3);
}

static void
ours_init(struct ipnet *n)
{
    const struct ipnet_config *c = &n->config;
    bool v6 = false;
    uint8_t local[16];
    for (uint32_t i = 0; i < c->address_count; i++) {
        ours_add(n, c->addresses[i].ip, c->addresses[i].prefix_bits);
        v6 |= !iptext_is_v4(c->addresses[i].ip);
    }
    link_local(c->mac, local);
    if (v6 && !ipnet_ours_find(n, local))
        ours_add(n, local, 64);
    n->report_ns = n->now_ns;
    if (c->secondary) {
        n->reports_left = 0;
        return;
    }
    for (uint32_t i = 0; i < n->ours_count; i++)
        if (n->ours[i].state == IPNET_TENTATIVE)
            ipnet_ndp_probe(n, n->ours[i].ip);
}

/* ---- life ---- */

size_t
ipnet_footprint(const struct ipnet_config *config)
{
    return round_up(sizeof(struct ipnet)) +
           IPNET_SLOTS * (round_up(sizeof(struct ipnet_slot)) + round_up(config->mtu));
}

static void
rate_init(struct ipnet_rate *r, uint32_t each_second)
{
    r->interval_ns = CLOCK_NS_PER_S / each_second;
    r->burst_ns = CLOCK_NS_PER_S / 10;
    if (r->burst_ns < 9 * r->interval_ns)
        r->burst_ns = 9 * r->interval_ns;
    r->due_ns = 0;
}

bool
ipnet_reply_take(struct ipnet *n, const uint8_t mac[IPNET_MAC_BYTES])
{
    uint64_t mix = get_u64(n->config.secret);
    for (uint32_t i = 0; i < IPNET_MAC_BYTES; i++)
        mix = (mix ^ mac[i]) * UINT64_C(0x9e3779b97f4a7c15);
    mix ^= mix >> 32;
    return ipnet_rate_take(&n->replies[mix % IPNET_REPLY_GROUPS], n->now_ns);
}

struct ipnet *
ipnet_init(void *at, const struct ipnet_config *config, uint64_t now_ns)
{
    must(ipnet_check(config) == ERR_OK);
    must((uintptr_t)at % 64 == 0);
    struct ipnet *n = at;
    memset(n, 0, sizeof *n);
    n->config = *config;
    n->now_ns = now_ns;
    n->slots = (void *)((uint8_t *)at + round_up(sizeof *n));
    uint8_t *copy = (uint8_t *)(n->slots + IPNET_SLOTS);
    for (uint32_t i = 0; i < IPNET_SLOTS; i++) {
        n->slots[i].copy = copy + (size_t)i * config->mtu;
        n->slot_free[n->slot_free_count++] = (uint16_t)i;
    }
    rate_init(&n->echoes, IPNET_ECHOES_RATE);
    rate_init(&n->errors, IPNET_ERRORS_RATE);
    for (uint32_t i = 0; i < IPNET_REPLY_GROUPS; i++)
        rate_init(&n->replies[i], IPNET_REPLIES_RATE);
    rate_init(&n->resolves, IPNET_RESOLVES_RATE);
    rate_init(&n->news_rate, IPNET_NEWS_RATE);
    ipnet_neigh_init(n);
    ours_init(n);
    return n;
}

void
ipnet_end(struct ipnet *n)
{
    ipnet_neigh_end(n);
    while (n->ready_count)
        ipnet_sent(n, 1);
    must(n->slot_free_count == IPNET_SLOTS);
}

/* ---- the clock ---- */

static uint64_t
ours_step(struct ipnet *n, struct ipnet_ours *o)
{
    if (o->state == IPNET_DUPLICATE || (o->state == IPNET_OURS && o->announces == 0))
        return CLOCK_NEVER;
    if (n->now_ns < o->deadline_ns)
        return o->deadline_ns;
    o->state = IPNET_OURS;
    if (n->config.secondary) {
        o->announces = 0;
        return CLOCK_NEVER;
    }
    if (iptext_is_v4(o->ip))
        ipnet_arp_announce(n, o->ip);
    else
        ipnet_ndp_announce(n, o->ip);
    o->announces--;
    o->deadline_ns = n->now_ns + 2 * CLOCK_NS_PER_S; /* RFC 5227: ANNOUNCE_INTERVAL */
    return o->announces ? o->deadline_ns : CLOCK_NEVER;
}

static uint64_t
report_step(struct ipnet *n)
{
    if (n->reports_left == 0)
        return CLOCK_NEVER;
    if (n->now_ns >= n->report_ns) {
        ipnet_ndp_report(n);
        n->reports_left--;
        n->report_ns = n->now_ns + IPNET_REPORT_NS;
    }
    return n->reports_left ? n->report_ns : CLOCK_NEVER;
}

uint64_t
ipnet_step(struct ipnet *n, uint64_t now_ns)
{
    n->now_ns = now_ns;
    uint64_t next = ipnet_neigh_step(n), at = report_step(n);
    next = at < next ? at : next;
    for (uint32_t i = 0; i < n->ours_count; i++) {
        at = ours_step(n, &n->ours[i]);
        next = at < next ? at : next;
    }
    return next;
}

bool
ipnet_address(const struct ipnet *n, uint32_t index, struct ipnet_address_fact *out)
{
    if (index >= n->ours_count)
        return false;
    const struct ipnet_ours *o = &n->ours[index];
    memcpy(out->at.ip, o->ip, sizeof out->at.ip);
    out->at.prefix_bits = o->prefix_bits;
    out->state = (enum ipnet_ours_state)o->state;
    return true;
}

bool
ipnet_route(const struct ipnet *n, uint32_t index, struct ipnet_route *out)
{
    if (index >= n->config.route_count)
        return false;
    *out = n->config.routes[index];
    return true;
}

uint64_t
ipnet_dropped(const struct ipnet *n, enum ipnet_drop drop)
{
    must(drop < IPNET_DROPS);
    return n->drops[drop];
}

void
ipnet_stat(const struct ipnet *n, struct ipnet_stat *out)
{
    *out = n->stat;
    out->neighbours = n->neigh_count;
    out->resolving = n->resolving;
    out->waiting = n->waiting;
    out->slots = IPNET_SLOTS - n->slot_free_count;
}
