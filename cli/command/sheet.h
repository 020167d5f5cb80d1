/* sheet.h: what a command answers, as JSON or as a table; from one JSON value, so that both say the
 * same.  Members come in the order in which they were set. */
#ifndef SLUICE_CLI_COMMAND_SHEET_H
#define SLUICE_CLI_COMMAND_SHEET_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { SHEET_CELL_BYTES = 256 };

struct sheet_column {
    const char *key;   /* member of each row */
    const char *title; /* head of the column */
};

/* An array of objects, one a line under a head.  Numbers stand right; null and a missing member are
 * "-"; an array is its elements with commas between.  Control characters become '?': what a peer
 * named cannot drive the terminal. */
void sheet_table(const json_t *rows, const struct sheet_column *columns, uint32_t count, FILE *out);
/* An object, one "title  value" a line. */
void sheet_list(const json_t *object, const struct sheet_column *columns, uint32_t count,
                FILE *out);
/* The whole value, indented by two. */
void sheet_json(const json_t *value, FILE *out);
/* One value in one line: JSON lines. */
void sheet_json_line(const json_t *value, FILE *out);
/* 1536 as "1.5 KiB". */
void sheet_bytes(int64_t bytes, char out[SHEET_CELL_BYTES]);

/* Colours: only where `out` is a terminal that knows them and NO_COLOR is not set
 * or is empty (no-color.org). */
enum sheet_paint { SHEET_PLAIN, SHEET_BOLD, SHEET_RED, SHEET_GREEN, SHEET_YELLOW };
bool sheet_colours(FILE *out);
void sheet_paint(FILE *out, bool colours, enum sheet_paint paint, const char *text);

#endif
