"""rskafka's integration tests: a client of its own in Rust.  They come with the crate, which is
copied and compiled with its own Cargo.lock, but for rsasl, whose version there no longer compiles;
the Rust compiler is the one that is there."""
import json
import os
import pathlib
import re
import shutil
import subprocess

from suites import Row, bounded

VERSION = "0.6.0"
SECONDS = 300
MODES = {"rskafka": None}
TESTS = ("client", "consumer", "producer", "produce_consume")
SAID = re.compile(r"^test (\S+)(?: - should panic)? \.\.\. (ok|FAILED|ignored)", re.M)
WHY = re.compile(r"^---- (\S+) stdout ----\n(.*?)(?=\n----|\nfailures:|\nnote:|\Z)", re.M | re.S)
VERDICTS = {"ok": "pass", "FAILED": "fail", "ignored": "skip"}
# They return at once where there is no Java for them, no SASL, no proxy.
EMPTY = re.compile(r"_java_|^test_sasl$|^test_socks5$")


def build(folder):
    """{test program: path}"""
    home = folder / "crate"
    if not home.exists():
        scratch = folder / "scratch"
        shutil.rmtree(scratch, ignore_errors=True)
        subprocess.run(["cargo", "init", "-q", "--vcs", "none", "--name", "scratch", str(scratch)],
                       check=True)
        subprocess.run(["cargo", "add", "-q", f"rskafka@={VERSION}"], cwd=scratch, check=True)
        known = json.loads(subprocess.run(["cargo", "metadata", "--format-version", "1"],
                                          cwd=scratch, check=True, capture_output=True).stdout)
        source = next(p["manifest_path"] for p in known["packages"] if p["name"] == "rskafka")
        shutil.copytree(pathlib.Path(source).parent, home)
        (home / "rust-toolchain.toml").unlink(missing_ok=True)
        subprocess.run(["cargo", "update", "-q", "-p", "rsasl"], cwd=home, check=True)
    env = {**os.environ, "CARGO_TARGET_DIR": str(folder / "target")}
    with open(folder / "build.log", "wb") as log:
        said = subprocess.run(
            ["cargo", "test", "--no-run", "--message-format=json", "--features",
             "transport-socks5", *[w for t in TESTS for w in ("--test", t)]],
            cwd=home, env=env, stdout=subprocess.PIPE, stderr=log, check=True).stdout
    events = [json.loads(line) for line in said.splitlines() if line.startswith(b"{")]
    return {e["target"]["name"]: e["executable"] for e in events
            if e.get("executable") and e["target"]["name"] in TESTS}


def rows(program, text, code):
    why = dict(WHY.findall(text))
    found = []
    for name, said in SAID.findall(text):
        verdict = "empty" if said == "ok" and EMPTY.search(name) else VERDICTS[said]
        reason = why.get(name, "") if said == "FAILED" else ""
        found.append(Row(f"{program}::{name}", verdict, 0, reason))
    if code is None:
        found.append(Row(f"{program}::all", "timeout", SECONDS))
    return found


def run(broker, mode, folder, out, only=None):
    """Yields a row for each test."""
    env = {**os.environ, "TEST_INTEGRATION": "1", "TEST_BROKER_IMPL": "kafka",
           "KAFKA_CONNECT": broker.bootstrap}
    for program, path in sorted(build(folder / "rskafka").items()):
        log = out / f"{program}.log"
        code = bounded([path, "--test-threads=2", *(only or [])], SECONDS, log, env=env, cwd=out)
        yield from rows(program, log.read_text(errors="replace"), code)
