#!/usr/bin/env python3
"""idle.py BUILD [--seconds S]: what a core of the broker does while nothing arrives, and how fast
it answers then.

As root, in a network namespace of its own.  A broker on one core, over kernel sockets and over
net=dpdk on a TAP interface, with idle=sleep and idle=spin; one client, connected and silent, then
the same client with a request after each 50 ms of silence.  CPU is the processor time of
sluice-data; polls and naps are its counters (sluice net)."""
import argparse
import os
import pathlib
import re
import shutil
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request

ADDRESS, PORT, METRICS = "10.77.0.2", 9092, "127.0.0.1:9644"
TICKS = os.sysconf("SC_CLK_TCK")
DPDK = ["net=dpdk", "net.devices=net_tap0,iface=sl0", f"net.address={ADDRESS}/24"]
SETTLE_S, SILENCE_S, REQUESTS = 3, 0.05, 100
API_VERSIONS = struct.pack(">hhih", 18, 0, 1, -1)


def ip(*words):
    subprocess.run(["ip", *words], check=True, timeout=10)


def children(pid):
    return pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def cpu_s(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def counters():
    text = urllib.request.urlopen(f"http://{METRICS}/metrics/internal", timeout=10).read().decode()
    found = dict(re.findall(r'^sluice_core_net_total{.*counter="(\w+)".*} (\d+)$', text, re.M))
    return int(found.get("polls", 0)), int(found.get("naps", 0))


def connect(process, log):
    deadline = time.monotonic() + 30
    while True:
        try:
            return socket.create_connection((ADDRESS, PORT), timeout=5)
        except OSError:
            if time.monotonic() > deadline or process.poll() is not None:
                sys.exit(log.read_text())
            time.sleep(0.1)


def ask(client):
    client.sendall(struct.pack(">i", len(API_VERSIONS)) + API_VERSIONS)
    left = 4 + struct.unpack(">i", client.recv(4, socket.MSG_PEEK | socket.MSG_WAITALL))[0]
    while left:
        left -= len(client.recv(left))


def measure(process, log, seconds):
    with connect(process, log) as client:
        os.sched_setaffinity(0, {1})  # the broker has the other
        ask(client)
        data = [p for p in children(process.pid)
                if pathlib.Path(f"/proc/{p}/comm").read_text().strip() == "sluice-data"][0]
        time.sleep(SETTLE_S)
        polls, naps = counters()
        busy, begin = cpu_s(data), time.monotonic()
        time.sleep(seconds)
        took = time.monotonic() - begin
        busy = cpu_s(data) - busy
        more_polls, more_naps = counters()
        times = []
        for _ in range(REQUESTS):
            time.sleep(SILENCE_S)
            begin = time.perf_counter()
            ask(client)
            times.append((time.perf_counter() - begin) * 1e6)
    times.sort()
    return [f"{busy / took:.1%}", f"{(more_polls - polls) / took:,.0f}",
            f"{(more_naps - naps) / took:,.0f}", f"{statistics.median(times):,.0f}",
            f"{times[REQUESTS * 99 // 100]:,.0f}"]


def broker(build, settings, seconds):
    home = pathlib.Path(tempfile.mkdtemp(prefix="sluice-bench-idle-"))
    os.sched_setaffinity(0, {0, 1})
    listener = f"listeners=PLAINTEXT://{ADDRESS}:{PORT}"
    words = [w for s in [listener, "cores=0-0", *settings] for w in ("-o", s)]
    with open(home / "log", "wb") as log:
        process = subprocess.Popen([build / "sluice", "run", "--data", home / "data", *words],
                                   stdout=log, stderr=log)
    try:
        return measure(process, home / "log", seconds)
    finally:
        process.terminate()
        process.wait(60)
        shutil.rmtree(home, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--seconds", type=float, default=10)
    args = parser.parse_args()
    if not os.environ.get("BENCH_INSIDE"):
        os.environ["BENCH_INSIDE"] = "1"
        os.execvp("unshare", ["unshare", "--net", sys.executable, *sys.argv])
    ip("link", "set", "lo", "up")
    print("| network | idle | CPU | polls/s | naps/s | p50 us | p99 us |")
    print("|---|---|---|---|---|---|---|")
    for network in ("kernel", "dpdk"):
        if network == "kernel":
            ip("addr", "add", f"{ADDRESS}/24", "dev", "lo")
        else:
            ip("addr", "del", f"{ADDRESS}/24", "dev", "lo")
            ip("tuntap", "add", "sl0", "mode", "tap", "multi_queue")
            ip("addr", "add", "10.77.0.1/24", "dev", "sl0")
            ip("link", "set", "sl0", "up")
        for idle in ("sleep", "spin"):
            settings = [f"idle={idle}", *(DPDK if network == "dpdk" else [])]
            row = broker(args.build.resolve(), settings, args.seconds)
            print("|", " | ".join([network, idle, *row]), "|", flush=True)


main()
