/* main.c: the command `sluice`. */
#include "cli/cli.h"

#include "drivers/os/os.h"

#include <stdio.h>
#include <unistd.h>

int
main(int argc, char **argv)
{
    struct cli_args args;
    char error[CLI_ERROR_BYTES];
    if (cli_args_read(&args, argc, argv, error)) {
        fprintf(stderr, "sluice: %s\n", error);
        return CLI_EXIT_USAGE;
    }
    switch (args.command) {
    case CLI_RUN:
        return cli_run(&args, environ);
    case CLI_CONFIG:
        return cli_config(&args, environ, stdout);
    case CLI_STAT:
        return cli_stat(&args, environ, stdout);
    case CLI_LOG:
        return cli_log(&args, environ, stdout);
    case CLI_VERSION:
        printf("sluice %s\n", SLUICE_VERSION);
        return CLI_EXIT_OK;
    case CLI_HELP:
        cli_help(stdout);
        return CLI_EXIT_OK;
    }
    return CLI_EXIT_USAGE;
}
