#include "drivers/os/os.h"

#include <errno.h>
#include <sys/random.h>

void
os_random(void *out, size_t n)
{
    for (size_t done = 0; done < n;) {
        ssize_t got = getrandom((char *)out + done, n - done, 0);
        must(got >= 0 || errno == EINTR);
        done += got > 0 ? (size_t)got : 0;
    }
}
