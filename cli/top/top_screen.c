#include "cli/top/top.h"

#include <ncurses.h>
#include <stdlib.h>
#include <string.h>

/* Headings are bold: the first line, and those that follow an empty one. */
static void
draw(const json_t *view, const char *error)
{
    char *whole = NULL;
    size_t bytes;
    FILE *memory = open_memstream(&whole, &bytes);
    must(memory != NULL);
    if (view)
        top_text(view, COLS, LINES - 1, memory);
    fclose(memory);
    erase();
    bool head = true;
    int y = 0;
    for (char *line = whole; *line && y < LINES - 1; y++) {
        int n = (int)strcspn(line, "\n");
        attrset(head ? A_BOLD : A_NORMAL);
        mvaddnstr(y, 0, line, n);
        head = n == 0;
        line += n + (line[n] == '\n');
    }
    attrset(A_REVERSE);
    mvaddnstr(LINES - 1, 0, *error ? error : "q quits", COLS);
    attrset(A_NORMAL);
    refresh();
    free(whole);
}

/* Waits for the interval; whether the user wants no more. */
static bool
quit_asked(int interval_s)
{
    timeout(interval_s * 1000);
    int key = getch();
    return key == 'q' || key == 'Q' || key == 3;
}

int
top_screen(const char *address, int interval_s, int timeout_ms)
{
    char error[TOP_ERROR_BYTES] = "";
    json_t *before = top_sample(address, timeout_ms, error), *view = NULL;
    if (!before) {
        fprintf(stderr, "sluice: %s: name the broker's metrics.listener with --metrics HOST:PORT\n",
                error);
        return COMMAND_EXIT_FAILED;
    }
    if (!initscr()) {
        json_decref(before);
        return COMMAND_EXIT_FAILED;
    }
    raw(); /* ^C is a key: the terminal must be put right again */
    noecho();
    curs_set(0);
    bool quit = quit_asked(1);
    while (!quit) {
        error[0] = 0;
        json_t *after = top_sample(address, timeout_ms, error);
        if (after) {
            json_decref(view);
            view = top_view(before, after);
            json_decref(before);
            before = after;
        }
        draw(view, error); /* without an answer the last one stays, with the reason below */
        quit = quit_asked(interval_s);
    }
    endwin();
    json_decref(before);
    json_decref(view);
    return COMMAND_EXIT_OK;
}
