#!/usr/bin/env python3
"""clang-format has nothing to change."""
import subprocess
import sys

import tree


def main():
    names = tree.files(".c", ".cc", ".h")
    done = subprocess.run(["clang-format", "--dry-run", "-Werror", *names], cwd=tree.ROOT,
                          capture_output=True, text=True)
    findings = sorted({l.split(":")[0] + ": clang-format would change it (make fmt)"
                       for l in done.stderr.splitlines() if ": error: " in l})
    if done.returncode != 0 and not findings:
        findings = [done.stderr.strip() or "clang-format failed"]
    return tree.report(findings)


if __name__ == "__main__":
    sys.exit(main())
