/* netview.c: see netview.h.
 *
 * I1 rows, count and next are written by the core between seeing a question and storing its number
 * in `answered`, and read by control after it has seen that and before its next question.  I2 the
 * core never answers a question that is not the newest it has seen; a core that was started anew
 * begins with the open one, which its predecessor may have died over. */
#include "core/shm/netview.h"

#include "core/base/err.h"

#include <stddef.h>
#include <string.h>

_Static_assert(offsetof(struct netview, words) % 128 == 0, "one writer a line");
_Static_assert(offsetof(struct netview, answered) % 128 == 0, "one writer a line");

static const struct netview_counter_row rows[NETVIEW_COUNTERS] = {
#define COUNTER                                     false
#define GAUGE                                       true
#define NETVIEW(name, part, text, kind, unit, help) {text, unit, help, NETVIEW_PART_##part, kind},
#include "core/shm/netview.def"
#undef NETVIEW
#undef GAUGE
#undef COUNTER
};

const struct netview_counter_row *
netview_counter_row(enum netview_counter c)
{
    must((unsigned)c < NETVIEW_COUNTERS);
    return &rows[c];
}

bool
netview_is_drop(enum netview_counter c)
{
    return strcmp(netview_counter_row(c)->unit, "drops") == 0;
}

const char *
netview_part_name(enum netview_part part)
{
    static const char *const names[] = {"nic", "ip", "tcp", "loop"};
    must((unsigned)part < sizeof names / sizeof *names);
    return names[part];
}

/* ---- control ---- */

uint64_t
netview_count(const struct netview *v, enum netview_counter c)
{
    must((unsigned)c < NETVIEW_COUNTERS);
    return atomic_load_explicit(&v->words[c], memory_order_relaxed);
}

bool
netview_of_device(enum netview_counter c)
{
    enum netview_part part = netview_counter_row(c)->part;
    return part == NETVIEW_PART_NIC || part == NETVIEW_PART_IP;
}

uint64_t
netview_device_count(const struct netview *v, uint32_t device, enum netview_counter c)
{
    must((unsigned)c < NETVIEW_COUNTERS);
    if (device >= NETVIEW_DEVICES_MAX)
        return 0;
    return atomic_load_explicit(&v->device_words[device][c], memory_order_relaxed);
}

uint32_t
netview_ask(struct netview *v, enum netview_list list, uint32_t first)
{
    uint32_t number = atomic_load_explicit(&v->question, memory_order_relaxed) + 1;
    number += number == 0;
    atomic_store_explicit(&v->list, (uint32_t)list, memory_order_relaxed);
    atomic_store_explicit(&v->first, first, memory_order_relaxed);
    /* Pairs with the acquire in netview_asked: the question, and that we are done with the page. */
    atomic_store_explicit(&v->question, number, memory_order_release);
    return number;
}

int
netview_take(const struct netview *v, uint32_t number, struct netview_page *out)
{
    /* Pairs with the release in netview_answer_end: the page is whole. */
    if (atomic_load_explicit(&v->answered, memory_order_acquire) != number)
        return ERR_AGAIN;
    *out = (struct netview_page){v->rows, v->count, v->next};
    if (out->count > NETVIEW_ROWS_MAX)
        out->count = NETVIEW_ROWS_MAX;
    return ERR_OK;
}

/* ---- the core ---- */

void
netview_answer_init(const struct netview *v, struct netview_answer *a)
{
    *a = (struct netview_answer){.seen = atomic_load_explicit(&v->answered, memory_order_relaxed)};
}

bool
netview_asked(const struct netview *v, struct netview_answer *a)
{
    uint32_t number = atomic_load_explicit(&v->question, memory_order_acquire);
    if (number != a->seen)
        *a = (struct netview_answer){
            .number = number,
            .seen = number,
            .list = atomic_load_explicit(&v->list, memory_order_relaxed),
            .at = atomic_load_explicit(&v->first, memory_order_relaxed),
        };
    return a->number != 0;
}

struct netview_row *
netview_free(struct netview *v, const struct netview_answer *a)
{
    must(a->number != 0);
    if (a->count == NETVIEW_ROWS_MAX)
        return NULL;
    return memset(&v->rows[a->count], 0, sizeof v->rows[0]);
}

void
netview_keep(struct netview_answer *a)
{
    must(a->count < NETVIEW_ROWS_MAX);
    a->count++;
}

void
netview_answer_end(struct netview *v, struct netview_answer *a, bool end)
{
    must(a->number != 0);
    v->count = a->count;
    v->next = end ? NETVIEW_END : a->at;
    /* Pairs with the acquire in netview_take. */
    atomic_store_explicit(&v->answered, a->number, memory_order_release);
    a->number = 0;
}
