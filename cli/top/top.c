#include "cli/top/top.h"

#include "cli/command/sheet.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

enum { TIMEOUT_MS = 5000, TEXT_WIDTH = 120, TEXT_HEIGHT = 1000 };

static int
once(const char *address, int interval_s, bool json, FILE *out)
{
    const struct timespec pause = {.tv_sec = interval_s};
    char error[TOP_ERROR_BYTES] = "";
    json_t *before = top_sample(address, TIMEOUT_MS, error), *after = NULL;
    if (before) {
        nanosleep(&pause, NULL);
        after = top_sample(address, TIMEOUT_MS, error);
    }
    if (after) {
        json_t *view = top_view(before, after);
        if (json)
            sheet_json(view, out);
        else
            top_text(view, TEXT_WIDTH, TEXT_HEIGHT, out);
        json_decref(view);
    } else {
        fprintf(stderr, "sluice: %s: name the broker's metrics.listener with --metrics HOST:PORT\n",
                error);
    }
    json_decref(before);
    json_decref(after);
    return after && fflush(out) == 0 ? COMMAND_EXIT_OK : COMMAND_EXIT_FAILED;
}

int
top_run(const struct command_line *line, FILE *out)
{
    const char *address = command_text(line, "--metrics");
    int interval_s = (int)command_number(line, "--interval");
    bool json = strcmp(command_text(line, "--format"), "json") == 0;
    if (json || command_has(line, "--once") || !isatty(fileno(out)))
        return once(address, interval_s, json, out);
    return top_screen(address, interval_s, TIMEOUT_MS);
}
