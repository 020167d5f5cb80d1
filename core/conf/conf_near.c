#include "core/conf/conf.h"

#include <string.h>

static uint32_t
least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* Optimal string alignment (Damerau-Levenshtein without repeated edits), three rows at a time. */
uint32_t
conf_near_distance(const char *a, const char *b)
{
    uint32_t an = (uint32_t)strnlen(a, CONF_NEAR_BYTES_MAX);
    uint32_t bn = (uint32_t)strnlen(b, CONF_NEAR_BYTES_MAX);
    uint32_t table[3][CONF_NEAR_BYTES_MAX + 1];
    for (uint32_t k = 0; k <= bn; k++)
        table[0][k] = k;
    for (uint32_t i = 1; i <= an; i++) {
        uint32_t *row = table[i % 3], *up = table[(i + 2) % 3], *upper = table[(i + 1) % 3];
        row[0] = i;
        for (uint32_t k = 1; k <= bn; k++) {
            uint32_t differ = a[i - 1] != b[k - 1];
            row[k] = least(up[k - 1] + differ, least(up[k], row[k - 1]) + 1);
            if (i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1])
                row[k] = least(row[k], upper[k - 2] + 1);
        }
    }
    return table[an % 3][bn];
}

enum conf_key
conf_near_key(const char *name)
{
    enum conf_key best = 0;
    uint32_t best_distance = UINT32_MAX;
    for (unsigned i = 0; i < CONF_KEYS; i++) {
        uint32_t d = conf_near_distance(name, conf_row((enum conf_key)i)->name);
        if (d < best_distance) {
            best = (enum conf_key)i;
            best_distance = d;
        }
    }
    return best;
}
