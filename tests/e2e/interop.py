#!/usr/bin/env python3
"""Our TCP (nic_echo) against Linux's, over devices of DPDK, in a network namespace of its own.

  interop.py PATH_OF_NIC_ECHO [--long] [--only TEXT]

A row is what Linux is told by sysctl or of its socket, or what nft, tbf or BPF do to the packets;
in each row bytes go both ways, over IPv4 or IPv6 in turn, and are compared by hash. Linux opens
the connections, but for the rows "active", where we do. Short: 2 MB a row over TAP, 50 MB and
1,000 connections over each device. Long: 20 MB a row over every device, 1 GB and 10,000
connections.
"""
import argparse
import contextlib
import hashlib
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

from case import Skip, case, check, equal, finish, until

OURS = ("10.77.0.2", "fd00:77::2")
THEIRS = ("10.77.0.1/24", "fd00:77::1/64")
ECHO_PORT, SINK_PORT, SOURCE_PORT = 7, 9, 19
MB = 1 << 20
LONG_MTU = 3400  # the most that net_af_xdp takes is a little over it
BLOCK_BYTES = 16 * MB - 17  # no multiple of anything that could hide a shift
DEVICES = {
    "tap": ("net_tap0,iface=sl0", "sl0"),
    "af_packet": ("net_af_packet0,iface=va,framecnt=2048", "vb"),
    "af_xdp": ("net_af_xdp0,iface=va", "vb"),
}
BUFFERS = {"tcp_rmem": "4096 131072 6291456", "tcp_wmem": "4096 16384 4194304"}
CONGESTION = "congestion control"
congestion = None  # of connections that begin now; None: what Linux likes
NORMAL = {"tcp_sack": "1", "tcp_dsack": "1",
          "tcp_timestamps": "1", "tcp_window_scaling": "1", "tcp_ecn": "2", "tcp_mtu_probing": "0",
          "tcp_recovery": "1", **BUFFERS}
# Each row: what differs from NORMAL, and what is done to packets (see `harmed`).
ROWS = {
    "default": ({}, None),
    "cubic": ({CONGESTION: "cubic"}, None),
    "reno": ({CONGESTION: "reno"}, None),
    "bbr": ({CONGESTION: "bbr"}, None),
    "no_sack": ({"tcp_sack": "0"}, None),
    "no_dsack": ({"tcp_dsack": "0"}, None),
    "no_rack": ({"tcp_recovery": "0"}, None),
    "no_timestamps": ({"tcp_timestamps": "0"}, None),
    "no_scaling": ({"tcp_window_scaling": "0"}, None),
    "no_options": ({"tcp_sack": "0", "tcp_timestamps": "0", "tcp_window_scaling": "0"}, None),
    "ecn": ({"tcp_ecn": "1"}, None),
    "ecn_marks": ({"tcp_ecn": "1"}, "mark 20"),
    "ecn_marks_reno": ({"tcp_ecn": "1", CONGESTION: "reno"}, "mark 20"),
    "mtu_probing": ({"tcp_mtu_probing": "2"}, None),
    "small_receive_buffer": ({"tcp_rmem": "4096 8192 16384"}, None),
    "small_send_buffer": ({"tcp_wmem": "4096 8192 16384"}, None),
    "loss_to_linux": ({}, "loss input 10"),
    "loss_to_us": ({}, "loss output 10"),
    "loss_both": ({}, "loss both 20"),
    "loss_no_sack": ({"tcp_sack": "0"}, "loss both 10"),
    "loss_no_timestamps": ({"tcp_timestamps": "0"}, "loss both 10"),
    "loss_reno": ({CONGESTION: "reno"}, "loss both 10"),
    "loss_bbr": ({CONGESTION: "bbr"}, "loss both 10"),
    "loss_cubic": ({CONGESTION: "cubic"}, "loss both 10"),
    "bpf_loss_to_linux": ({}, "bpf ingress 10"),
    "bpf_loss_to_us": ({}, "bpf egress 10"),
    "rate_to_us": ({}, "tbf 200mbit"),
    "rate_to_us_no_sack": ({"tcp_sack": "0"}, "tbf 200mbit"),
    "rate_to_linux": ({}, "police 20000"),
}


