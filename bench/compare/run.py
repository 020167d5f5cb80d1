#!/usr/bin/env python3
"""run.py BUILD [--rounds N] [--scenario NAME]... [--ours-only]: Sluice and Apache Kafka side by
side, as a table of medians with their ratio.

The server runs on CPU 0, the client on CPU 1; rounds alternate, each with an empty data folder, and
every other round starts with the other one.  Kafka gets a warm-up before it is measured (its JIT),
Sluice the same one.  Kafka acknowledges from the page cache, as shipped; Sluice when durable.  The
time of a start is the age of the process when it first answers ApiVersions, so Kafka's formatting
of the folder is not in it.

Environment: BENCH_SECONDS (8) per scenario; BENCH_DIR (BUILD/bench) on the disk to measure, where
results.ndjson keeps every line; BENCH_FSYNC=1 adds Kafka with an fsync per append."""
import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from broker import Broker, answers, free_port  # noqa: E402
from kafka import topic_ready  # noqa: E402

SERVER_CPU, CLIENT_CPU = "0", "1"
IDLE_SECONDS, SETTLE_SECONDS = 5, 5
TICKS = os.sysconf("SC_CLK_TCK")
SCENARIOS = ("bulk", "rdkafka", "single", "rate", "fetch", "idle")

# (title, key in the results, format); the part of the key before the dot is the scenario
ROWS = [
    ("bulk, raw client, MB/s of 1 KiB records", "bulk.mb_per_s", "{:.0f}"),
    ("  server CPU-s per GB", "bulk.server_cpu_s_per_gb", "{:.2f}"),
    ("  p99, ms", "bulk.p99_ms", "{:.1f}"),
    ("bulk, librdkafka, MB/s", "rdkafka.mb_per_s", "{:.0f}"),
    ("  server CPU-s per GB", "rdkafka.server_cpu_s_per_gb", "{:.2f}"),
    ("one 100 B record a request, k/s", "single.k_per_s", "{:.1f}"),
    ("  server CPU-us per request", "single.server_cpu_us_per_request", "{:.1f}"),
    ("  p99, ms", "single.p99_ms", "{:.1f}"),
    ("5 k/s: p50, ms", "rate.p50_ms", "{:.2f}"),
    ("  p99, ms", "rate.p99_ms", "{:.2f}"),
    ("  p99.9, ms", "rate.p999_ms", "{:.2f}"),
    ("fetch from the beginning, MB/s", "fetch.consumed_mb_per_s", "{:.0f}"),
    ("resident after all that, MB", "loaded.resident_mb", "{:.0f}"),
    ("start on an empty folder, s", "fresh.start_s", "{:.2f}"),
    ("  resident, MB", "fresh.resident_mb", "{:.0f}"),
    ("start on the written folder, s", "again.start_s", "{:.2f}"),
    ("  resident, MB", "again.resident_mb", "{:.0f}"),
    ("idle, % of a core", "idle.percent", "{:.2f}"),
]


def cpu_s(pids):
    """CPU time of all threads to the nanosecond: an idle broker uses less than a tick."""
    tasks = [t for pid in pids for t in pathlib.Path(f"/proc/{pid}/task").iterdir()]
    return sum(int((t / "schedstat").read_text().split()[0]) for t in tasks) / 1e9


def age_s(pid):
    """Seconds since the process began."""
    began = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
    return time.clock_gettime(time.CLOCK_BOOTTIME) - int(began) / TICKS


def resident_mb(pids):
    pages = sum(int(pathlib.Path(f"/proc/{p}/statm").read_text().split()[1]) for p in pids)
    return pages * os.sysconf("SC_PAGESIZE") / 1e6


class Sluice:
    name = "Sluice, durable"

    def __init__(self, home):
        self.broker = Broker(f"cores={SERVER_CPU}-{SERVER_CPU}", "num.partitions=4",
                             data=home / "sluice", start=False,
                             prefix=["taskset", "-c", SERVER_CPU])
        self.bootstrap = self.broker.bootstrap

    def start(self):
        self.broker.start()

    def pids(self):
        return [self.broker.process.pid, *self.broker.children().values()]

    def stop(self):
        if self.broker.stop() != 0:
            raise SystemExit("no clean stop: " + self.broker.log_tail())

    def end(self):
        self.broker.abandon()
        shutil.rmtree(self.broker.home, ignore_errors=True)
        shutil.rmtree(self.broker.data, ignore_errors=True)


class Kafka:
    name = "Kafka 4.3.1, page cache"
    settings = ()

    def __init__(self, home):
        self.port = free_port()
        self.bootstrap = f"127.0.0.1:{self.port}"
        self.environment = {**os.environ, "CPUS": SERVER_CPU, "HEAP": "1g",
                            "ORACLE_DIR": os.environ.get("ORACLE_DIR", str(home / "oracle"))}
        self.pid = None

    def script(self, *words):
        return subprocess.run([str(ROOT / "tests" / "e2e" / "oracle.sh"), *words], check=True,
                              stdout=subprocess.PIPE, text=True, env=self.environment).stdout

    def start(self):
        self.pid = int(self.script("start", str(self.port), "num.partitions=4", *self.settings))
        while not answers(self.bootstrap):
            time.sleep(0.05)

    def pids(self):
        return [self.pid]

    def stop(self):
        self.script("stop", str(self.port))

    def end(self):
        self.script("wipe", str(self.port))


class KafkaFsync(Kafka):
    name = "Kafka 4.3.1, fsync"
    settings = ("log.flush.interval.messages=1",)


