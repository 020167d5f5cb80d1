#!/usr/bin/env python3
"""run.py BUILD [--rounds N] [--seconds S] [--quick] [--scenario NAME]... [--ours-only] [--fresh]:
Sluice and Apache Kafka side by side in every scenario of bench/scenarios; writes RESULTS.md and
plots.

The server runs on CPU 0, the client on CPU 1; rounds alternate, each with an empty data folder, and
every other round starts with the other one.  Before the first scenario everybody gets the same
loads; Kafka, whose code is compiled while it runs, gets each again and again until three runs were
no faster than those before.  Kafka runs as shipped (acknowledges from the page cache) and with an
fsync per append (the durability that Sluice always has).  The time of a start is the age of the
process when it first answers ApiVersions, so Kafka's formatting of the folder is not in it.

What happens before each measurement is said in scenario.py (each partition written, then loaded
until steady); scenarios that restart their broker come last, since a started Java program is a slow
one.  While this runs the disk reads ahead by READ_AHEAD_KB, Linux's default, where it may be set:
Kafka maps two files of 10 MB for each partition, and where the kernel reads ahead by megabytes the
first write to each costs as many.  The size is part of what results are kept under.

Every result is a line of results.ndjson in BENCH_DIR (BUILD/bench; the disk that is measured) as
soon as it is there: a run that was broken off goes on where it was, unless the broker was built
anew meanwhile; --fresh begins anew.  A round takes over ten minutes; --quick: 2 seconds a scenario
instead of 4.  Exits with 1 when a scenario that lost, or is short of twice per core, has no text or
no profile (where.py).  --out DIR: where RESULTS.md and plots/ go (bench/; then README.md's table is
written too)."""
import argparse
import contextlib
import hashlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench" / "scenarios"))
import report  # noqa: E402
import scenario  # noqa: E402
from servers import KINDS, TIDY, age_s, answers, cpu_s, resident_mb  # noqa: E402

IDLE_SECONDS, SETTLE_SECONDS = 2, 2
START = "start"  # the results of starting and idling, beside the scenarios
# Name, the load before it that it needs, the load, and what of its result is to stop growing.
WARM_UP = (("bulk", None, "bulk", "mb_per_s"),
           ("single", None, "single --partitions 64", "requests_per_s"),
           ("fetch", "bulk", "fetch", "consumed_mb_per_s"),
           ("commits", None, "commits", "requests_per_s"),
           ("txn", None, "single --producers 32 --partitions 4 --txn 1", "requests_per_s"))
READ_AHEAD_KB = 128
WARM_RUNS_MAX, WARM_SECONDS, WARM_ENOUGH, WARM_LAST = 20, 2, 1.05, 3


class Server:
    """What scenarios need of a broker of servers.py."""

    def __init__(self, kind, home):
        self.kind, self.broker = kind, kind(home, *TIDY)
        self.bootstrap = self.broker.bootstrap

    def pids(self):
        return self.broker.pids()

    def restart(self):
        self.broker.stop()
        self.broker.start()


class Results:
    """The lines that are there already, and the file they are appended to.  Those of another
    build of the broker, or of another plan, stay there but are not of this run."""

    def __init__(self, path, plan, build, fresh):
        self.path, self.plan, self.build = path, plan, build
        if fresh:
            path.unlink(missing_ok=True)
        lines = path.read_text().splitlines() if path.exists() else []
        self.rows = [r for r in map(json.loads, lines)
                     if (r.get("plan"), r.get("build")) == (plan, build)]

    def has(self, round_, who, name):
        return any((r["round"], r["who"], r["scenario"]) == (round_, who, name) for r in self.rows)

    def add(self, round_, who, name, found):
        row = {"plan": self.plan, "build": self.build, "time": int(time.time()),
               "round": round_, "who": who, "scenario": name, **found}
        self.rows.append(row)
        with open(self.path, "a", encoding="utf-8") as f:
            f.write(json.dumps(row) + "\n")


def read_ahead_of(folder):
    """The file of /sys that says how far the disk below a folder is read ahead, None when there is
    none."""
    device = os.stat(folder).st_dev
    block = pathlib.Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}").resolve()
    found = [d / "queue" / "read_ahead_kb" for d in (block, block.parent)]
    return next((f for f in found if f.exists()), None)


@contextlib.contextmanager
def read_ahead(folder):
    """Yields how it is read ahead, in words."""
    file = read_ahead_of(folder)
    before = int(file.read_text()) if file else None
    try:
        if file and before != READ_AHEAD_KB and os.access(file, os.W_OK):
            file.write_text(str(READ_AHEAD_KB))
        yield f"disk read ahead {int(file.read_text())} KiB" if file else "disk read ahead unknown"
    finally:
        if file and int(file.read_text()) != before:
            file.write_text(str(before))


def steady(rates):
    """Whether the last runs brought little over the best before them."""
    last = rates[-WARM_LAST:]
    return len(rates) > WARM_LAST and max(last) < WARM_ENOUGH * max(rates[:-WARM_LAST])


def warm_one(run, runs_max, before, args, key):
    if before:
        subprocess.run(run.words(f"{before} --seconds 1 --warmup 0", False), check=True,
                       stdout=subprocess.DEVNULL, timeout=120)
    rates = []
    while len(rates) < runs_max and not steady(rates):
        seconds = "" if args == "fetch" else f" --seconds {WARM_SECONDS} --warmup 0"
        done = subprocess.run(run.words(args + seconds, False), check=True, text=True,
                              stdout=subprocess.PIPE, timeout=120)
        rates.append(json.loads(done.stdout.splitlines()[-1])[key])
    return rates


