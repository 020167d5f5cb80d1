#!/usr/bin/env python3
"""others.py BUILD [--rounds N] [--seconds S] [--only NAME]: NATS JetStream and RabbitMQ streams,
measured by their own tool and client, beside Sluice in the same shapes.  Other client, other
protocol: a class of latency and cost, not a ratio to quote.

Two shapes: 16 publishers with one record of 100 bytes in flight each (the next goes out when the
last is acknowledged), and four publishers of records of 1 KiB with 256 in flight (of Sluice and
RabbitMQ: batches of 256).  NATS keeps its stream in files, with an fsync per append (sync_interval:
always, Sluice's durability) and as shipped (an fsync every two minutes); a stream of RabbitMQ is
confirmed from the page cache, and has no setting for more.  Server on CPU 0, client on CPU 1,
alternating rounds.

NATS and its tool, and RabbitMQ's client, come from the Go module proxy (into BENCH_DIR/go);
RabbitMQ itself is Debian's package, whose daemon is not used.  A line of others.ndjson in BENCH_DIR
is kept of each measurement, and a broken run goes on from there (--fresh: anew).  Writes OTHERS.md
into --out (bench/)."""
import argparse
import json
import os
import pathlib
import re
import shutil
import socket
import statistics
import subprocess
import sys
import time

from rabbit import Rabbit
from servers import CLIENT_CPU, ROOT, SERVER_CPU, Sluice, cpu_s, free_port, resident_mb

MODULES = {"nats-server": "github.com/nats-io/nats-server/v2@v2.12.1",
           "nats": "github.com/nats-io/natscli/nats@v0.3.0"}
CLIENTS, SMALL_BYTES, LARGE_CLIENTS, LARGE_BYTES, FLIGHT = 16, 100, 4, 1024, 256
STREAM_GB = 4
PILOT = 1000  # messages of the run that tells how many the measured one takes
ROWS = [("single.per_s", "one record in flight, 16 publishers: records/s"),
        ("single.mean_ms", "mean latency of these, ms"),
        ("single.p99_ms", "p99 of these, ms"),
        ("single.cpu_us", "server CPU-us a record"),
        ("bulk.mb_per_s", "1 KiB records, four publishers: MB/s"),
        ("bulk.cpu_s_per_gb", "server CPU-s per GB"),
        ("resident_mb", "resident after both, MB")]


def install(home):
    """{program: path}, built once."""
    folder = home / "go"
    environment = {**os.environ, "GOPATH": str(folder), "GOBIN": str(folder / "bin"),
                   "GOFLAGS": "-modcacherw"}
    for program, module in MODULES.items():
        if not (folder / "bin" / program).exists():
            print(f"go install {module}", file=sys.stderr, flush=True)
            subprocess.run(["go", "install", module], check=True, env=environment, timeout=1800)
    return {p: folder / "bin" / p for p in MODULES}


