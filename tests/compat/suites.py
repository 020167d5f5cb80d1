"""What a suite of the compatibility runs is: a name, modes, and how its tests are run against a
broker.  Each result is a Row; verdicts are pass, empty, fail, skip and timeout ("empty": the test
passed without running anything)."""
import dataclasses
import fcntl
import os
import pathlib
import re
import signal
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
E2E = ROOT / "tests" / "e2e"
GOOD = ("pass", "empty")
REASON_MAX = 200
FETCH_SECONDS = 300


@dataclasses.dataclass
class Row:
    test: str
    verdict: str
    seconds: float
    reason: str = ""

    def line(self):
        return "\t".join([self.test, self.verdict, f"{self.seconds:.1f}", clean(self.reason)])


def clean(text):
    """One short line without the folders of this machine."""
    text = re.sub(r"(?:/[\w.@+-]+){3,}/", "", str(text))
    text = re.sub(r"/tmp/[\w.@+-]+", "its folder", text)
    return " ".join(text.split())[:REASON_MAX]


def bounded(command, seconds, log, **options):
    """Runs a command in a session of its own, at most `seconds`, with its output in the file `log`.
    Returns its exit code, or None when it had to be ended."""
    with open(log, "wb") as out:
        child = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT,
                                 stdin=subprocess.DEVNULL, start_new_session=True, **options)
        try:
            return child.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        finally:
            try:  # what it left behind, too
                os.killpg(child.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            child.wait()


def jars(profile, folder):
    subprocess.run([str(E2E / "jars.sh"), profile, str(folder)], check=True)
    return folder


def pom_jars(pom, lib):
    """The folder `lib` with the jars of a pom of this folder; fetched once."""
    done = lib / ".complete"
    if not done.exists() or done.stat().st_mtime < pom.stat().st_mtime:
        lib.parent.mkdir(parents=True, exist_ok=True)
        with open(E2E / "pom.xml") as one_at_a_time:  # as in jars.sh
            fcntl.flock(one_at_a_time, fcntl.LOCK_EX)
            subprocess.run(["mvn", "-q", "-B", "-f", str(pom), "dependency:copy-dependencies",
                            f"-DoutputDirectory={lib}"], check=True, stdout=subprocess.DEVNULL,
                           timeout=FETCH_SECONDS)
        done.touch()
    return lib
