/* batch_deflate.c: see batch_deflate.h.  What is written is what Kafka's own client writes:
 *
 *   gzip    one member
 *   snappy  xerial framing of snappy-java, blocks of 32 KiB
 *   lz4     one frame: independent blocks of 64 KiB, no checksums (KIP-57, Lz4BlockOutputStream)
 *   zstd    one frame (KIP-110), its window at most 1 MiB
 *
 * Small pieces gather in a chunk, so that codecs and blocks do not depend on how the bytes came. */
#include "core/wire/batch_deflate.h"

#include "core/base/err.h"

#include <lz4frame.h>
#include <snappy-c.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

enum {
    XERIAL_LENGTH_BYTES = 4,
    LZ4_LEVEL_DEFAULT = 9, /* Kafka's: means the fast compressor */
    LZ4_LEVEL_FAST = 0,
    LZ4_LEVEL_HC_MIN = 3,
    LZ4_LEVEL_HC_MAX = 12,
    GZIP_LEVEL_MAX = 9,
    GZIP_LEVEL_DEFAULT = -1,
    GZIP_MEMORY = 8, /* zlib's default */
    PACKED_BYTES_MAX = 160 << 10,
};

struct batch_deflate {
    enum batch_codec codec;
    struct put *out;
    uint32_t gathered; /* bytes in chunk */
    z_stream gzip;
    bool gzip_ready;
    LZ4F_cctx *lz4;
    ZSTD_CCtx *zstd;
    LZ4F_preferences_t lz4_form;
    uint8_t chunk[BATCH_CHUNK_BYTES];
    uint8_t packed[PACKED_BYTES_MAX]; /* lz4 and snappy want room for their worst case */
};

static _Thread_local struct batch_deflate *scratch;

static int32_t
between(int32_t v, int32_t first, int32_t last)
{
    return v < first ? first : v > last ? last : v;
}

static int
open_gzip(struct batch_deflate *z, int32_t level)
{
    level = between(level, GZIP_LEVEL_DEFAULT, GZIP_LEVEL_MAX);
    if (!z->gzip_ready)
        z->gzip_ready = deflateInit2(&z->gzip, level, Z_DEFLATED, MAX_WBITS + 16, GZIP_MEMORY,
                                     Z_DEFAULT_STRATEGY) == Z_OK;
    /* Nothing is pending after a reset, so the change of level writes nothing. */
    bool ok = z->gzip_ready && deflateReset(&z->gzip) == Z_OK &&
              deflateParams(&z->gzip, level, Z_DEFAULT_STRATEGY) == Z_OK;
    return ok ? ERR_OK : ERR_LIMIT;
}

static int
open_snappy(struct batch_deflate *z)
{
    put_bytes(z->out, "\x82SNAPPY\0\0\0\0\1\0\0\0\1", 16);
    return z->out->bad ? ERR_FULL : ERR_OK;
}

static int
open_lz4(struct batch_deflate *z, int32_t level)
{
    if (!z->lz4 && LZ4F_isError(LZ4F_createCompressionContext(&z->lz4, LZ4F_VERSION)))
        z->lz4 = NULL;
    if (!z->lz4)
        return ERR_LIMIT;
    z->lz4_form = (LZ4F_preferences_t){
        .frameInfo = {.blockSizeID = LZ4F_max64KB, .blockMode = LZ4F_blockIndependent},
        .compressionLevel = level == LZ4_LEVEL_DEFAULT
                                ? LZ4_LEVEL_FAST
                                : between(level, LZ4_LEVEL_HC_MIN, LZ4_LEVEL_HC_MAX),
    };
    must(LZ4F_compressBound(BATCH_CHUNK_BYTES, &z->lz4_form) <= sizeof z->packed);
    size_t n = LZ4F_compressBegin(z->lz4, z->packed, sizeof z->packed, &z->lz4_form);
    if (LZ4F_isError(n))
        return ERR_LIMIT;
    put_bytes(z->out, z->packed, (uint32_t)n);
    return z->out->bad ? ERR_FULL : ERR_OK;
}

static int
open_zstd(struct batch_deflate *z, int32_t level)
{
    if (!z->zstd)
        z->zstd = ZSTD_createCCtx();
    if (!z->zstd)
        return ERR_LIMIT;
    (void)ZSTD_CCtx_reset(z->zstd, ZSTD_reset_session_and_parameters);
    level = between(level, ZSTD_minCLevel(), ZSTD_maxCLevel());
    bool ok =
        !ZSTD_isError(ZSTD_CCtx_setParameter(z->zstd, ZSTD_c_compressionLevel, level)) &&
        !ZSTD_isError(ZSTD_CCtx_setParameter(z->zstd, ZSTD_c_windowLog, BATCH_ZSTD_WINDOW_LOG_OUT));
    return ok ? ERR_OK : ERR_LIMIT;
}

int
batch_deflate_open(enum batch_codec codec, int32_t level, struct put *out, struct batch_deflate **z)
{
    if (!scratch)
        scratch = calloc(1, sizeof *scratch);
    if (!scratch)
        return ERR_LIMIT;
    *z = scratch;
    scratch->codec = codec;
    scratch->out = out;
    scratch->gathered = 0;
    switch (codec) {
    case BATCH_GZIP:
        return open_gzip(scratch, level);
    case BATCH_SNAPPY:
        return open_snappy(scratch);
    case BATCH_LZ4:
        return open_lz4(scratch, level);
    case BATCH_ZSTD:
        return open_zstd(scratch, level);
    case BATCH_NONE:
    case BATCH_CODECS:
        break;
    }
    must(codec == BATCH_NONE);
    return ERR_OK;
}

