#!/usr/bin/env python3
"""selection.py BUILD: the part of franz-go's tests that continuous integration runs in a minute:
groups of both protocols and transactions under rebalances, with few records.  They check that no
record is lost, comes twice or out of order.  Without Go 1.25 it says that it is skipped."""
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))

import kgo  # noqa: E402
from broker import Broker  # noqa: E402
from suites import GOOD  # noqa: E402

MODE, GO = "kgo-ci", (1, 25)


def go_version():
    try:
        said = subprocess.run(["go", "version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return (0, 0)
    found = re.search(r"go(\d+)\.(\d+)", said)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def main():
    folder = pathlib.Path(sys.argv[1]).resolve() / "compat"
    if go_version() < GO:
        print("skip franz-go (there is no Go 1.25)")
        return 0
    try:
        kgo.build(folder / "franz-go")
    except subprocess.CalledProcessError as why:
        print(f"skip franz-go (it cannot be fetched: {why})")
        return 0
    out = folder / "logs" / f"kgo.{MODE}"
    out.mkdir(parents=True, exist_ok=True)
    bad = count = 0
    with Broker("num.partitions=4", "group.initial.rebalance.delay.ms=0") as broker:
        for row in kgo.run(broker, MODE, folder, out):
            count += 1
            good = row.verdict in GOOD
            bad += not good
            print(f"{'ok' if good else 'not ok'} franz-go {row.test} {'' if good else row.reason}",
                  flush=True)
        broker.alive()
    if count == 0:
        print("not ok franz-go (no test ran)")
    return 1 if bad or not count else 0


if __name__ == "__main__":
    sys.exit(main())
