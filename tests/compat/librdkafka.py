"""librdkafka's own test suite, one process for each test number.

The whole C tree comes in an npm package.  One line of it is changed: tests that ask for three
replicas ask for one, since a node is alone (REPLICAS).  Tests read files by relative path and call
Kafka's scripts; such a folder is made for each run."""
import csv
import os
import pathlib
import re
import shutil
import subprocess
import time

from suites import FETCH_SECONDS, Row, bounded, jars

PACKAGE, VERSION = "@confluentinc/kafka-javascript@1.10.1", "2.15.1"
KAFKA_VERSION = "4.3.1.0"
REPLICAS = ("NewTopic_new(topicname, partition_cnt, replication_factor,",
            "NewTopic_new(topicname, partition_cnt, 1,")
SECONDS = {"quick": 180, "full": 600}
FLOOR = {("quick", "0030"): 300, ("quick", "0081"): 300, ("quick", "0113"): 300,
         ("quick", "0139"): 300, ("quick", "0184"): 600, ("full", "0184"): 600,
         ("full", "0113"): 1200}
BASELINE = pathlib.Path(__file__).resolve().parent / "baseline"

# mode: (group protocol, quick, more flags of test-runner, scenario)
MODES = {
    "quick-classic": ("classic", True, (), "default"),
    "quick-consumer": ("consumer", True, (), "default"),
    "quick-idempotent": ("classic", True, ("-P",), "default"),
    "full-classic": ("classic", False, (), "default"),
    "full-consumer": ("consumer", False, (), "default"),
    "noautocreate": ("classic", False, (), "noautocreate"),
}
# A quarter of an hour's part of quick-classic, for CI: each area once, the quick ones.
SELECTION = ("0001 0002 0003 0004 0005 0008 0011 0012 0013 0015 0017 0021 0029 0036 0038 0039 0040 "
             "0042 0044 0048 0049 0052 0055 0056 0058 0059 0060 0064 0065 0067 0068 0070 0073 0075 "
             "0083 0085 0086 0090 0094 0099 0100 0103 0104 0112 0114 0125 0130 0137").split()

SUMMARY = re.compile(r"^\| *(\d{4}_\w+) *\| *(\w+) *\| *([\d.]+)s *\|[ \t]*(.*)$", re.M)
TABLE = re.compile(r"_TEST\(\s*(\d{4}\w+)\s*,\s*([A-Z_0-9| ]+)")
HEADING = re.compile(r'^### Test "(\d{4}_\w+).*?\n((?:.*\n){1,3})', re.M)
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def build(folder):
    """The tree with a built tests/test-runner."""
    tree = folder / "package" / "deps" / "librdkafka"
    if (tree / "tests" / "test-runner").exists():
        return tree
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "build.log"

    def step(*command, cwd=folder, **env):
        with open(log, "ab") as out:
            subprocess.run(command, cwd=cwd, stdout=out, stderr=subprocess.STDOUT, check=True,
                           timeout=FETCH_SECONDS if command[0] == "npm" else None,
                           env={**os.environ, **env})

    step("npm", "pack", "--silent", PACKAGE)
    step("tar", "xzf", next(folder.glob("*.tgz")).name)
    source = tree / "tests" / "test.c"
    text = source.read_text()
    if REPLICAS[0] not in text:
        raise SystemExit(f"librdkafka: tests/test.c of {PACKAGE} has changed")
    source.write_text(text.replace(*REPLICAS))
    step("./configure", "--disable-debug-symbols", cwd=tree)
    for part in (["src"], ["src-cpp"], ["tests", "build"]):
        step("make", f"-j{os.cpu_count()}", "-C", *part, cwd=tree)
    return tree


def numbers(tree):
    """{number: names} of the tests that need a broker and are not known to fail upstream."""
    found = {}
    for name, flags in TABLE.findall((tree / "tests" / "test.c").read_text()):
        flags = re.sub(r"KNOWN_ISSUE_(WIN32|OSX)", "", flags)
        if not re.search(r"LOCAL|MANUAL|KNOWN_ISSUE", flags):
            found.setdefault(name[:4], []).append(name)
    return found


def own(mode):
    """The tests that a mode is for: those that quick modes empty or thin out, or skip."""
    with open(BASELINE / f"librdkafka.{mode}.csv", newline="") as f:
        return {row[0] for row in csv.reader(f)}


