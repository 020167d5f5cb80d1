#include "core/store/plog_in.h"

#include <stdlib.h>

const char *
plog_damage_text(enum plog_damage damage)
{
    static const char *const texts[PLOG_DAMAGES] = {
        [PLOG_WHOLE] = "whole",
        [PLOG_DAMAGE_MISSING] = "a segment file is missing",
        [PLOG_DAMAGE_SHORT] = "a segment file is shorter than what was written to it",
        [PLOG_DAMAGE_UNREADABLE] = "a segment file cannot be read",
        [PLOG_DAMAGE_JOURNAL] = "acknowledged records of it are in a damaged part of the journal",
        [PLOG_DAMAGE_UNPROVEN] = "a damaged part of the journal may have held records of it",
        [PLOG_DAMAGE_EXTENT] = "an acknowledged batch is not in its segment file",
        [PLOG_DAMAGE_UNKNOWN] = "only its directory is known, no checkpoint names it",
    };
    return (unsigned)damage < PLOG_DAMAGES ? texts[damage] : "damage of an unknown kind";
}

void
plog_damage_mark(struct plog *p, enum plog_damage damage, int64_t good_end)
{
    if (good_end < p->start)
        good_end = p->start;
    if (!p->damage || good_end < p->good_end)
        p->good_end = good_end;
    if (!p->damage)
        p->damage = damage;
    p->state = PLOG_OFFLINE;
}

void
plog_damage_again(struct plog *p)
{
    if (p->damage != PLOG_DAMAGE_UNREADABLE)
        return;
    p->damage = PLOG_WHOLE;
    p->state = PLOG_ONLINE;
}

void
plog_damage_save(const struct plog *p, struct put *w)
{
    put_u8(w, (uint8_t)p->damage);
    put_u64(w, (uint64_t)p->good_end);
}

void
plog_damage_load(struct plog *p, struct cur *c)
{
    uint8_t damage = cur_u8(c);
    p->good_end = cur_i64(c);
    if (damage == PLOG_WHOLE || damage >= PLOG_DAMAGES)
        c->bad = true;
    p->damage = (enum plog_damage)damage;
    p->state = PLOG_OFFLINE;
}

/* ---- names of directories ----------------------------------------------------------------------
 */

static int
digit64(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '-' ? 62 : c == '_' ? 63 : -1;
}

bool
plog_path_read(const char *topic, const char *partition, uint8_t id[16], int32_t *number)
{
    uint32_t bits = 0, have = 0, at = 0;
    if (strlen(topic) != 22)
        return false;
    for (uint32_t i = 0; i < 22; i++) {
        int digit = digit64(topic[i]);
        if (digit < 0)
            return false;
        bits = bits << 6 | (uint32_t)digit;
        have += 6;
        if (have >= 8 && at < 16) {
            have -= 8;
            id[at++] = (uint8_t)(bits >> have);
        }
    }
    char *end;
    long long n = strtoll(partition, &end, 10);
    bool plain = partition[0] >= '0' && partition[0] <= '9' && *end == 0;
    *number = (int32_t)n;
    return plain && n <= INT32_MAX;
}
