/* tcp_key.c: SipHash (Aumasson, Bernstein 2012).  State v0..v3 starts as the key mixed with four
 * constants; each 8 little-endian bytes are mixed in by `c` rounds, the last word carries the
 * length in its top byte, `d` rounds end it. */
#include "dataplane/tcp/tcp_key.h"

#include "core/base/bytes.h"

#include <string.h>

struct sip {
    uint64_t v0, v1, v2, v3;
    int rounds;
};

static uint64_t
rotl(uint64_t x, int by)
{
    return x << by | x >> (64 - by);
}

static void
sip_round(struct sip *s)
{
    s->v0 += s->v1;
    s->v2 += s->v3;
    s->v1 = rotl(s->v1, 13) ^ s->v0;
    s->v3 = rotl(s->v3, 16) ^ s->v2;
    s->v0 = rotl(s->v0, 32) + s->v3;
    s->v2 += s->v1;
    s->v1 = rotl(s->v1, 17) ^ s->v2;
    s->v3 = rotl(s->v3, 21) ^ s->v0;
    s->v2 = rotl(s->v2, 32);
}

static void
sip_word(struct sip *s, uint64_t word)
{
    s->v3 ^= word;
    for (int i = 0; i < s->rounds; i++)
        sip_round(s);
    s->v0 ^= word;
}

static struct sip
sip_start(const struct tcp_key *key, int rounds)
{
    return (struct sip){
        .v0 = key->k0 ^ UINT64_C(0x736f6d6570736575),
        .v1 = key->k1 ^ UINT64_C(0x646f72616e646f6d),
        .v2 = key->k0 ^ UINT64_C(0x6c7967656e657261),
        .v3 = key->k1 ^ UINT64_C(0x7465646279746573),
        .rounds = rounds,
    };
}

static uint64_t
little(const uint8_t *at, size_t bytes)
{
    uint64_t word = 0;
    for (size_t i = 0; i < bytes; i++)
        word |= (uint64_t)at[i] << 8 * i;
    return word;
}

static void
sip_bytes(struct sip *s, const uint8_t *at, size_t bytes)
{
    size_t left = bytes;
    for (; left >= 8; left -= 8, at += 8)
        sip_word(s, __builtin_bswap64(get_u64(at)));
    sip_word(s, little(at, left) | (uint64_t)(bytes & 0xff) << 56);
}

static uint64_t
sip_end(struct sip *s)
{
    s->v2 ^= 0xff;
    for (int i = 0; i < s->rounds + 2; i++)
        sip_round(s);
    return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

struct tcp_key
tcp_key_of(const uint8_t bytes[TCP_KEY_BYTES])
{
    return (struct tcp_key){little(bytes, 8), little(bytes + 8, 8)};
}

uint64_t
tcp_key_hash(const struct tcp_key *key, const void *at, size_t bytes)
{
    struct sip s = sip_start(key, 2);
    sip_bytes(&s, at, bytes);
    return sip_end(&s);
}

uint64_t
tcp_key_flow(const struct tcp_key *key, const struct tcp_flow *f, enum tcp_purpose purpose,
             uint64_t more)
{
    uint8_t bytes[sizeof *f + 9];
    memcpy(bytes, f, sizeof *f);
    memcpy(bytes + sizeof *f, &more, sizeof more);
    bytes[sizeof bytes - 1] = (uint8_t)purpose;
    return tcp_key_hash(key, bytes, sizeof bytes);
}

uint64_t
tcp_key_bucket(const struct tcp_key *key, const struct tcp_flow *f)
{
    struct sip s = sip_start(key, 1);
    sip_bytes(&s, (const uint8_t *)f, sizeof *f);
    return sip_end(&s);
}
