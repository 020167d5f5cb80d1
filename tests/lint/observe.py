#!/usr/bin/env python3
"""Dashboards and alert rules are what deploy/prometheus/observe.py makes of metrics.def, every
alert has a case of what it fires on, and promtool agrees where it is installed."""
import re
import shutil
import subprocess
import sys

import tree

FOLDER = tree.ROOT / "deploy/prometheus"


def main():
    findings = []
    done = subprocess.run([sys.executable, FOLDER / "observe.py", "--check"], capture_output=True,
                          text=True, env={"PYTHONDONTWRITEBYTECODE": "1", "PATH": "/usr/bin:/bin"})
    findings += (done.stdout + done.stderr).splitlines()
    names = re.findall(r"- alert: (\w+)", (FOLDER / "sluice-alerts.yml").read_text())
    cases = (FOLDER / "sluice-alerts-test.yml").read_text()
    if not names:
        findings.append("deploy/prometheus/sluice-alerts.yml: no alert at all")
    for name in names:
        fires = re.search(rf"alertname: {name}\n\s+exp_alerts:\n", cases)
        if not fires:
            findings.append(f"deploy/prometheus/sluice-alerts-test.yml: {name} never fires there")
    if not shutil.which("promtool"):
        print("warning: promtool is not installed: the rules' own tests were not run")
        return tree.report(findings)
    for words in (["check", "rules", "sluice-alerts.yml"],
                  ["test", "rules", "sluice-alerts-test.yml"]):
        done = subprocess.run(["promtool", *words], cwd=FOLDER, capture_output=True, text=True)
        if done.returncode:
            findings += [f"promtool {' '.join(words)}: {line}"
                         for line in (done.stdout + done.stderr).splitlines()]
    return tree.report(findings)


if __name__ == "__main__":
    sys.exit(main())
