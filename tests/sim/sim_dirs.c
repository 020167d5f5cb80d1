/* sim_dirs.c: several data directories: logs move between them, and one of them dies.
 *
 *   well -> dead        in the middle of work: everything in it fails; its logs may be offline, and
 *                       no other
 *   -> well, missing or dead, drawn anew before each recovery: a log that is not there has all that
 *      was acknowledged once its directory is back */
#include "core/base/err.h"
#include "tests/sim/sim.h"

#include <stdlib.h>
#include <string.h>

enum { DIRS_ALL = 3 };

void
sim_dirs_choose(struct sim *s, bool several, bool dies)
{
    s->dirs = several ? 2 + s->seed % 2 : 1;
    if (several && dies && s->faults == SIM_FAULT_NONE)
        s->faults = SIM_FAULT_DIR;
    s->bad_dir = (uint8_t)(1 + s->seed / 2 % (s->dirs > 1 ? s->dirs - 1 : 1));
    s->dir_state = SIM_DIR_WELL;
    static const uint8_t all[DIRS_ALL] = {0, 1, 2};
    disk_mem_dirs(s->disk, all, s->dirs);
}

const char *
sim_dirs_path(const char *path, uint8_t *dir)
{
    *dir = 0;
    if (path[0] != '@')
        return path;
    char *end;
    *dir = (uint8_t)strtoul(path + 1, &end, 10);
    return end + (*end == '/');
}

bool
sim_dirs_is_bad(const struct sim *s, const struct sim_log *l, const struct plog *p)
{
    return s->dir_state != SIM_DIR_WELL &&
           (l->dies || p->dir == s->bad_dir || p->dir == PLOG_DIR_NONE);
}

void
sim_dirs_arm(struct sim *s)
{
    s->die_round = UINT32_MAX;
    if (s->faults == SIM_FAULT_DIR && s->dir_state == SIM_DIR_WELL && !sim_chance(s, 4))
        s->die_round = sim_below(s, s->rounds);
}

void
sim_dirs_die(struct sim *s)
{
    sim_say(s, "directory %u dies", s->bad_dir);
    s->dir_state = SIM_DIR_DEAD;
    s->was_bad = true;
    for (uint32_t i = 0; i < s->log_count; i++) { /* one may have left it when that is noticed */
        const struct plog *p = s->logs[i].state == SIM_THERE ? sim_plog(s, &s->logs[i]) : NULL;
        s->logs[i].dies = p && p->dir == s->bad_dir;
    }
    disk_mem_fail_dir(s->disk, s->bad_dir, ERR_IO);
}

static void
state_set(struct sim *s, enum sim_dir_state state)
{
    uint8_t folders[DIRS_ALL] = {0, 1, 2};
    s->dir_state = state;
    if (state == SIM_DIR_MISSING)
        folders[s->bad_dir] = UINT8_MAX;
    disk_mem_dirs(s->disk, folders, s->dirs);
    disk_mem_fail_dir(s->disk, s->bad_dir, state == SIM_DIR_DEAD ? ERR_IO : ERR_OK);
    static const char *const names[] = {"well", "dead", "missing"};
    sim_say(s, "directory %u is %s", s->bad_dir, names[state]);
}

void
sim_dirs_before_start(struct sim *s)
{
    if (s->dir_state != SIM_DIR_WELL)
        state_set(s, (enum sim_dir_state)sim_below(s, 3));
}

void
sim_dirs_move(struct sim *s, struct sim_log *l)
{
    struct plog *p = sim_plog(s, l);
    uint8_t to = (uint8_t)sim_below(s, s->dirs + 1);
    uint64_t lsn;
    int rc = store_move(sim_store(s, l), p, to, &lsn);
    if (rc == ERR_AGAIN)
        return; /* nothing happened */
    sim_say(s, "log %d moves from %u to %u: %s", l->partition, p->dir, to, err_name(rc));
    if (to == s->dirs ? rc == ERR_NOT_FOUND : rc == ERR_OK)
        return;
    if (rc != ERR_IO || !(s->excused || sim_dirs_is_bad(s, l, p) ||
                          (s->dir_state != SIM_DIR_WELL && to == s->bad_dir)))
        sim_fail(s, "log %d: a move to %u gives %s", l->partition, to, err_name(rc));
}
