#!/usr/bin/env python3
"""broker.py BUILD [--seconds S] [--rounds N] [--paths NAME,...] [--loads TEXT] [--save FILE]: the
whole broker over kernel sockets and over net=dpdk, and Apache Kafka, behind the same veth pair,
with the same client (sluice-bench), in the same run.

As root.  The broker has a network namespace and the first processor of its own, the client the
other end of the pair and the second processor; what arrives for the broker's kernel is processed on
the broker's processor (RPS), as when a card interrupts it.  Paths:
  kernel        kernel sockets, the pair as it is: segments of 64 KiB, no checksums, as with the
                best of cards
  kernel-1500   kernel sockets, frames and checksums as on a wire
  bypass        net=dpdk over virtio; cable.c, on the client's processor, is card and wire; the card
                cuts bursts into frames, and sums
  bypass-1500   the same with a card that neither cuts nor sums
  af_packet     net=dpdk over af_packet: under it is the kernel, with the client's TCP
  kafka, kafka-1500   Apache Kafka, as it is shipped, on the broker's processor (ORACLE_DIR: where
                its jars are)
Prints the median of the rounds of each figure, as a table; with FILE, of all rounds in it.  "core"
is what all of the processor did, naps and polls of an idle device included; "work" is the time of
the loop's turns that did something, which only net=dpdk tells."""
import argparse
import contextlib
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
ADDRESS, PORT = "10.77.0.2", 9092
BOOTSTRAP = f"{ADDRESS}:{PORT}"
BROKER_CPU, CLIENT_CPU = 0, 1
OFF = ("tx", "off", "tso", "off", "gso", "off")
TICKS = os.sysconf("SC_CLK_TCK")
METRICS = "http://127.0.0.1:9644/metrics/internal"
# Counters of a loop over net=dpdk that are time in which it did something.
WORK = ["busy_ns", "receive_ns", "send_ns", "files_ns"]
VIRTIO = "net_virtio_user0,path={home}/cable,queues=1,queue_size=1024"
AF_PACKET = "net_af_packet0,iface=serv,framecnt=2048"


class Path:
    def __init__(self, device=None, plain=True, kafka=False):
        self.device, self.plain, self.kafka = device, plain, kafka


PATHS = {
    "kernel": Path(plain=False),
    "kernel-1500": Path(),
    "bypass": Path(VIRTIO, plain=False),
    "bypass-1500": Path(VIRTIO),
    "af_packet": Path(AF_PACKET),
    "kafka": Path(plain=False, kafka=True),
    "kafka-1500": Path(kafka=True),
}
# name, mode and options of sluice-bench
LOADS = [
    ("produce 100 B, 1 in flight", ["single", "--partitions", "4", "--producers", "1",
                                    "--depth", "1"]),
    ("produce 2,000/s, 1 KiB", ["rate", "--partitions", "4", "--rate", "2000",
                                "--record-bytes", "1024"]),
    ("produce 20,000/s, 100 B", ["rate", "--partitions", "4", "--rate", "20000"]),
    ("produce 100 B, 128 x 1 in flight", ["single", "--partitions", "4", "--producers", "128",
                                          "--depth", "1"]),
    ("produce 100 B, 4 x 256 in flight", ["single", "--partitions", "4", "--depth", "256"]),
    ("produce, bulk", ["bulk", "--partitions", "4"]),
    ("fetch, bulk", ["fetch", "--partitions", "4", "--no-create"]),
]


def run(*command):
    subprocess.run([str(c) for c in command], check=True, stdout=subprocess.DEVNULL, timeout=60)


@contextlib.contextmanager
def namespaces(path):
    """The broker's namespace, named by a process in it; ours has the client's end."""
    holder = subprocess.Popen(["unshare", "--net", "--mount", "sh", "-c",
                               "mount -t sysfs sysfs /sys && echo && exec sleep infinity"],
                              stdout=subprocess.PIPE)
    try:
        holder.stdout.readline()
        run("ip", "link", "add", "client", "type", "veth", "peer", "name", "serv", "netns",
            holder.pid)
        inside = ["nsenter", "-t", str(holder.pid), "--net", "--mount"]
        if path.plain and path.device != VIRTIO:
            run("ethtool", "-K", "client", *OFF)
            run(*inside, "ethtool", "-K", "serv", *OFF)
        run("ip", "addr", "add", "10.77.0.1/24", "dev", "client")
        run(*inside, "ip", "link", "set", "lo", "up")
        steer("", "client", CLIENT_CPU)
        if not path.device:
            run(*inside, "ip", "addr", "add", f"{ADDRESS}/24", "dev", "serv")
            steer(f"/proc/{holder.pid}/root", "serv", BROKER_CPU)
        run("ip", "link", "set", "client", "up")
        run(*inside, "ip", "link", "set", "serv", "up")
        cubic([], "client")
        if not path.device:
            cubic(inside, "serv")
        yield inside
    finally:
        holder.kill()
        holder.wait()
        subprocess.run(["ip", "link", "del", "client"], stderr=subprocess.DEVNULL)


