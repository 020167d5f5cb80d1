/* brokersim_client.c: the clients' machine: our TCP without the broker's streams, producers that
 * wait for each answer, and a consumer that reads everything again and again.
 *
 * A producer sends a batch until it is acknowledged, over a new connection when the old one broke
 * or says nothing: so a batch may be in the log more than once, and where it was acknowledged it
 * must be. */
#include "core/base/err.h"
#include "core/wire/kerr.h"
#include "core/wire/wire_gen.h"
#include "tests/sim/broker/brokersim.h"
#include "tests/unit/core/wire/make_batch.h"

#include <stdlib.h>
#include <string.h>

enum {
    CLIENT_EVENTS = 32,
    CLIENT_SEGS = 512,
    CLIENT_RECORDS = 7,
    CLIENT_STAYS = 50,
    CLIENT_RECORD_BYTES = 3000,
    CLIENT_LARGE_BYTES = 20 << 10,
    CLIENT_PATIENCE = 2000, /* one turn in so many it gives up an answer that it waits for */
    PRODUCE_VERSION = 12,
    FETCH_VERSION = 12,
    HEADER_BYTES = 5, /* of a flexible response */
};

static const uint64_t open_ns = 3 * CLOCK_NS_PER_S, answer_ns = 4 * CLOCK_NS_PER_S;

/* ---- batches ---- */

/* Always the same bytes for one batch; lent until the next call. */
static struct view
batch_bytes(uint32_t producer, uint32_t sequence)
{
    static struct make_batch m;
    static uint8_t value[CLIENT_RECORD_BYTES];
    uint64_t noise = ((uint64_t)producer << 32 | sequence) * UINT64_C(0x9e3779b97f4a7c15) + 1;
    uint8_t choice[8];
    make_noise(&noise, choice, sizeof choice);
    make_begin(&m);
    if (choice[6] % 20 == 0) { /* one that is lent, or goes straight to its segment */
        static uint8_t large[SIM_BATCH_BYTES];
        uint32_t bytes = CLIENT_LARGE_BYTES +
                         get_u32(choice + 1) % (uint32_t)(SIM_BATCH_BYTES - CLIENT_LARGE_BYTES);
        make_noise(&noise, large, bytes);
        make_add(&m, (struct make_record){.value = view_of(large, bytes)});
        return make_end(&m, MAKE_NONE);
    }
    for (uint8_t i = 0; i <= choice[0] % CLIENT_RECORDS; i++) {
        uint32_t bytes = ((uint32_t)choice[1 + i] * 61 + choice[5]) % (CLIENT_RECORD_BYTES - 1) + 1;
        /* Most are small, so that several share a frame of the journal. */
        bytes = choice[7] % 4 ? bytes % 200 + 1 : bytes;
        make_noise(&noise, value, bytes);
        make_add(&m, (struct make_record){.offset_delta = i, .value = view_of(value, bytes)});
    }
    return make_end(&m, MAKE_NONE);
}

static struct batch *
batch_new(struct sim *s, uint32_t producer)
{
    if (s->batch_count == SIM_BATCHES)
        return NULL;
    struct batch *b = &s->batches[s->batch_count++];
    uint32_t sequence = s->client.sequence[producer]++;
    struct view v = batch_bytes(producer, sequence);
    *b = (struct batch){.crc = get_u32(v.at + BATCH_AT_CRC),
                        .producer = producer,
                        .sequence = sequence,
                        .partition = (int32_t)sim_below(s, SIM_PARTITIONS)};
    return b;
}

