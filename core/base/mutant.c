/* mutant.c: the switch, and the names. */
#include "core/base/mutant.h"
#include "core/base/must.h"

static const struct {
    const char *name, *text;
} mutants[] = {
    {"NONE", "nothing"},
#define MUTANT(name, text) {#name, text},
#include "core/base/mutant.def"
#undef MUTANT
};

#ifdef SLUICE_MUTANTS
enum mutant_kind mutant_on;

bool
mutant_set(enum mutant_kind kind)
{
    must(kind < MUTANT_KINDS);
    mutant_on = kind;
    return true;
}
#else
bool
mutant_set(enum mutant_kind kind)
{
    must(kind < MUTANT_KINDS);
    return kind == MUTANT_NONE;
}
#endif

const char *
mutant_name(enum mutant_kind kind)
{
    must(kind < MUTANT_KINDS);
    return mutants[kind].name;
}

const char *
mutant_text(enum mutant_kind kind)
{
    must(kind < MUTANT_KINDS);
    return mutants[kind].text;
}
