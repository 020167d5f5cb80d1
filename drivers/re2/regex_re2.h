/* regex_re2.h: core/base/regex.h over Google's RE2.  Running out of memory ends the process. */
#ifndef SLUICE_RE2_REGEX_RE2_H
#define SLUICE_RE2_REGEX_RE2_H

#include "core/base/regex.h"

#ifdef __cplusplus
extern "C" {
#endif

extern const struct regex_port regex_re2;

#ifdef __cplusplus
}
#endif

#endif
