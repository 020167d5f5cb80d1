/* meta_id.c: topic ids.  Kafka's Uuid: 128 bits, text in base64url without padding.  Reserved are
 * zero
 * ("unknown") and one ("metadata topic"), and the first hundred values of the most significant half
 * being zero. */
#include "control/meta/meta.h"

static const char meta_id_alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

bool
meta_id_is_zero(const uint8_t *id)
{
    return get_u64(id) == 0 && get_u64(id + 8) == 0;
}

void
meta_id_text(const uint8_t *id, char text[META_ID_TEXT_BYTES + 1])
{
    uint32_t bits = 0, have = 0, n = 0;
    for (uint32_t i = 0; i < META_ID_BYTES; i++) {
        bits = bits << 8 | id[i];
        for (have += 8; have >= 6; have -= 6)
            text[n++] = meta_id_alphabet[bits >> (have - 6) & 63];
    }
    text[n++] = meta_id_alphabet[bits << (6 - have) & 63];
    must(n == META_ID_TEXT_BYTES);
    text[n] = '\0';
}

bool
meta_id_shape(uint8_t id[META_ID_BYTES])
{
    id[6] = (uint8_t)((id[6] & 0x0f) | 0x40);
    id[8] = (uint8_t)((id[8] & 0x3f) | 0x80);
    char text[META_ID_TEXT_BYTES + 1];
    meta_id_text(id, text);
    return text[0] != '-'; /* the version bits keep it off the reserved values */
}
