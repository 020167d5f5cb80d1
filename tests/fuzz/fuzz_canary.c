/* fuzz_canary.c: must crash within seconds; proves that run.sh would notice one that does. */
#include "core/wire/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t n)
{
    must(!(n > 2 && at[0] == 'B' && at[1] == 'A' && at[2] == 'D'));
    return 0;
}
