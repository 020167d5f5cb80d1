/* allocations.c: a library to preload that counts what a process takes from the heap, and the
 * mappings that it makes.
 *
 * Each process writes to ALLOCATIONS_DIR/PID: two words of 64 bits in the machine's order, calls of
 * the malloc family and calls of mmap.  Works above any allocator: the next definition is called.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { HEAP, MAPS, WORDS, EARLY_BYTES = 64 << 10, EARLY_ALIGN = 16 };

static _Atomic uint64_t own[WORDS];
static _Atomic(uint64_t) *counts = own;

/* dlsym() may want memory before it has told where the allocator is. */
static _Alignas(EARLY_ALIGN) uint8_t early[EARLY_BYTES];
static size_t early_used;

static struct {
    void *(*malloc)(size_t);
    void *(*calloc)(size_t, size_t);
    void *(*realloc)(void *, size_t);
    void *(*aligned_alloc)(size_t, size_t);
    int (*posix_memalign)(void **, size_t, size_t);
    void (*free)(void *);
    void *(*mmap)(void *, size_t, int, int, int, off_t);
} next;

static void
find(void *to, const char *name)
{
    void *at = dlsym(RTLD_NEXT, name);
    if (!at)
        abort();
    *(void **)to = at;
}

/* True when the next definitions are known. */
static bool
resolved(void)
{
    static bool begun; /* the first call is made by the loader: one thread */
    if (begun)
        return next.malloc;
    begun = true;
    find(&next.calloc, "calloc");
    find(&next.realloc, "realloc");
    find(&next.aligned_alloc, "aligned_alloc");
    find(&next.posix_memalign, "posix_memalign");
    find(&next.free, "free");
    find(&next.mmap, "mmap");
    find(&next.malloc, "malloc");
    return true;
}

static void *
early_take(size_t size)
{
    size_t at = (early_used + EARLY_ALIGN - 1) / EARLY_ALIGN * EARLY_ALIGN;
    if (size > EARLY_BYTES - at)
        abort();
    early_used = at + size;
    return early + at; /* zeroed, and never given back */
}

static void
count(int what)
{
    atomic_fetch_add_explicit(&counts[what], 1, memory_order_relaxed);
}

__attribute__((constructor)) static void
begin(void)
{
    const char *folder = getenv("ALLOCATIONS_DIR");
    char path[256];
    if (!resolved() || !folder ||
        snprintf(path, sizeof path, "%s/%d", folder, getpid()) >= (int)sizeof path)
        return;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, sizeof own))
        return;
    void *at = next.mmap(NULL, sizeof own, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (at != MAP_FAILED)
        counts = at;
}

void *
malloc(size_t size)
{
    count(HEAP);
    return resolved() ? next.malloc(size) : early_take(size);
}

void *
calloc(size_t items, size_t size)
{
    count(HEAP);
    return resolved() ? next.calloc(items, size) : early_take(items * size);
}

void *
realloc(void *at, size_t size)
{
    count(HEAP);
    return resolved() ? next.realloc(at, size) : early_take(size);
}

void *
aligned_alloc(size_t align, size_t size)
{
    count(HEAP);
    return resolved() ? next.aligned_alloc(align, size) : NULL;
}

int
posix_memalign(void **out, size_t align, size_t size)
{
    count(HEAP);
    return resolved() ? next.posix_memalign(out, align, size) : ENOMEM;
}

void
free(void *at)
{
    if ((uint8_t *)at >= early && (uint8_t *)at < early + EARLY_BYTES)
        return;
    if (resolved())
        next.free(at);
}

void *
mmap(void *addr, size_t size, int prot, int flags, int fd, off_t offset)
{
    count(MAPS);
    if (!resolved()) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    return next.mmap(addr, size, prot, flags, fd, offset);
}
