#!/usr/bin/env python3
"""Linux pings a host of our own (nic_answer) over devices of DPDK, in a namespace of the test.

One namespace holds both ends: the kernel with one address, and nic_answer on a device of which the
kernel has the other side (net_tap), or on one end of a veth pair (net_af_packet, net_af_xdp)."""
import contextlib
import os
import re
import shutil
import subprocess
import sys

from case import Skip, case, check, equal, finish, until

ANSWER = os.environ["NIC_ANSWER"]
OURS4, PEER4, OURS6, PEER6 = "10.77.0.2", "10.77.0.1", "fd00:77::2", "fd00:77::1"
MTU = 1500


def run(*command, wanted=0):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=60)
    if wanted is not None:
        check(done.returncode == wanted, command, done.returncode, done.stdout)
    return done.stdout


class Answer:
    """A running nic_answer: what it said, and its counters once it has ended."""

    def __init__(self, device, mtu=MTU, queues=1):
        self.process = subprocess.Popen(
            [ANSWER, device, f"{OURS4}/24,{OURS6}/64", str(mtu), str(queues)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.first = self.process.stdout.readline().strip()

    def end(self):
        """Its counters; asserts that it gave everything back."""
        self.process.stdin.close()
        rows = dict(line.split() for line in self.process.stdout)
        equal(self.process.wait(timeout=90), 0, "exit code")
        counters = {name: int(value) for name, value in rows.items()}
        check("frames_out" not in counters, "frames not released", counters)
        return counters


@contextlib.contextmanager
def answering(device, interface, mtu=MTU, queues=1):
    """nic_answer on the device, the kernel's side of it with its addresses."""
    answer = Answer(device, mtu, queues)
    try:
        if answer.first.startswith("refused"):
            raise Skip(answer.first)
        check(answer.first.startswith("ready"), answer.first)
        run("ip", "addr", "add", f"{PEER4}/24", "dev", interface)
        run("ip", "addr", "add", f"{PEER6}/64", "dev", interface, "nodad")
        run("ip", "link", "set", interface, "up", "mtu", str(mtu))
        # Its address is its own a second after it was announced (RFC 4862).
        until("IPv6 answers", 20, lambda: "1 received" in run(
            "ping", "-6", "-c", "1", "-W", "1", OURS6, wanted=None))
        yield answer
    finally:
        if answer.process.poll() is None:
            answer.process.kill()
            answer.process.wait()


@contextlib.contextmanager
def veth(mtu=MTU):
    run("ip", "link", "add", "va", "mtu", str(mtu), "type", "veth",
        "peer", "name", "vb", "mtu", str(mtu))
    try:
        run("ip", "link", "set", "va", "up")
        run("ip", "link", "set", "vb", "up")
        yield
    finally:
        run("ip", "link", "del", "va")


def received(address, *options):
    out = run("ping", "-6" if ":" in address else "-4", "-n", "-q", *options, address, wanted=None)
    found = re.search(r"(\d+) received", out)
    check(found, out)
    return int(found.group(1))


def ping(address, count, *options, wait=20):
    """How many of `count` pings were answered, each in so many seconds.  One at a time: for the
    last of several ping waits two round trips only."""
    return sum(received(address, "-c", "1", "-W", str(wait), *options) for _ in range(count))


def pings_of_every_size(answer):
    echoes = 1
    for address, headers in ((OURS4, 28), (OURS6, 48)):
        for size in (0, 1, 56, 57, 1000, MTU - headers):
            equal(ping(address, 5, "-s", str(size), "-M", "do"), 5, f"{address} with {size} bytes")
            echoes += 5
    counters = answer.end()
    check(counters["echoes"] >= echoes, counters)
    check(counters["arp_replies"] >= 1, counters)


def on_tap():
    with answering("net_tap0,iface=sl0", "sl0") as answer:
        pings_of_every_size(answer)


def on_veth(device):
    with veth(), answering(device, "vb") as answer:
        pings_of_every_size(answer)


def long_packets():
    with veth(3400), answering("net_af_xdp0,iface=va", "vb", 3400) as answer:
        equal(ping(OURS4, 5, "-s", str(3400 - 28), "-M", "do"), 5, "IPv4")
        equal(ping(OURS6, 5, "-s", str(3400 - 48), "-M", "do"), 5, "IPv6")
        answer.end()


def several_queues():
    """The kernel spreads by a hash of addresses: what one loop learns, all must know."""
    with veth(), answering("net_af_packet0,iface=va,qpairs=4", "vb", queues=4) as answer:
        for last in range(20, 40):
            run("ip", "addr", "add", f"10.77.0.{last}/24", "dev", "vb")
            equal(ping(OURS4, 2, "-I", f"10.77.0.{last}"), 2, f"from 10.77.0.{last}")
        counters = answer.end()
        check(counters["queues_used"] >= 2, counters)
        check("arp_unasked" not in counters and "neighbour_dead" not in counters, counters)


def neighbours_are_resolved():
    with answering("net_tap0,iface=sl0", "sl0") as answer:
        equal(ping(OURS4, 1), 1, "IPv4")
        for address in (OURS4, OURS6):
            row = run("ip", "neigh", "show", address)
            check(re.search(r"lladdr ([0-9a-f:]{17})", row), row)
        # Asked anew, and again by its own address only.
        run("ip", "neigh", "flush", "dev", "sl0")
        equal(ping(OURS4, 1), 1, "IPv4 again")
        equal(ping(OURS6, 1), 1, "IPv6 again")
        counters = answer.end()
        check(counters["arp_replies"] >= 2 and counters["advertisements"] >= 1, counters)


def what_is_not_taken_is_counted():
    with answering("net_tap0,iface=sl0", "sl0") as answer:
        equal(ping(OURS4, 2, "-s", "3000", wait=1), 0, "fragments")
        equal(ping("10.77.0.3", 1, wait=1), 0, "an address of nobody")
        run("ping", "-4", "-c", "1", "-W", "1", "-b", "10.77.0.255", wanted=None)
        counters = answer.end()
        check(counters.get("ip_fragment", 0) >= 4, counters)
        check(counters.get("ip_cast", 0) >= 1, counters)


def a_flood_is_answered_up_to_its_rate():
    with answering("net_tap0,iface=sl0", "sl0") as answer:
        got = received(OURS4, "-c", "3000", "-W", "1", "-i", "0", "-f")
        check(got >= 100, got)
        counters = answer.end()
        check(counters["echoes"] + counters.get("rate", 0) >= 3000, counters)


def refused(device, text, mtu=MTU):
    answer = Answer(device, mtu)
    check(answer.first.startswith("refused") and text in answer.first, answer.first)
    equal(answer.process.wait(timeout=90), 3, "exit code")


def unprepared_hosts_are_told_what_to_do():
    refused("net_af_packet0,iface=nope", "ip link")
    refused("0000:ff:1f.7", "lspci -D")
    refused("eth0", "net_tap0,iface=sl0")
    refused("net_tap0,iface=sl0", "at most, not 9000", 9000)
    with veth():
        run("ip", "addr", "add", "10.99.0.2/24", "dev", "va")
        run("ip", "route", "add", "default", "via", "10.99.0.1", "dev", "va")
        refused("net_af_packet0,iface=va", "net.default.route.device=va")


CASES = {
    "tap_ping": on_tap,
    "tap_neighbours": neighbours_are_resolved,
    "tap_drops": what_is_not_taken_is_counted,
    "tap_flood": a_flood_is_answered_up_to_its_rate,
    "af_packet_ping": lambda: on_veth("net_af_packet0,iface=va"),
    "af_xdp_ping": lambda: on_veth("net_af_xdp0,iface=va"),
    "af_xdp_long_packets": long_packets,
    "af_packet_queues": several_queues,
    "unprepared_hosts": unprepared_hosts_are_told_what_to_do,
}


def enter_namespace():
    """Runs this program again in a network namespace of its own; returns why it cannot."""
    for tool in ("unshare", "ip", "ping"):
        if not shutil.which(tool):
            return f"no {tool}"
    probe = subprocess.run(["unshare", "--net", "true"], stderr=subprocess.PIPE, text=True)
    if probe.returncode:
        return probe.stderr.strip()
    os.environ["NIC_INSIDE"] = "1"
    os.execvp("unshare", ["unshare", "--net", sys.executable, __file__])


def main():
    why = None if os.environ.get("NIC_INSIDE") else enter_namespace()
    if not why:
        run("ip", "link", "set", "lo", "up")
    for name, body in CASES.items():
        with case(name):
            if why:
                raise Skip(why)
            body()
    finish()


main()
