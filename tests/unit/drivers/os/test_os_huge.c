#include "core/base/err.h"
#include "drivers/os/os.h"
#include "tests/unit/unit.h"

#include <string.h>

static void
memory_is_zero_aligned_and_all_there(void **state)
{
    for (int populate = 0; populate < 2; populate++) {
        struct os_huge h;
        assert_int_equal(os_huge_map(&h, (3 << 20) + 5, populate), ERR_OK);
        assert_int_equal(h.bytes, 4 << 20);
        assert_int_equal((uintptr_t)h.at % (2 << 20), 0);
        assert_true(h.kind <= OS_HUGE_NONE);
        const uint8_t *p = h.at;
        for (size_t i = 0; i < h.bytes; i += 4096)
            assert_int_equal(p[i], 0);
        memset(h.at, 7, h.bytes);
        assert_int_equal(p[h.bytes - 1], 7);
        os_huge_unmap(&h);
        assert_null(h.at);
        os_huge_unmap(&h);
    }
}

static void
sizes_that_cannot_be_are_refused(void **state)
{
    struct os_huge h;
    assert_int_equal(os_huge_map(&h, 0, false), ERR_INVALID);
    assert_int_equal(os_huge_map(&h, SIZE_MAX, false), ERR_INVALID);
    assert_int_equal(os_huge_map(&h, SIZE_MAX / 4, false), ERR_FULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_zero_aligned_and_all_there),
        cmocka_unit_test(sizes_that_cannot_be_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
