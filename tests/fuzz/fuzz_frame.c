/* fuzz_frame.c: any bytes as a request frame, or as the body of any request or response in any
 * version.  What decodes must encode, be no longer than it was, and decode to the same again.
 *
 * input: u8 mode (0 frame with header, 1 request body, 2 response body; modulo 3), then for the
 * bodies u8 API and u8 version, both modulo what there is; the rest is the frame or body. */
#include "core/base/err.h"
#include "core/wire/wire_gen.h"
#include "core/wire/wire_table.h"

#include <stdlib.h>

enum { ARENA_BYTES = 8 << 20, STRUCT_BYTES_MAX = 4096 };

static _Alignas(16) uint8_t memory[2][ARENA_BYTES];
static _Alignas(16) uint8_t decoded[2][STRUCT_BYTES_MAX];

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n);

static int
decode(const struct wire_message *m, int16_t version, struct view body, int slot)
{
    struct wire_arena arena;
    must(m->top.size <= STRUCT_BYTES_MAX);
    wire_arena_init(&arena, memory[slot], sizeof memory[slot]);
    return wire_decode(m, version, body, decoded[slot], &arena);
}

static struct view
encode(const struct wire_message *m, int16_t version, int slot, uint32_t bytes_max)
{
    int64_t size = wire_size(m, version, decoded[slot]);
    must(size >= 0);
    must(size <= bytes_max);
    uint8_t *out = malloc((size_t)size + 1); /* exact, so that the sanitizer sees one byte over */
    must(out);
    struct put w = put_of(out, (uint32_t)size);
    must(wire_encode(m, version, decoded[slot], &w) == ERR_OK);
    must(put_len(&w) == size);
    return view_of(out, (uint32_t)size);
}

static void
body_round_trip(const struct wire_message *m, int16_t version, struct view body)
{
    if (decode(m, version, body, 0) != ERR_OK)
        return;
    struct view first = encode(m, version, 0, body.len);
    must(decode(m, version, first, 1) == ERR_OK);
    struct view second = encode(m, version, 1, first.len);
    must(view_equal(first, second));
    free((void *)first.at);
    free((void *)second.at);
}

static void
frame(struct view request)
{
    struct wire_header h;
    if (wire_header_read(request, &h) != ERR_OK)
        return;
    must(h.bytes <= request.len);
    const struct wire_api *api = wire_api_find(h.api_key);
    if (!api || h.api_version < api->version_min || h.api_version > api->version_max)
        return;
    body_round_trip(api->request, h.api_version,
                    view_of(request.at + h.bytes, request.len - h.bytes));
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t n)
{
    enum { FRAME, REQUEST, RESPONSE, MODES };
    struct cur c = cur_of(view_of(at, (uint32_t)n));
    uint8_t mode = cur_u8(&c) % MODES;
    if (mode == FRAME) {
        frame(view_of(c.at, cur_left(&c)));
        return 0;
    }
    uint32_t count;
    const struct wire_api *all = wire_api_all(&count), *api = &all[cur_u8(&c) % count];
    int versions = api->version_max - api->version_min + 1;
    int16_t version = (int16_t)(api->version_min + cur_u8(&c) % versions);
    if (!c.bad)
        body_round_trip(mode == REQUEST ? api->request : api->response, version,
                        view_of(c.at, cur_left(&c)));
    return 0;
}
