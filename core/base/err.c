#include "core/base/err.h"

static const char *const texts[] = {
#define ERR(name, text) text,
#include "core/base/err.def"
#undef ERR
};

static const char *const names[] = {
#define ERR(name, text) #name,
#include "core/base/err.def"
#undef ERR
};

const char *
err_text(int code)
{
    if (code > 0 || code <= -(int)ERR_INDEX_COUNT)
        return "unknown error";
    return texts[-code];
}

const char *
err_name(int code)
{
    if (code > 0 || code <= -(int)ERR_INDEX_COUNT)
        return "UNKNOWN";
    return names[-code];
}
