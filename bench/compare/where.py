#!/usr/bin/env python3
"""where.py BUILD NAME... [--seconds S]: where Sluice's CPU time goes in a scenario: writes a
file of bench/profiles/, which RESULTS.md quotes where Sluice lost or is short of twice per core.

perf samples the clock of the broker's CPUs (cpu-clock: there need not be counters) while the loads
of the scenario run, after it has settled.  A sample is a line of thread, kernel or program,
function."""
import argparse
import os
import pathlib
import re
import signal
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench" / "scenarios"))
import scenario  # noqa: E402
from run import Server, read_ahead  # noqa: E402
from servers import KINDS  # noqa: E402

FOLDER = ROOT / "bench" / "profiles"
HERTZ, LINES, LEAST_PERCENT = 997, 12, 1.0
SAMPLE = re.compile(r"\s*([\d.]+)%\s+(\S+)\s+(\S+)\s+\[(.)\]\s+(\S+)")


class Profiled(scenario.Run):
    """A scenario whose loads are sampled."""

    def loads(self, began, processes):
        self.data = self.server.broker.broker.home / "perf.data"
        pids = ",".join(map(str, self.server.pids()))
        perf = subprocess.Popen(["perf", "record", "-q", "-e", "cpu-clock", "-F", str(HERTZ), "-p",
                                 pids, "-o", str(self.data)], stderr=subprocess.DEVNULL)
        try:
            super().loads(began, processes)
        finally:
            perf.send_signal(signal.SIGINT)
            perf.wait(30)

    def profile_lines(self):
        out = subprocess.run(["perf", "report", "-i", str(self.data), "--stdio", "-g", "none",
                              "--sort", "comm,dso,symbol"], check=True, stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL, text=True).stdout
        found = [m.groups() for m in map(SAMPLE.match, out.splitlines()) if m]
        return [f"{float(share):5.1f} %  {thread}  {'kernel' if ring == 'k' else 'program'}  {name}"
                for share, thread, _, ring, name in found if float(share) >= LEAST_PERCENT][:LINES]


def profile(build, name, seconds, home):
    server = Server(KINDS[0], home)
    try:
        server.broker.start()
        run = Profiled(build, scenario.read(name), server, seconds)
        run.run()
        commit = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"],
                                check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
        FOLDER.mkdir(exist_ok=True)
        (FOLDER / f"{name}.txt").write_text("\n".join(
            [f"# bench/compare/where.py build {name}: CPU samples of Sluice {commit}",
             *run.profile_lines(), ""]))
        server.broker.stop()
    finally:
        server.broker.end()
    print(FOLDER / f"{name}.txt")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("name", nargs="+", choices=scenario.names())
    parser.add_argument("--seconds", type=float, default=4)
    wants = parser.parse_args()
    build = wants.build.resolve()
    os.environ.setdefault("SLUICE", str(build / "sluice"))
    home = pathlib.Path(os.environ.get("BENCH_DIR", build / "bench"))
    home.mkdir(parents=True, exist_ok=True)
    with read_ahead(home):
        for name in wants.name:
            profile(build, name, wants.seconds, home)


if __name__ == "__main__":
    main()
