"""franz-go's pkg/kgo tests: the module's zip from the Go proxy contains them."""
import json
import os
import re
import subprocess

from suites import FETCH_SECONDS, Row, bounded

PACKAGE, VERSION = "github.com/twmb/franz-go/pkg/kgo", "v1.21.5"
SECONDS = 1500
# Tests that talk to the broker; the others test the client alone.
BROKER = re.compile(r"^Test(Ping|GroupETL|GroupSimple|TxnEtl|Client_\w+|ConsumeRegex|"
                    r"AddRemovePartitions|DirectPartitionPurge|HookPollStart|Pooling|"
                    r"PauseIssue\w+|UnknownGroupOffsetFetchPinned|Issue\w+|"
                    r"ConsumeTopicRetrieval\w*|ShareGroup\w*|\w*SCRAM\w*)$")
# mode: (records, more environment, -run)
MODES = {
    "kgo": ("50000", {}, None),
    "kgo-500000": ("500000", {"KGO_TEST_UNSAFE": "1"}, "^Test(GroupETL|TxnEtl)$"),
    "kgo-small": ("5000", {}, None),
    "kgo-ci": ("2000", {}, "^Test(Ping|GroupSimple|GroupETL|TxnEtl|ConsumeRegex|Client_Produce)$"),
}


def module(folder, package):
    """A folder where tests of, or with, `package` (NAME@VERSION) can be run."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "go.mod").exists():
        for words in (["mod", "init", "compat"], ["get", "-t", package]):
            subprocess.run(["go", *words], cwd=folder, check=True, capture_output=True,
                           timeout=FETCH_SECONDS)
    return folder


def build(folder):
    return module(folder, f"{PACKAGE}@{VERSION}")


def rows(log):
    """The last event of each test, and what it said last."""
    said, found = {}, {}
    for line in log.read_text(errors="replace").splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        name, action = event.get("Test"), event["Action"]
        if not name:
            continue
        if action == "run":
            found[name] = Row(name, "timeout", 0)
        elif action == "output":
            text = event["Output"].strip()
            if text and not text.startswith(("---", "===")) and \
                    not re.search(r"_test\.go:\d+:", said.get(name, "")):
                said[name] = text
        elif action in ("pass", "fail", "skip"):
            reason = "" if action == "pass" else said.get(name, "")
            found[name] = Row(name, action, event.get("Elapsed", 0), reason)
    return found


def run(broker, mode, folder, out, only=None):
    """Yields the rows of tests that need a broker; a failing one is run once more, alone."""
    records, more, pattern = MODES[mode]
    home = build(folder / "franz-go")
    env = {**os.environ, "KGO_SEEDS": broker.bootstrap, "KGO_TEST_RECORDS": records,
           "KGO_TEST_RF": "1", "KGO_LOG_LEVEL": "none", **more}

    def go(name, run_pattern, seconds):
        log = out / f"{name}.json"
        bounded(["go", "test", "-json", "-count=1", f"-timeout={seconds}s",
                 *(["-run", run_pattern] if run_pattern else []), PACKAGE],
                seconds + 60, log, cwd=home, env=env)
        return rows(log)

    pattern = "^(" + "|".join(only) + ")$" if only else pattern
    found = go("all", pattern, SECONDS)
    for name in [n for n, r in found.items() if "/" not in n and r.verdict in ("fail", "timeout")]:
        found.update(go(f"again-{name}", f"^{name}$", SECONDS))
    yield from (r for n, r in found.items() if BROKER.match(n.split("/")[0]))
