/* tcp_config.c: the limits and times of a stack, see tcp.h. */
#include "dataplane/tcp/tcp_core.h"

enum { MS = 1000, S = 1000000 };

void
tcp_config_init(struct tcp_config *c)
{
    *c = (struct tcp_config){
        .conns = 4096,
        .half_open = 4096,
        .waiting = 16384,
        .nodes = 65536,
        .segs = 65536,
        .extents = 65536,
        .rcv_bytes = 1 << 20,
        .snd_bytes = 1 << 20,
        .pinned_bytes = 2 << 20,
        .mtu = 1500,
        .rto_us = S,
        .rto_min_us = 200 * MS,
        .rto_max_us = 60 * S,
        .delack_us = 40 * MS,
        .wait_us = 10 * S,
        .linger_us = 30 * S,
        .keep_us = 0,
        .keep_every_us = 60 * S,
        .keep_probes = 3,
        .persist_max_us = 60 * S,
        .open_tries = 8, /* the last after three minutes: RFC 9293 3.8.3 */
        .syn_tries = 5,
        .data_tries = 15,
        .challenge_us = 500 * MS,
        .replies_per_s = 100,
        .ecn = TCP_ECN_ACCEPT,
    };
}

int
tcp_config_check(const struct tcp_config *c)
{
    bool counts = c->conns && c->half_open && c->waiting && c->nodes >= 8 && c->segs >= 2 &&
                  c->extents && (uint64_t)c->conns + c->half_open + c->waiting < 1u << 30;
    bool bytes = c->rcv_bytes >= 2048 && c->rcv_bytes <= 1 << 28 && c->snd_bytes >= 2048 &&
                 c->snd_bytes <= 1 << 28 && c->pinned_bytes >= c->rcv_bytes && c->mtu >= 1280 &&
                 c->mtu <= 65535;
    bool times = c->rto_min_us >= TCP_TICK_US && c->rto_min_us <= c->rto_us &&
                 c->rto_us <= c->rto_max_us && c->delack_us < 500 * MS && c->wait_us &&
                 c->linger_us && c->persist_max_us >= c->rto_us && c->keep_every_us &&
                 c->replies_per_s;
    bool tries = c->open_tries && c->open_tries < 32 && c->syn_tries && c->syn_tries < 32 &&
                 c->data_tries && c->data_tries < 64;
    bool marks = c->ecn <= TCP_ECN_ASK && c->dscp < 64;
    return counts && bytes && times && tries && marks ? ERR_OK : ERR_INVALID;
}
