#!/usr/bin/env python3
"""test_vm.py BUILD [--if-cached] [--cards NAME,...] [--kills N]: the broker on cards on PCI.

A virtual machine (machine.py) has four cards behind an IOMMU, each of another maker, and a disk on
NVMe.  The broker in it takes one card after the other from the kernel by DPDK's own drivers, and
clients outside use it over our TCP: kcat's records come back with the same bytes, and what was
acknowledged while its processes are killed with signal 9, and once while the power goes, is all in
the log afterwards.  Start errors are believed: the command that one names is done, until it starts.

The image is built once (image.sh; VM_IMAGE names its folder).  --if-cached: it is not built here,
and without it nothing runs."""
import argparse
import concurrent.futures
import contextlib
import hashlib
import os
import pathlib
import random
import re
import socket
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

from ackers import Acker, verify
from broker import answers
from case import Skip, case, check, equal, finish, until
from kafka import API_VERSIONS, topic_ready
from machine import CARDS, Machine, command, image_ready, mendings, unable

PROGRAMS = ("sluice", "sluice-data", "sluice-control")
PORT = 9092
LOG = "/run/log"
START_SECONDS = 90
ACKERS, PARTITIONS, RATE = 2, 3, 100
STEPS_MAX = 4  # mending commands until a broker starts
ROUND_BYTES = 4 << 20
CONNECTIONS = 16  # by chance all on one of two cores: once in 32,768 runs
CACHE_BYTES = 8 << 20  # the least that cache.bytes takes
METRICS = "127.0.0.1:9644"  # in the machine
SILENT_MS = 30000  # a consumer that waits so long sends nothing meanwhile
LONG_MTU, LONG_BYTES = 9000, 8 << 20


class Remote:
    """The broker in the machine, as the tests' clients want one: bootstrap and home."""
    def __init__(self, machine, *cards, cores=1, more=()):
        self.machine, self.cards, self.home, self.cores = machine, cards, machine.home, cores
        self.more = more
        self.bootstrap = f"{cards[0].broker}:{PORT}"
        self.name = "-".join(c.name for c in cards) + "-2" * (cores > 1)
        self.stderr = f"{LOG}/{self.name}.log"

    def command(self):
        options = ("net=dpdk", "net.devices=" + ";".join(c.address for c in self.cards),
                   f"cores={self.cores}",
                   "net.address=" + ";".join(f"{c.broker}/24" for c in self.cards),
                   "listeners=" + ",".join(f"PLAINTEXT://{c.broker}:{PORT}" for c in self.cards),
                   f"metrics.listener={METRICS}", "journal.bytes=134217728",
                   f"cache.bytes={CACHE_BYTES}", *self.more)
        return f"/mnt/sluice run --data {LOG}/{self.name} " + " ".join(
            f"-o '{o}'" for o in options)

    def launch(self):
        self.machine.good(f"{self.command()} >>{self.stderr} 2>&1 & echo $! >/run/sluice.pid; "
                          f"disown")

    def running(self):
        return self.machine.run("kill -0 $(cat /run/sluice.pid)")[0] == 0

    def start(self):
        self.launch()

        def ready():
            check(self.running(), "it ended:", self.said())
            return answers(self.bootstrap)
        try:
            until("the broker answers", START_SECONDS, ready)
        except AssertionError:
            print(self.said())
            raise

    def said(self):
        return self.machine.run(f"tail -n 20 {self.stderr}")[1]

    def kill(self, *names):
        """Signal 9, to all of them at once."""
        self.machine.good("kill -9 $(pidof " + " ".join(f"/mnt/{n}" for n in names) + ")")

    def served_ms(self):
        """How long each start took, as the supervisor tells it."""
        out = self.machine.run(f"grep -ao 'data serves .*' {self.stderr}")[1]
        return [int(l.rsplit("=", 1)[1]) for l in out.splitlines()]

    def bytes_in(self):
        """What each core has received, as they said when they stopped."""
        out = self.machine.run(f"grep -ao 'left shard=.*' {self.stderr} | tail -n {self.cores}")[1]
        return sorted(map(int, re.findall(r"bytes_in=(\d+)", out)))

    def metric(self, row):
        """Of the first card; the cores tell what their cards did once a second."""
        host, port = METRICS.split(":")
        text = self.machine.good(
            f"exec 3<>/dev/tcp/{host}/{port}; printf 'GET /metrics HTTP/1.0\\r\\n\\r\\n' >&3; "
            f"grep -aF '{row} ' <&3")
        return float(text.split()[-1])

    def payload(self, how):
        return self.metric('sluice_net_payload_bytes_total{port="0",sent="%s"}' % how)

    def stop(self):
        self.machine.good("pid=$(cat /run/sluice.pid); kill $pid; "
                          "while kill -0 $pid 2>&-; do sleep 0.1; done")


