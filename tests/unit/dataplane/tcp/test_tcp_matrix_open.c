/* The states of the handshake meet every kind of segment, with every number around the right one,
 * over IPv4 and IPv6 (the others: test_tcp_matrix.c).  The rules are those of RFC 9293 3.10.7.2
 * to 3.10.7.4 and RFC 5961, not the stack's. */
#include "tests/unit/dataplane/tcp/tcp_rig.h"

enum kind { RST, RST_ACK, SYN, SYN_ACK, SYN_FIN, FIN, FIN_ACK, ACK, BYTE, KINDS };
enum place { FAR_LEFT, LEFT, EXACT, INSIDE, LAST, RIGHT, PLACES };
enum { OLD_ACK, GOOD_ACK, AHEAD_ACK, ACKS };

static const uint8_t kind_flags[KINDS] = {TCP_RST,           TCP_RST | TCP_ACK, TCP_SYN,
                                          TCP_SYN | TCP_ACK, TCP_SYN | TCP_FIN, TCP_FIN,
                                          TCP_FIN | TCP_ACK, TCP_ACK,           TCP_ACK};

/* What is sent in answer (0: nothing), and the state after it. */
struct outcome {
    uint8_t answer;
    const char *next;
};

/* Combinations that nobody sends, whatever the state is. */
static bool
nonsense(enum kind k)
{
    return k == SYN_FIN || k == FIN;
}

static uint64_t
open_to_peer(struct rig *r)
{
    struct tcp_addr from = {.port = OWN_PORT}, to = {.port = PEER_PORT};
    uint64_t id = 0;
    memcpy(from.ip, r->own, sizeof from.ip);
    memcpy(to.ip, r->peer, sizeof to.ip);
    assert_int_equal(tcp_connect(r->t, &from, &to, &id), ERR_OK);
    rig_turn(r);
    assert_int_equal(rig_out(r)->h.flags, TCP_SYN);
    rig_forget(r);
    return id;
}

static void
judge(struct rig *r, const char *state, struct outcome want, const char *where, uint32_t k,
      uint32_t at)
{
    uint32_t count = r->sent_limit;
    uint8_t flags = count ? r->sent[0].h.flags : 0;
    bool good =
        count == (want.answer != 0) && flags == want.answer && strcmp(state, want.next) == 0;
    if (!good)
        print_message("%s kind %u at %u: %u answers, flags %u, %s, not flags %u, %s\n", where, k,
                      at, count, flags, state, want.answer, want.next);
    assert_true(good);
    rig_free(r);
}

static const char *
state_of(const struct rig *r, uint64_t id)
{
    const char *state = rig_state(r, id);
    return strcmp(state, "GONE") == 0 ? "none" : state;
}

/* ---- SYN-SENT ---- */

static struct outcome
sent_rule(enum kind k, uint32_t ack)
{
    bool good = ack == GOOD_ACK;
    if (k == RST || nonsense(k))
        return (struct outcome){0, "SYN_SENT"};
    if (k == RST_ACK)
        return (struct outcome){0, good ? "none" : "SYN_SENT"};
    if (k == SYN)
        return (struct outcome){TCP_SYN | TCP_ACK, "SYN_RECEIVED"};
    if (!good)
        return (struct outcome){TCP_RST, "SYN_SENT"};
    return k == SYN_ACK ? (struct outcome){TCP_ACK, "ESTABLISHED"}
                        : (struct outcome){0, "SYN_SENT"};
}

static void
an_open_that_waits_believes_only_what_acknowledges_its_syn(void **state)
{
    for (uint32_t n = 0; n < 2 * KINDS * ACKS; n++) {
        enum kind k = (enum kind)(n / 2 % KINDS);
        uint32_t ack = n / 2 / KINDS;
        struct rig *r = rig_family(n % 2);
        uint64_t id = open_to_peer(r);
        rig_in(r,
               (struct rig_seg){.flags = kind_flags[k], .ack = ack, .bytes = k == BYTE ? "x" : ""});
        judge(r, state_of(r, id), sent_rule(k, ack), "SYN_SENT", k, ack);
    }
}

/* ---- SYN-RECEIVED ---- */

static struct outcome
received_rule(enum kind k, enum place p, bool good_ack)
{
    bool inside = p >= EXACT && p <= LAST;
    if (nonsense(k))
        return (struct outcome){0, "SYN_RECEIVED"};
    if (k == RST || k == RST_ACK) { /* RFC 5961 3.2 */
        if (p == EXACT)
            return (struct outcome){0, "none"};
        return (struct outcome){inside ? TCP_ACK : 0, "SYN_RECEIVED"};
    }
    if (k == SYN || k == SYN_ACK || !inside) /* RFC 5961 4.2; outside of the window */
        return (struct outcome){TCP_ACK, "SYN_RECEIVED"};
    if (!good_ack)
        return (struct outcome){TCP_RST, "SYN_RECEIVED"};
    if (k == FIN_ACK)
        return (struct outcome){TCP_ACK, p == EXACT ? "CLOSE_WAIT" : "ESTABLISHED"};
    /* A byte in its place may wait for its acknowledgement; one that is early may not. */
    return (struct outcome){k == BYTE && p != EXACT ? TCP_ACK : 0, "ESTABLISHED"};
}

