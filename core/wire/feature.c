#include "core/wire/feature.h"
#include "core/base/must.h"

static const struct feature_row rows[FEATURES] = {
#define FEATURE(id, name, min, max) {name, min, max},
#include "core/wire/feature.def"
#undef FEATURE
};

const struct feature_row *
feature_row(enum feature f)
{
    must(f < FEATURES);
    return &rows[f];
}

enum feature
feature_find(struct view name)
{
    uint32_t f = 0;
    while (f < FEATURES && !view_equal(name, view_of_text(rows[f].name)))
        f++;
    return (enum feature)f;
}
