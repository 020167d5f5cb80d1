/* command_table_net.c: rows of `sluice net`, which asks the broker's HTTP endpoint. */
#include "cli/command/command.h"

static const struct command_option net_options[] = {
    {.name = "--metrics",
     .kind = COMMAND_TEXT,
     .value = "HOST:PORT",
     .fallback = "127.0.0.1:9644",
     .help = "metrics.listener of the broker"},
    {.name = "--format",
     .kind = COMMAND_CHOICE,
     .value = "text|json",
     .fallback = "text",
     .help = "text for people, or JSON for programs"},
    {0},
};

const struct command command_net[] = {
    {.id = COMMAND_NET_INFO,
     .words = "net info",
     .summary = "how the broker is on the network: kernel sockets or its own TCP/IP, and sums",
     .examples = "sluice net info\n",
     .sets = {net_options}},
    {.id = COMMAND_NET_PORTS,
     .words = "net ports",
     .summary = "with net=dpdk: the device, a line for each core's queue",
     .text =
         "CHECKSUMS says what the device does itself: tx fills them in, rx verifies them. "
         "PAYLOAD is by reference where the device sends from the broker's memory, else copied.",
     .examples = "sluice net ports\n",
     .sets = {net_options}},
    {.id = COMMAND_NET_ADDRESSES,
     .words = "net addresses",
     .summary = "with net=dpdk: addresses and their state",
     .text = "tentative: other hosts are asked first whether they have it; duplicate: one has, so "
             "it is not used.",
     .examples = "sluice net addresses\n",
     .sets = {net_options}},
    {.id = COMMAND_NET_ROUTES,
     .words = "net routes",
     .summary = "with net=dpdk: routes",
     .examples = "sluice net routes\n",
     .sets = {net_options}},
    {.id = COMMAND_NET_NEIGHBOURS,
     .words = "net neighbours",
     .summary = "with net=dpdk: hosts on the link, as each core knows them",
     .examples = "sluice net neighbours\n",
     .sets = {net_options}},
    {.id = COMMAND_NET_CONNECTIONS,
     .words = "net connections",
     .summary = "TCP connections of clients: state, round trip time, windows, queues",
     .text =
         "With kernel sockets they are the kernel's, at the ports of the listeners, and have no "
         "core. Handshakes and TIME_WAIT of net=dpdk are counted by 'sluice net info'.",
     .examples = "sluice net connections\n"
                 "sluice net connections --format json\n",
     .sets = {net_options}},
    {.id = COMMAND_NET_DROPS,
     .words = "net drops",
     .summary = "with net=dpdk: why frames and segments went no further, by reason",
     .text = "The text shows reasons that were counted, JSON all of them. What was refused of "
             "requests is told by 'sluice stat'.",
     .examples = "sluice net drops\n",
     .sets = {net_options}},
};
const uint32_t command_net_count = sizeof command_net / sizeof command_net[0];
