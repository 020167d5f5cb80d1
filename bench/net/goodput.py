#!/usr/bin/env python3
"""goodput.py BUILD [--seconds S] [--rounds N] [--mbps R] [--rtt-ms T] [--loss PERCENT,...]: what a
sender gets through a link that loses frames, our TCP beside Linux's CUBIC.

As root.  The sender and the receiver each have a network namespace; between them relay.c is a line
with a rate, a delay and losses in both directions, the same program and the same losses for both
senders.  The receiver is Linux's TCP, and so is all that it does about acknowledgements.  What
takes part has real-time priority, so that what else runs on the machine shows little.  Prints the
median of the rounds of what arrived, in Mb/s, and ours over Linux's; rounds alternate."""
import argparse
import contextlib
import os
import pathlib
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ADDRESS, PORT = "10.79.0.2", 19
OFF = ("tx", "off", "tso", "off", "gso", "off")
FIRST = ["chrt", "-f", "1"]
WARM_SECONDS = 1
LINUX = f"""
import socket
listener = socket.create_server(("{ADDRESS}", {PORT}))
listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"cubic")
print("ready", flush=True)
s, _ = listener.accept()
block = bytes(1 << 20)
try:
    while True:
        s.sendall(block)
except OSError:
    pass
"""


def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=60)


def namespace(stack, interface, address, hidden):
    """A namespace with one end of a pair, whose other end is ours; returns how to run in it."""
    holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
    stack.callback(holder.wait)
    stack.callback(holder.kill)
    ours = os.readlink("/proc/self/ns/net")
    while os.readlink(f"/proc/{holder.pid}/ns/net") == ours:
        time.sleep(0.01)
    inside = ["nsenter", "-t", str(holder.pid), "--net"]
    run("ip", "link", "add", hidden, "type", "veth", "peer", "name", interface, "netns",
        str(holder.pid))
    # Of each pair; a namespace that ends takes its end of it, a moment later.
    stack.callback(subprocess.run, ["ip", "link", "del", hidden], stderr=subprocess.DEVNULL)
    run("ethtool", "-K", hidden, *OFF)
    run(*inside, "ethtool", "-K", interface, *OFF)
    for prefix, name in (([], hidden), (inside, interface)):
        run(*prefix, "sysctl", "-qw", f"net.ipv6.conf.{name}.disable_ipv6=1")
        run(*prefix, "ip", "link", "set", name, "up")
    if address:
        run(*inside, "ip", "addr", "add", f"{address}/24", "dev", interface)
    return inside


def started(stack, command):
    """A program that says "ready", and ends with its standard input."""
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, text=True)
    stack.callback(process.wait)
    stack.callback(process.kill)
    first = process.stdout.readline()
    if not first.startswith("ready"):
        sys.exit(f"{command[-6:]}: {first}")
    return process


def receive(seconds):
    """In the receiver's namespace: bytes that came in so many seconds, after a warm-up."""
    with socket.create_connection((ADDRESS, PORT), timeout=20) as s:
        buffer, count = bytearray(1 << 20), 0
        begin = time.monotonic() + WARM_SECONDS
        while (now := time.monotonic()) < begin + seconds:
            n = s.recv_into(buffer)
            if n == 0:
                sys.exit("the sender ended")
            count += n if now >= begin else 0
        print(count)


def goodput(options, sender, loss, seed):
    with contextlib.ExitStack() as stack:
        inside = namespace(stack, "va", None if sender == "ours" else ADDRESS, "ra")
        other = namespace(stack, "vb", "10.79.0.1", "rb")
        queue = max(int(options.mbps * 125 * options.rtt_ms), 65536)
        relay = started(stack, [*FIRST, options.build / "bench/net/relay", "ra", "rb",
                                str(options.mbps),
                                str(int(options.rtt_ms * 500)), str(queue),
                                str(int(loss * 1000)), str(seed)])
        if sender == "ours":
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            block = pathlib.Path(folder) / "block"
            block.write_bytes(bytes(1 << 20))
            started(stack, [*inside, *FIRST, options.build / "tests/e2e/nic_echo",
                            "net_af_packet0,iface=va,framecnt=2048", f"{ADDRESS}/24", block,
                            str(1 << 40)])
        else:
            started(stack, [*inside, *FIRST, sys.executable, "-c", LINUX])
        out = subprocess.run([*other, *FIRST, sys.executable, __file__, str(options.build),
                              "--receive", str(options.seconds)], stdout=subprocess.PIPE,
                             text=True, timeout=options.seconds + 60)
        told, _ = relay.communicate()
        if options.tell:
            print("#", sender, loss, " | ".join(told.splitlines()), flush=True)
        if out.returncode:
            sys.exit(f"{sender}: nothing came")
        return int(out.stdout) * 8 / options.seconds / 1e6


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--seconds", type=float, default=14)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--mbps", type=int, default=100)
    parser.add_argument("--rtt-ms", type=float, default=10)
    parser.add_argument("--loss", default="0.1,1,5")
    parser.add_argument("--receive", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--tell", action="store_true", help="what the link did, each time")
    options = parser.parse_args()
    if options.receive:
        receive(options.receive)
        return
    if not os.environ.get("GOODPUT_INSIDE"):
        os.environ["GOODPUT_INSIDE"] = "1"
        os.execvp("unshare", ["unshare", "--net", sys.executable, *sys.argv])
    print(f"{options.mbps} Mb/s, {options.rtt_ms:g} ms there and back, {options.rounds} rounds of "
          f"{options.seconds:g} s\n\n| loss | ours, Mb/s | Linux CUBIC, Mb/s | ours / Linux |\n"
          "|---|---|---|---|", flush=True)
    for loss in [float(text) for text in options.loss.split(",")]:
        rows = {"ours": [], "cubic": []}
        for seed in range(1, options.rounds + 1):
            for sender, values in rows.items():
                values.append(goodput(options, sender, loss, seed))
        ours, cubic = (statistics.median(values) for values in rows.values())
        print(f"| {loss:g} % | {ours:.1f} ({min(rows['ours']):.1f} to {max(rows['ours']):.1f}) | "
              f"{cubic:.1f} ({min(rows['cubic']):.1f} to {max(rows['cubic']):.1f}) | "
              f"{ours / cubic:.2f} |", flush=True)


main()
