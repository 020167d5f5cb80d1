#!/usr/bin/env python3
"""Every named limit (enum constant or macro that ends in _MAX) of a header is used by some code,
and every row of a .def table of counters and drop reasons is counted somewhere."""
import re
import sys

import tree

TABLES = {"core/shm/drop.def": ("DROP", "DROP_"), "core/shm/counters.def": ("COUNTER", "COUNTER_")}


def main():
    text = {n: tree.code_only(tree.read(n)) for n in tree.files(".c", ".cc", ".h", ".py")
            if not n.startswith("tests/")}
    words = {}
    for n, t in text.items():
        for w in re.findall(r"\w+", t):
            words.setdefault(w, []).append(n)
    findings = []
    for n, t in text.items():
        if not n.endswith(".h") or n.startswith("bench/"):
            continue
        for m in re.finditer(r"(?:#define\s+([A-Z]\w*_MAX)\b|\b([A-Z]\w*_MAX)\s*=(?!=))", t):
            name = m.group(1) or m.group(2)
            if len(words.get(name, [])) < 2:
                findings.append(f"{n}: {name} is a limit that nothing keeps")
    for table, (macro, prefix) in TABLES.items():
        for name in re.findall(rf"^{macro}\((\w+),", tree.read(table), re.M):
            if prefix + name not in words:
                findings.append(f"{table}: {name}: nothing counts {prefix}{name}")
    return tree.report(findings)


if __name__ == "__main__":
    sys.exit(main())
