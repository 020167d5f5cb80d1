/* brokersim.c: a life: stretches of work that end with a power cut, each followed by a recovery; at
 * the end everything that was acknowledged, and everything that was shown, is read again.
 *
 *   brokersim [--seeds N] [--first S]   lives N seeds; stops at the first that fails
 *   brokersim --seed S                  one life, told
 *   brokersim --mutant NAME [...]       with a known bug (core/base/mutant.def) */
#include "tests/sim/broker/brokersim.h"
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/base/mutant.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

enum {
    LIFE_STRETCHES = 4,
    LIFE_SECONDS = 60, /* of the processor, for one life */
    LIFE_CUT_OPS = 1500,
    LIFE_STRETCH_MS = 2500,
    LIFE_HEAL_MS = 120000, /* virtual; connections may wait out a timer that has grown */
};

struct totals {
    uint64_t lives, cuts, kills, acked, scattered, lent_bytes, virtual_ms;
};

/* ---- chance and words ---- */

uint32_t
sim_below(struct sim *s, uint32_t limit)
{
    s->random ^= s->random << 13;
    s->random ^= s->random >> 7;
    s->random ^= s->random << 17;
    return limit ? (uint32_t)(s->random >> 16) % limit : 0;
}

static void
say(const struct sim *s, const char *format, va_list list)
{
    fprintf(stderr, "%10.3f ms  ", (double)(s->now_ns - CLOCK_NS_PER_S) / 1e6);
    vfprintf(stderr, format, list);
    fprintf(stderr, "\n");
}

void
sim_say(const struct sim *s, const char *format, ...)
{
    va_list list;
    if (!s->told)
        return;
    va_start(list, format);
    say(s, format, list);
    va_end(list);
}

void
sim_fail(const struct sim *s, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    say(s, format, list);
    va_end(list);
    fprintf(stderr,
            "not ok seed %" PRIu64 "; again: build/tests/sim/broker/brokersim --seed %" PRIu64 "\n",
            s->seed, s->seed);
    exit(1);
}

/* ---- a life ---- */

static void
link_set(struct sim *s, uint32_t link, bool harm, bool dead)
{
    struct nic_pair_faults faults = {0};
    uint64_t delay_ns = 20000 + sim_below(s, harm ? 3000000 : 200000);
    uint64_t jitter_ns = harm ? sim_below(s, 1000000) : 0;
    if (harm && sim_below(s, 4) > 0)
        faults = (struct nic_pair_faults){
            .lose = 10 + sim_below(s, 300),
            .repeat = sim_below(s, 2) ? 50 + sim_below(s, 200) : 0,
            .swap = sim_below(s, 2) ? 20 + sim_below(s, 200) : 0,
            .corrupt = sim_below(s, 2) ? 50 + sim_below(s, 500) : 0,
            .tx_most = sim_below(s, 3) ? 0 : 1 + sim_below(s, 8),
        };
    if (dead)
        faults = (struct nic_pair_faults){.lose = 1};
    nic_pair_faults(s->wires[link], &faults);
    nic_late_set(&s->host.nics[link], delay_ns, jitter_ns);
    nic_late_set(&s->client.nics[link], delay_ns, jitter_ns);
    sim_say(s, "link %u: delay %" PRIu64 " us, one in %u lost, %u doubled, %u swapped, %u spoiled",
            link, delay_ns / 1000, faults.lose, faults.repeat, faults.swap, faults.corrupt);
}

static void
links_set(struct sim *s, bool harm)
{
    /* Of two, one may be dead: with both there would be no work, and so no power cut. */
    bool one = harm && s->link_count > 1 && sim_below(s, 3) == 0;
    uint32_t dead = one ? sim_below(s, s->link_count) : s->link_count;
    for (uint32_t i = 0; i < s->link_count; i++)
        link_set(s, i, harm, i == dead);
}

/* One step of the clock; false: the broker's machine is down. */
static bool
step(struct sim *s)
{
    s->now_ns += SIM_STEP_NS;
    client_turn(s);
    return s->host.up && host_turn(s);
}

/* Time passes without the broker: clients resend, and may give up. */
static void
dark(struct sim *s)
{
    for (uint32_t n = sim_below(s, 20000); n > 0; n--)
        (void)step(s);
}

static void
start(struct sim *s, bool harm)
{
    for (uint32_t n = 0;; n++) {
        bool again = harm && n < 3 && sim_below(s, 4) == 0;
        disk_mem_cut_after(s->disk, again ? 1 + sim_below(s, 100) : UINT64_MAX);
        if (host_start(s))
            break;
        sim_say(s, "the power goes while it starts");
        s->cuts++;
        disk_mem_restart(s->disk);
    }
    disk_mem_cut_after(s->disk, UINT64_MAX);
    sim_say(s, "serves");
}

/* The broker works until its power goes, or it is killed with the machine still up. */
static void
stretch(struct sim *s)
{
    links_set(s, true);
    disk_mem_slow(s->disk, sim_below(s, 100), 1 + sim_below(s, 30));
    start(s, true);
    bool power = sim_below(s, 3) > 0;
    if (power)
        disk_mem_cut_after(s->disk, 1 + sim_below(s, LIFE_CUT_OPS));
    uint64_t until_ns = s->now_ns + sim_below(s, LIFE_STRETCH_MS) * CLOCK_NS_PER_MS;
    bool up = true;
    while (up && (power || s->now_ns < until_ns))
        up = step(s);
    host_die(s);
    sim_say(s, "%s; %u batches made, %u acknowledged", power ? "the power goes" : "killed",
            s->batch_count, s->acked_count);
    if (power)
        disk_mem_restart(s->disk);
    else
        disk_mem_reopen(s->disk);
    s->cuts += power;
    s->kills += !power;
    dark(s);
}

