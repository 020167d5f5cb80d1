#include "core/base/err.h"
#include "drivers/dpdk/nic_dpdk.h"
#include "tests/unit/unit.h"

#include <string.h>

static void
without_dpdk_it_says_how_to_get_it(void **state)
{
    struct nic_dpdk_config c = {.device = "net_tap0", .queues = 1, .mtu = 1500, .root = "/"};
    struct nic_dpdk *d;
    char error[NIC_DPDK_ERROR_BYTES];
    assert_int_equal(nic_dpdk_create(&c, 1, &d, error), ERR_UNSUPPORTED);
    assert_null(d);
    assert_non_null(strstr(error, "libdpdk-dev"));
    nic_dpdk_destroy(d);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_dpdk_it_says_how_to_get_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
