#!/usr/bin/env python3
"""Linux's TCP talks to ours (nic_echo) over devices of DPDK, in a network namespace of the test."""
import contextlib
import os
import random
import shutil
import socket
import subprocess
import sys
import threading

from case import Skip, case, check, equal, finish, until

ECHO = os.environ["NIC_ECHO"]
OURS = ("10.77.0.2", "fd00:77::2")
ECHO_PORT, SOURCE_PORT, SOURCE_BYTES = 7, 19, 16 << 20
SEED = int(os.environ.get("E2E_SEED", random.randrange(1 << 32)))


def run(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=60)
    check(done.returncode == 0, command, done.stdout)
    return done.stdout


@contextlib.contextmanager
def serving(device, interface):
    """A running nic_echo; yields what ends it and gives its counters."""
    process = subprocess.Popen([ECHO, device, "10.77.0.2/24,fd00:77::2/64"],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, text=True)

    def end():
        process.stdin.close()
        rows = dict(line.split() for line in process.stdout)
        equal(process.wait(timeout=90), 0, "exit code")
        return {name: int(value) for name, value in rows.items()}

    try:
        first = process.stdout.readline().strip()
        if first.startswith("refused"):
            raise Skip(first)
        check(first.startswith("ready"), first)
        run("ip", "addr", "add", "10.77.0.1/24", "dev", interface)
        run("ip", "addr", "add", "fd00:77::1/64", "dev", interface, "nodad")
        run("ip", "link", "set", interface, "up")
        until("an answer over IPv6", 20, lambda: reachable(OURS[1]))
        yield end
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def reachable(address):
    try:
        socket.create_connection((address, ECHO_PORT), timeout=1).close()
        return True
    except OSError:
        return False


def read_to_end(s):
    parts = []
    while part := s.recv(1 << 16):
        parts.append(part)
    return b"".join(parts)


def echo(address, data):
    """Sends while receiving, half closes, and returns what came back until the end."""
    with socket.create_connection((address, ECHO_PORT), timeout=60) as s:
        def send():
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
        sender = threading.Thread(target=send)
        sender.start()
        got = read_to_end(s)
        sender.join()
        return got


def all_of_it():
    """The same over each device: sizes around a segment, bulk each way, both families."""
    rng = random.Random(SEED)
    print(f"# seed {SEED}")
    for address in OURS:
        for size in (0, 1, 1447, 1448, 1449, 5000, 1 << 20):
            data = rng.randbytes(size)
            check(echo(address, data) == data, f"{address}: {size} bytes came back changed")
        with socket.create_connection((address, SOURCE_PORT), timeout=60) as s:
            got = read_to_end(s)
        row = bytes(i * 7 & 255 for i in range(256))
        wanted = b"".join(bytes((b + k) & 255 for b in row) for k in range(256))
        check(got == wanted * (SOURCE_BYTES // len(wanted)), f"{address}: {len(got)} bytes")


def ended(end, least):
    counters = end()
    equal(counters["left"], 0, "objects in use")
    check(counters["ACCEPTED"] >= least and counters["DROP_SUM"] == 0, counters)


def on_tap():
    with serving("net_tap0,iface=sl0", "sl0") as end:
        all_of_it()
        ended(end, 16)


def on_veth(device):
    if not shutil.which("ethtool"):
        raise Skip("no ethtool")
    run("ip", "link", "add", "va", "type", "veth", "peer", "name", "vb")
    try:
        run("ip", "link", "set", "va", "up")
        run("ip", "link", "set", "vb", "up")
        # What a veth peer sends has no checksums, and frames of 64 KiB, unless told otherwise.
        run("ethtool", "-K", "vb", "tx", "off", "tso", "off", "gso", "off")
        with serving(device, "vb") as end:
            all_of_it()
            ended(end, 16)
    finally:
        run("ip", "link", "del", "va")


def many_connections():
    with serving("net_tap0,iface=sl0", "sl0") as end:
        for round_ in range(100):
            data = bytes([round_]) * (round_ * 13 % 997 + 1)
            equal(echo(OURS[round_ % 2], data), data, f"connection {round_}")
        refused = socket.socket()
        refused.settimeout(10)
        try:
            refused.connect((OURS[0], 8))
            check(False, "connected to a port that nobody listens on")
        except ConnectionRefusedError:
            pass
        ended(end, 100)


CASES = {
    "tap_transfers": on_tap,
    "tap_many_connections": many_connections,
    "af_packet_transfers": lambda: on_veth("net_af_packet0,iface=va,framecnt=2048"),
    "af_xdp_transfers": lambda: on_veth("net_af_xdp0,iface=va"),
}


def enter_namespace():
    """Runs this program again in a network namespace of its own; returns why it cannot."""
    for tool in ("unshare", "ip"):
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
