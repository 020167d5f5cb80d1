/* tcp_wheel.h: deadlines of many things, one each: a hierarchical timer wheel of three levels of
 * 256 slots, with ticks of 128 us.  Items are indexes below `items`.
 *
 * Arming and disarming cost a few instructions, and putting off touches nothing but the item; a
 * deadline may be hit up to one tick late, never early.  A pure machine without a clock. */
#ifndef SLUICE_TCP_WHEEL_H
#define SLUICE_TCP_WHEEL_H

#include "core/base/must.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TCP_NEVER UINT64_MAX

enum { TCP_TICK_SHIFT = 7, TCP_TICK_US = 1 << TCP_TICK_SHIFT };

struct tcp_wheel;

size_t tcp_wheel_footprint(uint32_t items);
struct tcp_wheel *tcp_wheel_init(void *at, uint32_t items, uint64_t now_us);

/* Sets the deadline of an item, armed or not.  TCP_NEVER disarms. */
void tcp_wheel_arm(struct tcp_wheel *w, uint32_t item, uint64_t due_us);

/* Takes out one item whose deadline has passed; TCP_NONE when there is none, or *looks has come to
 * 0: each item that is taken, or moved within the wheel, counts it down by one.  The item is
 * disarmed before it is returned. */
uint32_t tcp_wheel_take(struct tcp_wheel *w, uint64_t now_us, uint32_t *looks);

/* When tcp_wheel_take() should be called next: not after the first deadline (rounded up to a tick),
 * perhaps before; TCP_NEVER when nothing is armed. */
uint64_t tcp_wheel_next(const struct tcp_wheel *w);

/* Asks for the memory of an item ahead. */
void tcp_wheel_fetch(const struct tcp_wheel *w, uint32_t item);

bool tcp_wheel_armed(const struct tcp_wheel *w, uint32_t item);

/* Its deadline, in whole ticks; TCP_NEVER: not armed. */
uint64_t tcp_wheel_due(const struct tcp_wheel *w, uint32_t item);

#endif
