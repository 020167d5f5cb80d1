/* cli_shell.c: what shells and readers ask the table for. */
#include "cli/cli.h"
#include "cli/client/client.h"

#include "core/base/err.h"

#include <errno.h>
#include <string.h>

static int
help(const struct command_line *line, FILE *out)
{
    if (line->help) {
        command_help_one(line->command, out);
        return CLI_EXIT_OK;
    }
    if (command_help(line->words, line->word_count, out) == ERR_OK)
        return CLI_EXIT_OK;
    fprintf(stderr, "sluice: no command '%s': 'sluice help' lists them\n", line->words[0]);
    return CLI_EXIT_USAGE;
}

static int
completion(const struct command_line *line, FILE *out)
{
    static const char *const shells[] = {"bash", "zsh", "fish"};
    for (size_t i = 0; i < sizeof shells / sizeof shells[0]; i++)
        if (strcmp(line->words[0], shells[i]) == 0) {
            command_complete_script(shells[i], out);
            return CLI_EXIT_OK;
        }
    fprintf(stderr, "sluice: no completion for '%s': give bash, zsh or fish\n", line->words[0]);
    return CLI_EXIT_USAGE;
}

/* The broker named on the line that is being typed, NULL: none. */
static const char *
bootstrap_of(const struct command_line *line)
{
    for (int i = 0; i + 2 < line->word_count; i++)
        if (strcmp(line->words[i], "-b") == 0 || strcmp(line->words[i], "--bootstrap") == 0)
            return line->words[i + 1];
    return NULL;
}

static int
complete(const struct command_line *line, FILE *out)
{
    const char *prefix;
    enum command_names names = command_complete(line->words, line->word_count, out, &prefix);
    switch (names) {
    case COMMAND_NAMES_FILES:
        fputs(":files\n", out);
        break;
    case COMMAND_NAMES_FOLDERS:
        fputs(":folders\n", out);
        break;
    case COMMAND_NAMES_TOPICS:
    case COMMAND_NAMES_GROUPS:
        client_names(names, bootstrap_of(line), prefix, out);
        break;
    case COMMAND_NAMES_NONE:
    case COMMAND_NAMES_COMMANDS:
        break;
    }
    return CLI_EXIT_OK;
}

/* Writes dir/sluice-GROUP.1, or dir/sluice.1 for no group. */
static int
page_write(const char *dir, const char *group)
{
    char path[OS_PATH_BYTES];
    snprintf(path, sizeof path, "%.3900s/sluice%s%s.1", dir, group ? "-" : "", group ? group : "");
    FILE *f = fopen(path, "w");
    int err = f ? command_man(group, f) : ERR_DENIED;
    if (f && fclose(f))
        err = ERR_IO;
    if (err == ERR_OK)
        return CLI_EXIT_OK;
    fprintf(stderr, "sluice: %s cannot be written: %s\n", path, strerror(errno));
    return CLI_EXIT_FAILED;
}

static int
pages(const struct command_line *line)
{
    const struct command *c;
    uint32_t at = 0;
    int code = page_write(line->words[0], NULL);
    for (int n; code == CLI_EXIT_OK && (c = command_group_next(&at, &n));) {
        char group[64];
        snprintf(group, sizeof group, "%.*s", n, c->words);
        code = page_write(line->words[0], group);
    }
    return code;
}

int
cli_shell(const struct command_line *line, FILE *out)
{
    int code = CLI_EXIT_FAILED;
    if (line->help || line->command->id == COMMAND_HELP)
        code = help(line, out);
    else if (line->command->id == COMMAND_VERSION)
        code = fprintf(out, "sluice %s\n", SLUICE_VERSION) < 0 ? CLI_EXIT_FAILED : CLI_EXIT_OK;
    else if (line->command->id == COMMAND_COMPLETION)
        code = completion(line, out);
    else if (line->command->id == COMMAND_HIDDEN_COMPLETE)
        code = complete(line, out);
    else if (line->command->id == COMMAND_HIDDEN_MAN)
        code = pages(line);
    return fflush(out) ? CLI_EXIT_FAILED : code;
}
