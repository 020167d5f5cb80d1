/* batch_inflate.c: the codecs of record batches as one pull stream.
 *
 *   gzip    RFC 1952, members in a row
 *   snappy  xerial: 82 "SNAPPY" 00, i32 version, i32 oldest version that can read it, then blocks
 * of i32 length and raw snappy (snappy-java, so the Java client); or one raw block without any
 * header (librdkafka).  A snappy block inflates whole, into its own buffer. lz4     one LZ4 frame
 * (KIP-57) zstd    frames in a row (KIP-110)
 *
 * One scratch a thread holds the windows and contexts, so that a batch costs no allocation. */
#include "core/wire/batch_records.h"

#include "core/base/err.h"
#include "core/wire/batch_deflate.h"

#include <lz4frame.h>
#include <snappy-c.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

enum { XERIAL_HEADER_BYTES = 16, XERIAL_MAGIC_BYTES = 8 };

struct batch_inflate {
    enum batch_codec codec;
    const uint8_t *at, *end; /* packed bytes not yet read */
    uint64_t inflated;
    bool done; /* of the codec's frame; more may follow for gzip and zstd */
    bool xerial;
    z_stream gzip;
    bool gzip_ready;
    LZ4F_dctx *lz4;
    ZSTD_DCtx *zstd;
    uint8_t *block; /* snappy: BATCH_CARRY_BYTES and BATCH_SNAPPY_BLOCK_BYTES_MAX, or NULL yet */
    uint8_t window[BATCH_CARRY_BYTES + BATCH_WINDOW_BYTES];
};

static _Thread_local struct batch_inflate *scratch;

static bool
ready_for(struct batch_inflate *z, enum batch_codec codec)
{
    switch (codec) {
    case BATCH_GZIP:
        if (!z->gzip_ready)
            z->gzip_ready = inflateInit2(&z->gzip, MAX_WBITS + 16) == Z_OK;
        return z->gzip_ready && inflateReset(&z->gzip) == Z_OK;
    case BATCH_SNAPPY:
        if (!z->block) /* pages are touched only as far as blocks go */
            z->block = calloc(1, BATCH_CARRY_BYTES + (size_t)BATCH_SNAPPY_BLOCK_BYTES_MAX);
        return z->block;
    case BATCH_LZ4:
        if (!z->lz4 && LZ4F_isError(LZ4F_createDecompressionContext(&z->lz4, LZ4F_VERSION)))
            z->lz4 = NULL;
        if (z->lz4)
            LZ4F_resetDecompressionContext(z->lz4);
        return z->lz4;
    case BATCH_ZSTD:
        if (!z->zstd)
            z->zstd = ZSTD_createDCtx();
        return z->zstd && !ZSTD_isError(ZSTD_DCtx_reset(z->zstd, ZSTD_reset_session_only)) &&
               !ZSTD_isError(
                   ZSTD_DCtx_setParameter(z->zstd, ZSTD_d_windowLogMax, BATCH_ZSTD_WINDOW_LOG_MAX));
    case BATCH_NONE:
    case BATCH_CODECS:
        break;
    }
    return false;
}

static const uint8_t xerial_magic[XERIAL_MAGIC_BYTES] = {0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0};

static bool
skip_xerial_header(struct batch_inflate *z)
{
    if (z->end - z->at < XERIAL_HEADER_BYTES ||
        memcmp(z->at, xerial_magic, sizeof xerial_magic) != 0)
        return false;
    z->at += XERIAL_HEADER_BYTES;
    return true;
}

static struct batch_inflate *
scratch_for(enum batch_codec codec)
{
    if (!scratch)
        scratch = calloc(1, sizeof *scratch);
    return scratch && ready_for(scratch, codec) ? scratch : NULL;
}

int
batch_thread_ready(void)
{
    for (int codec = BATCH_GZIP; codec < BATCH_CODECS; codec++)
        if (!scratch_for((enum batch_codec)codec))
            return ERR_LIMIT;
    return ERR_OK;
}

int
batch_inflate_open(enum batch_codec codec, struct view packed, struct batch_inflate **out)
{
    struct batch_inflate *z = scratch_for(codec);
    if (!z)
        return ERR_LIMIT;
    z->codec = codec;
    z->at = packed.at;
    z->end = packed.at + packed.len;
    z->inflated = 0;
    z->done = packed.len == 0;
    z->xerial = codec == BATCH_SNAPPY && skip_xerial_header(z);
    *out = z;
    return ERR_OK;
}