def cubic(prefix, interface):
    """What Linux comes with, whatever this machine has: another paces, or measures round trips."""
    run(*prefix, "ip", "route", "replace", "10.77.0.0/24", "dev", interface, "congctl", "lock",
        "cubic")


def steer(root, interface, cpu):
    """What comes to the interface is processed there."""
    at = pathlib.Path(f"{root}/sys/class/net/{interface}/queues/rx-0/rps_cpus")
    at.write_text(f"{1 << cpu:x}")


def pinned(cpu):
    return ["taskset", "-c", str(cpu)]


@contextlib.contextmanager
def cable(build, home, path, inside):
    process = subprocess.Popen([*inside, *pinned(CLIENT_CPU), build / "bench/net/cable",
                                home / "cable", "serv",
                                "plain" if path.plain else "offloads"], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)
    try:
        if process.stdout.readline() != "ready\n":
            sys.exit("no cable")
        yield
    finally:
        process.stdin.close()
        print("# cable:", process.stdout.read().strip(), flush=True)
        process.wait(10)


@contextlib.contextmanager
def sluice(build, home, path, inside):
    settings = [f"listeners=PLAINTEXT://{BOOTSTRAP}", f"cores={BROKER_CPU}-{BROKER_CPU}",
                "journal.bytes=268435456"]
    if path.device:
        settings += ["net=dpdk", f"net.address={ADDRESS}/24",
                     "net.devices=" + path.device.format(home=home)]
    with open(home / "log", "wb") as log:
        process = subprocess.Popen(
            [*inside, build / "sluice", "run", "--data", home / "data",
             *[w for s in settings for w in ("-o", s)]], stdout=log, stderr=log)
    try:
        answers(process, home / "log")
        yield [p for p in children(process.pid)
               if pathlib.Path(f"/proc/{p}/comm").read_text().strip() == "sluice-data"]
    finally:
        process.terminate()
        process.wait(60)


@contextlib.contextmanager
def kafka(home, inside):
    """As oracle.sh starts it; three threads for the network and eight for requests, as shipped."""
    script = [*inside, ROOT / "tests/e2e/oracle.sh"]
    settings = [f"listeners=PLAINTEXT://0.0.0.0:{PORT},CONTROLLER://127.0.0.1:{PORT + 1}",
                f"advertised.listeners=PLAINTEXT://{BOOTSTRAP}", "num.partitions=4",
                "num.network.threads=3", "num.io.threads=8"]
    environment = {**os.environ, "CPUS": str(BROKER_CPU), "HEAP": "1g"}
    environment.setdefault("ORACLE_DIR", str(home / "oracle"))

    def do(*words):
        return subprocess.run([*script, *words], check=True, stdout=subprocess.PIPE, text=True,
                              env=environment).stdout
    do("wipe", str(PORT))
    try:
        yield [int(do("start", str(PORT), *settings))]
    finally:
        do("wipe", str(PORT))


def answers(process, log):
    deadline = time.monotonic() + 30
    while subprocess.run(["kcat", "-b", BOOTSTRAP, "-L", "-m", "1"],
                         capture_output=True).returncode:
        if time.monotonic() > deadline or process.poll() is not None:
            sys.exit(log.read_text())
        time.sleep(0.1)


@contextlib.contextmanager
def broker(build, path):
    """Its processes."""
    home = pathlib.Path(tempfile.mkdtemp(prefix="sluice-bench-net-"))
    try:
        with contextlib.ExitStack() as all_:
            inside = all_.enter_context(namespaces(path))
            if path.device == VIRTIO:
                all_.enter_context(cable(build, home, path, inside))
            pids = all_.enter_context(kafka(home, inside) if path.kafka
                                      else sluice(build, home, path, inside))
            yield pids
    finally:
        shutil.rmtree(home, ignore_errors=True)


