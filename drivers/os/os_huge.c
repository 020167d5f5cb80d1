#include "core/base/err.h"
#include "drivers/os/os.h"

#include <errno.h>
#include <sys/mman.h>

#define HUGE_BYTES ((size_t)2 << 20)

/* Ordinary pages, begun at a multiple of HUGE_BYTES so that transparent ones can take their place.
 */
static void *
map_aligned(size_t bytes)
{
    char *at = mmap(NULL, bytes + HUGE_BYTES, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED)
        return NULL;
    size_t skip = (HUGE_BYTES - (uintptr_t)at % HUGE_BYTES) % HUGE_BYTES;
    if (skip)
        munmap(at, skip);
    if (HUGE_BYTES - skip)
        munmap(at + skip + bytes, HUGE_BYTES - skip);
    return at + skip;
}

int
os_huge_map(struct os_huge *h, size_t bytes, bool populate)
{
    if (bytes == 0 || bytes > SIZE_MAX / 2)
        return ERR_INVALID;
    *h = (struct os_huge){NULL, (bytes + HUGE_BYTES - 1) & ~(HUGE_BYTES - 1), OS_HUGE_RESERVED};
    /* Reserved pages are always populated: a pool that another has emptied is SIGBUS later. */
    void *at = mmap(NULL, h->bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_POPULATE, -1, 0);
    if (at != MAP_FAILED) {
        h->at = at;
        return ERR_OK;
    }
    h->at = map_aligned(h->bytes);
    if (!h->at)
        return os_error_of(errno);
    h->kind = madvise(h->at, h->bytes, MADV_HUGEPAGE) ? OS_HUGE_NONE : OS_HUGE_TRANSPARENT;
    if (populate && madvise(h->at, h->bytes, MADV_POPULATE_WRITE) && errno != EINVAL) {
        int err = os_error_of(errno);
        os_huge_unmap(h);
        return err;
    }
    return ERR_OK;
}

void
os_huge_unmap(struct os_huge *h)
{
    if (h->at)
        munmap(h->at, h->bytes);
    h->at = NULL;
}
