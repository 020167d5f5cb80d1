/* main.c: the command `sluice`. */
#include "cli/cli.h"
#include "cli/client/client.h"
#include "cli/top/top.h"

#include <stdio.h>
#include <unistd.h>

static int
local(const struct command_line *line)
{
    static struct cli_args args;
    cli_args_take(&args, line);
    switch (args.command) {
    case CLI_RUN:
        return cli_run(&args, environ);
    case CLI_CONFIG:
        return cli_config(&args, environ, stdout);
    case CLI_STAT:
        return cli_stat(&args, environ, stdout);
    case CLI_LOG:
        return cli_log(&args, environ, stdout);
    case CLI_DOCTOR:
        return cli_doctor(line, &args, environ, stdout);
    case CLI_BUNDLE:
        return cli_bundle(line, &args, environ);
    case CLI_VERSION:
    case CLI_HELP:
        break;
    }
    return cli_shell(line, stdout);
}

int
main(int argc, char **argv)
{
    static struct command_line line;
    char error[COMMAND_ERROR_BYTES];
    if (command_read(&line, argc, argv, error)) {
        fprintf(stderr, "sluice: %s\n", error);
        return COMMAND_EXIT_USAGE;
    }
    if (line.help)
        return cli_shell(&line, stdout);
    if (line.command->id == COMMAND_TOP)
        return top_run(&line, stdout);
    if (cli_net_has(line.command->id))
        return cli_net(&line, stdout);
    if (cli_capture_has(line.command->id))
        return cli_capture(&line, environ, stdout);
    return client_has(line.command->id) ? client_run(&line, stdout) : local(&line);
}
