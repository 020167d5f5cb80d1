/* fuzz_lens.c: the lenses of Produce and Fetch against the walker, on any bytes.
 *
 * input: u8 kind (0 Produce request, 1 Fetch request, 2 Produce response, 3 Fetch response; modulo
 * 4), u8 version modulo what there is, body. */
#include "tests/unit/core/wire/lens_agree.h"
#include "tests/unit/core/wire/lens_answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n);

static void
responses(bool fetch, int16_t version, struct view body)
{
    if (fetch) {
        struct wire_fetch_response r;
        if (agree_decode(&wire_fetch_response_message, version, body, &r) == ERR_OK)
            answer_fetch(&r, version);
        return;
    }
    struct wire_produce_response r;
    if (agree_decode(&wire_produce_response_message, version, body, &r) == ERR_OK)
        answer_produce(&r, version);
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t n)
{
    enum { PRODUCE_REQUEST, FETCH_REQUEST, PRODUCE_RESPONSE, FETCH_RESPONSE, KINDS };
    if (n < 2)
        return 0;
    uint8_t kind = at[0] % KINDS;
    bool fetch = kind == FETCH_REQUEST || kind == FETCH_RESPONSE;
    const struct wire_api *api = wire_api_find(fetch ? WIRE_API_FETCH : WIRE_API_PRODUCE);
    int16_t version =
        (int16_t)(api->version_min + at[1] % (api->version_max - api->version_min + 1));
    struct view body = view_of(at + 2, (uint32_t)n - 2);
    if (kind == PRODUCE_REQUEST)
        agree_produce(body, version);
    else if (kind == FETCH_REQUEST)
        agree_fetch(body, version);
    else
        responses(fetch, version, body);
    return 0;
}