static int
pack_gzip(struct batch_deflate *z, struct view v, bool last)
{
    z_stream *s = &z->gzip;
    s->next_in = (Bytef *)v.at; /* zlib does not write there */
    s->avail_in = v.len;
    s->next_out = z->out->at;
    s->avail_out = (uInt)(z->out->end - z->out->at);
    int r = deflate(s, last ? Z_FINISH : Z_NO_FLUSH);
    z->out->at = s->next_out;
    return (last ? r == Z_STREAM_END : s->avail_in == 0) ? ERR_OK : ERR_FULL;
}

static int
pack_snappy(struct batch_deflate *z, struct view v)
{
    for (uint32_t at = 0; at < v.len; at += BATCH_XERIAL_BLOCK_BYTES) {
        uint32_t left = v.len - at;
        uint32_t block = left < BATCH_XERIAL_BLOCK_BYTES ? left : BATCH_XERIAL_BLOCK_BYTES;
        char *to = (char *)z->packed + XERIAL_LENGTH_BYTES;
        size_t n = sizeof z->packed - XERIAL_LENGTH_BYTES;
        snappy_status r = snappy_compress((const char *)v.at + at, block, to, &n);
        must(r == SNAPPY_OK); /* the room is snappy's worst case of a block */
        set_u32(z->packed, (uint32_t)n);
        put_bytes(z->out, z->packed, (uint32_t)n + XERIAL_LENGTH_BYTES);
    }
    return z->out->bad ? ERR_FULL : ERR_OK;
}

static int
pack_lz4(struct batch_deflate *z, struct view v, bool last)
{
    size_t n = last ? LZ4F_compressEnd(z->lz4, z->packed, sizeof z->packed, NULL)
                    : LZ4F_compressUpdate(z->lz4, z->packed, sizeof z->packed, v.at, v.len, NULL);
    if (LZ4F_isError(n))
        return ERR_LIMIT;
    put_bytes(z->out, z->packed, (uint32_t)n);
    return z->out->bad ? ERR_FULL : ERR_OK;
}

static int
pack_zstd(struct batch_deflate *z, struct view v, bool last)
{
    ZSTD_inBuffer in = {v.at, v.len, 0};
    ZSTD_outBuffer out = {z->out->at, (size_t)(z->out->end - z->out->at), 0};
    size_t r = ZSTD_compressStream2(z->zstd, &out, &in, last ? ZSTD_e_end : ZSTD_e_continue);
    z->out->at += out.pos;
    if (ZSTD_isError(r))
        return ZSTD_getErrorCode(r) == ZSTD_error_memory_allocation ? ERR_LIMIT : ERR_FULL;
    return (last ? r == 0 : in.pos == in.size) ? ERR_OK : ERR_FULL;
}

/* Gives the codec a chunk, or the end of the stream. */
static int
pack(struct batch_deflate *z, struct view v, bool last)
{
    switch (z->codec) {
    case BATCH_GZIP:
        return pack_gzip(z, v, last);
    case BATCH_SNAPPY:
        return last ? ERR_OK : pack_snappy(z, v);
    case BATCH_LZ4:
        return pack_lz4(z, v, last);
    case BATCH_ZSTD:
        return pack_zstd(z, v, last);
    case BATCH_NONE:
    case BATCH_CODECS:
        break;
    }
    put_bytes(z->out, v.at, v.len);
    return z->out->bad ? ERR_FULL : ERR_OK;
}

static int
pack_gathered(struct batch_deflate *z)
{
    struct view v = {z->chunk, z->gathered};
    z->gathered = 0;
    return v.len ? pack(z, v, false) : ERR_OK;
}

int
batch_deflate_more(struct batch_deflate *z, struct view bytes)
{
    if (z->codec == BATCH_NONE)
        return pack(z, bytes, false);
    int e = ERR_OK;
    while (e == ERR_OK && bytes.len > 0) {
        uint32_t room = BATCH_CHUNK_BYTES - z->gathered;
        uint32_t n = bytes.len < room ? bytes.len : room;
        if (n == BATCH_CHUNK_BYTES) {
            e = pack(z, view_of(bytes.at, n), false); /* whole as it is: no copy */
        } else {
            memcpy(z->chunk + z->gathered, bytes.at, n);
            z->gathered += n;
            if (z->gathered == BATCH_CHUNK_BYTES)
                e = pack_gathered(z);
        }
        bytes = view_of(bytes.at + n, bytes.len - n);
    }
    return e;
}

int
batch_deflate_end(struct batch_deflate *z)
{
    int e = pack_gathered(z);
    return e == ERR_OK ? pack(z, (struct view){0}, true) : e;
}

void
batch_deflate_forget(void)
{
    struct batch_deflate *z = scratch;
    scratch = NULL;
    if (!z)
        return;
    if (z->gzip_ready)
        (void)deflateEnd(&z->gzip);
    LZ4F_freeCompressionContext(z->lz4);
    ZSTD_freeCCtx(z->zstd);
    free(z);
}
