/* regex_re2.cc: the one file of C++, since RE2 has no other interface.  Nothing of C++ leaves it:
 * it is compiled without exceptions, so that one, which only memory can cause, ends the process. */
#include "drivers/re2/regex_re2.h"

#include <re2/re2.h>

#include <cstdio>
#include <string>

namespace
{

/* Where RE2/J, and so Kafka, says it in other words. */
const struct {
    const char *re2, *re2j;
} words[] = {
    {"missing ]", "missing closing ]"},
    {"missing )", "missing closing )"},
    {"invalid perl operator", "invalid or unsupported Perl syntax"},
    {"no argument for repetition operator", "missing argument to repetition operator"},
    {"bad repetition operator", "invalid nested repetition operator"},
    {"invalid repetition size", "invalid repeat count"},
    {"trailing \\", "trailing backslash at end of expression"},
};

/* What RE2 says without its last part, the piece of the pattern that it points at. */
void
explain(const RE2 &regex, char why[REGEX_ERROR_BYTES])
{
    std::string text = regex.error();
    const std::string arg = ": " + regex.error_arg();
    if (text.size() > arg.size() && text.compare(text.size() - arg.size(), arg.size(), arg) == 0)
        text.resize(text.size() - arg.size());
    for (const auto &w : words)
        if (text == w.re2)
            text = w.re2j;
    std::snprintf(why, REGEX_ERROR_BYTES, "%s", text.c_str());
}

re2::StringPiece
piece(const void *at, uint32_t len)
{
    return re2::StringPiece(static_cast<const char *>(at), len);
}

void *
compile(const void *pattern, uint32_t len, char why[REGEX_ERROR_BYTES]) noexcept
{
    RE2::Options options;
    options.set_log_errors(false);
    options.set_max_mem(REGEX_MEMORY_MAX);
    RE2 *regex = new RE2(piece(pattern, len), options);
    if (regex->ok())
        return regex;
    explain(*regex, why);
    delete regex;
    return nullptr;
}

bool
matches(void *regex, const void *text, uint32_t len) noexcept
{
    return RE2::FullMatch(piece(text, len), *static_cast<RE2 *>(regex));
}

void
release(void *regex) noexcept
{
    delete static_cast<RE2 *>(regex);
}

} // namespace

extern "C" const struct regex_port regex_re2 = {compile, matches, release};