class Nats:
    name, sync, durable = "NATS JetStream 2.12.1, fsync", "always", "on stable storage"

    def __init__(self, _, home):
        self.home, self.programs, self.port = home / "nats", install(home), free_port()
        self.process = None

    def start(self):
        shutil.rmtree(self.home, ignore_errors=True)
        self.home.mkdir(parents=True)
        conf = self.home / "nats.conf"
        conf.write_text(f"listen: 127.0.0.1:{self.port}\njetstream {{\n"
                        f'  store_dir: "{self.home}/js"\n  sync_interval: {self.sync}\n'
                        f"  max_file_store: {2 * STREAM_GB}GB\n}}\n")
        with open(self.home / "log", "wb") as log:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", "taskset", "-c", SERVER_CPU,
                 str(self.programs["nats-server"]), "-c", str(conf)], stdout=log, stderr=log)
        end = time.monotonic() + 30
        while time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise SystemExit((self.home / "log").read_text())

    def pids(self):
        return [self.process.pid]

    def publish(self, how, count, size, clients, *more):
        """Messages a second, as the tool says."""
        out = subprocess.run(
            ["taskset", "-c", CLIENT_CPU, str(self.programs["nats"]), "--no-context", "-s",
             f"nats://127.0.0.1:{self.port}", "bench", "js", "pub", how, "bench.subject",
             "--no-progress", f"--size={size}", f"--msgs={count}", f"--clients={clients}", *more],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300).stdout
        found = re.search(r"aggregated stats: ([\d,]+) msgs/sec", out)
        if not found:
            raise SystemExit(f"nats bench said:\n{out}")
        return float(found.group(1).replace(",", ""))

    def timed(self, seconds, *how):
        """Rate and CPU seconds a message."""
        count = max(PILOT, int(self.publish(how[0], PILOT, *how[1:]) * seconds))
        before = cpu_s(self.pids())
        rate = self.publish(how[0], count, *how[1:])
        return rate, (cpu_s(self.pids()) - before) / count

    def measure(self, seconds):
        make = ("--create", "--purge", "--storage=file", f"--maxbytes={STREAM_GB}GB")
        rate, cpu = self.timed(seconds, "sync", SMALL_BYTES, CLIENTS, *make)
        out = {"single.per_s": rate, "single.mean_ms": CLIENTS / rate * 1e3,
               "single.cpu_us": cpu * 1e6}
        rate, cpu = self.timed(seconds, "async", LARGE_BYTES, LARGE_CLIENTS, f"--batch={FLIGHT}")
        out["bulk.mb_per_s"] = rate * LARGE_BYTES / 1e6
        out["bulk.cpu_s_per_gb"] = cpu / LARGE_BYTES * 1e9
        out["resident_mb"] = resident_mb(self.pids())
        return out

    def end(self):
        if self.process:
            self.process.terminate()
            self.process.wait(60)
        shutil.rmtree(self.home, ignore_errors=True)


class NatsShipped(Nats):
    name, sync, durable = "NATS JetStream 2.12.1, as shipped", '"2m"', "page cache"


class Streams:
    """RabbitMQ; its messages are published by rabbit_load.go."""
    name, durable = "RabbitMQ 3.10 streams", "page cache"

    def __init__(self, _, home):
        self.server = Rabbit(home)
        self.start, self.pids, self.end = self.server.start, self.server.pids, self.server.end

    def publish(self, stream, publishers, size, batch, seconds):
        """What the client says, and CPU seconds of the server a message, warming up included."""
        before = cpu_s(self.pids())
        found = self.server.load(stream, publishers, size, batch, seconds)
        sent = found["messages_per_s"] * (seconds + 1)
        return found, (cpu_s(self.pids()) - before) / sent

    def measure(self, seconds):
        one, cpu = self.publish("single", CLIENTS, SMALL_BYTES, 1, seconds)
        out = {"single.per_s": one["messages_per_s"], "single.mean_ms": one["mean_us"] / 1000,
               "single.p99_ms": one["p99_us"] / 1000, "single.cpu_us": cpu * 1e6}
        large, cpu = self.publish("bulk", LARGE_CLIENTS, LARGE_BYTES, FLIGHT, seconds)
        out["bulk.mb_per_s"] = large["messages_per_s"] * LARGE_BYTES / 1e6
        out["bulk.cpu_s_per_gb"] = cpu / LARGE_BYTES * 1e9
        out["resident_mb"] = resident_mb(self.pids())
        return out


