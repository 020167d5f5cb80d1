#!/usr/bin/env python3
"""What `meson install` puts where: programs that find each other, man pages, completion that its
shell loads, dashboards and alert rules."""
import os
import pathlib
import shutil
import subprocess
import tempfile

import broker as brokers
from case import Skip, case, check, equal, finish, until
from kafka import topic_ready

BUILD = pathlib.Path(os.environ["SLUICE"]).resolve().parent
PROGRAMS = ["sluice", "sluice-control", "sluice-data"]


def install(folder):
    """The prefix, below `folder`."""
    done = subprocess.run(["meson", "install", "-C", str(BUILD), "--no-rebuild", "--destdir",
                           str(folder)], capture_output=True, text=True, timeout=120)
    equal(done.returncode, 0, done.stdout[-1000:] + done.stderr[-1000:])
    found = list(folder.glob("**/bin/sluice"))
    equal(len(found), 1, "programs called sluice")
    return found[0].parents[1]


def shell(name, *words):
    if not shutil.which(name):
        raise Skip(f"no {name} here")
    return subprocess.run([name, *map(str, words)], capture_output=True, text=True, timeout=90)


def main():
    with tempfile.TemporaryDirectory() as folder:
        prefix = install(pathlib.Path(folder))
        share = prefix / "share"
        with case("install: the programs, and nothing else beside them"):
            equal(sorted(p.name for p in (prefix / "bin").iterdir()), PROGRAMS, "bin")
        with case("install: the installed command starts a broker of the installed programs"):
            os.environ["SLUICE"] = str(prefix / "bin" / "sluice")
            with brokers.Broker(brokers.SMALL) as b:
                topic_ready(b.bootstrap, "installed", 1)
                for child, pid in b.children().items():
                    runs = pathlib.Path(os.readlink(f"/proc/{pid}/exe"))
                    equal(runs, (prefix / "bin" / child).resolve(), child)
        with case("install: a man page for the command and each of its groups"):
            pages = {p.name for p in (share / "man/man1").iterdir()}
            equal(pages, {p.name for p in (BUILD / "docs/man").glob("*.1")}, "pages")
            check("sluice.1" in pages and "sluice-topic.1" in pages, pages)
        with case("install: bash takes its completion"):
            script = share / "bash-completion/completions/sluice"
            done = shell("bash", "--norc", "-c", f"source {script} && complete -p sluice")
            check(done.returncode == 0 and "sluice" in done.stdout, done)
        with case("install: zsh takes its completion"):
            script = share / "zsh/site-functions/_sluice"
            check(script.read_text().startswith("#compdef sluice"), script.read_text()[:40])
            equal(shell("zsh", "-n", script).returncode, 0, "zsh -n")
        with case("install: fish takes its completion"):
            script = share / "fish/vendor_completions.d/sluice.fish"
            done = shell("fish", "-N", "-c", f"source {script}; complete -c sluice")
            check(done.returncode == 0 and "sluice" in done.stdout, done)
        with case("install: dashboards and alert rules"):
            equal(len(list((share / "sluice/grafana").glob("*.json"))), 4, "dashboards")
            check((share / "sluice/prometheus/sluice-alerts.yml").exists(), "no rules")
    return finish()


if __name__ == "__main__":
    raise SystemExit(main())
