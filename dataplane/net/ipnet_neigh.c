/* ipnet_neigh.c: the neighbours on the link, for ARP and NDP alike.
 *
 * A table of IPNET_BUCKETS buckets of IPNET_WAYS entries, by a keyed hash.  State of an entry:
 *
 *   FREE -> RESOLVING  a packet is to go there: asked, IPNET_ASK_TRIES times, a second apart
 *        -> KNOWN      it asked for us first
 *   RESOLVING -> KNOWN (it answered, or asked for us) or FREE (what waited is dropped)
 *   KNOWN     -> PROBING  used when its confirmation is older than IPNET_KNOWN_NS
 *   PROBING   -> KNOWN (it answered) or FREE
 *
 * STALE is what others see of a KNOWN entry with an old confirmation.  I1: an entry is in `asking`
 * exactly while it is RESOLVING or PROBING.  I2: only a RESOLVING entry has packets waiting.
 * I3: neigh_count, resolving, waiting agree with the table.
 *
 * When a bucket is full the entry goes that we have never sent to, of those the one that was used
 * longest ago; so a flood of strangers displaces strangers.  One being asked never goes. */
#include "dataplane/net/ipnet_in.h"

_Static_assert((IPNET_BUCKETS & (IPNET_BUCKETS - 1)) == 0, "the hash is cut by a mask");

static struct ipnet_neigh *
bucket_of(struct ipnet *n, const uint8_t ip[16])
{
    uint64_t mix = get_u64(n->config.secret);
    for (uint32_t i = 0; i < 16; i += 8) {
        mix = (mix ^ get_u64(ip + i)) * (get_u64(n->config.secret + 8) | 1);
        mix ^= mix >> 32;
        mix *= UINT64_C(0x9e3779b97f4a7c15);
        mix ^= mix >> 29;
    }
    return &n->neigh[(mix & (IPNET_BUCKETS - 1)) * IPNET_WAYS];
}

static bool
is_asked(const struct ipnet_neigh *e)
{
    return e->state == IPNET_NEIGH_RESOLVING || e->state == IPNET_NEIGH_PROBING;
}

static void
waiting_drop(struct ipnet *n, struct ipnet_neigh *e)
{
    for (uint32_t i = 0; i < e->waiting_count; i++) {
        (void)ipnet_drop(n, IPNET_DROP_NEIGHBOUR_DEAD);
        ipnet_slot_drop(n, e->waiting[i]);
    }
    n->waiting -= e->waiting_count;
    e->waiting_count = 0;
}

static void
asking_end(struct ipnet *n, struct ipnet_neigh *e)
{
    if (!is_asked(e))
        return;
    n->resolving -= e->state == IPNET_NEIGH_RESOLVING;
    list_remove(&e->asking);
}

static void
forget(struct ipnet *n, struct ipnet_neigh *e)
{
    asking_end(n, e);
    waiting_drop(n, e);
    e->state = IPNET_NEIGH_FREE;
    n->neigh_count--;
}

void
ipnet_neigh_init(struct ipnet *n)
{
    list_init(&n->asking);
    for (uint32_t i = 0; i < IPNET_NEIGHBOURS_MAX; i++)
        list_init(&n->neigh[i].asking);
}

void
ipnet_neigh_end(struct ipnet *n)
{
    for (uint32_t i = 0; i < IPNET_NEIGHBOURS_MAX; i++)
        if (n->neigh[i].state != IPNET_NEIGH_FREE)
            forget(n, &n->neigh[i]);
}

struct ipnet_neigh *
ipnet_neigh_find(struct ipnet *n, const uint8_t ip[16])
{
    struct ipnet_neigh *e = bucket_of(n, ip);
    for (uint32_t i = 0; i < IPNET_WAYS; i++)
        if (e[i].state != IPNET_NEIGH_FREE && ipnet_ip_equal(e[i].ip, ip))
            return &e[i];
    return NULL;
}

static bool
goes_before(const struct ipnet_neigh *a, const struct ipnet_neigh *b)
{
    return a->proven != b->proven ? !a->proven : a->used_ns < b->used_ns;
}

/* An entry for an address that has none, in no state yet; NULL: all of its bucket are being asked.
 */
static struct ipnet_neigh *
make(struct ipnet *n, const uint8_t ip[16])
{
    struct ipnet_neigh *bucket = bucket_of(n, ip), *e = NULL;
    for (uint32_t i = 0; i < IPNET_WAYS; i++) {
        struct ipnet_neigh *other = &bucket[i];
        if (other->state == IPNET_NEIGH_FREE) {
            e = other;
            break;
        }
        if (!is_asked(other) && (!e || goes_before(other, e)))
            e = other;
    }
    if (!e)
        return NULL;
    if (e->state != IPNET_NEIGH_FREE)
        forget(n, e);
    *e = (struct ipnet_neigh){.used_ns = n->now_ns};
    list_init(&e->asking);
    memcpy(e->ip, ip, 16);
    n->neigh_count++;
    return e;
}

/* ---- asking ---- */

static void
ask(struct ipnet *n, struct ipnet_neigh *e)
{
    const uint8_t *mac = e->state == IPNET_NEIGH_PROBING ? e->mac : NULL;
    e->tries++;
    e->deadline_ns = n->now_ns + IPNET_ASK_NS;
    if (!ipnet_rate_take(&n->resolves, n->now_ns)) {
        (void)ipnet_drop(n, IPNET_DROP_RATE);
        return;
    }
    n->stat.resolves++;
    if (iptext_is_v4(e->ip))
        ipnet_arp_ask(n, e->ip, mac);
    else
        ipnet_ndp_ask(n, e->ip, mac);
}

