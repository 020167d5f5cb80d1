#!/usr/bin/env python3
"""run.py BUILD SUITE...: runs meson's test suites and counts what is inside them.

A suite is a name of meson's, or fuzz:SECONDS for every fuzz target.  Counted are the cases of a
test program: cmocka's "[       OK ] name", and the "ok name", "not ok name" and "skip name" of the
client tests; a program without cases counts as one.  The last line is "N passed, N failed"; the
exit code is 0 when nothing failed.  What was skipped is named before, with its reason."""
import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
PASSED = re.compile(r"^(?:\[ +OK +\] |ok )(?P<name>.+)$", re.M)
FAILED = re.compile(r"^(?:\[  FAILED  \] (?!(?:\w+: )?\d+ test)|not ok )(?P<name>.+)$", re.M)
SKIPPED = re.compile(r"^(?:\[  SKIPPED \] (?!(?:\w+: )?\d+ test)|skip )(?P<name>.+)$", re.M)
TAIL_LINES = 60
CLIENTS = 3  # client tests at once


class Tally:
    def __init__(self):
        self.passed, self.skipped, self.failures = 0, [], []

    def add(self, program, good, output):
        passed = len(set(m.group("name") for m in PASSED.finditer(output)))
        failed = sorted(set(m.group("name") for m in FAILED.finditer(output)))
        self.skipped += [f"{program}: {name}" for name in
                         sorted(set(m.group("name") for m in SKIPPED.finditer(output)))]
        if not good and not failed:
            failed = ["(whole program)"]
        if good and failed:
            failed.append("(said ok although a case failed)")
        self.passed += passed if passed or failed else 1
        self.failures += [f"{program}: {name}" for name in failed]
        if not good or failed:
            print(f"--- {program}")
            print("\n".join(output.splitlines()[-TAIL_LINES:]))


def run_suite(build, suite, tally):
    print(f"== {suite}", flush=True)
    log = build / "meson-logs" / f"run-{suite}.json"
    log.unlink(missing_ok=True)
    # Client tests wait most of the time; those that must not be disturbed say so (is_parallel).
    jobs = {"clients": ["--num-processes", str(CLIENTS)], "dpdk": ["--num-processes", "1"]} \
        .get(suite, [])
    done = subprocess.run(["meson", "test", "-C", str(build), "--suite", suite, "--logbase",
                           f"run-{suite}", "--no-stdsplit", *jobs])
    rows = [json.loads(l) for l in log.read_text().splitlines()] if log.exists() else []
    if not rows:
        tally.add(f"suite {suite}", False, "meson ran no test of this suite")
    for row in rows:
        good = row["result"] in ("OK", "EXPECTEDFAIL")
        tally.add(row["name"], good, row.get("stdout", "") + row.get("stderr", ""))
    if done.returncode != 0 and rows and all(r["result"] == "OK" for r in rows):
        tally.add(f"suite {suite}", False, "meson test failed")


def run_fuzz(seconds, tally):
    """tests/fuzz/run.sh: each target is one case, and so is the canary that must crash."""
    done = subprocess.run([str(ROOT / "tests" / "fuzz" / "run.sh"), seconds],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace")
    print(done.stdout, end="", flush=True)
    started = re.findall(r"^== (fuzz_\w+)", done.stdout, re.M)
    failed = set(re.findall(r"^(fuzz_\w+): ", done.stdout, re.M))
    if not started or (done.returncode != 0 and not failed):
        tally.add("fuzz", False, done.stdout)
    for name in started:
        tally.add(name, name not in failed, "")


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    build, tally = pathlib.Path(sys.argv[1]).resolve(), Tally()
    for suite in sys.argv[2:]:
        if suite.startswith("fuzz:"):
            run_fuzz(suite.split(":")[1], tally)
        else:
            run_suite(build, suite, tally)
    for failure in tally.failures:
        print(f"failed: {failure}")
    for skipped in tally.skipped:
        print(f"skipped: {skipped}")
    print(f"{tally.passed} passed, {len(tally.failures)} failed", flush=True)
    return 1 if tally.failures else 0


if __name__ == "__main__":
    sys.exit(main())