def kcat(bootstrap, *arguments, data=None, before=()):
    done = subprocess.run([*before, "kcat", "-b", bootstrap, "-m", "30", *arguments], input=data,
                          capture_output=True, timeout=120)
    check(done.returncode == 0, "kcat", *arguments, done.stderr.decode(errors="replace"))
    return done.stdout


def bind(machine, card):
    machine.good("echo 128 >/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages")
    machine.good(f"modprobe vfio-pci && dpdk-devbind.py --bind=vfio-pci {card.address}")
    equal(machine.driver(card), "vfio-pci", "driver")


def mended(machine, card, driver):
    """A machine that nobody prepared: what the errors name is all the help that the broker gets."""
    for module in card.modules:
        machine.run(f"modprobe {module}")  # kernels for the cloud have few of them
    check(machine.driver(card) != driver, "driver", machine.driver(card))
    broker, done = Remote(machine, card), []
    known = 1 + int(machine.run(f"cat {broker.stderr} 2>&- | wc -l")[1])

    def outcome():
        if answers(broker.bootstrap):
            return "answers"
        named = mendings(machine.run(f"tail -n +{known} {broker.stderr}")[1])
        # One that is tried again by itself may have been said twice before it was mended.
        return [c for c in named if c not in done]
    while True:
        if not done or not broker.running():
            broker.launch()
        named = until("the broker answers or says why not", START_SECONDS, outcome)
        if named == "answers":
            break
        check(len(done) < STEPS_MAX, "still refused:", broker.said())
        print(f"# {named[0]}", flush=True)
        machine.good(named[0])
        done.append(named[0])
    equal(machine.driver(card), driver, "driver")
    check(any("hugepages" in s for s in done), "it needed no huge pages", done)
    return broker


def round_trip(broker, topic):
    lines = [hashlib.sha256(b"%d" % n).hexdigest().encode() * 16 for n in range(ROUND_BYTES >> 10)]
    data = b"".join(line + b"\n" for line in lines)
    began = time.monotonic()
    kcat(broker.bootstrap, "-P", "-t", topic, "-p", "0", "-X", "acks=all", data=data)
    got = kcat(broker.bootstrap, "-C", "-e", "-q", "-t", topic, "-p", "0", "-o", "beginning")
    check(got == data, f"{len(got)} bytes came back of {len(data)}, or others")
    print(f"# {len(data)} bytes there and back in {time.monotonic() - began:.1f} s", flush=True)


def records(first, count):
    return [b"%08d " % n + hashlib.sha256(b"%d" % n).hexdigest().encode() * 15
            for n in range(first, first + count)]


class Reader:
    """A consumer that reads on, and is silent while there is nothing."""
    def __init__(self, broker, topic):
        self.file = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            ["kcat", "-b", broker.bootstrap, "-C", "-q", "-u", "-t", topic, "-p", "0", "-o",
             "beginning", "-X", f"fetch.wait.max.ms={SILENT_MS}"],
            stdout=self.file, stderr=subprocess.DEVNULL)

    def expect(self, lines):
        size = sum(len(l) + 1 for l in lines)
        until("the consumer has all", 90, lambda: os.fstat(self.file.fileno()).st_size >= size, 0.1)
        got = os.pread(self.file.fileno(), size + 1, 0).splitlines()
        check(got == lines, f"{len(got)} lines came of {len(lines)}, or others")

    def end(self):
        self.process.kill()
        self.process.wait()
        self.file.close()


