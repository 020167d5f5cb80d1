/* census_desk.h: where one thread asks control's loop for a census of groups and transactions, and
 * gets it.  The loop never waits here: it looks whether somebody asked, fills a census of its own
 * in pieces, turn by turn, and hands it over.  Who asks waits a bounded time and then goes on with
 * the last one that it got. */
#ifndef SLUICE_CENSUS_CENSUS_DESK_H
#define SLUICE_CENSUS_CENSUS_DESK_H

#include "control/census/census.h"

struct census_desk;

/* wake: ends a sleep of the loop; called by the asking thread. */
struct census_desk *census_desk_new(void (*wake)(void *user), void *user);
void census_desk_free(struct census_desk *d);

/* ---- the asking thread, one ---- */

/* Asks and waits at most so long.  The newest census that was handed over, lent until the next
 * call; NULL: there never was one.  *fresh: it answers this call. */
struct census *census_desk_ask(struct census_desk *d, uint32_t wait_ms, bool *fresh);

/* ---- the loop ---- */

/* True when somebody waits for a census that has not been begun: *ticket is to be given back with
 * it. */
bool census_desk_asked(struct census_desk *d, uint64_t *ticket);
/* Hands a census over, which is malloc'd; it is the desk's then. */
void census_desk_give(struct census_desk *d, struct census *c, uint64_t ticket);

#endif
