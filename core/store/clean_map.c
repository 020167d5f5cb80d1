/* clean_map.c: an open hash table of key hashes; a place that is taken is passed by one step.
 * I1 used <= limit < slot_count, so that a search always meets an empty place. */
#include "core/store/clean_map.h"
#include "core/base/err.h"

enum { MAP_SLOTS_MIN = 16, MAP_LOAD_PERCENT = 90 };
_Static_assert(sizeof(struct clean_slot) == CLEAN_MAP_KEY_BYTES, "what a key costs");

/* ---- the hash ----------------------------------------------------------------------------------
 */

static inline uint64_t
turn(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

static inline void
sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = turn(v[1], 13) ^ v[0];
    v[0] = turn(v[0], 32);
    v[2] += v[3];
    v[3] = turn(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = turn(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = turn(v[1], 17) ^ v[2];
    v[2] = turn(v[2], 32);
}

/* Up to 8 bytes, the first one lowest. */
static inline uint64_t
little(const uint8_t *p, uint32_t n)
{
    uint64_t x = 0;
    for (uint32_t i = 0; i < n; i++)
        x |= (uint64_t)p[i] << (8 * i);
    return x;
}

static inline void
sip_word(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    sip_round(v);
    sip_round(v);
    v[0] ^= word;
}

void
clean_map_hash(const uint64_t secret[2], struct view bytes, uint64_t out[2])
{
    uint64_t v[4] = {
        secret[0] ^ UINT64_C(0x736f6d6570736575),
        secret[1] ^ UINT64_C(0x646f72616e646f6d) ^ 0xee,
        secret[0] ^ UINT64_C(0x6c7967656e657261),
        secret[1] ^ UINT64_C(0x7465646279746573),
    };
    uint32_t whole = bytes.len / 8 * 8;
    for (uint32_t i = 0; i < whole; i += 8)
        sip_word(v, little(bytes.at + i, 8));
    uint64_t rest = bytes.len > whole ? little(bytes.at + whole, bytes.len - whole) : 0;
    sip_word(v, (uint64_t)(bytes.len & 0xff) << 56 | rest);
    v[2] ^= 0xee;
    for (int i = 0; i < 4; i++)
        sip_round(v);
    out[0] = v[0] ^ v[1] ^ v[2] ^ v[3];
    v[1] ^= 0xdd;
    for (int i = 0; i < 4; i++)
        sip_round(v);
    out[1] = v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* ---- the table ---------------------------------------------------------------------------------
 */

int
clean_map_init(struct clean_map *m, void *memory, uint64_t bytes,
               const uint8_t secret[static CLEAN_MAP_SECRET_BYTES])
{
    uint64_t count = bytes / sizeof(struct clean_slot);
    if (count < MAP_SLOTS_MIN)
        return ERR_INVALID;
    *m = (struct clean_map){.secret = {little(secret, 8), little(secret + 8, 8)},
                            .slots = memory,
                            .slot_count = count,
                            .latest = -1,
                            .limit = count / 100 * MAP_LOAD_PERCENT +
                                     count % 100 * MAP_LOAD_PERCENT / 100};
    return ERR_OK;
}

void
clean_map_clear(struct clean_map *m)
{
    memset(m->slots, 0xff, m->slot_count * sizeof *m->slots);
    m->used = 0;
    m->latest = -1;
}

/* The place of a key, or the empty one where it belongs. */
static struct clean_slot *
slot_of(const struct clean_map *m, struct view key, uint64_t hash[2])
{
    clean_map_hash(m->secret, key, hash);
    uint64_t i = hash[0] % m->slot_count;
    while (m->slots[i].offset >= 0 &&
           (m->slots[i].hash[0] != hash[0] || m->slots[i].hash[1] != hash[1]))
        i = i + 1 == m->slot_count ? 0 : i + 1;
    return &m->slots[i];
}

int
clean_map_put(struct clean_map *m, struct view key, int64_t offset)
{
    uint64_t hash[2];
    must(offset >= 0);
    struct clean_slot *slot = slot_of(m, key, hash);
    if (slot->offset < 0) {
        if (m->used >= m->limit)
            return ERR_FULL;
        m->used++;
        slot->hash[0] = hash[0];
        slot->hash[1] = hash[1];
    }
    slot->offset = offset;
    return ERR_OK;
}

int64_t
clean_map_get(const struct clean_map *m, struct view key)
{
    uint64_t hash[2];
    return slot_of(m, key, hash)->offset;
}