static void
received_case(bool v6, enum kind k, enum place p, uint32_t ack)
{
    struct rig *r = rig_family(v6);
    uint64_t id = open_to_peer(r);
    rig_in(r, (struct rig_seg){.flags = TCP_SYN, .options = {.mss = 1000}});
    assert_string_equal(rig_state(r, id), "SYN_RECEIVED");
    uint32_t edge = tcp_conn_of(r->t, id)->edge - r->peer_isn;
    const uint32_t at[PLACES] = {1 - 100000u, 0, 1, 1001, edge - 1, edge + 1};
    struct rig_seg s = {.flags = kind_flags[k], .seq = at[p], .ack = ack};
    if (k == BYTE)
        s.bytes = "x";
    s.seq -= k == FIN_ACK && p == LAST;                /* its number is the last of the window */
    s.seq -= (k == FIN_ACK || k == BYTE) && p == LEFT; /* all of it is old */
    r->now_us += 10000;                                /* before the SYN-ACK is sent again */
    rig_forget(r);
    rig_in(r, s);
    judge(r, state_of(r, id), received_rule(k, p, ack == GOOD_ACK), "SYN_RECEIVED", k, p);
}

static void
an_open_that_was_met_ends_its_handshake_as_the_rules_say(void **state)
{
    for (int v6 = 0; v6 < 2; v6++)
        for (uint32_t k = 0; k < KINDS; k++)
            for (uint32_t p = 0; p < PLACES; p++)
                for (uint32_t ack = 0; ack < ACKS; ack++)
                    received_case(v6, (enum kind)k, (enum place)p, ack);
}

/* ---- LISTEN, and a SYN that was answered ---- */

static struct outcome
half_rule(enum kind k, enum place p, uint32_t ack)
{
    bool inside = p >= EXACT && p <= LAST;
    if (k == RST || k == RST_ACK)
        return (struct outcome){0, p == EXACT ? "none" : "half"};
    if (nonsense(k))
        return (struct outcome){0, "half"};
    if (k == SYN) /* the same one again, or a stranger's: both are answered */
        return (struct outcome){TCP_SYN | TCP_ACK, "half"};
    if (k == SYN_ACK) /* nothing that was sent asks for it */
        return (struct outcome){0, "half"};
    if (ack != GOOD_ACK)
        return (struct outcome){TCP_RST, "half"};
    if (!inside) /* without a word, as no connection is kept; RFC 4987 */
        return (struct outcome){0, "half"};
    if (k == FIN_ACK)
        return (struct outcome){TCP_ACK, p == EXACT ? "CLOSE_WAIT" : "ESTABLISHED"};
    return (struct outcome){k == BYTE && p != EXACT ? TCP_ACK : 0, "ESTABLISHED"};
}

static void
half_case(bool v6, enum kind k, enum place p, uint32_t ack)
{
    struct rig *r = rig_family(v6);
    rig_in(r, (struct rig_seg){.flags = TCP_SYN, .options = {.mss = 1000}});
    assert_int_equal(rig_out(r)->h.flags, TCP_SYN | TCP_ACK);
    rig_forget(r);
    const uint32_t edge = 1 + UINT16_MAX;
    const uint32_t at[PLACES] = {1 - 100000u, 0, 1, 1001, edge - 1, edge + 1};
    r->now_us += 10000;
    rig_in(r, (struct rig_seg){
                  .flags = kind_flags[k], .seq = at[p], .ack = ack, .bytes = k == BYTE ? "x" : ""});
    struct tcp_usage u;
    tcp_usage(r->t, &u);
    const struct tcp_event *e = rig_event(r, TCP_ACCEPTED);
    judge(r,
          e             ? state_of(r, e->id)
          : u.half_open ? "half"
                        : "none",
          half_rule(k, p, ack), "half", k, p);
}

static void
a_syn_that_was_answered_ends_its_handshake_as_the_rules_say(void **state)
{
    for (int v6 = 0; v6 < 2; v6++)
        for (uint32_t k = 0; k < KINDS; k++)
            for (uint32_t p = 0; p < PLACES; p++)
                for (uint32_t ack = 0; ack < ACKS; ack++)
                    half_case(v6, (enum kind)k, (enum place)p, ack);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_open_that_waits_believes_only_what_acknowledges_its_syn),
        cmocka_unit_test(an_open_that_was_met_ends_its_handshake_as_the_rules_say),
        cmocka_unit_test(a_syn_that_was_answered_ends_its_handshake_as_the_rules_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