/* One batch of the log.  The broker sets only what lies before the checksum. */
static void
batch_found(struct sim *s, int32_t partition, int64_t offset, struct view v)
{
    uint32_t crc = get_u32(v.at + BATCH_AT_CRC);
    bool made = false;
    for (uint32_t i = 0; i < s->batch_count; i++) {
        struct batch *b = &s->batches[i];
        if (b->crc != crc || b->partition != partition)
            continue;
        struct view wanted = batch_bytes(b->producer, b->sequence);
        if (wanted.len != v.len ||
            memcmp(wanted.at + BATCH_AT_CRC, v.at + BATCH_AT_CRC, v.len - BATCH_AT_CRC) != 0)
            continue;
        made = true;
        b->found |= s->judging && b->acked && b->offset == offset;
    }
    if (!made)
        sim_fail(s, "%d@%lld: nobody has sent these bytes", partition, (long long)offset);
    if (offset >= SIM_OFFSETS)
        return;
    uint32_t *shown = &s->shown[partition][offset];
    if (*shown && *shown != crc)
        sim_fail(s, "%d@%lld is not what was shown before", partition, (long long)offset);
    s->shown_count += *shown == 0;
    *shown = crc;
    s->stayed[partition][offset] = s->judging;
}

/* ---- requests ---- */

static void
ask(struct call *c, int16_t key, int16_t version, const void *body)
{
    const struct wire_api *api = wire_api_find(key);
    struct put w = put_of(c->ask, sizeof c->ask);
    put_u32(&w, 0);
    put_u16(&w, (uint16_t)key);
    put_u16(&w, (uint16_t)version);
    put_u32(&w, (uint32_t)++c->correlation);
    put_u16(&w, 3);
    put_bytes(&w, "sim", 3);
    put_u8(&w, 0);
    must(wire_encode(api->request, version, body, &w) == ERR_OK && !w.bad);
    set_u32(c->ask, put_len(&w) - 4);
    c->ask_bytes = put_len(&w);
}

static void
produce_ask(struct sim *s, uint32_t producer)
{
    const struct batch *b = &s->batches[s->client.asked[producer]];
    struct wire_produce_request_partition_produce_data p = {b->partition,
                                                            batch_bytes(b->producer, b->sequence)};
    struct wire_produce_request_topic_produce_data t = {.name = view_of_text("0"),
                                                        .partition_data = {&p, 1}};
    struct wire_produce_request body = {.acks = -1, .timeout_ms = 30000, .topic_data = {&t, 1}};
    ask(&s->client.calls[producer], WIRE_API_PRODUCE, PRODUCE_VERSION, &body);
}

static void
fetch_ask(struct sim *s)
{
    struct client *c = &s->client;
    struct wire_fetch_request_fetch_partition p = {.partition = c->partition,
                                                   .current_leader_epoch = -1,
                                                   .fetch_offset = c->offset,
                                                   .last_fetched_epoch = -1,
                                                   .log_start_offset = -1,
                                                   .partition_max_bytes = SIM_FETCH_BYTES,
                                                   .high_watermark = INT64_MAX};
    struct wire_fetch_request_fetch_topic t = {.topic = view_of_text("0"), .partitions = {&p, 1}};
    struct wire_fetch_request body;
    wire_init(&wire_fetch_request_message, &body);
    body.max_wait_ms = 20;
    body.min_bytes = 1;
    body.max_bytes = SIM_FETCH_BYTES;
    body.session_epoch = -1;
    body.topics.items = &t;
    body.topics.count = 1;
    ask(&c->calls[SIM_PRODUCERS], WIRE_API_FETCH, FETCH_VERSION, &body);
}

/* ---- answers ---- */

static void
decode(struct sim *s, const struct call *c, const struct wire_message *message, int16_t version,
       void *body)
{
    static uint8_t memory[1 << 20];
    static struct wire_arena arena;
    wire_arena_init(&arena, memory, sizeof memory);
    if (c->got < 4 + HEADER_BYTES || get_i32(c->answer + 4) != c->correlation)
        sim_fail(s, "an answer to something else");
    struct view v = view_of(c->answer + 4 + HEADER_BYTES, c->got - 4 - HEADER_BYTES);
    if (wire_decode(message, version, v, body, &arena) != ERR_OK)
        sim_fail(s, "an answer that does not decode");
}

