#!/usr/bin/env python3
"""Every MUST of RFC 9293 has a test that exists, or a reason why not (musts.txt)."""
import re
import sys

import tree

FOLDER, MUSTS = "tests/unit/dataplane/tcp", 69
TESTS = (FOLDER, "tests/unit/dataplane/net")


def main():
    findings, seen = [], set()
    for number, line in enumerate(tree.read(f"{FOLDER}/musts.txt").splitlines(), 1):
        parts = line.split("#")[0].split(None, 2)
        if not parts:
            continue
        where = f"{FOLDER}/musts.txt:{number}"
        if len(parts) != 3 or not parts[0].isdigit():
            findings.append(f"{where}: number, test file, test")
            continue
        seen.add(int(parts[0]))
        if parts[1] == "-":
            continue
        name = next((n for f in TESTS if (n := f"{f}/test_{parts[1]}.c") in tree.files(".c")), None)
        if not name:
            findings.append(f"{where}: no test_{parts[1]}.c")
        elif not re.search(rf"cmocka_unit_test\({re.escape(parts[2])}\)", tree.read(name)):
            findings.append(f"{where}: {name} has no test {parts[2]}")
    for n in sorted(set(range(1, MUSTS + 1)) - seen):
        findings.append(f"{FOLDER}/musts.txt: MUST-{n} is missing")
    return tree.report(findings)


if __name__ == "__main__":
    sys.exit(main())
