/* Every state meets every kind of segment at every place around the window, over IPv4 and IPv6.
 * What must come of it is said by a few rules of RFC 9293 3.10.7 and RFC 5961, not by the stack. */
#include "tests/unit/dataplane/tcp/tcp_rig.h"

#include <stdio.h>

enum state { ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2, CLOSE_WAIT, CLOSING, LAST_ACK, STATES };
enum kind { RST, RST_ACK, SYN, SYN_ACK, SYN_FIN, FIN, FIN_ACK, ACK, BYTE, KINDS };
enum place { FAR_LEFT, LEFT, EXACT, INSIDE, LAST, RIGHT, PLACES };
enum answer { SILENCE, ONE_ACK };

static const char *const state_names[STATES + 1] = {
    "ESTABLISHED", "FIN_WAIT_1", "FIN_WAIT_2", "CLOSE_WAIT", "CLOSING", "LAST_ACK", "none"};
static const uint8_t kind_flags[KINDS] = {TCP_RST,           TCP_RST | TCP_ACK, TCP_SYN,
                                          TCP_SYN | TCP_ACK, TCP_SYN | TCP_FIN, TCP_FIN,
                                          TCP_FIN | TCP_ACK, TCP_ACK,           TCP_ACK};

struct outcome {
    enum answer answer;
    uint32_t next; /* STATES: gone */
};

static bool
peer_closed(enum state s)
{
    return s == CLOSE_WAIT || s == CLOSING || s == LAST_ACK;
}

static struct outcome
rule(enum state s, enum kind k, enum place p)
{
    bool inside = p >= EXACT && p <= LAST;
    if (k == SYN_FIN || k == FIN) /* nobody sends these */
        return (struct outcome){SILENCE, s};
    if (k == RST || k == RST_ACK) {
        if (p == EXACT)
            return (struct outcome){SILENCE, STATES};
        return (struct outcome){inside ? ONE_ACK : SILENCE, s}; /* RFC 5961 3.2 */
    }
    if (k == SYN || k == SYN_ACK) /* RFC 5961 4.2: wherever it points */
        return (struct outcome){ONE_ACK, s};
    if (!inside)
        return (struct outcome){ONE_ACK, s};
    if (k == ACK)
        return (struct outcome){SILENCE, s};
    if (k == FIN_ACK) {
        static const uint8_t after[STATES] = {CLOSE_WAIT, CLOSING, STATES,
                                              CLOSE_WAIT, CLOSING, LAST_ACK};
        return (struct outcome){ONE_ACK, p == EXACT ? after[s] : s};
    }
    if (peer_closed(s)) /* there are no bytes after a FIN */
        return (struct outcome){SILENCE, s};
    return (struct outcome){p == EXACT ? SILENCE : ONE_ACK, s}; /* the first may be delayed */
}

/* Leads to a state; seq is the peer's next number, ack what it has of ours. */
static uint64_t
lead(struct rig *r, enum state s, uint32_t *seq, uint32_t *ack)
{
    uint64_t id = rig_plain(r);
    *seq = *ack = 1;
    if (s == CLOSE_WAIT || s == LAST_ACK) {
        rig_in(r, (struct rig_seg){.flags = TCP_FIN | TCP_ACK, .seq = 1, .ack = 1});
        *seq = 2;
    }
    if (s != ESTABLISHED && s != CLOSE_WAIT) {
        tcp_shutdown(r->t, id);
        rig_turn(r);
    }
    if (s == CLOSING) {
        rig_in(r, (struct rig_seg){.flags = TCP_FIN | TCP_ACK, .seq = 1, .ack = 1});
        *seq = 2;
    }
    if (s == FIN_WAIT_2) {
        rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 2});
        *ack = 2;
    }
    assert_string_equal(rig_state(r, id), state_names[s]);
    rig_forget(r);
    return id;
}

