"""Tables of the compatibility runs: rows in .csv files, waivers, RESULTS.md.

waived.csv: suite, test (a pattern of the shell's), reason: what is not offered yet, or differs on
purpose."""
import csv
import fnmatch
import pathlib

from suites import GOOD, Row, clean

HEAD = """# Other people's test suites against Sluice

Made by `tests/compat/run.py`; do not edit. "Kafka" is Apache Kafka 4.3.1 on one node (`baseline/`).
"empty": passed without running anything.
"""
HERE = pathlib.Path(__file__).resolve().parent
# Modes that Kafka was not asked about: what it gives on the same tests otherwise.
BASELINE_OF = {"librdkafka.quick-idempotent": "librdkafka.quick-classic"}


def read(path):
    with open(path, newline="") as f:
        return [Row(test, verdict, float(seconds), reason)
                for test, verdict, seconds, reason in csv.reader(f)]


def write(path, rows):
    path.parent.mkdir(exist_ok=True)
    with open(path, "w", newline="") as f:
        out = csv.writer(f, lineterminator="\n")
        for r in sorted(rows, key=lambda r: r.test):
            out.writerow([r.test, r.verdict, f"{r.seconds:.1f}", clean(r.reason)])


def baseline(suite, mode):
    """{test: row} of Apache Kafka; empty when it was not asked."""
    name = f"{suite}.{mode}"
    path = HERE / "baseline" / f"{BASELINE_OF.get(name, name)}.csv"
    return {r.test: r for r in read(path)} if path.exists() else {}


def waivers():
    with open(HERE / "waived.csv", newline="") as f:
        return [tuple(row) for row in csv.reader(f)]


def waiver(all_waivers, suite, test):
    """The reason, or None."""
    return next((why for s, pattern, why in all_waivers
                 if s == suite and fnmatch.fnmatchcase(test, pattern)), None)


def table(head, lines):
    return "".join("| " + " | ".join(str(c).replace("|", "\\|") for c in l) + " |\n"
                   for l in [head, ["---"] * len(head), *lines])


def results(path, versions):
    """RESULTS.md of everything under results/."""
    waived = waivers()
    totals, worse, all_rows = [], [], []
    for file in sorted((HERE / "results").glob("*.csv")):
        suite, mode = file.stem.split(".", 1)
        base = baseline(suite, mode)
        rows = read(file)
        count = {v: sum(r.verdict == v for r in rows)
                 for v in ("pass", "empty", "fail", "timeout", "skip")}
        totals.append([suite, versions[suite], mode, *count.values(),
                       sum(r.verdict in GOOD for r in base.values()) if base else "",
                       f"{sum(r.seconds for r in rows):.0f}"])
        for r in rows:
            kafka = base[r.test].verdict if r.test in base else ""
            why = waiver(waived, suite, r.test)
            all_rows.append([suite, versions[suite], mode, r.test, r.verdict, f"{r.seconds:.1f}",
                             kafka, clean(r.reason)])
            if r.verdict not in GOOD and kafka in (*GOOD, ""):
                worse.append([suite, mode, r.test, r.verdict,
                              why or f"**open**: {clean(r.reason)}"])
    path.write_text(
        HEAD + "\n## Totals\n\n"
        + table(["suite", "version", "mode", "pass", "empty", "fail", "timeout", "skip",
                 "good on Kafka", "seconds"], totals)
        + "\n## Worse than Kafka\n\n"
        + table(["suite", "mode", "test", "verdict", "reason"], worse)
        + "\n## Every test\n\n"
        + table(["suite", "version", "mode", "test", "verdict", "seconds", "Kafka", "reason"],
                all_rows))
