#include "tests/unit/cli/host/host_fake.h"

static void
a_volatile_cache_is_told_for_a_drive_and_for_its_partition(void **state)
{
    host_expect(doctor_disk_cache, DOCTOR_UNKNOWN, "");
    host_folder("sys/dev/block/259:1");
    host_file("sys/dev/block/queue/write_cache", "write back"); /* ".." of the partition */
    host_expect(doctor_disk_cache, DOCTOR_NOTE, "volatile");
    host_file("sys/dev/block/259:1/queue/write_cache", "write through");
    host_expect(doctor_disk_cache, DOCTOR_OK, "write through");
}

static void
a_file_system_without_a_device_tells_nothing(void **state)
{
    host.major = host.minor = 0;
    host_file("sys/dev/block/0:0/queue/write_cache", "write back");
    host_expect(doctor_disk_cache, DOCTOR_UNKNOWN, "");
}

static void
a_scheduler_is_a_note(void **state)
{
    host_file("sys/dev/block/259:1/queue/scheduler", "[none] mq-deadline");
    host_expect(doctor_disk_scheduler, DOCTOR_OK, "none");
    host_file("sys/dev/block/259:1/queue/scheduler", "none [mq-deadline]");
    host_expect(doctor_disk_scheduler, DOCTOR_NOTE, "mq-deadline");
}

static void
the_nearest_mount_point_counts(void **state)
{
    host_file("proc/mounts", "/dev/a / ext4 rw 0 0\n/dev/b /data xfs rw,noatime 0 0\n"
                             "tmpfs /data/other tmpfs rw 0 0\n/dev/c /dat nfs rw 0 0");
    host_expect(doctor_disk_files, DOCTOR_OK, "/data/sluice is on xfs, mounted at /data");
    host.data = "/elsewhere";
    host_expect(doctor_disk_files, DOCTOR_OK, "ext4, mounted at /");
    host.data = "/data/other";
    host_expect(doctor_disk_files, DOCTOR_WARN, "tmpfs");
}

static void
a_file_system_without_barriers_is_a_warning(void **state)
{
    host_file("proc/mounts", "/dev/a / ext4 rw,barrier=0 0 0");
    host_expect(doctor_disk_files, DOCTOR_WARN, "without barriers");
    host_file("proc/mounts", "/dev/a / btrfs rw 0 0");
    host_expect(doctor_disk_files, DOCTOR_NOTE, "btrfs");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_volatile_cache_is_told_for_a_drive_and_for_its_partition,
                                        host_setup, host_teardown),
        cmocka_unit_test_setup_teardown(a_file_system_without_a_device_tells_nothing, host_setup,
                                        host_teardown),
        cmocka_unit_test_setup_teardown(a_scheduler_is_a_note, host_setup, host_teardown),
        cmocka_unit_test_setup_teardown(the_nearest_mount_point_counts, host_setup, host_teardown),
        cmocka_unit_test_setup_teardown(a_file_system_without_barriers_is_a_warning, host_setup,
                                        host_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
