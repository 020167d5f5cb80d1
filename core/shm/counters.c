#include "core/shm/counters.h"

#include "core/base/must.h"

static const struct counter_row rows[COUNTERS] = {
#define COUNTER(name, text_name, unit, help) {text_name, unit, help},
#include "core/shm/counters.def"
#undef COUNTER
#define DROP(name, text_name, help) {text_name, "drops", help},
#include "core/shm/drop.def"
#undef DROP
};

const struct counter_row *
counters_row(enum counter c)
{
    must((unsigned)c < COUNTERS);
    return &rows[c];
}
