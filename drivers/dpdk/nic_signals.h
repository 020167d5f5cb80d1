/* nic_signals.h: no signal for each frame.
 *
 * net_tap has the kernel tell each frame that arrives by a real-time signal, and looks for frames
 * only after one.  Whichever thread has it unblocked is woken for it, beside the loop that polls,
 * which sees the frame when that thread has had its turn; and what does not fit in the queue of
 * signals is told by SIGIO, which ends the process.  While it has never seen a signal the driver
 * looks at each poll, and that is what we want.  Between these two calls, in one thread, no
 * real-time signal is delivered to it or to threads that it starts; then those that got a handler
 * meanwhile are ignored, also the ones that wait. */
#ifndef SLUICE_DPDK_NIC_SIGNALS_H
#define SLUICE_DPDK_NIC_SIGNALS_H

#include <signal.h>

enum { NIC_SIGNALS = 65 }; /* numbers of Linux, from 1 */

struct nic_signals {
    sigset_t mask;
    struct sigaction before[NIC_SIGNALS];
};

void nic_signals_hold(struct nic_signals *s);
void nic_signals_drop(const struct nic_signals *s);

#endif
