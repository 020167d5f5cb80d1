#include "drivers/os/os_sockets.h"

#include "core/base/err.h"
#include "core/net/iptext.h"
#include "drivers/os/os.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ANSWER_BYTES = 64 << 10, STATE_LISTEN = 10, ANSWER_SECONDS = 2 };

struct walk {
    const uint16_t *ports;
    int count;
    void (*row)(void *user, const struct os_socket *s);
    void *user;
};

static const char *
state_name(uint8_t state)
{
    static const char *const names[] = {"UNKNOWN",     "ESTABLISHED", "SYN_SENT",  "SYN_RECEIVED",
                                        "FIN_WAIT_1",  "FIN_WAIT_2",  "TIME_WAIT", "CLOSED",
                                        "CLOSE_WAIT",  "LAST_ACK",    "LISTEN",    "CLOSING",
                                        "SYN_RECEIVED"};
    return names[state < sizeof names / sizeof *names ? state : 0];
}

static void
address_copy(uint8_t family, const uint32_t from[4], uint8_t to[16])
{
    uint8_t v4[4];
    if (family == AF_INET6) {
        memcpy(to, from, 16);
        return;
    }
    memcpy(v4, from, sizeof v4);
    iptext_of_v4(v4, to);
}

static void
info_copy(const struct tcp_info *i, struct os_socket *s)
{
    s->rtt_us = i->tcpi_rtt;
    s->rto_us = i->tcpi_rto;
    s->mss = i->tcpi_snd_mss;
    s->cwnd = i->tcpi_snd_cwnd * i->tcpi_snd_mss;
    s->in_flight = i->tcpi_unacked * i->tcpi_snd_mss;
    s->send_window = i->tcpi_snd_wnd;
    s->receive_window = i->tcpi_rcv_space;
    s->unsent = i->tcpi_notsent_bytes;
    s->resent = i->tcpi_total_retrans;
    s->timeouts = i->tcpi_retransmits;
}

static bool
wanted(const struct walk *w, uint16_t port)
{
    for (int i = 0; i < w->count; i++)
        if (w->ports[i] == port)
            return true;
    return false;
}

static void
one(const struct walk *w, const struct nlmsghdr *h)
{
    const struct inet_diag_msg *m = NLMSG_DATA(h);
    struct os_socket s = {.local_port = ntohs(m->id.idiag_sport),
                          .remote_port = ntohs(m->id.idiag_dport)};
    if (h->nlmsg_len < NLMSG_LENGTH(sizeof *m) || !wanted(w, s.local_port))
        return;
    (void)strncpy(s.state, state_name(m->idiag_state), sizeof s.state - 1);
    address_copy(m->idiag_family, m->id.idiag_src, s.local_ip);
    address_copy(m->idiag_family, m->id.idiag_dst, s.remote_ip);
    int left = (int)(h->nlmsg_len - NLMSG_LENGTH(sizeof *m));
    const struct rtattr *a = (const struct rtattr *)(const void *)(m + 1);
    for (; RTA_OK(a, left); a = RTA_NEXT(a, left)) {
        struct tcp_info info = {0}; /* of this kernel it may be shorter or longer */
        if (a->rta_type != INET_DIAG_INFO)
            continue;
        size_t n = RTA_PAYLOAD(a);
        memcpy(&info, RTA_DATA(a), n < sizeof info ? n : sizeof info);
        info_copy(&info, &s);
    }
    s.unread = m->idiag_rqueue;
    w->row(w->user, &s);
}

/* One datagram of answers.  ERR_AGAIN: more follow. */
static int
answers(const struct walk *w, const void *at, ssize_t bytes)
{
    const struct nlmsghdr *h = at;
    for (unsigned n = (unsigned)bytes; NLMSG_OK(h, n); h = NLMSG_NEXT(h, n)) {
        if (h->nlmsg_type == NLMSG_DONE)
            return ERR_OK;
        if (h->nlmsg_type == NLMSG_ERROR) {
            const struct nlmsgerr *e = NLMSG_DATA(h);
            return h->nlmsg_len < NLMSG_LENGTH(sizeof *e) ? ERR_IO : os_error_of(-e->error);
        }
        one(w, h);
    }
    return ERR_AGAIN;
}

static int
family_walk(int fd, uint8_t family, const struct walk *w)
{
    static _Thread_local _Alignas(NLMSG_ALIGNTO) char answer[ANSWER_BYTES];
    struct {
        struct nlmsghdr head;
        struct inet_diag_req_v2 body;
    } q = {
        .head = {.nlmsg_len = sizeof q,
                 .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                 .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
        .body = {.sdiag_family = family,
                 .sdiag_protocol = IPPROTO_TCP,
                 .idiag_ext = 1 << (INET_DIAG_INFO - 1),
                 .idiag_states = ~(1u << STATE_LISTEN)},
    };
    if (send(fd, &q, sizeof q, 0) < 0)
        return os_error_of(errno);
    int err = ERR_AGAIN;
    while (err == ERR_AGAIN) {
        ssize_t n = recv(fd, answer, sizeof answer, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return ERR_IO;
        err = answers(w, answer, n);
    }
    return err;
}

int
os_sockets_each(const uint16_t *ports, int count,
                void (*row)(void *user, const struct os_socket *s), void *user)
{
    const struct walk w = {ports, count, row, user};
    const struct timeval patience = {.tv_sec = ANSWER_SECONDS};
    int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    if (fd < 0)
        return os_error_of(errno);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    int err = family_walk(fd, AF_INET, &w);
    if (err == ERR_OK)
        err = family_walk(fd, AF_INET6, &w);
    close(fd);
    return err;
}
