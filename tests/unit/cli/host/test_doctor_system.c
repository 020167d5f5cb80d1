#include "tests/unit/cli/host/host_fake.h"

static void
io_uring_needs_a_kernel_and_permission(void **state)
{
    host_file("proc/sys/kernel/osrelease", "6.1.0-18-amd64");
    host_expect(doctor_system_uring, DOCTOR_OK, "Linux 6.1.0-18-amd64");
    host_file("proc/sys/kernel/osrelease", "5.15.0");
    host_expect(doctor_system_uring, DOCTOR_WARN, "5.15.0");
    host_file("proc/sys/kernel/io_uring_disabled", "1");
    host_expect(doctor_system_uring, DOCTOR_WARN, "only for members");
}

static void
few_open_files_are_a_warning(void **state)
{
    host_file("proc/self/limits",
              "Max open files            1024                 4096                 files");
    host_expect(doctor_system_files, DOCTOR_WARN, "1024, at most 4096");
    host_file("proc/self/limits",
              "Max open files            1024                 524288               files");
    host_expect(doctor_system_files, DOCTOR_OK, "at most 524288");
}

static void
a_short_backlog_is_a_note(void **state)
{
    host_file("proc/sys/net/core/somaxconn", "128");
    host_expect(doctor_system_backlog, DOCTOR_NOTE, "128");
    host_file("proc/sys/net/core/somaxconn", "4096");
    host_expect(doctor_system_backlog, DOCTOR_OK, "4096");
}

static void
cards_are_named_with_their_drivers(void **state)
{
    char path[256];
    host_folder("sys/class/net/lo");
    host_expect(doctor_system_nic, DOCTOR_NOTE, "no card of its own");
    found.mend[0] = 0;
    host.dpdk = true;
    host_expect(doctor_system_nic, DOCTOR_WARN, "no card of its own");
    host_folder("sys/class/net/eth0/device");
    snprintf(path, sizeof path, "%s/sys/class/net/eth0/device/driver", host_root);
    assert_int_equal(symlink("../../bus/pci/drivers/mlx5_core", path), 0);
    host_expect(doctor_system_nic, DOCTOR_OK, "eth0 (mlx5_core)");
}

static void
an_iommu_is_needed_by_dpdk_only(void **state)
{
    host_folder("sys/kernel/iommu_groups");
    host_expect(doctor_system_iommu, DOCTOR_NOTE, "0 groups");
    host.dpdk = true;
    host_expect(doctor_system_iommu, DOCTOR_WARN, "0 groups");
    host_folder("sys/kernel/iommu_groups/7");
    host_expect(doctor_system_iommu, DOCTOR_OK, "1 groups");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(io_uring_needs_a_kernel_and_permission, host_setup,
                                        host_teardown),
        cmocka_unit_test_setup_teardown(few_open_files_are_a_warning, host_setup, host_teardown),
        cmocka_unit_test_setup_teardown(a_short_backlog_is_a_note, host_setup, host_teardown),
        cmocka_unit_test_setup_teardown(cards_are_named_with_their_drivers, host_setup,
                                        host_teardown),
        cmocka_unit_test_setup_teardown(an_iommu_is_needed_by_dpdk_only, host_setup, host_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