def scripts(home, lib):
    """A folder with the scripts of Kafka's that tests call."""
    (home / "bin").mkdir(parents=True)
    (home / "libs").symlink_to(lib)
    tool = '#!/bin/sh\nexec java -Xmx512m -cp "{lib}/*" org.apache.kafka.tools.{name} "$@"\n'
    for script, name in (("kafka-topics", "TopicCommand"), ("kafka-acls", "AclCommand")):
        (home / "bin" / f"{script}.sh").write_text(tool.format(lib=lib, name=name))
    (home / "bin" / "kafka-run-class.sh").write_text(
        f'#!/bin/sh\nexec java -cp "$CLASSPATH:{lib}/*" "$@"\n')
    for f in (home / "bin").iterdir():
        f.chmod(0o755)
    return home


def prepare(work, tree, lib, bootstrap):
    tests = work / "tests"
    tests.mkdir(parents=True)
    (work / "src").symlink_to(tree / "src")
    (tests / "fixtures").symlink_to(tree / "tests" / "fixtures")
    (tests / "Makefile").write_text(".PHONY: java\njava:\n\t@$(MAKE) -s -C java\n")
    shutil.copytree(tree / "tests" / "java", tests / "java")
    (work / "test.conf").write_text(f"metadata.broker.list={bootstrap}\ntest.topic.random=true\n"
                                    "test.timeout.multiplier=2\n")
    return scripts(work / "kafka", lib)


def rows(number, names, tree, code, text, seconds):
    """What the output of one process says of each of its tests."""
    text = COLOUR.sub("", text)
    said = {m[0]: m for m in SUMMARY.findall(text)}
    why = {name: lines for name, lines in HEADING.findall(text)}
    subtests = any("SUB_TEST" in f.read_text(errors="replace")
                   for f in (tree / "tests").glob(f"{number}-*.c*"))
    for name in names:
        _, state, took, reason = said.get(name, (name, "", f"{seconds:.1f}", ""))
        verdict = {"PASSED": "pass", "SKIPPED": "skip"}.get(state)
        if verdict is None:
            verdict = "timeout" if code is None or "timed out (timeout set to" in text else "fail"
            reason = why.get(name) or reason or next(
                (l for l in reversed(text.splitlines()) if l.strip()), "")
        elif verdict == "pass" and code != 0 and all(m[1] != "FAILED" for m in said.values()):
            verdict, reason = "fail", f"exit code {code} after the test passed"
        elif verdict == "pass" and subtests and float(took) < 0.5 and ": PASS (" not in text \
                and not re.search(r"PRODUCE:|CONSUME\.", text):
            verdict = "empty"
        yield Row(name, verdict, float(took), reason)


def run(broker, mode, folder, out, only=None):
    """Yields the rows of a mode; `only`: these numbers (else, in modes that are not quick, the
    tests of their baseline).  A failing number is run once more."""
    protocol, quick, more, scenario = MODES[mode]
    tree = build(folder / "librdkafka")
    lib = jars("oracle", folder / "oracle-lib")
    work = out / "work"
    shutil.rmtree(work, ignore_errors=True)
    kafka = prepare(work, tree, lib, broker.bootstrap)
    env = {**os.environ, "KAFKA_PATH": str(kafka), "BROKERS": broker.bootstrap,
           "RDKAFKA_TEST_CONF": str(work / "test.conf"), "TEST_KAFKA_VERSION": KAFKA_VERSION,
           "LD_LIBRARY_PATH": f"{tree}/src:{tree}/src-cpp", "TEST_SCENARIO": scenario,
           "TEST_CONSUMER_GROUP_PROTOCOL": protocol}
    flags = [*(("-Q",) if quick else ()), "-L", "-p1", *more]
    size = "quick" if quick else "full"
    wanted = own(mode) if not only and not quick else None
    for number, names in numbers(tree).items():
        if (only and number not in only) or (wanted and not wanted & set(names)):
            continue
        limit = max(SECONDS[size], FLOOR.get((size, number), 0))
        for attempt in (1, 2):
            log = out / f"{number}.{attempt}.log"
            began = time.monotonic()
            # Line by line: the runner aborts after a failure, and its summary would be lost.
            code = bounded(["stdbuf", "-oL", str(tree / "tests" / "test-runner"), *flags], limit,
                           log, cwd=work / "tests", env={**env, "TESTS": number})
            found = list(rows(number, names, tree, code, log.read_text(errors="replace"),
                              time.monotonic() - began))
            if all(r.verdict not in ("fail", "timeout") for r in found):
                break
            # What a failed run leaves behind would match patterns of the next one.
            subprocess.run([str(kafka / "bin" / "kafka-topics.sh"), "--bootstrap-server",
                            broker.bootstrap, "--delete", "--topic", "rdkafkatest.*"],
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120)
        yield from (r for r in found if not wanted or r.test in wanted)
    shutil.rmtree(work, ignore_errors=True)