class Ours:
    name, durable = "Sluice", "on stable storage"

    def __init__(self, build, home):
        self.program, self.server = build / "bench" / "load" / "sluice-bench", Sluice(home)
        self.start, self.pids, self.end = self.server.start, self.server.pids, self.server.end

    def bench(self, *words):
        out = subprocess.run(
            ["taskset", "-c", CLIENT_CPU, str(self.program), *map(str, words), "--bootstrap",
             self.server.bootstrap, "--server-pid", ",".join(map(str, self.pids()))],
            check=True, stdout=subprocess.PIPE, text=True, timeout=300).stdout
        return json.loads(out.splitlines()[-1])

    def measure(self, seconds):
        one = self.bench("single", "--producers", CLIENTS, "--depth", 1, "--partitions", CLIENTS,
                         "--record-bytes", SMALL_BYTES, "--seconds", seconds, "--warmup", 1)
        large = self.bench("bulk", "--producers", LARGE_CLIENTS, "--depth", 1, "--records", FLIGHT,
                           "--record-bytes", LARGE_BYTES, "--seconds", seconds, "--warmup", 1)
        return {"single.per_s": one["requests_per_s"],
                "single.mean_ms": CLIENTS / one["requests_per_s"] * 1e3,
                "single.p99_ms": one["p99_us"] / 1000,
                "single.cpu_us": one["server_cpu_us_per_request"],
                "bulk.mb_per_s": large["mb_per_s"],
                "bulk.cpu_s_per_gb": large["server_cpu_s_per_gb"],
                "resident_mb": resident_mb(self.pids())}


KINDS = (Ours, Nats, NatsShipped, Streams)


def cell(values):
    """Median, and the least and the most; "-" where the tool does not say."""
    if not values:
        return "-"
    form = [f"{v:.0f}" if v >= 100 else f"{v:.3g}" for v in
            (statistics.median(values), min(values), max(values))]
    return form[0] if len(values) == 1 else f"{form[0]} ({form[1]} to {form[2]})"


def write(out, rows, seconds):
    kinds = [k for k in KINDS if any(r["who"] == k.name for r in rows)]
    rounds = 1 + max(r["round"] for r in rows)
    lines = ["# Other logs, by their own clients", "",
             f"Medians of {rounds} alternating rounds (least to most) of {seconds:g} s, server on "
             f"CPU {SERVER_CPU}, client on CPU {CLIENT_CPU}; `make bench-others`. NATS by `nats "
             "bench js pub sync` and `async`, RabbitMQ by its Go client (`rabbit_load.go`), Sluice "
             "by `sluice-bench`: other clients and protocols, so a class of latency and cost.", "",
             "| | " + " | ".join(k.name for k in kinds) + " |", "|---" * (len(kinds) + 1) + "|",
             "| acknowledged from | " + " | ".join(k.durable for k in kinds) + " |"]
    for key, title in ROWS:
        cells = [cell([r[key] for r in rows if r["who"] == k.name and key in r]) for k in kinds]
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    (out / "OTHERS.md").write_text("\n".join(lines + [""]))


def measured(kind, build, home, seconds):
    server = kind(build, home)
    try:
        server.start()
        return server.measure(seconds)
    finally:
        server.end()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--only", action="append", choices=[k.__name__ for k in KINDS])
    parser.add_argument("--fresh", action="store_true", help="forget what was measured before")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "bench")
    wants = parser.parse_args()
    build = wants.build.resolve()
    os.environ.setdefault("SLUICE", str(build / "sluice"))
    home = pathlib.Path(os.environ.get("BENCH_DIR", build / "bench"))
    home.mkdir(parents=True, exist_ok=True)
    kept = home / "others.ndjson"
    if wants.fresh:
        kept.unlink(missing_ok=True)
    rows = [json.loads(line) for line in (kept.read_text().splitlines() if kept.exists() else ())]
    rows = [r for r in rows if r["seconds"] == wants.seconds]
    kinds = [k for k in KINDS if not wants.only or k.__name__ in wants.only]
    for round_ in range(wants.rounds):
        for kind in kinds if round_ % 2 == 0 else reversed(kinds):
            if any((r["round"], r["who"]) == (round_, kind.name) for r in rows):
                continue
            rows.append({"round": round_, "who": kind.name, "seconds": wants.seconds,
                         **measured(kind, build, home, wants.seconds)})
            with open(kept, "a", encoding="utf-8") as f:
                f.write(json.dumps(rows[-1]) + "\n")
            print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    write(wants.out, rows, wants.seconds)
    print(wants.out / "OTHERS.md")


if __name__ == "__main__":
    main()
