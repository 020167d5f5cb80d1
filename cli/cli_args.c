#include "cli/cli.h"

#include "core/base/err.h"

#include <stdarg.h>
#include <string.h>

enum { RUN = 1 << CLI_RUN, CONFIG = 1 << CLI_CONFIG, STAT = 1 << CLI_STAT, LOG = 1 << CLI_LOG };

static const struct {
    const char *name;
    enum cli_command command;
} commands[] = {
    {"run", CLI_RUN}, {"config", CLI_CONFIG},   {"stat", CLI_STAT},
    {"log", CLI_LOG}, {"version", CLI_VERSION}, {"help", CLI_HELP},
};

enum option_kind {
    OPTION_KEY,
    OPTION_DATA,
    OPTION_MARKDOWN,
    OPTION_FORMAT,
    OPTION_YES,
    OPTION_DEEP
};

/* Options, and the commands that take them. */
static const struct option {
    const char *name;
    enum option_kind kind;
    bool has_value;
    unsigned commands;
} options[] = {
    {"-o", OPTION_KEY, true, RUN | CONFIG | STAT | LOG},
    {"--data", OPTION_DATA, true, RUN | CONFIG | STAT | LOG},
    {"--markdown", OPTION_MARKDOWN, false, CONFIG},
    {"--format", OPTION_FORMAT, true, STAT | LOG},
    {"--yes", OPTION_YES, false, LOG},
    {"--deep", OPTION_DEEP, false, LOG},
};

must_printf(2, 3) static int refuse(char error[CLI_ERROR_BYTES], const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(error, CLI_ERROR_BYTES, fmt, ap);
    va_end(ap);
    return ERR_INVALID;
}

static int
command_read(const char *word, enum cli_command *out, char *error)
{
    uint32_t best = 0, best_distance = UINT32_MAX;
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
        word = "help";
    if (strcmp(word, "--version") == 0)
        word = "version";
    for (uint32_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        uint32_t d = conf_near_distance(word, commands[i].name);
        if (d < best_distance) {
            best = i;
            best_distance = d;
        }
    }
    if (best_distance)
        return refuse(error, "unknown command '%.100s': did you mean 'sluice %s'?", word,
                      commands[best].name);
    *out = commands[best].command;
    return ERR_OK;
}

static int
option_unknown(const char *word, enum cli_command command, char *error)
{
    const char *best = "";
    uint32_t best_distance = UINT32_MAX;
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        uint32_t d = conf_near_distance(word, options[i].name);
        if ((options[i].commands & 1u << command) && d < best_distance) {
            best = options[i].name;
            best_distance = d;
        }
    }
    if (!*best)
        return refuse(error, "unknown option '%.100s': this command has none", word);
    return refuse(error, "unknown option '%.100s': did you mean '%s'?", word, best);
}

/* The option that `word` is, or NULL.  "--data=x" and "-ok=v" carry their value: *value. */
static const struct option *
option_find(const char *word, enum cli_command command, const char **value)
{
    *value = NULL;
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        const struct option *o = &options[i];
        size_t n = strlen(o->name);
        if (!(o->commands & 1u << command) || strncmp(word, o->name, n) != 0)
            continue;
        if (word[n] == 0)
            return o;
        if (o->has_value && (o->name[1] != '-' || word[n] == '=')) {
            *value = word + n + (o->name[1] == '-');
            return o;
        }
    }
    return NULL;
}

static int
option_take(struct cli_args *out, const struct option *o, const char *value, char *error)
{
    switch (o->kind) {
    case OPTION_KEY:
        if (!strchr(value, '='))
            return refuse(error, "-o %.100s: give -o key=value", value);
        if (out->option_count == CLI_OPTIONS_MAX)
            return refuse(error, "more than %d times -o: use a file", CLI_OPTIONS_MAX);
        out->options[out->option_count++] = value;
        return ERR_OK;
    case OPTION_DATA:
        if (!*value)
            return refuse(error, "--data: give a directory");
        out->data = value;
        return ERR_OK;
    case OPTION_MARKDOWN:
        out->markdown = true;
        return ERR_OK;
    case OPTION_YES:
        out->yes = true;
        return ERR_OK;
    case OPTION_DEEP:
        out->deep = true;
        return ERR_OK;
    case OPTION_FORMAT:
        out->json = strcmp(value, "json") == 0;
        if (!out->json && strcmp(value, "text") != 0)
            return refuse(error, "--format %.100s: give text or json", value);
        return ERR_OK;
    }
    return ERR_INVALID;
}

static int
work_take(struct cli_args *out, const char *word, char *error)
{
    static const char *const works[] = {
        [CLI_LOG_VERIFY] = "verify", [CLI_LOG_DUMP] = "dump", [CLI_LOG_REPAIR] = "repair"};
    for (int i = CLI_LOG_VERIFY; i <= CLI_LOG_REPAIR; i++)
        if (strcmp(word, works[i]) == 0)
            out->work = (enum cli_log_work)i;
    return out->work ? ERR_OK : refuse(error, "'log %.100s': give verify, dump or repair", word);
}

static int
file_take(struct cli_args *out, const char *word, char *error)
{
    if (out->command == CLI_LOG && out->work == CLI_LOG_NONE)
        return work_take(out, word, error);
    if (out->command == CLI_LOG && out->work == CLI_LOG_DUMP && !out->segment) {
        out->segment = word;
        return ERR_OK;
    }
    if (out->command != CLI_RUN && out->command != CLI_CONFIG)
        return refuse(error, "'%.100s' is too much: see 'sluice help'", word);
    if (out->file)
        return refuse(error, "two configuration files, '%.100s' and '%.100s': give one", out->file,
                      word);
    out->file = word;
    return ERR_OK;
}

int
cli_args_read(struct cli_args *out, int argc, char *const *argv, char error[CLI_ERROR_BYTES])
{
    *out = (struct cli_args){.command = CLI_HELP};
    if (argc < 2)
        return refuse(error, "give a command: 'sluice run' starts a broker, 'sluice help' lists "
                             "the others");
    int err = command_read(argv[1], &out->command, error);
    for (int i = 2; i < argc && !err; i++) {
        const char *word = argv[i], *value;
        if (word[0] != '-' || word[1] == 0) {
            err = file_take(out, word, error);
            continue;
        }
        const struct option *o = option_find(word, out->command, &value);
        if (!o)
            return option_unknown(word, out->command, error);
        if (o->has_value && !value) {
            if (++i == argc)
                return refuse(error, "%s needs a value: see 'sluice help'", o->name);
            value = argv[i];
        }
        err = option_take(out, o, value, error);
    }
    if (!err && out->command == CLI_LOG && out->work == CLI_LOG_NONE)
        return refuse(error, "log: give verify, dump or repair");
    return err;
}
