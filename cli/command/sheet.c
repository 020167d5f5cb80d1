#include "cli/command/sheet.h"

#include "core/base/must.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { COLUMNS_MAX = 16 };

/* Writes a value as text; returns whether it is a number. */
static bool
cell(const json_t *v, char out[SHEET_CELL_BYTES])
{
    size_t n = 0;
    out[0] = 0;
    if (json_is_string(v))
        snprintf(out, SHEET_CELL_BYTES, "%s", json_string_value(v));
    else if (json_is_integer(v))
        snprintf(out, SHEET_CELL_BYTES, "%lld", (long long)json_integer_value(v));
    else if (json_is_real(v))
        snprintf(out, SHEET_CELL_BYTES, "%.3f", json_real_value(v));
    else if (json_is_boolean(v))
        snprintf(out, SHEET_CELL_BYTES, "%s", json_is_true(v) ? "yes" : "no");
    for (size_t i = 0; json_is_array(v) && i < json_array_size(v) && n < SHEET_CELL_BYTES; i++) {
        char one[SHEET_CELL_BYTES];
        cell(json_array_get(v, i), one);
        n += (size_t)snprintf(out + n, SHEET_CELL_BYTES - n, "%s%s", i ? "," : "", one);
    }
    for (char *p = out; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = '?';
    if (!*out)
        snprintf(out, SHEET_CELL_BYTES, "-");
    return json_is_number(v);
}

/* Columns that a text takes in UTF-8: bytes that do not continue a character. */
static int
width(const char *text)
{
    int n = 0;
    for (; *text; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

static void
pad(const char *text, int columns, bool right, bool last, FILE *out)
{
    int blanks = columns - width(text);
    if (right)
        fprintf(out, "%*s%s", blanks > 0 ? blanks : 0, "", text);
    else
        fprintf(out, "%s%*s", text, !last && blanks > 0 ? blanks : 0, "");
    fputs(last ? "\n" : "  ", out);
}

void
sheet_table(const json_t *rows, const struct sheet_column *columns, uint32_t count, FILE *out)
{
    int widths[COLUMNS_MAX];
    bool right[COLUMNS_MAX];
    char text[SHEET_CELL_BYTES];
    must(count <= COLUMNS_MAX);
    for (uint32_t c = 0; c < count; c++) {
        widths[c] = width(columns[c].title);
        right[c] = false;
        for (size_t r = 0; r < json_array_size(rows); r++) {
            right[c] |= cell(json_object_get(json_array_get(rows, r), columns[c].key), text);
            widths[c] = width(text) > widths[c] ? width(text) : widths[c];
        }
    }
    for (uint32_t c = 0; c < count; c++)
        pad(columns[c].title, widths[c], right[c], c + 1 == count, out);
    for (size_t r = 0; r < json_array_size(rows); r++)
        for (uint32_t c = 0; c < count; c++) {
            cell(json_object_get(json_array_get(rows, r), columns[c].key), text);
            pad(text, widths[c], right[c], c + 1 == count, out);
        }
}

void
sheet_list(const json_t *object, const struct sheet_column *columns, uint32_t count, FILE *out)
{
    char text[SHEET_CELL_BYTES];
    int most = 0;
    for (uint32_t c = 0; c < count; c++)
        most = width(columns[c].title) > most ? width(columns[c].title) : most;
    for (uint32_t c = 0; c < count; c++) {
        cell(json_object_get(object, columns[c].key), text);
        pad(columns[c].title, most, false, false, out);
        fprintf(out, "%s\n", text);
    }
}

void
sheet_json(const json_t *value, FILE *out)
{
    if (json_dumpf(value, out, JSON_INDENT(2) | JSON_PRESERVE_ORDER) == 0)
        fputc('\n', out);
}

void
sheet_json_line(const json_t *value, FILE *out)
{
    if (json_dumpf(value, out, JSON_COMPACT | JSON_PRESERVE_ORDER) == 0)
        fputc('\n', out);
}

void
sheet_bytes(int64_t bytes, char out[SHEET_CELL_BYTES])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    double v = (double)bytes;
    size_t u = 0;
    for (; (v >= 1024 || v <= -1024) && u + 1 < sizeof units / sizeof units[0]; u++)
        v /= 1024;
    snprintf(out, SHEET_CELL_BYTES, u ? "%.1f %s" : "%.0f %s", v, units[u]);
}

bool
sheet_colours(FILE *out)
{
    const char *none = getenv("NO_COLOR"), *term = getenv("TERM");
    return !(none && *none) && term && strcmp(term, "dumb") != 0 && isatty(fileno(out));
}

void
sheet_paint(FILE *out, bool colours, enum sheet_paint paint, const char *text)
{
    static const char *const codes[] = {
        [SHEET_PLAIN] = "0",  [SHEET_BOLD] = "1",    [SHEET_RED] = "31",
        [SHEET_GREEN] = "32", [SHEET_YELLOW] = "33",
    };
    if (colours)
        fprintf(out, "\033[%sm%s\033[0m", codes[paint], text);
    else
        fputs(text, out);
}