def run(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=60)
    check(done.returncode == 0, command, done.stdout)
    return done.stdout


def need(tool):
    if not shutil.which(tool):
        raise Skip(f"no {tool}")


def connected(address, port, timeout=60):
    """A socket of Linux.  Its congestion control is its own: sysctl lets a network namespace have
    only what the first one allows to everybody."""
    s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    try:
        s.settimeout(timeout)
        if congestion:
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, congestion.encode())
        s.connect((address, port))
    except BaseException:
        s.close()
        raise
    return s


def sysctl(name, value):
    try:
        with open(f"/proc/sys/net/ipv4/{name}", "w") as f:
            f.write(value)
    except OSError as e:
        raise Skip(f"{name}={value}: {e.strerror}") from None


def known(name):
    with socket.socket() as s:
        try:
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, name.encode())
        except OSError as e:
            raise Skip(f"congestion control {name}: {e.strerror}") from None


@contextlib.contextmanager
def told(settings):
    """Linux behaves so for connections that begin now."""
    global congestion
    try:
        for name, value in {**NORMAL, **settings}.items():
            if name == CONGESTION:
                congestion = value
                known(value)
            else:
                sysctl(name, value)
        yield
    finally:
        congestion = None
        for name, value in NORMAL.items():
            with contextlib.suppress(Skip):
                sysctl(name, value)


def nft(*rules):
    need("nft")
    text = "table inet harm {\n" + "\n".join(
        f"chain {hook}{n} {{ type filter hook {hook} priority {n}; meta l4proto tcp {rule}; }}"
        for n, (hook, rule) in enumerate(rules)) + "\n}\n"
    done = subprocess.run(["nft", "-f", "-"], input=text, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=20)
    if done.returncode:
        raise Skip("nft: " + done.stdout.strip().splitlines()[0])


