#!/usr/bin/env python3
"""scenario.py BUILD NAME [--bootstrap HOST:PORT] [--seconds S] [--pids PID,...]: runs one scenario
(NAME.toml beside this file) against any broker and prints what it found as one JSON line.

A scenario: title, why; [topic] to make (partitions, configs); [[prepare]] runs of sluice-bench that
come before; [[load]] runs that start together, each with a name; [[event]] that happen meanwhile
(restart); [[row]] what to report of the results, whose keys are LOAD.KEY.  `after` delays a load
by that many seconds; `servers`: those of bench/compare that it says something about, and `why_not`
why not of the others; `note`: what a profile said of a figure that is below the rival's.

No broker is measured on a topic it has just made: first a record is written to each partition, so
that its files are there; then a load runs (`settle`, else the first one's arguments) until what two
seconds bring differs by less than 10 %, or SETTLE_SECONDS have passed.  `settle = ""`: none, since
what is measured is a pass over what was prepared.

In arguments {seconds}, {warmup}, {half}, {quarter} and {topic} are replaced."""
import argparse
import json
import pathlib
import subprocess
import sys
import time
import tomllib

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
sys.path.insert(0, str(ROOT / "bench" / "compare"))
from kafka import PRODUCE, Connection, batch, topic_ready  # noqa: E402
from servers import CLIENT_CPU, cpu_s, resident_mb, threads_s  # noqa: E402

LIMIT_SECONDS = 120  # beyond what a scenario says it takes
SETTLE_SECONDS, WARMUP_SECONDS = 10, 0.5
NOT_YET = (3, 6)  # UNKNOWN_TOPIC_OR_PARTITION, NOT_LEADER: its leader has not heard of it


def names():
    return sorted(p.stem for p in HERE.glob("*.toml"))


def read(name):
    with open(HERE / f"{name}.toml", "rb") as f:
        return {"name": name, **tomllib.load(f)}


class Target:
    """A broker that runs already, started by somebody else."""

    def __init__(self, bootstrap, pids):
        self.bootstrap, self.its_pids = bootstrap, pids

    def pids(self):
        return self.its_pids

    def restart(self):
        raise SystemExit("this scenario restarts its broker: run it by bench/compare/run.py")


