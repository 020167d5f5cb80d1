#include "tests/unit/cli/host/host_fake.h"

static void
isolated_cores_are_named(void **state)
{
    host_file("sys/devices/system/cpu/isolated", "");
    host_expect(doctor_cpu_isolated, DOCTOR_NOTE, "none");
    host_file("sys/devices/system/cpu/isolated", "2-3");
    host_expect(doctor_cpu_isolated, DOCTOR_OK, "2-3");
}

static void
one_slow_governor_is_a_warning(void **state)
{
    host_file("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "performance");
    host_expect(doctor_cpu_governor, DOCTOR_OK, "performance on 1 of 1");
    host_file("sys/devices/system/cpu/cpu1/cpufreq/scaling_governor", "powersave");
    host_file("sys/devices/system/cpu/cpufreq/boost", "1");
    host_expect(doctor_cpu_governor, DOCTOR_WARN, "powersave on 1 of 2");
}

static void
a_virtual_machine_without_governors_is_unknown(void **state)
{
    host_folder("sys/devices/system/cpu/cpu0");
    host_expect(doctor_cpu_governor, DOCTOR_UNKNOWN, "");
}

static void
a_clock_that_is_a_system_call_is_a_warning(void **state)
{
    static const char current[] = "sys/devices/system/clocksource/clocksource0/current_clocksource";
    host_file(current, "tsc");
    host_expect(doctor_cpu_clock, DOCTOR_OK, "tsc");
    host_file(current, "hpet");
    host_expect(doctor_cpu_clock, DOCTOR_WARN, "hpet");
    assert_non_null(strstr(found.mend, "tsc=reliable"));
    host_file("sys/devices/system/clocksource/clocksource0/available_clocksource", "tsc hpet");
    host_expect(doctor_cpu_clock, DOCTOR_WARN, "hpet");
    assert_non_null(strstr(found.mend, "echo tsc"));
}

static void
interrupts_on_isolated_cores_are_counted(void **state)
{
    host_file("sys/devices/system/cpu/isolated", "");
    host_expect(doctor_cpu_irqs, DOCTOR_NOTE, "no core is isolated");
    host_file("sys/devices/system/cpu/isolated", "2-3");
    host_file("proc/irq/1/effective_affinity_list", "0-1");
    host_file("proc/irq/default_smp_affinity", "f");
    host_expect(doctor_cpu_irqs, DOCTOR_OK, "0 arrive");
    host_file("proc/irq/2/effective_affinity_list", "0,3");
    host_expect(doctor_cpu_irqs, DOCTOR_WARN, "1 arrive");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(isolated_cores_are_named, host_setup, host_teardown),
        cmocka_unit_test_setup_teardown(one_slow_governor_is_a_warning, host_setup, host_teardown),
        cmocka_unit_test_setup_teardown(a_virtual_machine_without_governors_is_unknown, host_setup,
                                        host_teardown),
        cmocka_unit_test_setup_teardown(a_clock_that_is_a_system_call_is_a_warning, host_setup,
                                        host_teardown),
        cmocka_unit_test_setup_teardown(interrupts_on_isolated_cores_are_counted, host_setup,
                                        host_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
