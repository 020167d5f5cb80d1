/* test_golden.c: the walker against golden.hex, what Kafka's own serializers wrote for every API
 * and version.  The file's path is the first argument; golden.py made it. */
#include "core/base/err.h"
#include "core/wire/wire_gen.h"
#include "core/wire/wire_table.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>

enum { LINE_BYTES_MAX = 1 << 16, LINES_MIN = 800 };

static const char *golden_path;
static char line[LINE_BYTES_MAX];
static uint8_t wire[LINE_BYTES_MAX / 2], again[LINE_BYTES_MAX / 2];
static _Alignas(16) uint8_t memory[1 << 20], decoded[1 << 12];

static const struct wire_message *
message_of(const char *name)
{
    uint32_t count;
    const struct wire_api *all = wire_api_all(&count);
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(all[i].request->name, name) == 0)
            return all[i].request;
        if (strcmp(all[i].response->name, name) == 0)
            return all[i].response;
    }
    fail_msg("no message %s", name);
    return NULL;
}

static uint32_t
unhex(const char *hex, uint8_t *out)
{
    uint32_t n = 0;
    unsigned byte;
    for (; sscanf(hex, "%2x", &byte) == 1; hex += 2)
        out[n++] = (uint8_t)byte;
    return n;
}

struct golden {
    const struct wire_message *message;
    char name[64];
    int version;
    struct view bytes;
};

static bool
next_golden(FILE *f, struct golden *out)
{
    int at;
    if (!fgets(line, sizeof line, f))
        return false;
    assert_int_equal(sscanf(line, "%63s %d %n", out->name, &out->version, &at), 2);
    out->message = message_of(out->name);
    out->bytes = view_of(wire, unhex(line + at, wire));
    return true;
}

static FILE *
open_golden(void)
{
    FILE *f = fopen(golden_path, "r");
    assert_non_null(f);
    return f;
}

/* Also: the size is foretold, each cut is malformed, one byte more is malformed. */
static void
what_kafka_wrote_is_read_and_written_back_byte_for_byte(void **state)
{
    FILE *f = open_golden();
    struct golden g;
    struct wire_arena arena;
    wire_arena_init(&arena, memory, sizeof memory);
    int lines = 0;
    for (; next_golden(f, &g); lines++) {
        int16_t version = (int16_t)g.version;
        assert_true((size_t)g.message->top.size < sizeof decoded);
        wire_arena_reset(&arena);
        int e = wire_decode(g.message, version, g.bytes, decoded, &arena);
        if (e != ERR_OK)
            fail_msg("%s %d: %s", g.name, g.version, err_name(e));
        struct put w = put_of(again, sizeof again);
        assert_int_equal(wire_encode(g.message, version, decoded, &w), ERR_OK);
        if (!view_equal(view_of(again, put_len(&w)), g.bytes))
            fail_msg("%s %d: written back differently", g.name, g.version);
        assert_int_equal(wire_size(g.message, version, decoded), g.bytes.len);
    }
    assert_true(lines >= LINES_MIN);
    fclose(f);
}

static void
no_cut_passes_and_an_added_byte_is_ignored(void **state)
{
    FILE *f = open_golden();
    struct golden g;
    struct wire_arena arena;
    wire_arena_init(&arena, memory, sizeof memory);
    while (next_golden(f, &g)) {
        int16_t version = (int16_t)g.version;
        for (uint32_t len = 0; len <= g.bytes.len + 1; len++) {
            if (len == g.bytes.len)
                continue;
            wire[g.bytes.len] = 0;
            wire_arena_reset(&arena);
            int e = wire_decode(g.message, version, view_of(wire, len), decoded, &arena);
            if (e != (len < g.bytes.len ? ERR_CORRUPT : ERR_OK))
                fail_msg("%s %d cut to %u: %s", g.name, g.version, len, err_name(e));
        }
    }
    fclose(f);
}

static void
every_message_and_version_is_there(void **state)
{
    static bool seen[128][2][32];
    FILE *f = open_golden();
    struct golden g;
    uint32_t count;
    const struct wire_api *all = wire_api_all(&count);
    while (next_golden(f, &g)) {
        for (uint32_t i = 0; i < count; i++) {
            if (g.message == all[i].request || g.message == all[i].response)
                seen[i][g.message == all[i].response][g.version] = true;
        }
    }
    fclose(f);
    assert_int_equal(count, 77);
    for (uint32_t i = 0; i < count; i++)
        for (int16_t v = all[i].version_min; v <= all[i].version_max; v++)
            if (!seen[i][0][v] || !seen[i][1][v])
                fail_msg("%s %d is not in %s", all[i].name, v, golden_path);
}

int
main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: test_golden GOLDEN.HEX\n");
        return EXIT_FAILURE;
    }
    golden_path = argv[1];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_kafka_wrote_is_read_and_written_back_byte_for_byte),
        cmocka_unit_test(no_cut_passes_and_an_added_byte_is_ignored),
        cmocka_unit_test(every_message_and_version_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