class Run:
    """One execution of a scenario against one server."""

    def __init__(self, build, scenario, server, seconds, warmup=WARMUP_SECONDS):
        self.program = build / "bench" / "load" / "sluice-bench"
        self.scenario, self.server = scenario, server
        self.seconds = max(seconds, scenario.get("seconds_min", 0))
        self.warmup = warmup
        self.topic = f"{scenario['name']}-{time.time_ns() // 1000000 % 10**9}"
        self.results, self.lines, self.restarts, self.profile = {}, {}, [], []
        self.settled = None  # the result of the load that ran before, when there was one

    def words(self, args, pids):
        known = {"seconds": self.seconds, "warmup": self.warmup, "half": self.seconds / 2,
                 "quarter": self.seconds / 4,
                 "topic": self.topic}
        words = [w.format(**known) for w in args.split()]
        if "--topic" not in words:
            words += ["--topic", self.topic]
        if pids and self.server.pids() and not self.scenario.get("event"):
            words += ["--server-pid", ",".join(map(str, self.server.pids()))]
        return ["taskset", "-c", CLIENT_CPU, str(self.program), *words,
                "--bootstrap", self.server.bootstrap]

    def make_topic(self):
        spec = self.scenario.get("topic")
        if not spec:
            return
        c = Connection(self.server.bootstrap)
        error = c.create_topic(self.topic, spec["partitions"],
                               configs=tuple(spec.get("configs", {}).items()))
        c.close()
        if error:
            raise SystemExit(f"topic {self.topic}: error {error}")
        topic_ready(self.server.bootstrap, self.topic, spec["partitions"], 60)

    def touch(self):
        """One record into each partition, shorter than a stamp, with a key as compaction wants."""
        c = Connection(self.server.bootstrap, LIMIT_SECONDS)
        data = batch([b"settle"], keys=[b"settle"])
        until = time.monotonic() + LIMIT_SECONDS
        for partition in range(self.scenario["topic"]["partitions"]):
            body = c.produce_body(self.topic, partition, data)
            while error := c.produced(c.call(PRODUCE, 7, body))[0]:
                if error not in NOT_YET or time.monotonic() > until:
                    raise SystemExit(f"{self.topic}-{partition}: error {error}")
                time.sleep(0.02)
        c.close()

    def settle(self):
        args = self.scenario.get("settle", self.scenario["load"][0]["args"])
        if not args:
            return
        words = self.words(f"{args} --warmup {WARMUP_SECONDS} --settle {SETTLE_SECONDS} "
                           "--seconds 0.1", False)
        out = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True,
                             timeout=LIMIT_SECONDS).stdout
        self.settled = json.loads(out.splitlines()[-1])

    def drop_topic(self):
        try:
            c = Connection(self.server.bootstrap)
            c.delete_topic(self.topic)
            c.close()
        except (OSError, ConnectionError) as e:
            print(f"{self.topic} was not deleted: {e}", file=sys.stderr)

    def ended(self, name, done, out):
        rows = [json.loads(l) for l in out.splitlines() if l.startswith("{")]
        found = [r for r in rows if r["type"] != "interval"]
        if not found:
            raise SystemExit(f"{self.scenario['name']}.{name} ended with {done} without a result")
        self.lines[name] = rows
        self.results[name] = found[-1]

    def events(self):
        # In this thread: a broker ends with the thread that started it (broker.py).
        for e in self.scenario.get("event", ()):
            time.sleep(self.warmup + e["at"] * self.seconds)
            began = time.monotonic()
            self.server.restart()
            self.restarts.append(time.monotonic() - began)

    def loads(self, began, processes):
        """Starts them, lets events happen, and takes what they found."""
        for load in sorted(self.scenario["load"], key=lambda l: l.get("after", 0)):
            time.sleep(max(0, began + load.get("after", 0) - time.monotonic()))
            processes.append((load, subprocess.Popen(self.words(load["args"], True),
                                                     stdout=subprocess.PIPE, text=True)))
        self.events()
        for load, p in processes:
            out, _ = p.communicate(timeout=self.seconds + LIMIT_SECONDS)
            self.ended(load["name"], p.returncode, out)

    def measure(self):
        if self.scenario.get("topic"):
            self.touch()
        self.settle()
        for p in self.scenario.get("prepare", ()):
            subprocess.run(self.words(p["args"], False), check=True, stdout=subprocess.DEVNULL,
                           timeout=LIMIT_SECONDS)
        pids = self.server.pids()
        before, threads = cpu_s(pids) if pids else 0, threads_s(pids)
        began = time.monotonic()
        processes = []
        try:
            self.loads(began, processes)
        finally:
            for _, p in processes:
                if p.poll() is None:
                    p.kill()
        found = {f"{name}.{k}": v for name, r in self.results.items() for k, v in r.items()
                 if isinstance(v, (int, float)) and not isinstance(v, bool)}
        if pids and self.server.pids() == pids:
            found["server.cpu_s"] = cpu_s(pids) - before
            found["server.resident_mb"] = resident_mb(pids)
            found.update(self.per_cpu())
            self.profile = self.spent(threads, threads_s(pids))
        for i, took in enumerate(self.restarts):
            found[f"restart{i}.seconds"] = took
        if self.settled:
            found["settled"] = int(self.settled["settled"])
            found["settle_s"] = self.settled["settle_s"]
        found["client_bound"] = sum(r.get("client_bound", False) for r in self.results.values())
        return found

    @staticmethod
    def spent(before, after):
        """[[name of a thread, seconds in its own code, in the kernel]], the busiest first; threads
        of one name together."""
        found = {}
        for tid, (name, *now) in after.items():
            old = before.get(tid, (name, 0, 0))[1:]
            row = found.setdefault(name, [0, 0])
            row[0] += now[0] - old[0]
            row[1] += now[1] - old[1]
        rows = [[name, *row] for name, row in found.items() if sum(row) >= 0.02]
        return sorted(rows, key=lambda r: -r[1] - r[2])[:6]

    def per_cpu(self):
        """What one second of the server's CPU does, for the first load."""
        first = self.results[self.scenario["load"][0]["name"]]
        cpu = first.get("server_cpu_s", 0)
        if cpu <= 0:
            return {}
        return {f"per_cpu_s.{k}": (first.get(k, 0) + first.get(more, 0)) / cpu
                for k, more in (("records", "consumed"), ("requests", "fetches"))}

    def run(self):
        self.make_topic()
        try:
            return self.measure()
        finally:
            self.drop_topic()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("name", choices=names())
    parser.add_argument("--bootstrap", default="127.0.0.1:9092")
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--pids", default="", help="of the broker: adds its CPU and memory")
    wants = parser.parse_args()
    target = Target(wants.bootstrap, [int(p) for p in wants.pids.split(",") if p])
    run = Run(wants.build.resolve(), read(wants.name), target, wants.seconds)
    print(json.dumps({"scenario": wants.name, **run.run()}))


if __name__ == "__main__":
    main()
