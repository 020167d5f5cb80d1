"""RESULTS.md and its plots from the lines of results.ndjson: what Sluice loses first."""
import os
import pathlib
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench" / "scenarios"))
import scenario  # noqa: E402
import svg  # noqa: E402
from servers import CLIENT_CPU, SERVER_CPU, TIDY  # noqa: E402

START_ROWS = [
    ("start on an empty folder, s", "fresh.start_s", "less"),
    ("resident after it, MB", "fresh.resident_mb", "less"),
    ("start on the written folder, s", "again.start_s", "less"),
    ("resident after all scenarios, MB", "loaded.resident_mb", "less"),
    ("idle, % of a core", "again.idle_percent", "less"),
]
START, MISSING = "start", "**No text: `note` in its file.**"
PER_CORE = 2  # what Sluice should at least be per core
EVEN = 0.99   # rates that are given to both differ by so little


def number(v):
    if v == 0:
        return "0"
    return f"{v:.0f}" if abs(v) >= 100 else f"{v:.3g}"

# The table of README.md: scenario, key, what it is called there.
README_ROWS = [
    ("bulk", "load.mb_per_s", "bulk, 1 KiB records: MB/s"),
    ("bulk", "load.server_cpu_s_per_gb", "CPU-seconds per GB of that"),
    ("bulk-librdkafka", "load.mb_per_s", "bulk through librdkafka: MB/s"),
    ("single", "load.requests_per_s", "one 100-byte record a request, 256 in flight: thousand/s"),
    ("single", "load.p99_us", "p99 of that, ms"),
    ("search", "load.held_per_s", "highest rate of such records at a p99 of 10 ms: thousand/s"),
    ("rate", "load.p50_us", "5,000 such records/s: p50, ms"),
    ("rate", "load.p99_us", "p99, ms"),
    ("rate", "load.p999_us", "p99.9, ms"),
    ("thousand-partitions", "load.p99_us", "20 MB/s into 1,000 partitions: p99, ms"),
    ("transactions", "load.requests_per_s", "transactions of one record/s"),
    ("fetch", "load.consumed_mb_per_s", "read from the beginning: MB/s"),
    ("drain", "drain.consumed_mb_per_s", "backlog read beside 20 MB/s of producers: MB/s"),
    ("restart", "load.max_us", "longest wait of a record when the broker is restarted, ms"),
    ("start", "fresh.start_s", "start on an empty folder, s"),
    ("start", "again.start_s", "start on a written folder, s"),
    ("start", "loaded.resident_mb", "resident after all scenarios, MB"),
    ("start", "again.idle_percent", "idle: % of a core"),
]
QUICK = "--quick"
PROFILES, PROFILE_LINES = ROOT / "bench" / "profiles", 5
README_BEGIN, README_END = "<!-- figures: bench/compare/report.py -->", "<!-- /figures -->"


class Figure:
    """One row: the values of each server over the rounds."""

    def __init__(self, spec, title, key, better, values):
        self.spec, self.title, self.key, self.better = spec, title, key, better
        self.values = values

    def median(self, who):
        return statistics.median(self.values[who]) if self.values.get(who) else None

    def cell(self, who):
        v = self.values.get(who)
        if not v:
            return "-"
        text = number(statistics.median(v))
        return text if len(v) == 1 else f"{text} ({number(min(v))} to {number(max(v))})"

    def advantage(self, ours, rival):
        """How many times better we are; None when it cannot be said or both are 0."""
        a, b = self.median(ours), self.median(rival)
        if a is None or b is None or (a == 0 and b == 0):
            return None
        good, bad = (a, b) if self.better == "more" else (b, a)
        return good / bad if bad else float("inf")

    def per_core(self):
        return "cpu" in self.key


def figures(specs, rows):
    def values(name, key, scale):
        found = {}
        for r in rows:
            if r["scenario"] == name and key in r.get("found", {}):
                found.setdefault(r["who"], []).append(r["found"][key] * scale)
        return found

    out = []
    for s in specs:
        for row in s["row"]:
            out.append(Figure(s, row["title"], row["key"], row["better"],
                              values(s["name"], row["key"], row.get("scale", 1))))
    start = {"name": START, "title": "Start, memory, idleness", "why":
             "Beside the scenarios: how long a start takes, what a broker holds and uses."}
    for title, key, better in START_ROWS:
        out.append(Figure(start, title, key, better, values(START, key, 1)))
    return [f for f in out if f.values]


def losses(found, ours, rivals):
    lines = []
    for f in found:
        for rival in rivals:
            times = f.advantage(ours, rival)
            if times is not None and times < EVEN:
                lines.append((times, f"- **{f.spec['title']}**, {f.title}: {f.cell(ours)}; {rival} "
                              f"{f.cell(rival)}; {times:.2f} of it."))
    return [text for _, text in sorted(lines, key=lambda l: l[0])]