static void
one_case(bool v6, enum state s, enum kind k, enum place p)
{
    struct rig *r = rig_family(v6);
    uint32_t seq, ack;
    uint64_t id = lead(r, s, &seq, &ack);
    uint32_t edge = tcp_conn_of(r->t, id)->edge - r->peer_isn;
    const uint32_t at[PLACES] = {seq - 100000, seq - 1, seq, seq + 1000, edge - 1, edge + 1};
    struct rig_seg segment = {.flags = kind_flags[k], .seq = at[p], .ack = ack};
    if (k == BYTE) {
        segment.bytes = "x";
        segment.seq -= p == LEFT; /* the byte before: all of it is old */
    }
    if (k == FIN_ACK && p == LAST)
        segment.seq--; /* its number is the last of the window */
    if ((k == FIN_ACK || k == BYTE) && p == LEFT)
        segment.seq = seq - 2;
    r->now_us += 1000000; /* nothing is limited by what came before */
    rig_turn(r);
    rig_forget(r);
    rig_in(r, segment);
    struct outcome want = rule(s, k, p);
    uint32_t answers = r->sent_limit;
    bool good = answers == (want.answer == ONE_ACK) &&
                (answers == 0 || !(r->sent[0].h.flags & TCP_RST)) &&
                (strcmp(rig_state(r, id), state_names[want.next]) == 0 ||
                 (want.next == STATES && strcmp(rig_state(r, id), "GONE") == 0));
    if (!good)
        print_message("v%d %s kind %d place %d: %u answers, %s\n", v6 ? 6 : 4, state_names[s], k, p,
                      answers, rig_state(r, id));
    assert_true(good);
    rig_free(r);
}

static void
every_segment_at_every_place_does_what_the_rules_say(void **state)
{
    for (int v6 = 0; v6 < 2; v6++)
        for (uint32_t s = 0; s < STATES; s++)
            for (uint32_t k = 0; k < KINDS; k++)
                for (uint32_t p = 0; p < PLACES; p++)
                    one_case(v6, s, k, p);
}

static void
a_listener_answers_a_syn_and_resets_an_ack(void **state)
{
    for (uint32_t n = 0; n < 2 * KINDS; n++) {
        enum kind k = (enum kind)(n / 2);
        struct rig *r = rig_family(n % 2);
        r->isn = 77;
        rig_in(r, (struct rig_seg){.flags = kind_flags[k], .seq = 5, .ack = 9});
        if (k == RST || k == RST_ACK || k == SYN_FIN || k == FIN) {
            assert_true(rig_quiet(r));
        } else {
            const struct rig_sent *s = rig_out(r);
            assert_int_equal(s->h.flags, k == SYN ? TCP_SYN | TCP_ACK : TCP_RST);
        }
        bool reset = k == RST || k == RST_ACK, silent = k == SYN || k == SYN_FIN || k == FIN;
        assert_int_equal(tcp_count(r->t, TCP_N_DROP_STRANGER), reset);
        assert_int_equal(tcp_count(r->t, TCP_N_RESETS_OUT), !reset && !silent);
        rig_free(r);
    }
}

static void
time_wait_keeps_whatever_comes_but_a_new_syn(void **state)
{
    for (uint32_t n = 0; n < 2 * KINDS; n++) {
        enum kind k = (enum kind)(n / 2);
        for (uint32_t at = 0; at < 3; at++) {
            struct rig *r = rig_family(n % 2);
            uint32_t seq, ack;
            uint64_t id = lead(r, FIN_WAIT_2, &seq, &ack);
            tcp_close(r->t, id);
            rig_in(r, (struct rig_seg){.flags = TCP_FIN | TCP_ACK, .seq = 1, .ack = 2});
            rig_forget(r);
            rig_in(r, (struct rig_seg){.flags = kind_flags[k], .seq = at, .ack = 2});
            struct tcp_usage u;
            tcp_usage(r->t, &u);
            assert_int_equal(u.waiting, 1);
            while (!rig_quiet(r))
                assert_int_equal(rig_out(r)->h.flags, TCP_ACK);
            rig_free(r);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_segment_at_every_place_does_what_the_rules_say),
        cmocka_unit_test(a_listener_answers_a_syn_and_resets_an_ack),
        cmocka_unit_test(time_wait_keeps_whatever_comes_but_a_new_syn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
