/* command_table_net.c: rows of `sluice net`, which asks the broker's HTTP endpoint, or gives it
 * orders through its shared memory. */
#include "cli/command/command.h"

static const struct command_option capture_options[] = {
    {.name = "--connection",
     .kind = COMMAND_TEXT,
     .value = "IP:PORT",
     .help = "only the connection with this remote end"},
    {.name = "--port",
     .kind = COMMAND_NUMBER,
     .value = "N",
     .min = 0,
     .max = 3,
     .help = "only this device, as PORT of 'sluice net ports'"},
    {.name = "--host", .kind = COMMAND_TEXT, .value = "IP", .help = "only this host"},
    {.name = "--snaplen",
     .kind = COMMAND_NUMBER,
     .value = "BYTES",
     .fallback = "128",
     .min = 14,
     .max = 9300,
     .help = "of each frame; 128 are the headers, without what clients send"},
    {.name = "--packets",
     .kind = COMMAND_NUMBER,
     .value = "N",
     .fallback = "100000",
     .min = 1,
     .max = 1000000000,
     .help = "ends it after so many"},
    {.name = "--bytes",
     .kind = COMMAND_NUMBER,
     .value = "BYTES",
     .fallback = "268435456",
     .min = 65536,
     .max = 1099511627776,
     .help = "ends it when the file would get longer"},
    {0},
};

const struct command command_net[] = {
    {.id = COMMAND_NET_INFO,
     .words = "net info",
     .summary = "how the broker is on the network: kernel sockets or its own TCP/IP, and sums",
     .examples = "sluice net info\n",
     .sets = {command_metrics_options, command_format_options}},
    {.id = COMMAND_NET_PORTS,
     .words = "net ports",
     .summary = "with net=dpdk: the devices, a line for each core's queue",
     .text =
         "CHECKSUMS says what the device does itself: tx fills them in, rx verifies them. "
         "PAYLOAD is by reference where the device sends from the broker's memory, else copied.",
     .examples = "sluice net ports\n",
     .sets = {command_metrics_options, command_format_options}},
    {.id = COMMAND_NET_ADDRESSES,
     .words = "net addresses",
     .summary = "with net=dpdk: addresses and their state",
     .text = "tentative: other hosts are asked first whether they have it; duplicate: one has, so "
             "it is not used.",
     .examples = "sluice net addresses\n",
     .sets = {command_metrics_options, command_format_options}},
    {.id = COMMAND_NET_ROUTES,
     .words = "net routes",
     .summary = "with net=dpdk: routes",
     .examples = "sluice net routes\n",
     .sets = {command_metrics_options, command_format_options}},
    {.id = COMMAND_NET_NEIGHBOURS,
     .words = "net neighbours",
     .summary = "with net=dpdk: hosts on the link, as each core knows them",
     .examples = "sluice net neighbours\n",
     .sets = {command_metrics_options, command_format_options}},
    {.id = COMMAND_NET_CONNECTIONS,
     .words = "net connections",
     .summary = "TCP connections of clients: state, round trip time, windows, queues",
     .text =
         "With kernel sockets they are the kernel's, at the ports of the listeners, and have no "
         "core. Handshakes and TIME_WAIT of net=dpdk are counted by 'sluice net info'.",
     .examples = "sluice net connections\n"
                 "sluice net connections --format json\n",
     .sets = {command_metrics_options, command_format_options}},
    {.id = COMMAND_NET_DROPS,
     .words = "net drops",
     .summary = "with net=dpdk: why frames and segments went no further, by reason",
     .text = "The text shows reasons that were counted, JSON all of them. What was refused of "
             "requests is told by 'sluice stat'.",
     .examples = "sluice net drops\n",
     .sets = {command_metrics_options, command_format_options}},
    {.id = COMMAND_NET_CAPTURE_START,
     .words = "net capture start",
     .arguments = "FILE",
     .words_min = 1,
     .words_max = 1,
     .names = COMMAND_NAMES_FILES,
     .summary = "with net=dpdk: writes frames to a new file, which tcpdump and Wireshark read",
     .text =
         "The broker writes the file (pcapng), with the rights of its user; it must not be "
         "there yet. Cores never wait for it: frames that it cannot keep up with are left out "
         "and counted. A frame that leaves is written as the device got it: one that the device "
         "cuts into segments (net.tso) in one piece, with the sum of its pseudo header. Who runs "
         "the broker can do this, nobody over the network.",
     .examples = "sluice net capture start all.pcapng\n"
                 "sluice net capture start --connection 10.77.0.1:40312 --snaplen 9300 "
                 "one.pcapng\n",
     .sets = {capture_options, command_conf_options, command_format_options}},
    {.id = COMMAND_NET_CAPTURE_STOP,
     .words = "net capture stop",
     .summary = "ends the capture; the file is whole then",
     .examples = "sluice net capture stop\n",
     .sets = {command_conf_options, command_format_options}},
    {.id = COMMAND_NET_CAPTURE_STATUS,
     .words = "net capture status",
     .summary = "what the last capture has taken, and why it ended",
     .examples = "sluice net capture status --format json\n",
     .sets = {command_conf_options, command_format_options}},
};
const uint32_t command_net_count = sizeof command_net / sizeof command_net[0];