def per_core(figures_of_one):
    """What says how much one core does: CPU a unit; of a scenario without such a row its rates,
    since the server has one core."""
    return ([f for f in figures_of_one if f.per_core()]
            or [f for f in figures_of_one if f.better == "more" and "asked" not in f.title])


def cases(found, ours, rivals):
    """Scenarios that need a text and a profile: those that lost anything, a p99 among it, and those
    short of twice per core."""
    names = []
    for name in dict.fromkeys(f.spec["name"] for f in found):
        mine = [f for f in found if f.spec["name"] == name]
        times = [(f.advantage(ours, r), EVEN) for f in mine for r in rivals]
        times += [(f.advantage(ours, r), PER_CORE) for f in per_core(mine) for r in rivals]
        if any(t is not None and t < least for t, least in times):
            names.append(name)
    return names


def profile_of(name):
    """Lines of what where.py found."""
    path = PROFILES / f"{name}.txt"
    return path.read_text().splitlines()[1:] if path.exists() else []


def untold(names):
    """Those that have no text or no profile."""
    return [n for n in names if n != START
            and not (scenario.read(n).get("note") and profile_of(n))]


def why(found, rows, ours, names):
    """Of each case: what its file says, where Sluice's CPU went in the last round, the profile."""
    lines = []
    for name in names:
        mine = next(f for f in found if f.spec["name"] == name)
        spent = [r["profile"] for r in rows
                 if (r["scenario"], r["who"]) == (name, ours) and r.get("profile")]
        threads = ", ".join(f"{n} {u + k:.2f} s ({100 * k / (u + k):.0f} % in the kernel)"
                            for n, u, k in spent[-1]) if spent else "not measured"
        lines.append(f"- **{mine.spec['title']}**: {mine.spec.get('note', MISSING)} "
                     f"CPU of its threads: {threads}.")
        top = profile_of(name)[:PROFILE_LINES]
        lines += ["", "  ```", *("  " + l for l in top), "  ```", ""] if top else [
            "", f"  **No profile**: `python3 bench/compare/where.py build {name}`.", ""]
    return lines


def short_of_twice(found, ours, rivals):
    lines = []
    core = [f for name in dict.fromkeys(f.spec["name"] for f in found)
            for f in per_core([g for g in found if g.spec["name"] == name])]
    for f in found:
        for rival in rivals:
            times = f.advantage(ours, rival)
            if f in core and times is not None and EVEN <= times < PER_CORE:
                lines.append(f"- {f.spec['title']}, {f.title}: {times:.2f} times {rival}.")
    return lines


def failures(rows):
    return [f"- {r['who']}, {r['scenario']}, round {r['round'] + 1}: {r['failed']}"
            for r in rows if "failed" in r]


def client_bound(rows):
    names = sorted({(r["scenario"], r["who"]) for r in rows
                    if r.get("found", {}).get("client_bound")})
    return [f"- {name}: {who}" for name, who in names]


def unsettled(rows):
    """Loads whose rate still moved when the time to settle was over, in any round."""
    names = sorted({(r["scenario"], r["who"]) for r in rows
                    if r.get("found", {}).get("settled") == 0})
    return [f"- {name}: {who}" for name, who in names]


def tables(found, kinds):
    ours, rivals = kinds[0], kinds[1:]
    lines, last = [], None
    for f in found:
        if f.spec["name"] != last:
            last = f.spec["name"]
            heads = [*kinds, *(f"Sluice : {r}" for r in rivals)]
            left = [k for k in kinds if k not in f.spec.get("servers", kinds)]
            says = f" Not run with {', '.join(left)}: {f.spec['why_not']}" if left else ""
            lines += ["", f"### {f.spec['title']}", "", f.spec["why"] + f" (`{last}`){says}", "",
                      "| | " + " | ".join(heads) + " |", "|---" * (len(heads) + 1) + "|"]
        times = [f.advantage(ours, r) for r in rivals]
        cells = [f.cell(k) for k in kinds]
        cells += ["-" if t is None else "better" if t == float("inf") else "**worse**" if t == 0
                  else "as good" if EVEN <= t <= 1 / EVEN else f"{t:.2f} times better" if t > 1
                  else f"**{1 / t:.2f} times worse**"
                  for t in times]
        lines.append(f"| {f.title} | " + " | ".join(cells) + " |")
    return lines


def readme(found, kinds, command):
    """The table between its two marks in README.md; a quick run, or of some scenarios, leaves it
    alone."""
    path = ROOT / "README.md"
    wanted = {(n, k) for n, k, _ in README_ROWS}
    if QUICK in command or not wanted <= {(f.spec["name"], f.key) for f in found}:
        return
    begin, rest = path.read_text().split(README_BEGIN)
    end = rest.split(README_END)[1]
    lines = ["", "| | " + " | ".join(f"{k.name}, {k.durable}" if k.durable not in k.name else k.name
                                     for k in kinds) + " |", "|---" * (len(kinds) + 1) + "|"]
    for name, key, title in README_ROWS:
        for f in found:
            if (f.spec["name"], f.key) == (name, key):
                medians = [f.median(k.name) for k in kinds]
                cells = ["-" if m is None else number(m) for m in medians]
                lines.append(f"| {title} | " + " | ".join(cells) + " |")
    path.write_text(begin + README_BEGIN + "\n".join(lines) + "\n" + README_END + end)


