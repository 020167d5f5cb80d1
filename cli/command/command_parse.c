#include "cli/command/command.h"

#include "core/base/err.h"
#include "core/conf/conf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { PHRASE_BYTES = 128 };

must_printf(2, 3) static int refuse(char error[COMMAND_ERROR_BYTES], const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(error, COMMAND_ERROR_BYTES, fmt, ap);
    va_end(ap);
    return ERR_INVALID;
}

/* ---- which command ----------------------------------------------------------------------------
 */

/* Writes the first `count` words (fewer when an option comes before) with blanks between them. */
static void
phrase(char *const *argv, int argc, int count, char out[PHRASE_BYTES])
{
    size_t n = 0;
    out[0] = 0;
    for (int i = 0; i < count && i < argc && argv[i][0] != '-' && n < PHRASE_BYTES; i++)
        n += (size_t)snprintf(out + n, PHRASE_BYTES - n, "%s%.40s", i ? " " : "", argv[i]);
}

static int
words_in(const char *text)
{
    int n = 1;
    for (; *text; text++)
        n += *text == ' ';
    return n;
}

static int
command_unknown(char *const *argv, int argc, char *error)
{
    const struct command *c, *best = NULL;
    uint32_t best_distance = UINT32_MAX;
    char typed[PHRASE_BYTES];
    size_t first = strlen(argv[0]);
    const char *group = command_group_summary(argv[0], (int)first);
    if (group && argc < 2)
        return refuse(error, "'%s' needs one more word: see 'sluice help %s'", argv[0], argv[0]);
    for (uint32_t i = 0; (c = command_row(i)); i++) {
        phrase(argv, argc, words_in(c->words), typed);
        uint32_t d = conf_near_distance(typed, c->words);
        bool inside = !group || (strncmp(c->words, argv[0], first) == 0 && c->words[first] == ' ');
        if (!c->hidden && inside && d < best_distance) {
            best = c;
            best_distance = d;
        }
    }
    must(best != NULL);
    phrase(argv, argc, group ? words_in(best->words) : 1, typed);
    return refuse(error, "unknown command '%s': did you mean 'sluice %s'?",
                  *typed ? typed : argv[0], best->words);
}

/* The row that the words begin with, and how many they are. */
static const struct command *
command_match(char *const *argv, int argc, int *used)
{
    const struct command *c, *best = NULL;
    char typed[PHRASE_BYTES];
    *used = 0;
    for (uint32_t i = 0; (c = command_row(i)); i++) {
        int n = words_in(c->words);
        phrase(argv, argc, n, typed);
        if (n > *used && strcmp(typed, c->words) == 0) {
            best = c;
            *used = n;
        }
    }
    return best;
}

/* ---- options ----------------------------------------------------------------------------------
 */

static int
option_unknown(const char *word, const struct command *c, char *error)
{
    const struct command_option *o;
    const char *best = NULL;
    uint32_t best_distance = UINT32_MAX;
    for (uint32_t i = 0; (o = command_option(c, i)); i++) {
        uint32_t d = conf_near_distance(word, o->name);
        if (d < best_distance) {
            best = o->name;
            best_distance = d;
        }
    }
    if (!best)
        return refuse(error, "unknown option '%.100s': this command has none", word);
    return refuse(error, "unknown option '%.100s': did you mean '%s'?", word, best);
}

/* The option that `word` is, or NULL.  "--data=x" and "-ok=v" carry their value: *value. */
static const struct command_option *
option_find(const char *word, const struct command *c, const char **value)
{
    const struct command_option *o;
    *value = NULL;
    for (uint32_t i = 0; (o = command_option(c, i)); i++) {
        char letter[3] = {'-', o->letter, 0};
        const char *name = word[1] != '-' && o->letter ? letter : o->name;
        size_t n = strlen(name);
        if (strncmp(word, name, n) != 0)
            continue;
        if (word[n] == 0)
            return o;
        if (o->kind != COMMAND_FLAG && (name[1] != '-' || word[n] == '=')) {
            *value = word + n + (name[1] == '-');
            return o;
        }
    }
    return NULL;
}

/* Whether `value` is one of "a|b|c". */
static bool
choice_has(const char *choices, const char *value)
{
    size_t n = strlen(value);
    for (const char *at = choices; *at; at += *at == '|') {
        size_t m = strcspn(at, "|");
        if (m == n && memcmp(at, value, n) == 0)
            return true;
        at += m;
    }
    return false;
}

/* "text|json" as "text or json". */
static void
choices_print(const char *choices, char *out, size_t room)
{
    size_t n = 0;
    for (const char *at = choices; *at && n < room;) {
        size_t m = strcspn(at, "|");
        const char *join = at == choices ? "" : at[m] ? ", " : " or ";
        n += (size_t)snprintf(out + n, room - n, "%s%.*s", join, (int)m, at);
        at += m + (at[m] == '|');
    }
}

static int
number_check(const struct command_option *o, const char *value, char *error)
{
    char *end;
    errno = 0;
    long long n = strtoll(value, &end, 10);
    if (*value == 0 || *end || errno || n < o->min || n > o->max)
        return refuse(error, "%s %.100s: give a number from %lld to %lld", o->name, value,
                      (long long)o->min, (long long)o->max);
    return ERR_OK;
}

