#!/usr/bin/env python3
"""run.py BUILD SUITE:MODE...: other people's test suites against Sluice, judged by what Apache
Kafka itself gives on them.

Each mode gets a broker of its own.  Rows go to results/SUITE.MODE.csv, and RESULTS.md is made anew
of all of these.  A test that passes on Kafka (baseline/) must pass here, unless waived.csv names it
with a reason.  --only 0011,0045 runs these tests and writes no results, but with --merge it puts
them in place of the former ones; --select the part for CI;
--bootstrap HOST:PORT takes a broker that runs already (with --baseline: and writes the baseline).
The last line is "N passed, N failed": failed is what is worse than Kafka and not named."""
import argparse
import contextlib
import pathlib
import re
import shutil
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))

import apache  # noqa: E402
import broker as e2e  # noqa: E402
import debianpy  # noqa: E402
import kafkago  # noqa: E402
import kgo  # noqa: E402
import librdkafka  # noqa: E402
import programs  # noqa: E402
import report  # noqa: E402
import rskafka  # noqa: E402
import saramago  # noqa: E402
from suites import GOOD, Row  # noqa: E402

SUITES = {"librdkafka": librdkafka, "kgo": kgo, "apache": apache, "programs": programs,
          "kafkago": kafkago, "rskafka": rskafka, "sarama": saramago, "debianpy": debianpy}
# What the suites expect of a broker beyond the defaults, as their own harnesses set it.
OPTIONS = ("broker.rack=RACK1", "auto.create.topics.enable=true", "num.partitions=4",
           "group.initial.rebalance.delay.ms=0")
# Two tests of the full mode expect one rebalance where a group begins.
SLOW_JOIN = ("group.initial.rebalance.delay.ms=3000",)
MODE_OPTIONS = {"kafkago": ("broker.rack=",),
                "rskafka": ("auto.create.topics.enable=false",),
                "noautocreate": ("auto.create.topics.enable=false",),
                "full-classic": SLOW_JOIN, "full-consumer": SLOW_JOIN}


def judge(suite, mode, rows):
    """(as good as Kafka, worse and not named)"""
    base, waived = report.baseline(suite, mode), report.waivers()
    good, worse = [], []
    for row in rows:
        kafka = base.get(row.test)
        fine = row.verdict in GOOD or (kafka and kafka.verdict not in GOOD) or \
            report.waiver(waived, suite, row.test)
        (good if fine else worse).append(row)
    missing = [t for t, r in base.items() if r.verdict in GOOD and t not in {x.test for x in rows}]
    return good, worse + [Row(t, "missing", 0, "gave no result") for t in missing
                          if not report.waiver(waived, suite, t)]


def target(args, module, mode, options):
    """The broker that a mode runs against; None for a suite that starts its own."""
    if getattr(module, "OWN_BROKERS", False):
        return contextlib.nullcontext()
    if args.bootstrap:
        return e2e.External(args.bootstrap)
    return e2e.Broker(*options, *MODE_OPTIONS.get(mode, ()))


def record(args, name, rows, only):
    path = HERE / ("baseline" if args.baseline else "results") / name
    if args.merge and path.exists():
        anew = {r.test for r in rows}
        rows = rows + [r for r in report.read(path) if r.test not in anew
                       and r.test.split(".")[0] not in (only or ())]  # of a JVM's test: its class
    if args.baseline or args.merge or not only:
        report.write(path, rows)


def run(args, build, suite, mode):
    module = SUITES[suite]
    out = build / "compat" / "logs" / f"{suite}.{mode}"
    only = args.only.split(",") if args.only else \
        getattr(module, "SELECTION", None) if args.select else None
    if not only:
        shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True, exist_ok=True)
    options = [o for o in OPTIONS if o.split("=")[0] not in
               {m.split("=")[0] for m in MODE_OPTIONS.get(mode, ())}]
    rows = []
    with target(args, module, mode, options) as broker:
        for row in module.run(broker, mode, build / "compat", out, only):
            print(row.line(), flush=True)
            rows.append(row)
        if broker:
            broker.alive()
    record(args, f"{suite}.{mode}.csv", rows, only)
    good, worse = judge(suite, mode, rows)
    if only:
        worse = [r for r in worse if r.verdict != "missing"]
    for row in worse:
        print(f"worse than Kafka: {suite}:{mode} {row.line()}")
    return len(good), len(worse)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("modes", nargs="*", metavar="SUITE:MODE")
    parser.add_argument("--only")
    parser.add_argument("--select", action="store_true")
    parser.add_argument("--bootstrap")
    parser.add_argument("--baseline", action="store_true")
    parser.add_argument("--merge", action="store_true")
    args = parser.parse_args()
    build = args.build.resolve()
    if not args.bootstrap:
        import os
        os.environ.setdefault("SLUICE", str(build / "sluice"))
    passed = failed = 0
    for name in args.modes:
        match = re.fullmatch(r"(\w+):([\w-]+)", name)
        if not match or match[1] not in SUITES or match[2] not in SUITES[match[1]].MODES:
            known = " ".join(f"{s}:{m}" for s, x in SUITES.items() for m in x.MODES)
            raise SystemExit(f"run.py: no '{name}'; there are: {known}")
        good, bad = run(args, build, match[1], match[2])
        passed, failed = passed + good, failed + bad
    if (HERE / "results").exists():
        report.results(HERE / "RESULTS.md", {s: x.VERSION for s, x in SUITES.items()})
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