static int
more_gzip(struct batch_inflate *z, uint8_t *to, uint32_t *n)
{
    z_stream *s = &z->gzip;
    s->next_in = (Bytef *)z->at; /* zlib does not write there */
    s->avail_in = (uInt)(z->end - z->at);
    s->next_out = to;
    s->avail_out = BATCH_WINDOW_BYTES;
    int r = inflate(s, Z_NO_FLUSH);
    z->at = s->next_in;
    *n = BATCH_WINDOW_BYTES - s->avail_out;
    if (r == Z_STREAM_END) {
        bool member = z->end - z->at >= 2 && z->at[0] == 0x1f && z->at[1] == 0x8b;
        z->done = !member;
        return member && inflateReset(s) != Z_OK ? ERR_CORRUPT : ERR_OK;
    }
    return r == Z_OK && (*n > 0 || z->at < z->end) ? ERR_OK : ERR_CORRUPT;
}

static int
more_lz4(struct batch_inflate *z, uint8_t *to, uint32_t *n)
{
    size_t out = BATCH_WINDOW_BYTES, in = (size_t)(z->end - z->at);
    size_t r = LZ4F_decompress(z->lz4, to, &out, z->at, &in, NULL);
    if (LZ4F_isError(r))
        return ERR_CORRUPT;
    z->at += in;
    *n = (uint32_t)out;
    z->done = r == 0;
    return z->done || in > 0 || out > 0 ? ERR_OK : ERR_CORRUPT;
}

static int
more_zstd(struct batch_inflate *z, uint8_t *to, uint32_t *n)
{
    ZSTD_inBuffer in = {z->at, (size_t)(z->end - z->at), 0};
    ZSTD_outBuffer out = {to, BATCH_WINDOW_BYTES, 0};
    size_t r = ZSTD_decompressStream(z->zstd, &out, &in);
    if (ZSTD_isError(r))
        return ERR_CORRUPT;
    z->at += in.pos;
    *n = (uint32_t)out.pos;
    z->done = r == 0 && z->at == z->end;
    return z->done || in.pos > 0 || out.pos > 0 ? ERR_OK : ERR_CORRUPT;
}

/* One block: xerial ones have their length in front; a raw one is everything. */
static int
more_snappy(struct batch_inflate *z, uint8_t *to, uint32_t *n)
{
    uint64_t packed = (uint64_t)(z->end - z->at);
    if (z->xerial) {
        while (skip_xerial_header(z)) /* streams one after the other */
            continue;
        if (z->end - z->at < 4)
            return ERR_CORRUPT;
        packed = get_u32(z->at);
        z->at += 4;
        if (packed > (uint64_t)(z->end - z->at))
            return ERR_CORRUPT;
    }
    size_t bytes;
    const char *from = (const char *)z->at;
    if (snappy_uncompressed_length(from, packed, &bytes) != SNAPPY_OK)
        return ERR_CORRUPT;
    if (bytes > BATCH_SNAPPY_BLOCK_BYTES_MAX)
        return ERR_LIMIT;
    if (snappy_uncompress(from, packed, (char *)to, &bytes) != SNAPPY_OK)
        return ERR_CORRUPT;
    z->at += packed;
    z->done = z->at == z->end;
    *n = (uint32_t)bytes;
    return ERR_OK;
}

int
batch_inflate_more(struct batch_inflate *z, uint8_t **at, uint32_t *n)
{
    uint8_t *to = (z->codec == BATCH_SNAPPY ? z->block : z->window) + BATCH_CARRY_BYTES;
    *at = to;
    *n = 0;
    int e = ERR_OK;
    while (e == ERR_OK && *n == 0 && !z->done) { /* empty blocks give nothing */
        switch (z->codec) {
        case BATCH_GZIP:
            e = more_gzip(z, to, n);
            break;
        case BATCH_SNAPPY:
            e = more_snappy(z, to, n);
            break;
        case BATCH_LZ4:
            e = more_lz4(z, to, n);
            break;
        case BATCH_ZSTD:
            e = more_zstd(z, to, n);
            break;
        case BATCH_NONE:
        case BATCH_CODECS:
            must(false); /* a codec that does not inflate */
        }
    }
    if (e != ERR_OK)
        return e;
    z->inflated += *n;
    return z->inflated > BATCH_INFLATED_BYTES_MAX ? ERR_LIMIT : ERR_OK;
}

void
batch_thread_end(void)
{
    struct batch_inflate *z = scratch;
    scratch = NULL;
    batch_deflate_forget();
    if (!z)
        return;
    if (z->gzip_ready)
        inflateEnd(&z->gzip);
    LZ4F_freeDecompressionContext(z->lz4);
    ZSTD_freeDCtx(z->zstd);
    free(z->block);
    free(z);
}
