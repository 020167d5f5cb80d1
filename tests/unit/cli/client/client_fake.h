/* client_fake.h: runs a command line against the mock broker inside librdkafka, which knows
 * metadata, records and offsets and no administration, or against nobody. */
#ifndef SLUICE_TESTS_UNIT_CLI_CLIENT_CLIENT_FAKE_H
#define SLUICE_TESTS_UNIT_CLI_CLIENT_CLIENT_FAKE_H

#include "cli/client/client.h"
#include "core/base/err.h"
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FAKE_BYTES = 64 << 10, FAKE_ARGUMENTS = 32 };

static char fake_out[FAKE_BYTES], fake_error[FAKE_BYTES];

/* Runs `sluice words...`; stdout goes to fake_out, stderr to fake_error.  Returns the exit code. */
static inline int
fake_run(const char *const *words, int count, const char *const *extra, int extra_count)
{
    static struct command_line line;
    const char *argv[FAKE_ARGUMENTS] = {"sluice"};
    int argc = 1, code;
    int options = 0;
    while (options < count && words[options][0] != '-')
        argv[argc++] = words[options++];
    for (int i = 0; i < extra_count; i++) /* before the others: of two the last counts */
        argv[argc++] = extra[i];
    for (int i = options; i < count; i++)
        argv[argc++] = words[i];
    memset(fake_out, 0, sizeof fake_out);
    memset(fake_error, 0, sizeof fake_error);
    if (command_read(&line, argc, (char *const *)argv, fake_error))
        return COMMAND_EXIT_USAGE;
    FILE *out = fmemopen(fake_out, sizeof fake_out, "w"), *error = tmpfile();
    int kept = dup(STDERR_FILENO);
    fflush(stderr);
    dup2(fileno(error), STDERR_FILENO);
    code = client_run(&line, out);
    fflush(stderr);
    dup2(kept, STDERR_FILENO);
    close(kept);
    rewind(error);
    fake_error[fread(fake_error, 1, sizeof fake_error - 1, error)] = 0;
    fclose(error);
    fclose(out);
    return code;
}

static const char *const fake_mock[] = {"-X", "test.mock.num.brokers=2", "--timeout", "5"};
static const char *const fake_nobody[] = {"-b", "127.0.0.1:1", "--timeout", "2"};

#define FAKE_COUNT(...) (int)(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *))
#define FAKE_WORDS(...) (const char *[]){__VA_ARGS__}, FAKE_COUNT(__VA_ARGS__)
#define MOCK(...)       fake_run(FAKE_WORDS(__VA_ARGS__), fake_mock, 4)
#define NOBODY(...)     fake_run(FAKE_WORDS(__VA_ARGS__), fake_nobody, 4)

#endif
