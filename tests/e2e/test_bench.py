#!/usr/bin/env python3
"""The load generator's search against a live broker, and what bench/compare makes of results: that
losses come first, with a reason, and that every scenario file says what it is to say."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

from broker import SMALL, Broker
from case import case, check, equal, finish, until

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "bench" / "compare"), str(ROOT / "bench" / "scenarios")]
import report  # noqa: E402
import scenario  # noqa: E402
from run import steady  # noqa: E402
from servers import KINDS  # noqa: E402

STEPS_MAX = 24


def search(broker, limit_ms):
    """Exit code, results of the steps, the line at the end."""
    done = subprocess.run(
        [os.environ["BENCH_PROGRAM"], "rate", "--bootstrap", broker.bootstrap, "--partitions", "4",
         "--topic", "search", "--rate", "2000", "--search-p99", str(limit_ms), "--seconds", "0.2",
         "--warmup", "0.1"], stdout=subprocess.PIPE, text=True, timeout=120)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return done.returncode, lines[:-1], lines[-1]


def row(who, name, found, profile=()):
    return {"plan": "5s", "round": 0, "who": who, "scenario": name, "found": found,
            "profile": list(profile)}


def results(ours, theirs):
    """Lines of a run of one scenario in which the rival has so much and we so much."""
    us, kafka = KINDS[0].name, KINDS[1].name
    return [row(us, "fetch", {"load.consumed_mb_per_s": ours}, [["core-0", 0.25, 0.75]]),
            row(kafka, "fetch", {"load.consumed_mb_per_s": theirs})]


def text_of(rows):
    with tempfile.TemporaryDirectory() as folder:
        report.write(pathlib.Path(folder), KINDS, rows, "build")
        return (pathlib.Path(folder) / "RESULTS.md").read_text()


def main():
    with Broker(SMALL) as broker:
        with case("bench: the search ends below the rate that did not hold"):
            # A machine that stands still for long enough holds no rate.
            code, steps, end = until("a rate is held", 90, lambda: [
                found for found in [search(broker, 1000)] if found[2]["held_per_s"] > 0])[0]
            equal((code, end["type"]), (0, "search"), end)
            equal(end["steps"], len(steps), "steps")
            check(end["steps"] <= STEPS_MAX, end)
            check(0 < end["held_per_s"] <= max(s["rate_asked"] for s in steps), end)
            check(end["p99_ms"] <= 1000, end)
            asked = [s["rate_asked"] for s in steps]
            check(end["held_per_s"] in asked, "a rate that was not tried:", end, asked)
            if end["failed_per_s"]:
                check(end["held_per_s"] < end["failed_per_s"], end)
        with case("bench: a limit that nobody holds is no result"):
            code, steps, end = search(broker, 0.001)
            equal((code, end["held_per_s"]), (1, 0), end)
            equal([s["rate_asked"] for s in steps], [2000, 500], "rates")  # 500: 100 records
    with case("bench: a warm-up ends when it brings nothing more"):
        check(not steady([10, 20, 40, 80]) and not steady([10, 10, 10]))
        check(steady([10, 40, 41, 41, 40]) and steady([10, 9, 10, 9]))
    with case("bench: every scenario says what it is, why, and what it reports"):
        check(len(scenario.names()) > 15)
        for name in scenario.names():
            s = scenario.read(name)
            check(s["title"] and s["why"], name)
            loads = {l["name"] for l in s["load"]} | {"server", "per_cpu_s", "restart0"}
            for r in s["row"]:
                check(r["key"].split(".")[0] in loads and r["better"] in ("more", "less"), name, r)
            equal("servers" in s, "why_not" in s, name)
    with case("bench: what is lost stands first, with where the time went"):
        text = text_of(results(50, 100))
        lost = text.split("## Where Sluice is worse")[1].split("\n## ")[0]
        check("0.50 of it" in lost, lost)
        check("core-0 1.00 s (75 % in the kernel)" in text.split("\n## Why")[1], text)
    with case("bench: what both were given is not lost"):
        text = text_of(results(99.9, 100))
        check("Nowhere in this run." in text and "as good" in text, text)
    finish()


main()
