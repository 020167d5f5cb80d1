/* copies.c: a library to preload that counts the bytes a process copies by memcpy and memmove.
 *
 * Each process writes to COPIES_DIR/PID one word of 64 bits in the machine's order.  What the
 * compiler copies without a call (a few bytes whose number it knows) is not counted, nor is what
 * the kernel copies between sockets and the process.  Compiled without builtins, or the loops
 * would become calls of the functions that they are. */
#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static _Atomic uint64_t own;
static _Atomic(uint64_t) *copied = &own;

static void *
copy(void *to, const void *from, size_t n)
{
    uint8_t *t = to;
    const uint8_t *f = from;
    atomic_fetch_add_explicit(copied, n, memory_order_relaxed);
    if ((uintptr_t)t - (uintptr_t)f < n) { /* it begins inside what is copied: from the end */
        while (n-- > 0)
            t[n] = f[n];
        return to;
    }
    for (; n >= sizeof(uint64_t); n -= sizeof(uint64_t)) {
        *(uint64_t *)(void *)t = *(const uint64_t *)(const void *)f;
        t += sizeof(uint64_t);
        f += sizeof(uint64_t);
    }
    while (n-- > 0)
        *t++ = *f++;
    return to;
}

void *
memcpy(void *restrict to, const void *restrict from, size_t n)
{
    return copy(to, from, n);
}

void *
memmove(void *to, const void *from, size_t n)
{
    return copy(to, from, n);
}

/* From here on the count stands in the file. */
static void __attribute__((constructor)) begin(void)
{
    char path[256];
    const char *folder = getenv("COPIES_DIR");
    if (!folder)
        return;
    snprintf(path, sizeof path, "%s/%d", folder, (int)getpid());
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, sizeof own))
        abort();
    void *at = mmap(NULL, sizeof own, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (at == MAP_FAILED)
        abort();
    copied = at;
}