static int
value_check(const struct command_option *o, const char *value, char *error)
{
    char choices[PHRASE_BYTES];
    switch (o->kind) {
    case COMMAND_FLAG:
    case COMMAND_ANY:
        return ERR_OK;
    case COMMAND_TEXT:
        return *value ? ERR_OK : refuse(error, "%s is empty: give %s", o->name, o->value);
    case COMMAND_NUMBER:
        return number_check(o, value, error);
    case COMMAND_CHOICE:
        if (choice_has(o->value, value))
            return ERR_OK;
        choices_print(o->value, choices, sizeof choices);
        return refuse(error, "%s %.100s: give %s", o->name, value, choices);
    case COMMAND_PAIR:
        if (strchr(value, '='))
            return ERR_OK;
        return refuse(error, "%s %.100s: give %s %s", o->name, value, o->name, o->value);
    }
    return ERR_INVALID;
}

static int
option_take(struct command_line *l, const struct command_option *o, const char *value, char *error)
{
    if (l->count == COMMAND_GIVEN_MAX)
        return refuse(error, "more than %d options: use a file", COMMAND_GIVEN_MAX);
    l->given[l->count].option = o;
    l->given[l->count++].value = value;
    return o->kind == COMMAND_FLAG ? ERR_OK : value_check(o, value, error);
}

/* ---- the line ---------------------------------------------------------------------------------
 */

static int
word_take(struct command_line *l, const char *word, char *error)
{
    int most = l->command->words_max;
    if (l->word_count == (most < COMMAND_WORDS_MAX ? most : COMMAND_WORDS_MAX))
        return refuse(error, "'%.100s' is too much: see 'sluice help %s'", word, l->command->words);
    l->words[l->word_count++] = word;
    return ERR_OK;
}

static int
rest_read(struct command_line *l, int argc, char *const *argv, char *error)
{
    bool options = l->command->id != COMMAND_HIDDEN_COMPLETE;
    int err = ERR_OK;
    for (int i = 0; i < argc && !err; i++) {
        const char *word = argv[i], *value;
        if (!options || word[0] != '-' || word[1] == 0) {
            err = word_take(l, word, error);
            continue;
        }
        if (strcmp(word, "--") == 0) {
            options = false;
            continue;
        }
        if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
            l->help = true;
            return ERR_OK;
        }
        const struct command_option *o = option_find(word, l->command, &value);
        if (!o)
            return option_unknown(word, l->command, error);
        if (o->kind != COMMAND_FLAG && !value) {
            if (++i == argc)
                return refuse(error, "%s needs a value: see 'sluice help %s'", o->name,
                              l->command->words);
            value = argv[i];
        }
        err = option_take(l, o, value, error);
    }
    return err;
}

int
command_read(struct command_line *out, int argc, char *const *argv, char error[COMMAND_ERROR_BYTES])
{
    static char *const help[] = {"help"}, *const version[] = {"version"};
    int used = 0;
    *out = (struct command_line){.command = command_find(COMMAND_HELP)};
    if (argc < 2)
        return refuse(error, "give a command: 'sluice run' starts a broker, 'sluice help' lists "
                             "the others");
    char *const *rest = argv + 1;
    argc--;
    if (strcmp(rest[0], "--help") == 0 || strcmp(rest[0], "-h") == 0)
        rest = help;
    else if (strcmp(rest[0], "--version") == 0)
        rest = version;
    argc = rest == argv + 1 ? argc : 1;
    out->command = command_match(rest, argc, &used);
    if (!out->command && argc == 2 && command_group_summary(rest[0], (int)strlen(rest[0])) &&
        (strcmp(rest[1], "--help") == 0 || strcmp(rest[1], "-h") == 0)) {
        out->command = command_find(COMMAND_HELP); /* sluice topic --help */
        out->words[out->word_count++] = rest[0];
        return ERR_OK;
    }
    if (!out->command)
        return command_unknown(rest, argc, error);
    int err = rest_read(out, argc - used, rest + used, error);
    if (!err && !out->help && out->word_count < out->command->words_min)
        return refuse(error, "%s: give %s: see 'sluice help %s'", out->command->words,
                      out->command->arguments, out->command->words);
    return err;
}

/* ---- asking it --------------------------------------------------------------------------------
 */

static const struct command_option *
option_named(const struct command_line *l, const char *name)
{
    const struct command_option *o;
    uint32_t i = 0;
    while ((o = command_option(l->command, i)) && strcmp(o->name, name) != 0)
        i++;
    must(o != NULL);
    return o;
}

const char *
command_each(const struct command_line *l, const char *name, int index)
{
    const struct command_option *o = option_named(l, name);
    for (int i = 0; i < l->count; i++)
        if (l->given[i].option == o && index-- == 0)
            return l->given[i].value;
    return NULL;
}

bool
command_has(const struct command_line *l, const char *name)
{
    const struct command_option *o = option_named(l, name);
    for (int i = 0; i < l->count; i++)
        if (l->given[i].option == o)
            return true;
    return false;
}

const char *
command_text(const struct command_line *l, const char *name)
{
    const struct command_option *o = option_named(l, name);
    for (int i = l->count; i-- > 0;)
        if (l->given[i].option == o)
            return l->given[i].value;
    return o->fallback;
}

int64_t
command_number(const struct command_line *l, const char *name)
{
    const char *text = command_text(l, name);
    must(text != NULL);
    return strtoll(text, NULL, 10);
}
