/* mutant.h: known bugs behind a switch, to see that the tests would find them (mutant.def).
 *
 * Where the code is right it says `if (... && !mutant(MUTANT_X))`.  In a normal build that is a
 * constant and leaves no code; a build with -Dmutants=true has one of them on at a time. */
#ifndef SLUICE_BASE_MUTANT_H
#define SLUICE_BASE_MUTANT_H

#include <stdbool.h>

enum mutant_kind {
    MUTANT_NONE,
#define MUTANT(name, text) MUTANT_##name,
#include "core/base/mutant.def"
#undef MUTANT
    MUTANT_KINDS
};

#ifdef SLUICE_MUTANTS
extern enum mutant_kind mutant_on;

static inline bool
mutant(enum mutant_kind kind)
{
    return mutant_on == kind;
}
#else
static inline bool
mutant(enum mutant_kind kind)
{
    (void)kind;
    return false;
}
#endif

/* Puts one bug in, MUTANT_NONE: takes it out.  False: this build has none. */
bool mutant_set(enum mutant_kind kind);

/* "ACK_BEFORE_DURABLE", and what that bug does; static. */
const char *mutant_name(enum mutant_kind kind);
const char *mutant_text(enum mutant_kind kind);

#endif
