/* nic_late.c: see nic_late.h.  The frames that wait are a ring in order of their time. */
#include "tests/sim/nic_late.h"

static uint64_t
below(struct nic_late *l, uint64_t limit)
{
    l->random = l->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return limit ? (l->random >> 33) % limit : 0;
}

static void
take(struct nic_late *l)
{
    struct nic_rx rx;
    while (l->count < NIC_LATE_FRAMES && l->below.ops->rx(l->below.self, &rx, 1) == 1) {
        uint32_t at = (l->first + l->count++) % NIC_LATE_FRAMES;
        uint64_t due_ns = *l->now_ns + l->delay_ns + below(l, l->jitter_ns);
        l->due_ns = due_ns > l->due_ns ? due_ns : l->due_ns;
        l->frames[at] = rx;
        l->due[at] = l->due_ns;
    }
}

static uint32_t
late_rx(void *self, struct nic_rx *out, uint32_t max)
{
    struct nic_late *l = self;
    uint32_t count = 0;
    take(l);
    for (; count < max && l->count > 0 && l->due[l->first] <= *l->now_ns; l->count--) {
        out[count++] = l->frames[l->first];
        l->first = (l->first + 1) % NIC_LATE_FRAMES;
    }
    return count;
}

static void
late_release(void *self, struct packet_frame *const *frames, uint32_t count)
{
    struct nic_late *l = self;
    l->below.ops->release(l->below.self, frames, count);
}

static uint32_t
late_tx(void *self, const struct nic_tx *const *frames, uint32_t count)
{
    struct nic_late *l = self;
    return l->below.ops->tx(l->below.self, frames, count);
}

static void
late_facts(void *self, struct nic_facts *out)
{
    const struct nic_late *l = self;
    l->below.ops->facts(l->below.self, out);
}

static void
late_stat(void *self, struct nic_stat *out)
{
    const struct nic_late *l = self;
    l->below.ops->stat(l->below.self, out);
}

void
nic_late_init(struct nic_late *l, struct nic nic, const uint64_t *now_ns, uint64_t seed)
{
    *l = (struct nic_late){.below = nic, .now_ns = now_ns, .random = seed};
}

void
nic_late_set(struct nic_late *l, uint64_t delay_ns, uint64_t jitter_ns)
{
    l->delay_ns = delay_ns;
    l->jitter_ns = jitter_ns;
}

struct nic
nic_late_port(struct nic_late *l)
{
    static const struct nic_ops ops = {
        .rx = late_rx,
        .release = late_release,
        .tx = late_tx,
        .facts = late_facts,
        .stat = late_stat,
    };
    return (struct nic){&ops, l};
}
