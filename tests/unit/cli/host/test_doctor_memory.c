#include "tests/unit/cli/host/host_fake.h"

static void
huge_pages_are_needed_by_dpdk_only(void **state)
{
    host_file("proc/meminfo",
              "HugePages_Total:       0\nHugePages_Free:        0\nHugepagesize:       2048 kB");
    host_expect(doctor_memory_huge, DOCTOR_NOTE, "0 of 2048 kB");
    host.dpdk = true;
    host_expect(doctor_memory_huge, DOCTOR_WARN, "0 of 2048 kB");
    host_file("proc/meminfo",
              "HugePages_Total:      64\nHugePages_Free:       60\nHugepagesize:       2048 kB");
    host_expect(doctor_memory_huge, DOCTOR_OK, "64 of 2048 kB, 60 free");
}

static void
transparent_ones_must_not_be_forbidden(void **state)
{
    host_file("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never");
    host_expect(doctor_memory_transparent, DOCTOR_OK, "madvise");
    host_file("sys/kernel/mm/transparent_hugepage/enabled", "always madvise [never]");
    host_expect(doctor_memory_transparent, DOCTOR_WARN, "never");
}

static void
a_small_memlock_is_a_warning(void **state)
{
    host_file("proc/self/limits",
              "Max locked memory         8388608              8388608              bytes");
    host_expect(doctor_memory_lock, DOCTOR_WARN, "8192 KiB");
    host_file("proc/self/limits",
              "Max locked memory         unlimited            unlimited            bytes");
    host_expect(doctor_memory_lock, DOCTOR_OK, "unlimited");
}

static void
swap_is_a_note(void **state)
{
    host_file("proc/meminfo", "SwapTotal:       0 kB");
    host_expect(doctor_memory_swap, DOCTOR_OK, "0 MiB");
    host_file("proc/meminfo", "SwapTotal: 2097152 kB");
    host_expect(doctor_memory_swap, DOCTOR_NOTE, "2048 MiB");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(huge_pages_are_needed_by_dpdk_only, host_setup,
                                        host_teardown),
        cmocka_unit_test_setup_teardown(transparent_ones_must_not_be_forbidden, host_setup,
                                        host_teardown),
        cmocka_unit_test_setup_teardown(a_small_memlock_is_a_warning, host_setup, host_teardown),
        cmocka_unit_test_setup_teardown(swap_is_a_note, host_setup, host_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