def machine():
    cpu = next((l.split(":")[1].strip() for l in
                pathlib.Path("/proc/cpuinfo").read_text().splitlines()
                if l.startswith("model name")), "unknown processor")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    java = subprocess.run(["java", "-version"], capture_output=True, text=True).stderr
    java = java.splitlines()[0] if java else "no Java"
    commit = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"],
                            capture_output=True, text=True).stdout.strip()
    return (f"{os.cpu_count()} processors ({cpu}), {memory:.0f} GiB, Linux {os.uname().release}, "
            f"{java}; Sluice {commit}")


def plots(out, rows, kinds):
    """Plots of the last round that has the points; the lines that show them."""
    folder = out / "plots"
    folder.mkdir(exist_ok=True)
    found = {}
    for r in rows:
        for key, points in r.get("plots", {}).items():
            found.setdefault((r["scenario"], key), {})[r["who"]] = points
    lines = []
    for (name, key), series in sorted(found.items()):
        spec = scenario.read(name)
        over_rate = key.endswith("over_rate")
        data = {who: [(p[1], p[3] / 1000) for p in series[who]] if over_rate else
                [(p[0], max(p[1], 1) / 1000) for p in series[who]]
                for who in kinds if who in series}
        text = svg.plot(spec["title"], "records/s" if over_rate else "seconds", "p99, ms", data,
                        x_log=over_rate)
        (folder / f"{name}.svg").write_text(text)
        lines.append(f"![{spec['title']}](plots/{name}.svg)")
    return lines


def section(title, lines, nothing):
    return ["", f"## {title}", "", *(lines or [nothing])]


def write(out, kinds, rows, command):
    """RESULTS.md and plots/ in `out`; where they are the repository's, README.md's table too.
    Returns the scenarios that miss their text or profile."""
    who = [k.name for k in kinds]
    wanted = {r["scenario"] for r in rows}
    specs = [scenario.read(n) for n in scenario.names() if n in wanted]
    found = figures(specs, rows)
    rounds = 1 + max((r["round"] for r in rows), default=0)
    need = cases(found, who[0], who[1:])
    left = untold(need)
    text = [
        "# Results", "",
        f"Sluice beside Apache Kafka 4.3.1, one server on CPU {SERVER_CPU}, the same client on CPU "
        f"{CLIENT_CPU}; medians of {rounds} alternating rounds (least to most), "
        f"{'; '.join(sorted({r['plan'] for r in rows}))}; written by the program below, nothing by "
        "hand.", "",
        f"- Machine: {machine()}.",
        f"- Command: `python3 bench/compare/run.py {command}`; one scenario against any broker: "
        "`python3 bench/scenarios/scenario.py build NAME --bootstrap HOST:PORT`.",
        "- Durability: Sluice acknowledges what is on stable storage. \"Kafka 4.3.1\" is as "
        "shipped and acknowledges from the page cache; \"Kafka 4.3.1, fsync\" is Sluice's class "
        "(`log.flush.interval.messages=1`).",
        f"- Settings of all: `{' '.join(TIDY)}`; Kafka with a heap of 1 GiB and G1.",
        "- Before it is measured, each server gets the same loads until it is warm, and each new "
        "topic a record in every partition and then the scenario's load until two seconds, one "
        "after the other, differ by less than 10 %, or "
        f"{scenario.SETTLE_SECONDS} seconds have passed. The disk is read ahead by Linux's default "
        "where that may be set: with megabytes, as virtual machines like, each new partition would "
        "cost Kafka tens of milliseconds.",
        *([f"- **Not finished: no text or no profile of {', '.join(left)}.**"] if left else ()),
        *section("Where Sluice is worse", losses(found, who[0], who[1:]), "Nowhere in this run."),
        *section(f"Better, but less than {PER_CORE} times per core",
                 short_of_twice(found, who[0], who[1:]), "Nothing in this run."),
        *section("Why", why(found, rows, who[0], need), "Nothing to explain."),
        *section("Not to be trusted: the client was the bottleneck", client_bound(rows),
                 "Nowhere in this run."),
        *section("Not steady when it was measured", unsettled(rows), "Nowhere in this run."),
        *section("Failed", failures(rows), "Nothing."),
        "", "## Plots", "", *plots(out, rows, who),
        "", "## Tables", *tables(found, who), ""]
    (out / "RESULTS.md").write_text("\n".join(text))
    if out == ROOT / "bench" and len(kinds) > 2:
        readme(found, kinds, command)
    return left
