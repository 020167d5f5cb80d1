/* err.h: the one set of return codes.  A function returns ERR_OK (0) or a negative enum err; values
 * leave through its last arguments.  errno does not travel above drivers/. */
#ifndef SLUICE_BASE_ERR_H
#define SLUICE_BASE_ERR_H

enum err_index {
#define ERR(name, text) ERR_INDEX_##name,
#include "core/base/err.def"
#undef ERR
    ERR_INDEX_COUNT
};

enum err {
#define ERR(name, text) ERR_##name = -(int)ERR_INDEX_##name,
#include "core/base/err.def"
#undef ERR
};

/* err_text gives the English text of a code, "unknown error" for a value outside the table.  The
 * string is static. */
const char *err_text(int code);

/* err_name gives the constant without its prefix ("NOT_FOUND"), for log lines. */
const char *err_name(int code);

#endif
