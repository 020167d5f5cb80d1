/* tcpsim.c: lives of two stacks, each from its seed.  See README.md.
 *
 *   tcpsim [--first S] [--seeds N] [--file SEEDS]   N lives from seed S on, and those of a file
 *   tcpsim --seed S                                 one life, told
 *   tcpsim --mutants N                              each known bug must show within N lives */
#include "tests/sim/tcp/tcpsim.h"

#include "core/base/mutant.h"
#include "core/net/iptext.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* With so few segments two dead connections can starve the others to death. */
enum { SEGS_TINY = 8, LIFE_SECONDS = 60, TURNS_MOST = 3000000 };

#define SECOND UINT64_C(1000000)

uint64_t
sim_random(struct sim *s)
{
    s->rng += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = s->rng;
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

uint32_t
sim_below(struct sim *s, uint32_t limit)
{
    return limit ? (uint32_t)(sim_random(s) % limit) : 0;
}

bool
sim_chance(struct sim *s, uint32_t in_10000)
{
    return in_10000 && sim_below(s, 10000) < in_10000;
}

void
sim_say(const struct sim *s, const char *format, ...)
{
    if (!s->told)
        return;
    printf("%10.6f ", (double)s->now_us / 1e6);
    va_list args;
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\n");
}

void
sim_fail(const struct sim *s, const char *format, ...)
{
    fprintf(stderr, "seed %" PRIu64 " at %" PRIu64 " us: ", s->seed, s->now_us);
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\n");
    app_tell(s);
    exit(1);
}

static struct link
link_of(struct sim *s)
{
    struct link l = {.delay_us = 10 + sim_below(s, sim_chance(s, 5000) ? 1000 : 100000),
                     .queue_us = 10 * SECOND,
                     .mtu = 65535};
    if (s->gentle)
        return l;
    if (sim_chance(s, 4000))
        l.jitter_us = sim_below(s, (uint32_t)l.delay_us * 2);
    if (sim_chance(s, 5000)) {
        l.bytes_per_ms = 20 + sim_below(s, 100000);
        l.queue_us = 20000 + sim_below(s, 400000);
    }
    if (sim_chance(s, 6000))
        l.lose = sim_below(s, sim_chance(s, 3000) ? 3000 : 300);
    if (sim_chance(s, 3000)) {
        l.burst_enter = sim_below(s, 100);
        l.burst_leave = 500 + sim_below(s, 5000);
    }
    if (sim_chance(s, 3000))
        l.twice = sim_below(s, 1000);
    if (sim_chance(s, 4000))
        l.late = sim_below(s, 1500);
    if (sim_chance(s, 3000))
        l.spoil = sim_below(s, 300);
    return l;
}

static struct tcp_config
config_of(struct sim *s)
{
    static const uint32_t mtus[] = {1280, 1500, 1500, 4000, 9000};
    struct tcp_config c;
    tcp_config_init(&c);
    c.conns = 16;
    c.half_open = sim_chance(s, 3000) ? 1 : 16;
    c.waiting = 16;
    c.nodes = 2048;
    c.segs = sim_chance(s, 1000) ? SEGS_TINY : 4096;
    c.extents = sim_chance(s, 1000) ? 16 : 2048;
    c.rcv_bytes = 4096u << sim_below(s, 8);
    c.snd_bytes = 4096u << sim_below(s, 8);
    c.pinned_bytes = 4 << 20;
    c.mtu = mtus[sim_below(s, 5)];
    c.nagle = sim_chance(s, 2000);
    c.reno = sim_chance(s, 3000);
    c.open_tries = c.syn_tries = 30; /* longer than the network may be ill */
    c.data_tries = 30;
    c.rto_max_us = 4 * SECOND;
    c.persist_max_us = 4 * SECOND;
    c.linger_us = 120 * SECOND;
    c.wait_us = 60 * SECOND;
    c.keep_us = 15 * SECOND;
    c.keep_every_us = 3 * SECOND;
    c.keep_probes = 30;
    c.ecn = (uint8_t)(s->seed % 3);
    for (uint32_t i = 0; i < TCP_KEY_BYTES; i++)
        c.key[i] = (uint8_t)sim_random(s);
    return c;
}

static void
world_start(struct sim *s)
{
    /* The clock is chosen so that sequence numbers and timestamps wrap in some lives. */
    s->now_us = sim_chance(s, 3000) ? UINT64_C(0xfffffff0) * 1000 : 1000 + sim_random(s) % SECOND;
    s->gentle = sim_chance(s, 2000);
    s->v6 = sim_chance(s, 3000);
    s->strip_sack = sim_chance(s, 3000);
    s->strip_ts = sim_chance(s, 2000);
    s->strip_scale = sim_chance(s, 1500);
    s->attack = sim_chance(s, 3000);
    s->gone_allowed = false;
    s->nic_room = s->gentle ? 64 : 1 + sim_below(s, 64);
    s->nic_delay_us = sim_chance(s, 5000) ? sim_below(s, 50000) : 0;
    for (uint32_t side = 0; side < SIDES; side++) {
        s->link[side] = link_of(s);
        s->config[side] = config_of(s);
        iptext_of_v4((const uint8_t[4]){10, 0, 0, (uint8_t)(side + 1)}, s->address[side]);
        if (s->v6)
            memset(s->address[side], 0xfd, 12);
        s->gone_allowed |= s->config[side].segs == SEGS_TINY;
        struct packet_port port = {&sim_port[side], s};
        size_t bytes = (tcp_footprint(&s->config[side]) + 63) & ~(size_t)63;
        s->memory[side] = aligned_alloc(64, bytes);
        memset(s->memory[side], 0xa5, bytes);
        s->tcp[side] = tcp_init(s->memory[side], &s->config[side], &port, s->now_us);
    }
    struct tcp_addr any = {.port = SERVER_PORT};
    if (tcp_listen(s->tcp[1], &any) != 0)
        sim_fail(s, "listen");
    /* Without the life's random numbers, as marks. */
    static const uint32_t bursts[] = {0, UINT16_MAX - 58, 0, 20000, 3000};
    s->burst_bytes = bursts[s->seed % 5];
    s->mark = s->seed % 4 == 1 ? (uint32_t)(s->seed * 77 % 2000) : 0;
    s->heal_us = s->now_us + 20 * SECOND + sim_below(s, 40 * SECOND);
    s->deadline_us = s->heal_us + 900 * SECOND;
    s->narrow_us = !s->gentle && sim_chance(s, 2000) ? s->now_us + sim_below(s, 2 * SECOND) : NEVER;
    s->inject_us = s->attack ? s->now_us : NEVER;
    s->refill_us = s->now_us;
}

static void
pools_start(struct sim *s)
{
    s->packets_free = NULL;
    s->holds_free = NULL;
    for (uint32_t i = 0; i < PACKETS; i++) {
        s->packet_memory[i].out = false;
        s->packet_memory[i].next = s->packets_free;
        s->packets_free = &s->packet_memory[i];
    }
    for (uint32_t i = 0; i < HOLDS; i++) {
        s->hold_memory[i].next = s->holds_free;
        s->holds_free = &s->hold_memory[i];
    }
    heap_init(&s->heap, s->heap_memory, PACKETS + HOLDS);
}

static void
heal(struct sim *s)
{
    for (uint32_t side = 0; side < SIDES; side++)
        s->link[side] = (struct link){
            .delay_us = s->link[side].delay_us, .queue_us = 10 * SECOND, .mtu = s->link[side].mtu};
    s->healed = true;
    s->mark = 0;
    s->inject_us = NEVER;
}

static void
faults_turn(struct sim *s)
{
    if (!s->healed && s->now_us >= s->heal_us)
        heal(s);
    if (s->now_us >= s->narrow_us) {
        s->narrow_us = NEVER;
        s->link[sim_below(s, 2)].mtu = s->v6 ? 1280 : 600 + sim_below(s, 900);
    }
    if (s->now_us >= s->inject_us)
        wire_inject(s);
    if (s->now_us >= s->refill_us) {
        s->refill_us = s->now_us + 10 + sim_below(s, 50);
        s->room_left[0] = s->room_left[1] = s->nic_room;
    }
}

static uint64_t
earliest(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static void
advance(struct sim *s)
{
    uint64_t next = earliest(wire_next(s), app_next(s));
    for (uint32_t side = 0; side < SIDES; side++)
        next = earliest(next, tcp_next(s->tcp[side]));
    next = earliest(next, s->inject_us);
    next = earliest(next, s->narrow_us);
    if (!s->healed)
        next = earliest(next, s->heal_us);
    if (next <= s->now_us)
        next = s->now_us + 20;
    s->now_us = next;
    if (s->now_us > s->deadline_us)
        sim_fail(s, "not done %" PRIu64 " s after the network has healed",
                 (s->now_us - s->heal_us) / SECOND);
}

static void
end_check(struct sim *s)
{
    app_judge(s);
    for (uint32_t side = 0; side < SIDES; side++) {
        struct tcp_usage u;
        tcp_usage(s->tcp[side], &u);
        if (u.conns | u.half_open | u.waiting | u.nodes | u.segs | u.extents)
            sim_fail(s,
                     "side %u keeps %u conns, %u half open, %u waiting, %u nodes, %u segments, "
                     "%u extents",
                     side, u.conns, u.half_open, u.waiting, u.nodes, u.segs, u.extents);
        if (s->gentle && !s->attack &&
            (tcp_count(s->tcp[side], TCP_N_RECOVERIES) || tcp_count(s->tcp[side], TCP_N_TIMEOUTS)))
            sim_fail(s, "side %u sees %" PRIu64 " losses and %" PRIu64 " timeouts on a good wire",
                     side, tcp_count(s->tcp[side], TCP_N_RECOVERIES),
                     tcp_count(s->tcp[side], TCP_N_TIMEOUTS));
    }
    if (s->frames_out)
        sim_fail(s, "%u frames were not given back", s->frames_out);
}

static bool
quiet(const struct sim *s)
{
    if (!app_done(s) || s->holds_out || wire_next(s) != NEVER)
        return false;
    for (uint32_t side = 0; side < SIDES; side++) {
        struct tcp_usage u;
        tcp_usage(s->tcp[side], &u);
        if (u.waiting || u.half_open)
            return false;
    }
    return true;
}

static void
life(struct sim *s, uint64_t seed, bool told)
{
    struct sim fresh = {.seed = seed,
                        .rng = seed,
                        .told = told,
                        .pattern = s->pattern,
                        .packet_memory = s->packet_memory,
                        .hold_memory = s->hold_memory,
                        .heap_memory = s->heap_memory};
    memcpy(fresh.counted, s->counted, sizeof fresh.counted);
    fresh.bursts = s->bursts;
    *s = fresh;
    alarm(LIFE_SECONDS);
    pools_start(s);
    world_start(s);
    app_start(s);
    for (uint32_t turn = 0; !quiet(s); turn++) {
        if (turn == TURNS_MOST)
            sim_fail(s, "still busy after %u turns", turn);
        faults_turn(s);
        wire_deliver(s);
        for (uint32_t side = 0; side < SIDES; side++)
            tcp_tick(s->tcp[side], s->now_us);
        app_turn(s);
        for (uint32_t side = 0; side < SIDES; side++) {
            tcp_flush(s->tcp[side], s->now_us);
            tcp_check(s->tcp[side]);
        }
        if (!quiet(s))
            advance(s);
    }
    end_check(s);
    for (uint32_t k = 0; k < TCP_COUNTER_KINDS; k++)
        s->counted[k] += tcp_count(s->tcp[0], k) + tcp_count(s->tcp[1], k);
    for (uint32_t side = 0; side < SIDES; side++)
        free(s->memory[side]);
}

static struct sim *
sim_new(void)
{
    struct sim *s = calloc(1, sizeof *s);
    s->pattern = malloc(PATTERN);
    s->packet_memory = calloc(PACKETS, sizeof *s->packet_memory);
    s->hold_memory = calloc(HOLDS, sizeof *s->hold_memory);
    s->heap_memory = calloc(PACKETS + HOLDS, sizeof *s->heap_memory);
    s->rng = 42;
    for (uint32_t i = 0; i < PATTERN; i++)
        s->pattern[i] = (uint8_t)sim_random(s);
    return s;
}

static void
report(const struct sim *s, uint64_t lives)
{
    static const char *const names[] = {
#define NAME(name) #name,
        TCP_COUNTERS(NAME)
#undef NAME
    };
    printf("%" PRIu64 " lives:", lives);
    for (uint32_t k = 0; k < TCP_COUNTER_KINDS; k++)
        if (s->counted[k])
            printf(" %s %" PRIu64, names[k], s->counted[k]);
    printf(" bursts %" PRIu64 "\n", s->bursts);
}

/* True: all lives from `first` on end well. */
static bool
lives_apart(uint64_t first, uint64_t count)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        struct sim *s = sim_new();
        if (!freopen("/dev/null", "w", stderr))
            exit(2);
        for (uint64_t i = 0; i < count; i++)
            life(s, first + i, false);
        exit(0);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static int
mutants(uint64_t seeds)
{
    int missed = 0;
    for (uint32_t k = MUTANT_NONE + 1; k < MUTANT_KINDS; k++) {
        const char *name = mutant_name(k);
        if (strncmp(name, "TCP_", 4) != 0)
            continue;
        if (!mutant_set(k)) {
            fprintf(stderr, "this build has no mutants: meson setup -Dmutants=true\n");
            return 1;
        }
        bool found = !lives_apart(1, seeds);
        printf("%s %s (%s)\n", found ? "ok" : "NOT FOUND", name, mutant_text(k));
        missed += !found;
    }
    return missed != 0;
}

static void
lives_of_file(struct sim *s, const char *path, uint64_t *lives)
{
    FILE *f = fopen(path, "r");
    if (!f) {
        perror(path);
        exit(1);
    }
    char line[256];
    while (fgets(line, sizeof line, f)) {
        if (line[0] < '0' || line[0] > '9')
            continue;
        life(s, strtoull(line, NULL, 10), false);
        (*lives)++;
    }
    fclose(f);
}

int
main(int argc, char **argv)
{
    uint64_t first = 1, seeds = 0, lives = 0;
    const char *file = NULL;
    struct sim *s = sim_new();
    for (int i = 1; i + 1 < argc; i += 2) {
        uint64_t n = strtoull(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--seeds") == 0)
            seeds = n;
        else if (strcmp(argv[i], "--first") == 0)
            first = n;
        else if (strcmp(argv[i], "--file") == 0)
            file = argv[i + 1];
        else if (strcmp(argv[i], "--mutants") == 0)
            return mutants(n);
        else if (strcmp(argv[i], "--seed") == 0) {
            life(s, n, true);
            report(s, 1);
            return 0;
        }
    }
    if (file)
        lives_of_file(s, file, &lives);
    for (uint64_t i = 0; i < seeds; i++, lives++) {
        life(s, first + i, false);
    }
    report(s, lives);
    return 0;
}