def children(pid):
    return [int(c) for c in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


class Core:
    """What the broker's processor did: all of it, whoever did it."""

    def __init__(self):
        self.samples, self.stop = [], threading.Event()
        self.thread = threading.Thread(target=self.run)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()

    def run(self):
        while True:
            for line in pathlib.Path("/proc/stat").read_text().splitlines():
                fields = line.split()
                if fields[0] == f"cpu{BROKER_CPU}":
                    idle = (int(fields[4]) + int(fields[5])) / TICKS
                    self.samples.append((time.monotonic(), idle))
            if self.stop.wait(0.05):
                return

    def busy_s(self, seconds):
        """Of the last so many seconds."""
        end, idle = self.samples[-1]
        begin, before = min(self.samples[:-1], key=lambda s: abs(end - s[0] - seconds))
        return max(0.0, 1 - (idle - before) / (end - begin)) * seconds


def counters(pid):
    """Of the loop, by name; none with kernel sockets, where the kernel works unseen by the loop."""
    text = subprocess.run(["nsenter", "-t", str(pid), "--net", "curl", "-s", METRICS],
                          capture_output=True, text=True).stdout
    found = re.findall(r'^sluice_core\w*{core="0",.*counter="(\w+)".*} (\S+)$', text, re.M)
    return {k: float(v) for k, v in found} if "sluice_core_net" in text else {}


def work_s_per_gb(before, after):
    """What the loop did something in, over the bytes it moved meanwhile; None: nobody counted."""
    if not after:
        return None
    did = {k: after[k] - before[k] for k in after}
    return sum(did[k] for k in WORK) / max(1, did["bytes_in"] + did["bytes_out"])


def measure(build, load, topic, pids, seconds):
    before = counters(pids[0])
    with Core() as core:
        out = subprocess.run([*pinned(CLIENT_CPU), build / "bench/load/sluice-bench", *load,
                              "--bootstrap", BOOTSTRAP,
                              *([] if load[0] == "fetch" else ["--seconds", str(seconds)]),
                              "--warmup", "1", "--topic", topic,
                              "--server-pid", ",".join(str(p) for p in pids)],
                             capture_output=True, text=True, timeout=seconds * 10 + 60)
    rows = [json.loads(l) for l in out.stdout.splitlines() if l.startswith("{")]
    results = [r for r in rows if r["type"] == "result"]
    if not results:
        sys.exit(f"{load}: {out.stdout}{out.stderr}")
    return {**results[-1], "core_s": core.busy_s(results[-1]["seconds"]),
            "work_s_per_gb": work_s_per_gb(before, counters(pids[0]))}


def requests(r):
    return r["requests"] + r.get("fetches", 0)


def gigabytes(r):
    return (r.get("consumed_mb_per_s") or r["mb_per_s"]) * r["seconds"] / 1e3


FIGURES = [
    ("requests/s", lambda r: requests(r) / r["seconds"]),
    ("MB/s", lambda r: r.get("consumed_mb_per_s") or r["mb_per_s"]),
    ("p50 us", lambda r: r.get("p50_us")),
    ("p99 us", lambda r: r.get("p99_us")),
    ("p99.9 us", lambda r: r.get("p999_us")),
    ("broker us/request", lambda r: r["server_cpu_us_per_request"]),
    ("core us/request", lambda r: r["core_s"] * 1e6 / requests(r)),
    ("core s/GB", lambda r: r["core_s"] / gigabytes(r)),
    ("work s/GB", lambda r: r["work_s_per_gb"]),
    ("core", lambda r: r["core_s"] / r["seconds"]),
    ("client", lambda r: r["client_cpu_s"] / r["seconds"]),
]


def median(rows, figure):
    values = [v for v in (figure(r) for r in rows) if v is not None]
    return f"{statistics.median(values):,.4g}" if values else "-"


def table(rows):
    print("| load | path | rounds | " + " | ".join(name for name, _ in FIGURES) + " |")
    print("|---|---|---|" + "---|" * len(FIGURES))
    for name, _ in LOADS:
        for path in PATHS:
            some = [r["result"] for r in rows if (r["load"], r["path"]) == (name, path)]
            cells = [median(some, f) for _, f in FIGURES]
            if some:
                print(f"| {name} | {path} | {len(some)} | " + " | ".join(cells) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--paths", default="kernel,kernel-1500,bypass,kafka,kafka-1500")
    parser.add_argument("--loads", default="", help="those that contain this")
    parser.add_argument("--save", type=pathlib.Path)
    args = parser.parse_args()
    if not os.environ.get("BENCH_INSIDE"):
        os.environ["BENCH_INSIDE"] = "1"
        os.execvp("unshare", ["unshare", "--net", "--mount", "sh", "-c",
                              'mount -t sysfs sysfs /sys && exec "$@"', "sh", sys.executable,
                              *sys.argv])
    build, rows = args.build.resolve(), []
    if args.save and args.save.exists():
        rows = json.loads(args.save.read_text())
    for _ in range(args.rounds):
        for path in args.paths.split(","):
            print("#", path, flush=True)
            with broker(build, PATHS[path]) as pids:
                for name, load in LOADS:
                    # What is fetched is what was produced in bulk.
                    topic = "bulk" if "bulk" in name else load[0]
                    if args.loads in name:
                        rows.append({"load": name, "path": path, "result": measure(
                            build, load, topic, pids, args.seconds)})
                        if args.save:
                            args.save.write_text(json.dumps(rows))
    table(rows)


main()
