#!/usr/bin/env python3
"""broker.py BUILD [--seconds S] [--rounds N] [--paths NAME,...]: the whole broker over kernel
sockets and over net=dpdk, on the same veth pair, with the same client (sluice-bench), in the same
run.

As root.  The broker has one core and a network namespace of its own, the client the other end of
the pair.  Paths:
  kernel        kernel sockets, the pair as it is: segments of 64 KiB, no checksums
  kernel-1500   kernel sockets, frames and checksums as on a wire
  bypass        net=dpdk over af_packet, frames and checksums as on a wire
Prints the median of the rounds of each figure, as a table."""
import argparse
import contextlib
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ADDRESS, PORT = "10.77.0.2", 9092
BOOTSTRAP = f"{ADDRESS}:{PORT}"
OFF = ("tx", "off", "tso", "off", "gso", "off")
PATHS = {
    "kernel": (False, False),
    "kernel-1500": (False, True),
    "bypass": (True, True),
}
# name, mode and options of sluice-bench
LOADS = [
    ("produce 100 B, 1 in flight", ["single", "--partitions", "4", "--producers", "1",
                                    "--depth", "1"]),
    ("produce 2,000/s, 1 KiB", ["rate", "--partitions", "4", "--rate", "2000",
                                "--record-bytes", "1024"]),
    ("produce, bulk", ["bulk", "--partitions", "4"]),
    ("fetch, bulk", ["fetch", "--partitions", "4", "--no-create"]),
]


def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=60)


@contextlib.contextmanager
def namespaces(kernel_address, plain_frames):
    """The broker's namespace, named by a process in it; ours has the client's end."""
    holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
    try:
        ours = os.readlink("/proc/self/ns/net")
        while os.readlink(f"/proc/{holder.pid}/ns/net") == ours:
            time.sleep(0.01)
        run("ip", "link", "add", "client", "type", "veth", "peer", "name", "serv", "netns",
            str(holder.pid))
        inside = ["nsenter", "-t", str(holder.pid), "--net"]
        if plain_frames:
            run("ethtool", "-K", "client", *OFF)
            run(*inside, "ethtool", "-K", "serv", *OFF)
        run("ip", "addr", "add", "10.77.0.1/24", "dev", "client")
        if kernel_address:
            run(*inside, "ip", "addr", "add", f"{ADDRESS}/24", "dev", "serv")
        run("ip", "link", "set", "client", "up")
        run(*inside, "ip", "link", "set", "lo", "up")
        run(*inside, "ip", "link", "set", "serv", "up")
        yield inside
    finally:
        holder.kill()
        holder.wait()
        subprocess.run(["ip", "link", "del", "client"], stderr=subprocess.DEVNULL)


@contextlib.contextmanager
def broker(build, path):
    bypass, plain = PATHS[path]
    home = pathlib.Path(tempfile.mkdtemp(prefix="sluice-bench-net-"))
    with namespaces(not bypass, plain) as inside:
        settings = [f"listeners=PLAINTEXT://{BOOTSTRAP}", "cores=1", "journal.bytes=268435456"]
        if bypass:
            settings += ["net=dpdk", f"net.address={ADDRESS}/24",
                         "net.devices=net_af_packet0,iface=serv,framecnt=2048"]
        log = open(home / "log", "wb")
        process = subprocess.Popen(
            [*inside, build / "sluice", "run", "--data", home / "data",
             *[w for s in settings for w in ("-o", s)]], stdout=log, stderr=log)
        try:
            deadline = time.monotonic() + 30
            while subprocess.run(["kcat", "-b", BOOTSTRAP, "-L", "-m", "1"],
                                 capture_output=True).returncode:
                if time.monotonic() > deadline or process.poll() is not None:
                    sys.exit((home / "log").read_text())
                time.sleep(0.1)
            data = [p for p in children(process.pid)
                    if pathlib.Path(f"/proc/{p}/comm").read_text().strip() == "sluice-data"]
            yield data[0]
        finally:
            process.terminate()
            process.wait(60)
            log.close()
            shutil.rmtree(home, ignore_errors=True)


def children(pid):
    return [int(c) for c in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def measure(build, load, topic, pid, seconds):
    out = subprocess.run([build / "bench/load/sluice-bench", *load, "--bootstrap", BOOTSTRAP,
                          "--seconds", str(seconds), "--warmup", "1", "--server-pid", str(pid),
                          "--topic", topic],
                         capture_output=True, text=True, timeout=seconds * 10 + 60)
    rows = [json.loads(l) for l in out.stdout.splitlines() if l.startswith("{")]
    results = [r for r in rows if r["type"] == "result"]
    if not results:
        sys.exit(f"{pid} {load}: {out.stdout}{out.stderr}")
    return results[-1]


FIGURES = [
    ("requests/s", lambda r: r.get("requests_per_s") or r.get("consumed_per_s")),
    ("MB/s", lambda r: r.get("consumed_mb_per_s") or r["mb_per_s"]),
    ("p50 us", lambda r: r.get("p50_us")),
    ("p99 us", lambda r: r.get("p99_us")),
    ("p99.9 us", lambda r: r.get("p999_us") or r.get("p99_9_us")),
    ("CPU us/request", lambda r: r.get("server_cpu_us_per_request")),
    ("CPU s/GB", lambda r: r.get("server_cpu_s_per_gb")),
]


def median(rows, figure):
    values = [v for v in (figure(r) for r in rows) if v is not None]
    return f"{statistics.median(values):,.4g}" if values else "-"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--paths", default=",".join(PATHS))
    args = parser.parse_args()
    if not os.environ.get("BENCH_INSIDE"):
        os.environ["BENCH_INSIDE"] = "1"
        os.execvp("unshare", ["unshare", "--net", sys.executable, *sys.argv])
    paths, build = args.paths.split(","), args.build.resolve()
    rows = {}
    for _ in range(args.rounds):
        for path in paths:
            print("#", path, flush=True)
            with broker(build, path) as pid:
                for name, load in LOADS:
                    # What is fetched is what was produced in bulk.
                    topic = "bulk" if "bulk" in name else load[0]
                    rows.setdefault((name, path), []).append(
                        measure(build, load, topic, pid, args.seconds))
    print("| load | path | " + " | ".join(name for name, _ in FIGURES) + " |")
    print("|---|---|" + "---|" * len(FIGURES))
    for name, _ in LOADS:
        for path in paths:
            cells = [median(rows[name, path], f) for _, f in FIGURES]
            print(f"| {name} | {path} | " + " | ".join(cells) + " |")


main()
