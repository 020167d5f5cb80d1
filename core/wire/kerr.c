/* kerr.c: the table behind kerr.h.  Codes are dense from -1 on, so a row is found by its number;
 * test_kerr.c holds that. */
#include "core/wire/kerr.h"

struct row {
    int16_t code;
    bool retriable;
    const char *name, *text;
};

static const struct row rows[] = {
#define KERR(name, code, retriable, text) {(code), (retriable), #name, (text)},
#include "core/wire/kerr.def"
#undef KERR
};

enum { ROWS = sizeof rows / sizeof *rows };

static const struct row *
row_of(int16_t code)
{
    int32_t index = code + 1;
    return index >= 0 && index < ROWS ? &rows[index] : &rows[0];
}

const char *
kerr_message(int16_t code)
{
    return row_of(code)->text;
}

const char *
kerr_name(int16_t code)
{
    return row_of(code)->name;
}

bool
kerr_retriable(int16_t code)
{
    return row_of(code)->retriable;
}