def warm_up(build, server):
    """{load: its rates}; its topics are gone afterwards."""
    found = {}
    for name, before, args, key in WARM_UP:
        run = scenario.Run(build, {"name": f"warm-{name}", "load": []}, server, WARM_SECONDS)
        try:
            found[name] = warm_one(run, WARM_RUNS_MAX if server.kind.compiles else 1, before, args,
                                   key)
        except (subprocess.SubprocessError, OSError) as e:
            found[name] = []  # the scenario itself will say so
            print(f"warm-up: {name}: {e}", file=sys.stderr)
        run.drop_topic()
        print(f"warm-up: {server.kind.name}: {name}: "
              + " ".join(report.number(r) for r in found[name]), file=sys.stderr, flush=True)
    return found


def starts(server):
    """Times of a start on what is there now, memory, and what the broker uses when it has nothing
    to do."""
    began = age_s(server.pids()[0])
    time.sleep(SETTLE_SECONDS)  # what a start leaves to do is not idleness
    before = cpu_s(server.pids())
    time.sleep(IDLE_SECONDS)
    return {"start_s": began, "resident_mb": resident_mb(server.pids()),
            "idle_percent": (cpu_s(server.pids()) - before) / IDLE_SECONDS * 100}


def plots_of(run):
    """Points for the plots: latency over time, latency over rate."""
    out = {}
    for name, rows in run.lines.items():
        over_time = [[r["at_s"], r.get("p99_us", 0), r["records_per_s"], r.get("max_us", 0)]
                     for r in rows if r["type"] == "interval"]
        steps = [[r["rate_asked"], r["records_per_s"], r.get("p50_us", 0), r.get("p99_us", 0)]
                 for r in rows if r["type"] == "result" and "rate_asked" in r]
        if over_time:
            out[f"{name}.over_time"] = over_time
        if len(steps) > 1:
            out[f"{name}.over_rate"] = sorted(steps)
    return out


def one(build, server, spec, seconds):
    """Results of a scenario, or the reason why there are none."""
    run = scenario.Run(build, spec, server, seconds)
    try:
        return {"found": run.run(), "plots": plots_of(run), "profile": run.profile}
    except (SystemExit, subprocess.SubprocessError, OSError, AssertionError) as e:
        return {"failed": str(e)[:300]}


def measure(build, kind, round_, wants, results):
    """One round of one server: what of it is not there yet."""
    left = [s for s in wants.specs
            if kind.name in s.get("servers", [kind.name])
            and not results.has(round_, kind.name, s["name"])]
    if not left and results.has(round_, kind.name, START):
        return
    server = Server(kind, wants.home)
    try:
        server.broker.start()
        fresh = starts(server)
        warm_up(build, server)
        for spec in left:
            print(f"round {round_ + 1} of {wants.rounds}: {kind.name}: {spec['name']}",
                  file=sys.stderr, flush=True)
            os.sync()
            began = time.monotonic()
            row = one(build, server, spec, wants.seconds)
            row["took_s"] = round(time.monotonic() - began, 1)
            results.add(round_, kind.name, spec["name"], row)
            if "failed" in row and not answers(server.bootstrap):
                server.broker.end()  # the others get a broker that lives
                server = Server(kind, wants.home)
                server.broker.start()
                warm_up(build, server)
        loaded = resident_mb(server.pids())
        server.restart()
        again = starts(server)
        found = {**{f"fresh.{k}": v for k, v in fresh.items()},
                 **{f"again.{k}": v for k, v in again.items()}, "loaded.resident_mb": loaded}
        results.add(round_, kind.name, START, {"found": found})
        server.broker.stop()
    finally:
        server.broker.end()


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--quick", action="store_true", help="2 seconds a scenario")
    parser.add_argument("--scenario", action="append", choices=scenario.names(),
                        help="this one, again for more; all without it, but those on demand")
    parser.add_argument("--ours-only", action="store_true", help="no Apache Kafka")
    parser.add_argument("--no-fsync", action="store_true", help="no Kafka with an fsync per append")
    parser.add_argument("--fresh", action="store_true", help="forget what was measured before")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "bench")
    wants = parser.parse_args()
    if wants.quick:
        wants.seconds = 2
    wants.home = pathlib.Path(os.environ.get("BENCH_DIR", wants.build.resolve() / "bench"))
    specs = [scenario.read(n) for n in wants.scenario or scenario.names()]
    wants.specs = sorted((s for s in specs if wants.scenario or not s.get("on_demand")),
                         key=lambda s: "event" in s)
    return wants


def main():
    wants = arguments()
    build = wants.build.resolve()
    os.environ.setdefault("SLUICE", str(build / "sluice"))
    wants.home.mkdir(parents=True, exist_ok=True)
    kinds = KINDS[:1] if wants.ours_only else KINDS[:2] if wants.no_fsync else KINDS
    subprocess.run(["meson", "compile", "-C", str(build), "sluice-bench"], check=True,
                   stdout=subprocess.DEVNULL)
    broker = hashlib.sha256((build / "sluice-data").read_bytes()).hexdigest()[:16]
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: what is set is put back
    with read_ahead(wants.home) as how:
        results = Results(wants.home / "results.ndjson", f"{wants.seconds:g} s a scenario, {how}",
                          broker, wants.fresh)
        for round_ in range(wants.rounds):
            for kind in kinds if round_ % 2 == 0 else reversed(kinds):
                measure(build, kind, round_, wants, results)
    untold = report.write(wants.out, kinds, results.rows, " ".join(sys.argv[1:]))
    print(wants.out / "RESULTS.md")
    if untold:
        sys.exit("no text or no profile: " + ", ".join(untold))


if __name__ == "__main__":
    main()