static void
produced(struct sim *s, uint32_t producer)
{
    struct wire_produce_response body;
    decode(s, &s->client.calls[producer], &wire_produce_response_message, PRODUCE_VERSION, &body);
    if (body.responses.count != 1 || body.responses.items[0].partition_responses.count != 1)
        sim_fail(s, "an answer for other partitions");
    const struct wire_produce_response_partition_produce_response *p =
        &body.responses.items[0].partition_responses.items[0];
    struct batch *b = &s->batches[s->client.asked[producer]];
    if (p->error_code != KERR_NONE)
        sim_fail(s, "produce: error %d", p->error_code);
    b->acked = true;
    b->offset = p->base_offset;
    s->acked_count++;
    s->client.asked[producer] = UINT32_MAX;
}

static void
fetch_next(struct client *c)
{
    c->partition = (c->partition + 1) % SIM_PARTITIONS;
    c->offset = 0;
    c->partitions_read++;
}

static void
fetched(struct sim *s)
{
    struct client *c = &s->client;
    struct wire_fetch_response body;
    decode(s, &c->calls[SIM_PRODUCERS], &wire_fetch_response_message, FETCH_VERSION, &body);
    if (body.responses.count != 1 || body.responses.items[0].partitions.count != 1)
        sim_fail(s, "an answer for other partitions");
    const struct wire_fetch_response_partition_data *p =
        &body.responses.items[0].partitions.items[0];
    if (p->error_code != KERR_NONE)
        sim_fail(s, "fetch at %d@%lld: error %d", c->partition, (long long)c->offset,
                 p->error_code);
    struct view v = p->records;
    while (v.len >= BATCH_OVERHEAD) {
        int64_t base = (int64_t)get_u64(v.at);
        uint32_t bytes = BATCH_OVERHEAD + get_u32(v.at + BATCH_AT_LENGTH);
        if (bytes > v.len)
            break; /* cut by max_bytes */
        if (base != c->offset)
            sim_fail(s, "%d@%lld where %lld should be", c->partition, (long long)base,
                     (long long)c->offset);
        batch_found(s, c->partition, base, view_of(v.at, bytes));
        c->offset = base + get_i32(v.at + BATCH_AT_LAST_DELTA) + 1;
        v = view_of(v.at + bytes, v.len - bytes);
    }
    /* Mostly it waits at the end for what comes next; now and then it begins anew elsewhere. */
    if (c->offset >= p->high_watermark && (s->judging || sim_below(s, CLIENT_STAYS) == 0))
        fetch_next(c);
}

/* ---- connections ---- */

static void
call_open(struct sim *s, struct call *c)
{
    struct tcp_addr local = {0}, remote = {.port = SIM_PORT};
    uint32_t link = s->link_count > 1 ? sim_below(s, s->link_count) : 0;
    sim_address(link, 1, local.ip);
    sim_address(link, 2, remote.ip);
    if (!ipnet_is_ours(s->client.links.ports[link].net, local.ip) ||
        tcp_connect(s->client.tcp, &local, &remote, &c->id) != ERR_OK)
        return;
    c->state = CALL_OPENING;
    c->deadline_ns = s->now_ns + open_ns;
}

static void
call_begin(struct sim *s, struct call *c)
{
    c->state = CALL_ASKED;
    c->given = c->got = 0;
    c->deadline_ns = s->now_ns + answer_ns;
}