static void
ask_begin(struct ipnet *n, struct ipnet_neigh *e, enum ipnet_neigh_state state)
{
    must(!is_asked(e));
    e->state = (uint8_t)state;
    e->tries = 0;
    n->resolving += state == IPNET_NEIGH_RESOLVING;
    list_push_back(&n->asking, &e->asking);
    ask(n, e);
}

uint64_t
ipnet_neigh_step(struct ipnet *n)
{
    uint64_t next = CLOCK_NEVER;
    struct list *at = n->asking.next;
    while (at != &n->asking) {
        struct ipnet_neigh *e = list_item(at, struct ipnet_neigh, asking);
        at = at->next;
        if (n->now_ns >= e->deadline_ns) {
            if (e->tries >= IPNET_ASK_TRIES) {
                forget(n, e);
                continue;
            }
            ask(n, e);
        }
        next = e->deadline_ns < next ? e->deadline_ns : next;
    }
    return next;
}

/* ---- learning ---- */

static void
waiting_send(struct ipnet *n, struct ipnet_neigh *e)
{
    for (uint32_t i = 0; i < e->waiting_count; i++) {
        memcpy(n->slots[e->waiting[i]].tx.header, e->mac, IPNET_MAC_BYTES);
        ipnet_slot_ready(n, e->waiting[i]);
    }
    n->waiting -= e->waiting_count;
    e->proven |= e->waiting_count > 0;
    e->waiting_count = 0;
}

void
ipnet_neigh_learn(struct ipnet *n, const uint8_t ip[16], const uint8_t mac[IPNET_MAC_BYTES],
                  enum ipnet_learn how)
{
    struct ipnet_neigh *e = ipnet_neigh_find(n, ip);
    if (!e && how == IPNET_LEARN_ASKED) {
        e = make(n, ip);
        if (e)
            e->state = IPNET_NEIGH_KNOWN;
    } else if (e) {
        bool settled = e->state != IPNET_NEIGH_RESOLVING;
        bool other = memcmp(e->mac, mac, IPNET_MAC_BYTES) != 0;
        /* Two that claim one address shall not make us change with every frame. */
        if (settled && other && n->now_ns - e->changed_ns < IPNET_LOCK_NS)
            return;
        if (settled && !other && how == IPNET_LEARN_SEEN)
            return;
        if (settled && (how == IPNET_LEARN_HINT || (other && how == IPNET_LEARN_WEAK)))
            return;
        asking_end(n, e);
        e->state = IPNET_NEIGH_KNOWN;
        if (!other && settled) {
            e->confirmed_ns = n->now_ns;
            return;
        }
    }
    if (!e)
        return;
    memcpy(e->mac, mac, IPNET_MAC_BYTES);
    e->changed_ns = e->confirmed_ns = n->now_ns;
    waiting_send(n, e);
}

/* ---- sending ---- */

static void
wait_for(struct ipnet *n, struct ipnet_neigh *e, uint16_t slot)
{
    if (e->waiting_count == IPNET_WAITING_EACH_MAX || n->waiting == IPNET_WAITING_MAX) {
        (void)ipnet_drop(n, IPNET_DROP_NEIGHBOUR_WAIT);
        ipnet_slot_drop(n, slot);
        return;
    }
    e->waiting[e->waiting_count++] = slot;
    n->waiting++;
}

void
ipnet_neigh_send(struct ipnet *n, const uint8_t hop[16], uint16_t slot)
{
    struct ipnet_neigh *e = ipnet_neigh_find(n, hop);
    if (!e) {
        e = n->resolving < IPNET_RESOLVING_MAX ? make(n, hop) : NULL;
        if (!e) {
            (void)ipnet_drop(n, IPNET_DROP_NEIGHBOUR_FULL);
            ipnet_slot_drop(n, slot);
            return;
        }
        ask_begin(n, e, IPNET_NEIGH_RESOLVING);
    }
    e->used_ns = n->now_ns;
    if (e->state == IPNET_NEIGH_RESOLVING) {
        wait_for(n, e, slot);
        return;
    }
    e->proven = true;
    memcpy(n->slots[slot].tx.header, e->mac, IPNET_MAC_BYTES);
    ipnet_slot_ready(n, slot);
    if (e->state == IPNET_NEIGH_KNOWN && n->now_ns - e->confirmed_ns >= IPNET_KNOWN_NS)
        ask_begin(n, e, IPNET_NEIGH_PROBING);
}

bool
ipnet_neighbour(const struct ipnet *n, uint32_t index, struct ipnet_neigh_fact *out)
{
    must(index < IPNET_NEIGHBOURS_MAX);
    const struct ipnet_neigh *e = &n->neigh[index];
    if (e->state == IPNET_NEIGH_FREE)
        return false;
    memcpy(out->ip, e->ip, 16);
    memcpy(out->mac, e->mac, IPNET_MAC_BYTES);
    bool old = e->state == IPNET_NEIGH_KNOWN && n->now_ns - e->confirmed_ns >= IPNET_KNOWN_NS;
    out->state = old ? IPNET_NEIGH_STALE : (enum ipnet_neigh_state)e->state;
    out->age_ns = n->now_ns - (e->state == IPNET_NEIGH_RESOLVING ? e->used_ns : e->confirmed_ns);
    return true;
}
