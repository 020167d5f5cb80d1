#include "cli/cli.h"

#include "core/base/err.h"

#include <string.h>

/* Rows whose work is in this folder. */
static const struct {
    enum command_id id;
    enum cli_command command;
    enum cli_log_work work;
} rows[] = {
    {COMMAND_RUN, CLI_RUN, CLI_LOG_NONE},          {COMMAND_CONFIG, CLI_CONFIG, CLI_LOG_NONE},
    {COMMAND_STAT, CLI_STAT, CLI_LOG_NONE},        {COMMAND_LOG_VERIFY, CLI_LOG, CLI_LOG_VERIFY},
    {COMMAND_LOG_REPAIR, CLI_LOG, CLI_LOG_REPAIR}, {COMMAND_LOG_DUMP, CLI_LOG, CLI_LOG_DUMP},
    {COMMAND_DOCTOR, CLI_DOCTOR, CLI_LOG_NONE},    {COMMAND_BUNDLE, CLI_BUNDLE, CLI_LOG_NONE},
    {COMMAND_VERSION, CLI_VERSION, CLI_LOG_NONE},  {COMMAND_HELP, CLI_HELP, CLI_LOG_NONE},
};

static bool
same(const struct command_option *o, const char *name)
{
    return strcmp(o->name, name) == 0;
}

void
cli_args_take(struct cli_args *out, const struct command_line *line)
{
    *out = (struct cli_args){.command = CLI_HELP};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].id == line->command->id) {
            out->command = rows[i].command;
            out->work = rows[i].work;
        }
    for (int i = 0; i < line->count; i++) {
        const struct command_option *o = line->given[i].option;
        const char *value = line->given[i].value;
        if (same(o, "-o"))
            out->options[out->option_count++] = value;
        else if (same(o, "--data"))
            out->data = value;
        else if (same(o, "--format"))
            out->json = strcmp(value, "json") == 0;
        out->markdown |= same(o, "--markdown");
        out->yes |= same(o, "--yes");
        out->deep |= same(o, "--deep");
    }
    if (out->command == CLI_LOG)
        out->segment = line->word_count ? line->words[0] : NULL;
    else
        out->file = line->word_count ? line->words[0] : NULL;
}

int
cli_args_read(struct cli_args *out, int argc, char *const *argv, char error[CLI_ERROR_BYTES])
{
    struct command_line line;
    int err = command_read(&line, argc, argv, error);
    if (err == ERR_OK)
        cli_args_take(out, &line);
    return err;
}