class Client:
    """The load programs, on their own CPU, against one server."""

    def __init__(self, build, server, seconds):
        self.build, self.server, self.seconds = build, server, seconds

    def run(self, program, *words):
        path = self.build / "bench" / "load" / program
        done = subprocess.run(["taskset", "-c", CLIENT_CPU, str(path), *map(str, words)],
                              stdout=subprocess.PIPE, text=True)
        if not done.stdout.startswith("{"):
            raise SystemExit(f"{program} {words} ended with {done.returncode}")
        return json.loads(done.stdout)

    def raw(self, mode, topic, *words):
        return self.run("sluice-bench", mode, "--bootstrap", self.server.bootstrap, "--topic",
                        topic,
                        "--server-pid", ",".join(map(str, self.server.pids())), *words)

    def rdkafka(self, topic):
        topic_ready(self.server.bootstrap, topic, 4, 60)
        return self.raw("bulk", topic, "--client", "librdkafka", "--producers", 1, "--no-create",
                        "--seconds", self.seconds)


def scenarios(build, server, seconds, wanted):
    """The load scenarios that are wanted, against a running server; {key: number}."""
    client, found = Client(build, server, seconds), {}
    if {"bulk", "rdkafka", "fetch"} & wanted:
        client.raw("bulk", "warm-bulk", "--seconds", seconds)
    if {"single", "rate"} & wanted:
        client.raw("single", "single", "--seconds", seconds)
    if {"bulk", "fetch"} & wanted:
        found["bulk"] = client.raw("bulk", "bulk", "--seconds", seconds)
    if "rdkafka" in wanted:
        found["rdkafka"] = client.rdkafka("librdkafka")
    if "single" in wanted:
        found["single"] = client.raw("single", "single", "--seconds", seconds)
        found["single"]["k_per_s"] = found["single"]["requests_per_s"] / 1000
    if "rate" in wanted:
        found["rate"] = client.raw("rate", "single", "--rate", 5000, "--seconds", seconds)
    if "fetch" in wanted:
        found["fetch"] = client.raw("fetch", "bulk")
    for row in found.values():
        for p in ("p50", "p99", "p999"):
            if f"{p}_us" in row:
                row[f"{p}_ms"] = row[f"{p}_us"] / 1000
    return {f"{mode}.{key}": v for mode, row in found.items() for key, v in row.items()}


def started(server, name):
    server.start()
    age = age_s(server.pids()[0])
    time.sleep(SETTLE_SECONDS)  # what a start leaves to do is not idleness
    return {f"{name}.start_s": age, f"{name}.resident_mb": resident_mb(server.pids())}


def measure(build, kind, home, seconds, wanted):
    server = kind(home)
    try:
        out = started(server, "fresh")
        out.update(scenarios(build, server, seconds, wanted))
        out["loaded.resident_mb"] = resident_mb(server.pids())
        server.stop()
        out.update(started(server, "again"))
        if "idle" in wanted:
            before = cpu_s(server.pids())
            time.sleep(IDLE_SECONDS)
            out["idle.percent"] = (cpu_s(server.pids()) - before) / IDLE_SECONDS * 100
        server.stop()
        return out
    finally:
        server.end()


def table(kinds, results, rounds):
    """Markdown: medians, and Sluice's over each other's."""
    others = kinds[1:]
    heads = [k.name for k in kinds] + [f"Sluice : {k.name}" for k in others]
    lines = [f"Medians of {rounds} alternating rounds; server on CPU {SERVER_CPU}, client on"
             f" CPU {CLIENT_CPU}; {os.uname().release}, {cpu_model()}.", "",
             "| | " + " | ".join(heads) + " |", "|---" * (len(heads) + 1) + "|"]
    for title, key, form in ROWS:
        if not all(key in r for k in kinds for r in results[k.name]):
            continue
        medians = [statistics.median(r[key] for r in results[k.name]) for k in kinds]
        cells = [form.format(m) for m in medians]
        cells += [f"{medians[0] / m:.3g}" if m else "-" for m in medians[1:]]
        lines.append(f"| {title.strip() if title[0] != ' ' else '&nbsp;&nbsp;' + title.strip()} | "
                     + " | ".join(cells) + " |")
    return "\n".join(lines)


def cpu_model():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":")[1].strip()
    return "unknown processor"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scenario", action="append", choices=SCENARIOS,
                        help="this one, again for more; all without it")
    parser.add_argument("--ours-only", action="store_true", help="no Apache Kafka")
    return parser.parse_args()


def main():
    wants = arguments()
    build = wants.build.resolve()
    seconds = int(os.environ.get("BENCH_SECONDS", "8"))
    os.environ.setdefault("SLUICE", str(build / "sluice"))
    home = pathlib.Path(os.environ.get("BENCH_DIR", build / "bench"))
    home.mkdir(parents=True, exist_ok=True)
    kinds = [Sluice]
    if not wants.ours_only:
        kinds += [Kafka] + ([KafkaFsync] if os.environ.get("BENCH_FSYNC") == "1" else [])
    subprocess.run(["meson", "compile", "-C", str(build), "sluice-bench"],
                   check=True, stdout=subprocess.DEVNULL)
    results = {k.name: [] for k in kinds}
    for round_ in range(wants.rounds):
        for kind in kinds if round_ % 2 == 0 else reversed(kinds):
            print(f"round {round_ + 1} of {wants.rounds}: {kind.name}", file=sys.stderr, flush=True)
            row = measure(build, kind, home, seconds, set(wants.scenario or SCENARIOS))
            results[kind.name].append(row)
            with open(home / "results.ndjson", "a", encoding="utf-8") as f:
                f.write(json.dumps({"who": kind.name, "time": int(time.time()), **row}) + "\n")
    print(table(kinds, results, wants.rounds))


if __name__ == "__main__":
    main()