static void
until(struct sim *s, const char *what, bool (*done)(const struct sim *s))
{
    uint64_t limit_ns = s->now_ns + LIFE_HEAL_MS * CLOCK_NS_PER_MS;
    while (!done(s)) {
        if (!step(s))
            sim_fail(s, "the broker ended");
        if (s->now_ns > limit_ns)
            sim_fail(s, "not in two minutes: %s", what);
    }
}

/* All is well again: everybody comes to his end, and the log is compared. */
static void
judge(struct sim *s)
{
    links_set(s, false);
    disk_mem_slow(s->disk, 0, 0);
    start(s, false);
    s->client.produce = false;
    s->calm = true;
    until(s, "every batch is acknowledged", client_quiet);
    until(s, "nothing is lent any more", host_settled);
    s->judging = true;
    client_rewind(s);
    until(s, "the consumer reads everything", client_read_all);
    for (uint32_t i = 0; i < s->batch_count; i++) {
        const struct batch *b = &s->batches[i];
        if (!b->acked)
            sim_fail(s, "producer %u never got its %u acknowledged", b->producer, b->sequence);
        if (!b->found)
            sim_fail(s, "%d@%" PRId64 " of producer %u was acknowledged and is not there",
                     b->partition, b->offset, b->producer);
    }
    for (int p = 0; p < SIM_PARTITIONS; p++)
        for (uint32_t at = 0; at < SIM_OFFSETS; at++)
            if (s->shown[p][at] && !s->stayed[p][at])
                sim_fail(s, "%d@%u was shown and is not there", p, at);
    sim_say(s, "%u acknowledged batches are there, %u were shown", s->acked_count, s->shown_count);
}

static void
live(uint64_t seed, bool told, struct totals *t)
{
    static struct sim s;
    setitimer(ITIMER_PROF, &(struct itimerval){.it_value.tv_sec = LIFE_SECONDS}, NULL);
    memset(&s, 0, sizeof s);
    s.seed = seed;
    s.random = (seed + 1) * UINT64_C(0x9e3779b97f4a7c15) | 1;
    s.now_ns = CLOCK_NS_PER_S;
    s.told = told;
    s.link_count = 1 + (seed % SIM_LINKS == 0);
    for (uint32_t i = 0; i < s.link_count; i++)
        s.wires[i] = nic_pair_create(SIM_MTU, seed + 1 + i);
    s.disk = disk_mem_new(seed + 1);
    disk_mem_garbage(s.disk, sim_below(&s, 2));
    client_start(&s);
    s.client.produce = true;
    uint32_t stretches = 1 + sim_below(&s, LIFE_STRETCHES);
    for (uint32_t i = 0; i < stretches; i++)
        stretch(&s);
    judge(&s);
    t->lives++;
    t->cuts += s.cuts;
    t->kills += s.kills;
    t->acked += s.acked_count;
    t->virtual_ms += (s.now_ns - CLOCK_NS_PER_S) / CLOCK_NS_PER_MS;
    host_die(&s);
    t->scattered += s.scattered;
    t->lent_bytes += s.lent_bytes;
    client_stop(&s);
    for (uint32_t i = 0; i < s.link_count; i++) {
        nic_pair_reset(s.wires[i], 1);
        nic_pair_free(s.wires[i]);
    }
    disk_mem_free(s.disk);
}

static bool
mutant_choose(const char *name)
{
    for (int k = MUTANT_NONE + 1; k < MUTANT_KINDS; k++)
        if (strcmp(mutant_name((enum mutant_kind)k), name) == 0)
            return mutant_set((enum mutant_kind)k);
    return false;
}

int
main(int argc, char **argv)
{
    uint64_t first = 1, seeds = 20, one = 0;
    bool good = argc % 2 == 1;
    for (int i = 1; good && i + 1 < argc; i += 2) {
        uint64_t n = strtoull(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--seeds") == 0)
            seeds = n;
        else if (strcmp(argv[i], "--first") == 0)
            first = n;
        else if (strcmp(argv[i], "--seed") == 0)
            one = n;
        else
            good = strcmp(argv[i], "--mutant") == 0 && mutant_choose(argv[i + 1]);
    }
    if (!good) {
        fprintf(stderr, "brokersim [--mutant NAME] [--seeds N] [--first S] | --seed S\n");
        return 2;
    }
    struct totals t = {0};
    if (!one)
        log_level_set(LOG_ERROR + 1);
    for (uint64_t seed = one ? one : first; seed < (one ? one + 1 : first + seeds); seed++)
        live(seed, one != 0, &t);
    printf("%" PRIu64 " lives, %" PRIu64 " power cuts, %" PRIu64 " kills, %" PRIu64
           " batches acknowledged, %" PRIu64 " requests read in pieces, %" PRIu64
           " KiB lent to another core, %" PRIu64 " s of virtual time\n",
           t.lives, t.cuts, t.kills, t.acked, t.scattered, t.lent_bytes >> 10, t.virtual_ms / 1000);
    if (!one && t.lives > 5 && (t.scattered == 0 || t.lent_bytes == 0)) {
        printf("no request was read in pieces, or none was lent\n");
        return 1;
    }
    printf("ok brokersim\n");
    return 0;
}