/* Sends the rest of the question, takes what there is of the answer.  True: it is whole. */
static bool
call_go_on(struct sim *s, struct call *c)
{
    struct tcp *tcp = s->client.tcp;
    struct view v = view_of(c->ask + c->given, c->ask_bytes - c->given), in[8];
    int sent = v.len ? tcp_send(tcp, c->id, &v, 1) : 0;
    if (sent > 0) {
        c->given += (uint32_t)sent;
        c->lent += (uint32_t)sent;
    }
    uint32_t n = tcp_peek(tcp, c->id, in, 8), taken = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (in[i].len > sizeof c->answer - c->got)
            sim_fail(s, "an answer that is too long");
        memcpy(c->answer + c->got, in[i].at, in[i].len);
        c->got += in[i].len;
        taken += in[i].len;
    }
    if (taken)
        tcp_consume(tcp, c->id, taken);
    if (c->got < 4 || c->got < 4 + get_u32(c->answer))
        return false;
    if (c->got > 4 + get_u32(c->answer))
        sim_fail(s, "more than the answer");
    return true;
}

/* The next question of a call that has none out; false: it has none to ask. */
static bool
call_prepare(struct sim *s, uint32_t k)
{
    struct client *c = &s->client;
    if (k == SIM_PRODUCERS) {
        fetch_ask(s);
        return true;
    }
    if (c->asked[k] == UINT32_MAX) {
        const struct batch *b = c->produce ? batch_new(s, k) : NULL;
        if (!b)
            return false;
        c->asked[k] = (uint32_t)(b - s->batches);
    }
    produce_ask(s, k);
    return true;
}

static void
call_turn(struct sim *s, uint32_t k)
{
    struct call *c = &s->client.calls[k];
    switch (c->state) {
    case CALL_CLOSED:
        call_open(s, c);
        return;
    case CALL_OPEN: /* what was lent before must not change */
        if (c->lent == 0 && call_prepare(s, k))
            call_begin(s, c);
        return;
    case CALL_ASKED:
        if (call_go_on(s, c)) {
            c->state = CALL_OPEN;
            if (k == SIM_PRODUCERS)
                fetched(s);
            else
                produced(s, k);
            return;
        }
        break;
    case CALL_OPENING:
        break;
    case CALL_ENDING:
        return;
    }
    bool tired = c->state == CALL_ASKED && c->given == c->ask_bytes && c->got == 0 && !s->calm &&
                 sim_below(s, CLIENT_PATIENCE) == 0;
    if (s->now_ns < c->deadline_ns && !tired)
        return;
    c->state = CALL_ENDING;
    tcp_abort(s->client.tcp, c->id);
}

static void
event_take(struct sim *s, const struct tcp_event *e)
{
    struct call *c = s->client.calls;
    while (c < s->client.calls + SIM_CALLS && (c->state == CALL_CLOSED || c->id != e->id))
        c++;
    if (c == s->client.calls + SIM_CALLS)
        sim_fail(s, "an event of no connection");
    if (e->kind == TCP_CONNECTED && c->state == CALL_OPENING)
        c->state = CALL_OPEN;
    if (e->kind == TCP_SENT)
        c->lent -= e->bytes;
    if (e->kind == TCP_EOF && c->state != CALL_ENDING) {
        c->state = CALL_ENDING;
        tcp_abort(s->client.tcp, c->id);
    }
    if (e->kind == TCP_CLOSED) {
        c->state = CALL_CLOSED;
        c->lent = 0;
    }
}

/* ---- the machine ---- */

void
sim_address(uint32_t link, uint32_t last, uint8_t ip[16])
{
    const uint8_t v4[4] = {10, (uint8_t)(77 + link), 0, (uint8_t)last};
    iptext_of_v4(v4, ip);
}

struct ipnet_config
sim_net_config(struct nic nic, uint32_t link, uint32_t last)
{
    struct ipnet_config c = {.mtu = SIM_MTU, .secret = {3}, .address_count = 1};
    struct nic_facts facts;
    nic.ops->facts(nic.self, &facts);
    memcpy(c.mac, facts.mac, 6);
    sim_address(link, last, c.addresses[0].ip);
    c.addresses[0].prefix_bits = 96 + 24;
    return c;
}

