/* relay.c: a link between two interfaces of the kernel: frames of each come out of the other later,
 * at a rate, or not at all.
 *
 *   relay FIRST SECOND MBPS DELAY_US QUEUE_BYTES LOSS SEED
 *
 * Each direction is a line of MBPS with a queue of QUEUE_BYTES in front (what does not fit is
 * dropped) and DELAY_US behind; LOSS in 100,000 frames are lost.  The losses of a direction follow
 * from SEED and the number of the frame.  Prints "ready"; ends with its standard input and prints
 * what each direction did. For frames of up to RELAY_FRAME_BYTES: the interfaces' senders must not
 * leave segmentation to devices. */
#include "core/base/must.h"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    RELAY_FRAME_BYTES = 1600,
    RELAY_FRAMES = 16384, /* of a direction, under way */
    RELAY_BURST = 64,
    RELAY_BUFFER_BYTES = 16 << 20,
    RELAY_LOSS_WHOLE = 100000,
    RELAY_FRAME_EXTRA = 24, /* on a wire: preamble, checksum, gap */
};

struct frame {
    uint64_t due_ns;
    uint32_t len;
    uint8_t bytes[RELAY_FRAME_BYTES];
};

struct line {
    int from, to;
    uint64_t free_ns; /* when the last frame has left */
    uint64_t random;
    uint64_t passed, lost, dropped, refused; /* refused: by the interface */
    uint32_t first, count;
    struct frame frames[RELAY_FRAMES];
};

static struct {
    uint64_t ns_per_1000_bytes, delay_ns, queue_ns;
    uint32_t loss;
} link_is;

static struct line lines[2];

static uint64_t
now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static int
socket_open(const char *interface)
{
    struct sockaddr_ll at = {.sll_family = AF_PACKET,
                             .sll_protocol = htons(ETH_P_ALL),
                             .sll_ifindex = (int)if_nametoindex(interface)};
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, htons(ETH_P_ALL));
    int bytes = RELAY_BUFFER_BYTES;
    if (fd < 0 || at.sll_ifindex == 0 || bind(fd, (const struct sockaddr *)&at, sizeof at)) {
        perror(interface);
        exit(1);
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes);
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes);
    return fd;
}

static bool
lose(struct line *l)
{
    l->random = l->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(l->random >> 33) % RELAY_LOSS_WHOLE < link_is.loss;
}

/* The frame is in the place behind the last one. */
static void
admit(struct line *l, uint32_t len, uint64_t now)
{
    struct frame *f = &l->frames[(l->first + l->count) % RELAY_FRAMES];
    uint64_t begin_ns = l->free_ns > now ? l->free_ns : now;
    if (lose(l)) {
        l->lost++;
        return;
    }
    if (begin_ns - now > link_is.queue_ns) {
        l->dropped++;
        return;
    }
    l->free_ns = begin_ns + (len + RELAY_FRAME_EXTRA) * link_is.ns_per_1000_bytes / 1000;
    f->due_ns = l->free_ns + link_is.delay_ns;
    f->len = len;
    l->count++;
}

static void
take(struct line *l, uint64_t now)
{
    for (uint32_t i = 0; i < RELAY_BURST && l->count < RELAY_FRAMES; i++) {
        struct frame *f = &l->frames[(l->first + l->count) % RELAY_FRAMES];
        struct sockaddr_ll who;
        socklen_t bytes = sizeof who;
        ssize_t n = recvfrom(l->from, f->bytes, sizeof f->bytes, MSG_TRUNC, (struct sockaddr *)&who,
                             &bytes);
        if (n < 0)
            return;
        if (who.sll_pkttype == PACKET_OUTGOING) /* our own */
            continue;
        must(n <= RELAY_FRAME_BYTES);
        admit(l, (uint32_t)n, now);
    }
}

static void
deliver(struct line *l, uint64_t now)
{
    for (; l->count > 0 && l->frames[l->first].due_ns <= now; l->count--) {
        const struct frame *f = &l->frames[l->first];
        if (send(l->to, f->bytes, f->len, 0) == (ssize_t)f->len)
            l->passed++;
        else
            l->refused++;
        l->first = (l->first + 1) % RELAY_FRAMES;
    }
}

/* Sleeps until a frame comes or is due; false: standard input has ended. */
static bool
rest(uint64_t now)
{
    struct pollfd fds[3] = {{lines[0].from, POLLIN, 0}, {lines[1].from, POLLIN, 0}, {0, POLLIN, 0}};
    uint64_t until_ns = now + 1000000000;
    for (int i = 0; i < 2; i++)
        if (lines[i].count && lines[i].frames[lines[i].first].due_ns < until_ns)
            until_ns = lines[i].frames[lines[i].first].due_ns;
    uint64_t ns = until_ns > now ? until_ns - now : 0;
    struct timespec t = {(time_t)(ns / 1000000000), (long)(ns % 1000000000)};
    (void)ppoll(fds, 3, &t, NULL);
    char byte;
    return !(fds[2].revents && read(0, &byte, 1) == 0);
}

static uint64_t
number(const char *text)
{
    return strtoull(text, NULL, 10);
}

int
main(int argc, char **argv)
{
    if (argc != 8 || number(argv[3]) == 0) {
        fprintf(stderr, "relay FIRST SECOND MBPS DELAY_US QUEUE_BYTES LOSS SEED\n");
        return 2;
    }
    int first = socket_open(argv[1]), second = socket_open(argv[2]);
    lines[0] = (struct line){.from = first, .to = second, .random = number(argv[7])};
    lines[1] = (struct line){.from = second, .to = first, .random = ~number(argv[7])};
    link_is.ns_per_1000_bytes = 8000000 / number(argv[3]);
    link_is.delay_ns = number(argv[4]) * 1000;
    link_is.queue_ns = number(argv[5]) * link_is.ns_per_1000_bytes / 1000;
    link_is.loss = (uint32_t)number(argv[6]);
    (void)prctl(PR_SET_TIMERSLACK, 1);
    printf("ready\n");
    (void)fflush(stdout);
    uint64_t now;
    do {
        now = now_ns();
        for (int i = 0; i < 2; i++)
            take(&lines[i], now);
        for (int i = 0; i < 2; i++)
            deliver(&lines[i], now);
    } while (rest(now));
    for (int i = 0; i < 2; i++)
        printf("passed %llu lost %llu dropped %llu refused %llu\n",
               (unsigned long long)lines[i].passed, (unsigned long long)lines[i].lost,
               (unsigned long long)lines[i].dropped, (unsigned long long)lines[i].refused);
    return 0;
}
