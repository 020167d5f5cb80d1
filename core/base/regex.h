/* regex.h: the port for regular expressions that clients send.  Syntax is RE2's, which Kafka's
 * RE2/J shares: no backreferences and no lookaround, so that a match costs time linear in the text
 * whatever the expression is.  Machines take it at creation; drivers/re2 implements it, in C++,
 * hence no struct view here. */
#ifndef SLUICE_BASE_REGEX_H
#define SLUICE_BASE_REGEX_H

#include <stdbool.h>
#include <stdint.h>

enum {
    REGEX_ERROR_BYTES = 128,
    REGEX_MEMORY_MAX = 4 << 20, /* of one expression; a bigger one does not compile */
};

struct regex_port {
    /* NULL: not valid; why is then in `why`, a C string such as "missing closing ]".  The result is
     * the caller's, to be freed. */
    void *(*compile)(const void *pattern, uint32_t len, char why[REGEX_ERROR_BYTES]);
    /* Whether the whole of text matches.  Time is linear in len. */
    bool (*matches)(void *regex, const void *text, uint32_t len);
    void (*free)(void *regex);
};

#endif