def lent(broker, topic):
    """The card sends from the log's memory.  A consumer reads, and then nobody says anything: what
    was sent to it is given back all the same, and the log goes round in its memory."""
    before = broker.payload("by_reference")
    lines = records(0, CACHE_BYTES // 4 >> 10)

    def write(some):
        kcat(broker.bootstrap, "-P", "-t", topic, "-p", "0", "-X", "acks=all",
             data=b"".join(l + b"\n" for l in some))
    reader = Reader(broker, topic)
    try:
        write(lines)
        reader.expect(lines)
        until("it was sent by reference", 20,
              lambda: broker.payload("by_reference") >= before + len(lines) * 900, 0.5)
        until("nothing is held", 20,
              lambda: broker.metric('sluice_net_spans_held{port="0"}') == 0, 0.5)
        more = records(len(lines), 2 * CACHE_BYTES >> 10)
        write(more)
        reader.expect(lines + more)
    finally:
        reader.end()
    before = broker.payload("by_reference")
    cold = kcat(broker.bootstrap, "-C", "-e", "-q", "-t", topic, "-p", "0", "-o", "beginning")
    check(cold.splitlines() == lines + more, f"{len(cold)} bytes of the files came, or others")
    until("it was sent by reference", 20,
          lambda: broker.payload("by_reference") >= before + len(cold) * 0.9, 0.5)
    print(f"# {broker.payload('by_reference'):.0f} bytes by reference, "
          f"{broker.payload('copied'):.0f} copied", flush=True)


def all_at_once(machine):
    """One broker takes all cards; what comes by one is read by the next, at the same time."""
    cards = machine.cards
    if len(cards) == 1:
        raise Skip("one card was chosen")
    for card in cards:
        bind(machine, card)
    broker = Remote(machine, *cards)
    broker.start()
    lines = {c: [b"%s %d %s" % (c.name.encode(), n, b"padding " * 20) for n in range(2000)]
             for c in cards}
    for c in cards:
        topic_ready(broker.bootstrap, c.name, 1)

    def write(c):
        kcat(f"{c.broker}:{PORT}", "-P", "-t", c.name, "-X", "acks=all",
             data=b"\n".join(lines[c]) + b"\n")

    def read(c):
        at = f"{cards[(cards.index(c) + 1) % len(cards)].broker}:{PORT}"
        return kcat(at, "-C", "-e", "-q", "-t", c.name, "-o", "beginning").splitlines()
    with concurrent.futures.ThreadPoolExecutor(len(cards)) as pool:
        list(pool.map(write, cards))
        for c, got in zip(cards, pool.map(read, cards)):
            check(got == lines[c], f"{c.name}: {len(got)} lines came back, or others")
    broker.stop()


def acknowledge_on(ackers, count):
    before = sum(len(a.acknowledged()) for a in ackers)
    until("acknowledgements go on", 90,
          lambda: sum(len(a.acknowledged()) for a in ackers) >= before + count, 0.1)


@contextlib.contextmanager
def producers(broker, topic):
    """Each with a name, and so a file, that no other card's has."""
    ackers = [Acker(broker, topic, PARTITIONS, f"{broker.name}-{topic}-{i}", RATE)
              for i in range(ACKERS)]
    try:
        yield ackers
    except AssertionError:
        print(broker.said(), flush=True)
        raise
    finally:
        for a in ackers:
            a.abandon()


def kill_loop(broker, topic, kills):
    with producers(broker, topic) as ackers:
        for n in range(kills):
            acknowledge_on(ackers, 50)
            if n % 3 == 2:  # everything at once, and nobody is left to start it again
                broker.kill(*PROGRAMS)
                broker.start()
            else:
                broker.kill(PROGRAMS[1 + n % 2])
        acknowledge_on(ackers, 50)
        proven(broker, topic, ackers)


def proven(broker, topic, ackers):
    acknowledged = {a.name: a.finish() for a in ackers}
    total = verify(broker.bootstrap, topic, PARTITIONS, acknowledged)
    count = sum(len(rows) for rows in acknowledged.values())
    check(total >= count >= 50, "too few records to prove anything", total, count)
    print(f"# {count} acknowledged, {total} in the log; starts took {broker.served_ms()} ms",
          flush=True)


def power_cut(machine, card):
    topic, broker = "cut", Remote(machine, card, cores=card.queues)
    topic_ready(broker.bootstrap, topic, PARTITIONS)
    with producers(broker, topic) as ackers:
        acknowledge_on(ackers, 100)
        machine.cut()
        machine.boot()
        bind(machine, card)
        broker.start()
        acknowledge_on(ackers, 50)
        proven(broker, topic, ackers)


class Narrow:
    """A host whose way to a card leads over a router, us, and a link of 1500 bytes.  A host that
    knows of it asks for segments that fit; one that does not is only known by what the router says
    (RFC 1191)."""
    ROUTER, HOST, PREFIX = "10.98.0.1", "10.98.0.2", "10.98.0.0/24"

    def __init__(self):
        self.process = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
        own = os.stat("/proc/self/ns/net").st_ino
        until("the host has a network of its own", 20, lambda: own != os.stat(
            f"/proc/{self.process.pid}/ns/net").st_ino)
        command("ip", "link", "add", "vr", "mtu", "1500", "type", "veth", "peer", "name", "vh",
                "mtu", str(LONG_MTU), "netns", str(self.process.pid))
        command("ip", "addr", "add", f"{self.ROUTER}/24", "dev", "vr")
        command("ip", "link", "set", "vr", "up")
        pathlib.Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
        self.command("ip", "addr", "add", f"{self.HOST}/24", "dev", "vh")
        self.command("ip", "link", "set", "vh", "up")

    def inside(self, *words):
        return ("nsenter", "-t", str(self.process.pid), "-n", *words)

    def command(self, *words):
        command(*self.inside(*words))

    def asks_for(self, segment_bytes):
        self.command("ip", "route", "replace", "default", "via", self.ROUTER, "mtu", "1500",
                     "advmss", str(segment_bytes))

    @staticmethod
    def refusals():
        """How often we said that a packet does not fit."""
        rows = [l.split() for l in open("/proc/self/net/snmp") if l.startswith("Icmp:")]
        return int(dict(zip(*rows))["OutDestUnreachs"])

    def end(self):
        self.process.kill()
        self.process.wait()


def frame_bytes(broker, direction, action):
    """How long the card's frames of one direction were while something was done."""
    def seen():
        return [broker.metric('sluice_net_%s_total{port="0",direction="%s"}' % (kind, direction))
                for kind in ("frames", "bytes")]
    before = seen()
    action()
    after = until("the frames are counted", 20,
                  lambda: s if (s := seen())[1] >= before[1] + LONG_BYTES else None, 0.5)
    return (after[1] - before[1]) / (after[0] - before[0])


def long_packets(machine, card):
    """Packets of 9000 bytes on the link, and on the same port hosts to whom only 1500 come."""
    command("ip", "link", "set", card.interface, "mtu", str(LONG_MTU))
    broker = Remote(machine, card, cores=card.queues, more=(
        f"net.mtu={LONG_MTU}", f"net.routes={Narrow.PREFIX} via {card.client}"))
    broker.start()
    narrow = Narrow()
    data = b"".join(hashlib.sha256(b"%d" % n).hexdigest().encode() * 16 + b"\n"
                    for n in range(LONG_BYTES >> 10))
    large = ("-X", "batch.size=1000000", "-X", "linger.ms=100")

    def write(topic, before=()):
        kcat(broker.bootstrap, "-P", "-t", topic, "-p", "0", "-X", "acks=all", *large, data=data,
             before=before)

    def read(topic, before=()):
        got = kcat(broker.bootstrap, "-C", "-e", "-q", "-t", topic, "-p", "0", "-o", "beginning",
                   before=before)
        check(got == data, f"{len(got)} bytes came back of {len(data)}, or others")
    try:
        for topic in ("long", "fits", "told"):
            topic_ready(broker.bootstrap, topic, 1)
        bytes_in = frame_bytes(broker, "in", lambda: write("long"))
        bytes_out = frame_bytes(broker, "out", lambda: read("long"))
        print(f"# a frame in {bytes_in:.0f} bytes, out {bytes_out:.0f}", flush=True)
        check(min(bytes_in, bytes_out) > LONG_MTU / 2, "short frames", bytes_in, bytes_out)
        for topic, segment_bytes, told in ("fits", 1460, False), ("told", LONG_MTU - 40, True):
            narrow.asks_for(segment_bytes)
            refused = narrow.refusals()
            write(topic, narrow.inside())
            read(topic, narrow.inside())
            read(topic)
            equal(narrow.refusals() > refused, told, f"the router refused packets ({topic})")
    finally:
        narrow.end()
    broker.stop()


def stopped(broker):
    """Ports at random meet every core that has a queue; neighbours may all meet one, for hashes of
    cards are linear."""
    card = broker.cards[0]
    for port in random.sample(range(20000, 60000), CONNECTIONS):
        with socket.create_connection((card.broker, PORT), 30, (card.client, port)) as s:
            s.sendall(struct.pack(">ihhih", 10, API_VERSIONS, 0, port, -1))
            check(s.recv(8)[4:] == struct.pack(">i", port), "an answer to another question")
    broker.stop()
    got = broker.bytes_in()
    print(f"# bytes that came to each core: {got}", flush=True)
    check(len(got) == broker.cores and got[0] > 0, "a core without connections", got)


def on_card(machine, card, kills):
    broker = Remote(machine, card, cores=card.queues)
    with case(f"vm: {card.name}: DPDK's driver brings the broker up"):
        bind(machine, card)
        broker.start()
        says = machine.good(f"grep -ah segmentation= {broker.stderr} | tail -n 1")
        print(f"# {says}", flush=True)
        check(f"segmentation={'device' if card.cuts else 'software'}" in says, says)
    with case(f"vm: {card.name}: kcat's records come back with the same bytes"):
        topic_ready(broker.bootstrap, "bytes", 1)
        round_trip(broker, "bytes")
    with case(f"vm: {card.name}: records leave from the log's memory, given back in silence"):
        topic_ready(broker.bootstrap, "lent", 1)
        lent(broker, "lent")
    with case(f"vm: {card.name}: {'it cut' if card.cuts else 'it was not asked to cut'} bursts"):
        bursts = broker.metric('sluice_net_bursts_total{port="0"}')
        frames = broker.metric('sluice_net_frames_total{port="0",direction="out"}')
        print(f"# {bursts:.0f} bursts of {frames:.0f} frames", flush=True)
        check((bursts > 100) == card.cuts and bursts < frames, bursts, frames)
    with case(f"vm: {card.name}: {kills} kills with signal 9, nothing acknowledged is lost"):
        topic_ready(broker.bootstrap, "kill", PARTITIONS)
        kill_loop(broker, "kill", kills)


def run_all(machine, options):
    with case("vm: a machine boots"):
        machine.boot()
        print("# " + machine.good("grep -m1 'model name' /proc/cpuinfo"), flush=True)
    if not machine.line:
        return
    first, last = machine.cards[0], machine.cards[-1]
    with case(f"vm: {first.name}: the commands that start errors name make it start"):
        mended(machine, first, "vfio-pci").stop()
    for card in machine.cards:
        on_card(machine, card, options.kills)
        if card is not last:
            with case(f"vm: {card.name}: SIGTERM ends it, and {card.queues} cores have served"):
                stopped(Remote(machine, card, cores=card.queues))
    with case(f"vm: {last.name}: the power goes; nothing acknowledged is lost"):
        power_cut(machine, last)
    with case("vm: one broker takes all cards, and each reads what came by another"):
        Remote(machine, last).stop()
        all_at_once(machine)
    with case(f"vm: {first.name}: packets of {LONG_MTU} bytes, and hosts behind 1500 on its port"):
        bind(machine, first)
        long_packets(machine, first)
    with case(f"vm: {first.name}: without an IOMMU start errors lead to uio, and it serves"):
        machine.cut()
        machine.boot(iommu=False)
        broker = mended(machine, first, "uio_pci_generic")
        topic_ready(broker.bootstrap, "uio", 1)
        round_trip(broker, "uio")
        check("payload=copied: nothing is mapped for it" in broker.said(), broker.said())
        equal(broker.payload("by_reference"), 0, "bytes by reference without an IOMMU")


def enter_namespace():
    if not os.environ.get("VM_INSIDE"):
        os.environ["VM_INSIDE"] = "1"
        os.execvp("unshare", ["unshare", "--net", sys.executable, *sys.argv])
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--if-cached", action="store_true")
    parser.add_argument("--cards", default=",".join(c.name for c in CARDS))
    parser.add_argument("--kills", type=int, default=6)
    options = parser.parse_args()
    cards = [c for c in CARDS if c.name in options.cards.split(",")]
    os.environ.setdefault("ACKER", str(options.build.resolve() / "tests/e2e/acker"))
    cache = pathlib.Path.home() / ".cache"
    image = pathlib.Path(os.environ.get("VM_IMAGE", cache / "sluice-vm"))
    programs = [options.build / name for name in PROGRAMS]
    why = unable()
    if not why and not os.environ.get("VM_INSIDE") and \
            not image_ready(image, programs, not options.if_cached):
        why = f"no image in {image}: make test-vm builds one"
    if why:
        with case("vm"):
            raise Skip(why)
        finish()
    enter_namespace()
    with tempfile.TemporaryDirectory(prefix="sluice-vm-") as home:
        machine = Machine(image, home, programs, cards)
        try:
            run_all(machine, options)
        finally:
            machine.cut()
    finish()


if __name__ == "__main__":
    main()