def bpf(interface, hook, per_mille):
    """Of all frames, ARP's too, so many are dropped at the device: below where nft looks, and below
    where Linux joins segments of one burst."""
    need("tc")
    run("tc", "qdisc", "add", "dev", interface, "clsact")
    random_word = (1 << 32) - 0x1000 + 56  # SKF_AD_OFF + SKF_AD_RANDOM
    program = [(0x20, 0, 0, random_word), (0x25, 1, 0, (1 << 32) * int(per_mille) // 1000),
               (0x06, 0, 0, 2), (0x06, 0, 0, 0)]  # ld, jgt, TC_ACT_SHOT, TC_ACT_OK
    code = ",".join(" ".join(map(str, word)) for word in [(len(program),), *program])
    try:
        run("tc", "filter", "add", "dev", interface, hook, "bpf", "direct-action",
            "bytecode", code)
    except AssertionError as why:
        raise Skip(f"bpf: {why}") from None


@contextlib.contextmanager
def harmed(what, interface):
    """"loss HOOK N", "mark N", "bpf HOOK N": N in 1000; "tbf RATE" queues what leaves; "police N":
    N a second."""
    words = (what or "").split()
    try:
        if words[:1] == ["loss"]:
            hooks = ("input", "output") if words[1] == "both" else (words[1],)
            nft(*((hook, f"numgen random mod 1000 < {words[2]} drop") for hook in hooks))
        elif words[:1] == ["mark"]:
            nft(*((hook, f"{ip} ecn != not-ect numgen random mod 1000 < {words[1]} {ip} ecn set ce")
                  for hook in ("input", "output") for ip in ("ip", "ip6")))
        elif words[:1] == ["police"]:
            nft(("input", f"limit rate over {words[1]}/second burst 200 packets drop"))
        elif words[:1] == ["bpf"]:
            bpf(interface, *words[1:])
        elif words[:1] == ["tbf"]:
            need("tc")
            run("tc", "qdisc", "add", "dev", interface, "root", "tbf", "rate", words[1], "burst",
                "64k", "limit", "100k")
        yield
    finally:
        if words[:1] == ["tbf"]:
            run("tc", "qdisc", "del", "dev", interface, "root")
        elif words[:1] == ["bpf"]:
            run("tc", "qdisc", "del", "dev", interface, "clsact")
        elif words:
            run("nft", "delete", "table", "inet", "harm")


class Source:
    """The block that both sides know, and hashes of it repeated."""

    def __init__(self, seed, folder):
        self.block = random.Random(seed).randbytes(BLOCK_BYTES)
        self.path = os.path.join(folder, "block")
        with open(self.path, "wb") as f:
            f.write(self.block)

    def pieces(self, size):
        while size:
            part = min(size, BLOCK_BYTES)
            yield memoryview(self.block)[:part]
            size -= part

    def digest(self, size):
        h = hashlib.sha256()
        for piece in self.pieces(size):
            h.update(piece)
        return h.hexdigest()


@contextlib.contextmanager
def veth(mtu=1500):
    need("ethtool")
    run("ip", "link", "add", "va", "mtu", str(mtu), "type", "veth", "peer", "name", "vb",
        "mtu", str(mtu))
    try:
        run("ip", "link", "set", "va", "up")
        run("ip", "link", "set", "vb", "up")
        # What a veth peer sends has no checksums, and frames of 64 KiB, unless told otherwise.
        run("ethtool", "-K", "vb", "tx", "off", "tso", "off", "gso", "off")
        yield
    finally:
        run("ip", "link", "del", "va")


def began(line):
    """Whether nic_echo did, by its first line; what it refuses cannot be done here."""
    if line.startswith("refused"):
        raise Skip(line)
    check(line.startswith("ready"), f"nic_echo said '{line}'")


@contextlib.contextmanager
def running(echo, name, addresses, *arguments, mtu=1500):
    """A running nic_echo, and Linux at the other end of its device."""
    device, interface = DEVICES[name]
    with contextlib.nullcontext() if name == "tap" else veth(mtu):
        process = subprocess.Popen([echo, "-m", str(mtu), device, ",".join(addresses), *arguments],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL, text=True)
        try:
            first = process.stdout.readline().strip()
            began(first)
            for address in THEIRS:
                run("ip", "addr", "add", address, "dev", interface, *["nodad"][:":" in address])
            run("ip", "link", "set", interface, "up")
            yield process, interface
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


@contextlib.contextmanager
def serving(echo, name, source, size, **how):
    """One that sends `size` bytes; checks at its end that nothing is left."""
    addresses = OURS[0] + "/24", OURS[1] + "/64"
    with running(echo, name, addresses, source.path, str(size), **how) as (process, interface):
        until("an answer over IPv6", 20, lambda: reachable(OURS[1]))
        yield interface
        process.stdin.close()
        rows = dict(line.split() for line in process.stdout)
        equal(process.wait(timeout=60), 0, "exit code")
        equal(rows["left"], "0", "objects in use")
        print("# " + " ".join(f"{k} {v}" for k, v in rows.items() if v != "0"))


@contextlib.contextmanager
def linux_serves(source, size):
    """What nic_echo does on ports 19 and 9, by Linux: one connection each."""
    def give(s):
        for piece in source.pieces(size):
            s.sendall(piece)

    def take(s):
        h, count = hashlib.sha256(), 0
        while part := s.recv(1 << 18):
            h.update(part)
            count += len(part)
        s.sendall(str(count if h.hexdigest() == source.digest(count) else 0).encode())

    def serve(listener, body):
        with listener, contextlib.suppress(OSError):  # what is missing then fails the case
            s, _ = listener.accept()
            with s:
                s.settimeout(60)
                body(s)
    threads = {}
    for port, body in ((SOURCE_PORT, give), (SINK_PORT, take)):
        listener = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
        threads[listener] = threading.Thread(target=serve, args=(listener, body))
        threads[listener].start()
    try:
        yield
    finally:
        for listener, t in threads.items():
            with contextlib.suppress(OSError):  # it is closed when its connection came
                listener.shutdown(socket.SHUT_RDWR)
            t.join()


def active(options, source, device, size):
    """We open the connections: fetch from Linux, then send to it."""
    for n, family in enumerate(("active", "active_6")):
        if options.only and options.only not in f"{device}_{family}":
            continue
        own = [OURS[n] + ("/24", "/64")[n]]
        peer = THEIRS[n].split("/")[0]
        with case(f"interop_{device}_{family}"), told({}), linux_serves(source, size), \
                running(options.echo, device, own, source.path, str(size), peer) as (process, _):
            watch = threading.Timer(200 if size < 512 * MB else 600, process.kill)
            watch.start()
            rows = dict(line.split() for line in process.stdout)  # it ends by itself
            watch.cancel()
            check("pushed" in rows, "not done in time")
            equal((rows["fetched"], rows["pushed"]), (str(size), str(size)), "bytes")
            equal(rows["left"], "0", "objects in use")
            equal(rows["CONNECTED"], "2", "connections that we opened")


def reachable(address):
    try:
        socket.create_connection((address, ECHO_PORT), timeout=1).close()
        return True
    except OSError:
        return False


def down(address, source, size):
    """We send."""
    h, count = hashlib.sha256(), 0
    with connected(address, SOURCE_PORT) as s:
        while part := s.recv(1 << 18):
            h.update(part)
            count += len(part)
    equal(count, size, "bytes from us")
    equal(h.hexdigest(), source.digest(size), "hash of what we sent")


def up(address, source, size):
    """Linux sends, and we compare."""
    with connected(address, SINK_PORT) as s:
        for piece in source.pieces(size):
            s.sendall(piece)
        s.shutdown(socket.SHUT_WR)
        answer = b""
        while part := s.recv(100):
            answer += part
    equal(answer.decode(), str(size), "what we got")


def timed(what, size, transfer, *args):
    began = time.monotonic()
    transfer(*args)
    took = time.monotonic() - began
    return f"{what} {size * 8 / took / 1e6:.0f} Mb/s"


def both_ways(address, source, size):
    print("# " + ", ".join((timed("from us", size, down, address, source, size),
                            timed("to us", size, up, address, source, size))), flush=True)


def together(source, size):
    """Four connections each way at once."""
    failed = []

    def guarded(transfer, address):
        try:
            transfer(address, source, size)
        except Exception as e:
            failed.append(e)
    threads = [threading.Thread(target=guarded, args=(transfer, address))
               for transfer in (down, up) for address in OURS * 2]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    check(not failed, failed)


def connections(count):
    """Linux closes first, then we do, in turn; some are cut off with a reset."""
    for n in range(count):
        with socket.create_connection((OURS[n % 2], ECHO_PORT), timeout=90) as s:
            data = n.to_bytes(4, "big") * (n % 50 + 1)
            s.sendall(data)
            if n % 10 == 9:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                continue
            s.shutdown(socket.SHUT_WR)
            got = b""
            while part := s.recv(1000):
                got += part
            equal(got, data, f"connection {n}")


def matrix(options, source, device, size):
    rows = [r for r in ROWS if not options.only or options.only in f"{device}_{r}"]
    if not rows:
        return
    with serving(options.echo, device, source, size) as interface:
        for n, name in enumerate(rows):
            settings, harm = ROWS[name]
            with case(f"interop_{device}_{name}"), told(settings), harmed(harm, interface):
                both_ways(OURS[n % 2], source, size)


def bulk(options, source, device, size, count):
    few = OURS if options.long else OURS[:1]
    bodies = {
        "bulk": (size, lambda: [both_ways(address, source, size) for address in few]),
        "together": (size // 8, lambda: together(source, size // 8)),
        "connections": (size, lambda: connections(count)),
    }
    for name, (bytes_, body) in bodies.items():
        if options.only and options.only not in f"{device}_{name}":
            continue
        with case(f"interop_{device}_{name}"), told({}):
            with serving(options.echo, device, source, bytes_):
                body()


def long_packets(options, source, size):
    """Segments longer than usual, both ways."""
    if options.only and options.only not in "af_xdp_long_packets":
        return
    with case("interop_af_xdp_long_packets"), told({}):
        with serving(options.echo, "af_xdp", source, size, mtu=LONG_MTU):
            for address in OURS:
                with connected(address, ECHO_PORT) as s:
                    mss = s.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)
                check(mss > LONG_MTU - 100, "segment size", mss)
                both_ways(address, source, size)


def two_of_ours(options, source, size):
    """Two processes of ours, client and server, over shared memory."""
    with case("interop_memif_bulk"), tempfile.TemporaryDirectory() as folder:
        processes = []
        try:
            for role, number in (("server", 2), ("client", 1)):
                device = f"net_memif0,role={role},socket={folder}/memif.sock,socket-abstract=no"
                processes.append(subprocess.Popen(
                    [options.echo, device, f"10.77.0.{number}/24,fd00:77::{number}/64",
                     source.path, str(size), *[OURS[0]][:number == 1]], stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True))
                first = processes[-1].stdout.readline().strip()
                began(first)
            server, client = processes
            start = time.monotonic()
            watch = threading.Timer(200 if size < 512 * MB else 600, client.kill)
            watch.start()
            rows = dict(line.split() for line in client.stdout)  # it ends by itself
            watch.cancel()
            took = time.monotonic() - start
            check("pushed" in rows, "not done in time")
            equal((rows["fetched"], rows["pushed"]), (str(size), str(size)), "bytes")
            equal(rows["left"], "0", "objects in use of the client")
            print(f"# both ways {2 * size * 8 / took / 1e6:.0f} Mb/s")
            rest, _ = server.communicate(timeout=60)
            equal(dict(line.split() for line in rest.splitlines())["left"], "0", "of the server")
        finally:
            for process in processes:
                if process.poll() is None:
                    process.kill()
                    process.wait()


def enter_namespace():
    """Runs this program again in a network namespace of its own; returns why it cannot."""
    for tool in ("unshare", "ip"):
        if not shutil.which(tool):
            return f"no {tool}"
    probe = subprocess.run(["unshare", "--net", "true"], stderr=subprocess.PIPE, text=True)
    if probe.returncode:
        return probe.stderr.strip()
    os.environ["INTEROP_INSIDE"] = "1"
    os.execvp("unshare", ["unshare", "--net", sys.executable, *sys.argv])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("echo")
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    options = parser.parse_args()
    why = None if os.environ.get("INTEROP_INSIDE") else enter_namespace()
    if why:
        with case("interop"):
            raise Skip(why)
        finish()
    print(f"# seed {options.seed}")
    run("ip", "link", "set", "lo", "up")
    with tempfile.TemporaryDirectory() as folder:
        source = Source(options.seed, folder)
        for device in DEVICES:
            if device == "tap" or options.long:
                with case(f"interop_{device}_matrix"):
                    matrix(options, source, device, 20 * MB if options.long else 2 * MB)
            if device == "tap" or options.long:
                active(options, source, device, 1024 * MB if options.long else 20 * MB)
            bulk(options, source, device, 1024 * MB if options.long else 50 * MB,
                 10000 if options.long else 1000)
        long_packets(options, source, 20 * MB)
        if not options.only or options.only in "memif_bulk":
            two_of_ours(options, source, 1024 * MB if options.long else 50 * MB)
    finish()


main()
