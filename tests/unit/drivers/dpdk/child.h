/* child.h: DPDK starts once a process, so each case runs in a child of its own, without huge pages
 * and without root. */
#ifndef SLUICE_TESTS_DPDK_CHILD_H
#define SLUICE_TESTS_DPDK_CHILD_H

#include "core/base/err.h"
#include "core/base/must.h"
#include "drivers/dpdk/nic_dpdk.h"
#include "tests/unit/unit.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static inline void
in_child(void (*what)(void))
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        what();
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* A root without huge pages: the files that are looked for are not there. */
static inline struct nic_dpdk_config
child_config(const char *device)
{
    return (struct nic_dpdk_config){
        .device = device, .queues = 1, .mtu = 1500, .default_route = "", .root = "/nowhere/"};
}

#endif