struct tcp_config
sim_tcp_config(uint8_t key)
{
    struct tcp_config c;
    tcp_config_init(&c);
    c.conns = c.half_open = c.waiting = SIM_CONNS;
    c.nodes = 128;
    c.segs = c.extents = CLIENT_SEGS;
    c.rcv_bytes = c.snd_bytes = 65536;
    c.mtu = SIM_MTU;
    c.wait_us = 1000000;
    memset(c.key, key, sizeof c.key);
    return c;
}

void
client_start(struct sim *s)
{
    struct client *c = &s->client;
    struct tcp_config tcp = sim_tcp_config((uint8_t)sim_below(s, 256));
    ipnet_links_init(&c->links, s->link_count);
    for (uint32_t i = 0; i < s->link_count; i++) {
        struct nic nic = nic_pair_port(s->wires[i], 1);
        struct ipnet_config net = sim_net_config(nic, i, 1);
        nic_late_init(&c->nics[i], nic, &s->now_ns, s->seed + 2 + i);
        c->net_memory[i] = aligned_alloc(64, (ipnet_footprint(&net) + 63) & ~(size_t)63);
        must(c->net_memory[i]);
        struct ipnet *ip = ipnet_init(c->net_memory[i], &net, s->now_ns);
        ipnet_port_init(&c->links.ports[i], nic_late_port(&c->nics[i]), ip, s->now_ns);
    }
    c->tcp_memory = aligned_alloc(64, (tcp_footprint(&tcp) + 63) & ~(size_t)63);
    must(c->tcp_memory);
    struct packet_port packets = ipnet_links_packets(&c->links);
    c->tcp = tcp_init(c->tcp_memory, &tcp, &packets, s->now_ns / 1000);
    memset(c->asked, 0xff, sizeof c->asked);
    client_rewind(s);
}

void
client_turn(struct sim *s)
{
    struct client *c = &s->client;
    struct tcp_event events[CLIENT_EVENTS];
    uint64_t now_us = s->now_ns / 1000;
    (void)ipnet_links_turn(&c->links, s->now_ns);
    for (uint32_t link = 0; link < s->link_count; link++)
        while (ipnet_links_receive(&c->links, link, &c->in) > 0) {
            tcp_input(c->tcp, c->in.packets, c->in.packet_count, now_us);
            for (uint32_t i = 0; i < c->in.error_count; i++)
                tcp_error(c->tcp, &c->in.errors[i], now_us);
        }
    tcp_tick(c->tcp, now_us);
    for (uint32_t n; (n = tcp_poll(c->tcp, events, CLIENT_EVENTS)) > 0;)
        for (uint32_t i = 0; i < n; i++)
            event_take(s, &events[i]);
    for (uint32_t k = 0; k < SIM_CALLS; k++)
        call_turn(s, k);
    tcp_flush(c->tcp, now_us);
    (void)ipnet_links_flush(&c->links);
    tcp_check(c->tcp);
}

void
client_stop(struct sim *s)
{
    for (uint32_t i = 0; i < s->link_count; i++)
        free(s->client.net_memory[i]);
    free(s->client.tcp_memory);
}

bool
client_quiet(const struct sim *s)
{
    for (uint32_t k = 0; k < SIM_PRODUCERS; k++)
        if (s->client.asked[k] != UINT32_MAX)
            return false;
    return true;
}

void
client_rewind(struct sim *s)
{
    struct client *c = &s->client;
    /* An answer that is still out belongs to where it was asked. */
    struct call *reader = &c->calls[SIM_PRODUCERS];
    if (reader->state != CALL_CLOSED && reader->state != CALL_ENDING) {
        reader->state = CALL_ENDING;
        tcp_abort(c->tcp, reader->id);
    }
    c->partition = 0;
    c->offset = 0;
    c->partitions_read = 0;
}

bool
client_read_all(const struct sim *s)
{
    return s->client.partitions_read >= SIM_PARTITIONS;
}
