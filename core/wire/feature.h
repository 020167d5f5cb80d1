/* feature.h: the table of features (feature.def). */
#ifndef SLUICE_WIRE_FEATURE_H
#define SLUICE_WIRE_FEATURE_H

#include "core/base/bytes.h"

#include <stdint.h>

enum feature {
#define FEATURE(id, name, min, max) FEATURE_##id,
#include "core/wire/feature.def"
#undef FEATURE
    FEATURES
};

struct feature_row {
    const char *name;
    int16_t min, max; /* levels; max is in force */
};
const struct feature_row *feature_row(enum feature f);
/* FEATURES when there is none of that name. */
enum feature feature_find(struct view name);

#endif
