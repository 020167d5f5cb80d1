#!/usr/bin/env python3
"""run.py BUILD [ROUNDS]: Sluice and Apache Kafka side by side, as a table of medians.

The server runs on CPU 0, the client on CPU 1; rounds alternate, each with an empty data folder, and
every other round starts with the other one.  Kafka gets a warm-up before it is measured (its JIT),
Sluice the same one.  Kafka acknowledges from the page cache, as shipped; Sluice when durable.

Environment: BENCH_SECONDS (8) per scenario; BENCH_DIR (BUILD/bench) on the disk to measure, where
results.ndjson keeps every line; BENCH_FSYNC=1 adds Kafka with an fsync per append."""
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
IDLE_SECONDS, SETTLE_SECONDS = 10, 3
TICKS = os.sysconf("SC_CLK_TCK")

# (title, key in the results, format)
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
    ("fetch from the beginning, MB/s", "fetch.mb_per_s", "{:.0f}"),
    ("resident after all that, MB", "resident_mb", "{:.0f}"),
    ("start on that directory, s", "start_s", "{:.2f}"),
    ("resident after the start, MB", "resident_start_mb", "{:.0f}"),
    ("idle, % of a core", "idle_percent", "{:.2f}"),
]


def cpu_s(pids):
    total = 0
    for pid in pids:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


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
        return self.run("sluice-raw", mode, "--bootstrap", self.server.bootstrap, "--topic", topic,
                        "--server-pid", ",".join(map(str, self.server.pids())), *words)

    def rdkafka(self, topic):
        topic_ready(self.server.bootstrap, topic, 4, 60)
        return self.run("rdkafka_bench", self.server.bootstrap, topic, 4, 1024, self.seconds,
                        ",".join(map(str, self.server.pids())))


def scenarios(build, server, seconds):
    """All scenarios against a running server; {key: number}."""
    client = Client(build, server, seconds)
    for mode, topic in (("bulk", "warm-bulk"), ("single", "single")):
        client.raw(mode, topic, "--seconds", seconds)
    found = {}
    found["bulk"] = client.raw("bulk", "bulk", "--seconds", seconds)
    found["rdkafka"] = client.rdkafka("librdkafka")
    found["single"] = client.raw("single", "single", "--seconds", seconds)
    found["rate"] = client.raw("rate", "single", "--rate", 5000, "--seconds", seconds)
    found["fetch"] = client.raw("fetch", "bulk")
    out = {f"{mode}.{key}": v for mode, row in found.items() for key, v in row.items()}
    for mode in ("bulk", "single", "rate"):
        for p in ("p50", "p99", "p999"):
            out[f"{mode}.{p}_ms"] = found[mode][f"{p}_us"] / 1000
    out["single.k_per_s"] = found["single"]["requests_per_s"] / 1000
    return out


def measure(build, kind, home, seconds):
    server = kind(home)
    try:
        server.start()
        out = scenarios(build, server, seconds)
        out["resident_mb"] = resident_mb(server.pids())
        server.stop()
        began = time.monotonic()
        server.start()
        out["start_s"] = time.monotonic() - began
        time.sleep(SETTLE_SECONDS)  # what a start leaves to do is not idleness
        out["resident_start_mb"] = resident_mb(server.pids())
        before = cpu_s(server.pids())
        time.sleep(IDLE_SECONDS)
        out["idle_percent"] = (cpu_s(server.pids()) - before) / IDLE_SECONDS * 100
        server.stop()
        return out
    finally:
        server.end()


def table(kinds, results, rounds):
    lines = [f"Medians of {rounds} alternating rounds; server on CPU {SERVER_CPU}, client on"
             f" CPU {CLIENT_CPU}; {os.uname().release}, {cpu_model()}.", "",
             "| | " + " | ".join(k.name for k in kinds) + " |", "|---" * (len(kinds) + 1) + "|"]
    for title, key, form in ROWS:
        cells = [form.format(statistics.median(r[key] for r in results[k.name])) for k in kinds]
        lines.append(f"| {title.strip() if title[0] != ' ' else '&nbsp;&nbsp;' + title.strip()} | "
                     + " | ".join(cells) + " |")
    return "\n".join(lines)


def cpu_model():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":")[1].strip()
    return "unknown processor"


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    seconds = int(os.environ.get("BENCH_SECONDS", "8"))
    os.environ.setdefault("SLUICE", str(build / "sluice"))
    home = pathlib.Path(os.environ.get("BENCH_DIR", build / "bench"))
    home.mkdir(parents=True, exist_ok=True)
    kinds = [Sluice, Kafka] + ([KafkaFsync] if os.environ.get("BENCH_FSYNC") == "1" else [])
    only = os.environ.get("BENCH_ONLY")  # the beginning of a name: that one alone
    kinds = [k for k in kinds if not only or k.name.lower().startswith(only.lower())]
    subprocess.run(["meson", "compile", "-C", str(build), "sluice-raw", "rdkafka_bench"],
                   check=True, stdout=subprocess.DEVNULL)
    results = {k.name: [] for k in kinds}
    for round_ in range(rounds):
        for kind in kinds if round_ % 2 == 0 else reversed(kinds):
            print(f"round {round_ + 1} of {rounds}: {kind.name}", file=sys.stderr, flush=True)
            row = measure(build, kind, home, seconds)
            results[kind.name].append(row)
            with open(home / "results.ndjson", "a", encoding="utf-8") as f:
                f.write(json.dumps({"who": kind.name, "time": int(time.time()), **row}) + "\n")
    print(table(kinds, results, rounds))


if __name__ == "__main__":
    main()
