#!/usr/bin/env python3
"""prefix.py BUILD: a global's name tells its file (rule R1).

From nm of the static libraries: every global of foo.c and foo_bar.c is `foo` or starts with `foo_`;
a first word lives in one folder only.  A driver wears its port's word (stream_uring.c in
drivers/uring implements core/net/stream.h), so drivers/ may share a word with the port's folder.
File names are unique in the tree, main.c aside."""
import collections
import pathlib
import re
import subprocess
import sys

import tree

FREE = ("tests/", "bench/")


def sources():
    """{flattened object name: path} as meson flattens it."""
    names = [n for n in tree.files(".c", ".cc") if not n.startswith(FREE)]
    return {n.replace("/", "_") + ".o": n for n in names}


def source_of(obj, known, folders):
    """Folder and file name of an object, also for a generated source."""
    if obj in known:
        path = known[obj]
        return tree.folder(path), path.rsplit("/", 1)[-1]
    flat = re.sub(r"^meson-generated_+(\.\._)*", "", obj)[:-len(".o")]
    for f in sorted(folders, key=len, reverse=True):
        if flat.startswith(f.replace("/", "_") + "_"):
            return f, flat[len(f) + 1:]
    return "", flat


def globals_of(library):
    out = subprocess.run(["nm", "-A", "-g", "--defined-only", str(library)],
                         check=True, capture_output=True, text=True).stdout
    for line in out.splitlines():
        m = re.match(r"[^:]+[:\[]([^:\]]+)[:\]]+\s*[0-9a-f]*\s+([A-Z])\s+(\S+)$", line)
        if m and not m.group(3).startswith("__"):
            yield pathlib.PurePath(m.group(1)).name, m.group(3)


def unique_names():
    seen = {}
    for n in tree.files(".c", ".h"):
        base = n.rsplit("/", 1)[-1]
        if base == "main.c":
            continue
        if base in seen:
            yield f"{n}: the name is taken by {seen[base]}"
        seen[base] = n


def main():
    build = pathlib.Path(sys.argv[1])
    libraries = sorted(build.glob("**/libsluice_*.a"))
    if not libraries:
        sys.exit(f"no libsluice_*.a under {build}: build first")
    known = sources()
    folders = {tree.folder(n) for n in known.values()}
    findings = list(unique_names())
    homes = collections.defaultdict(set)
    count = 0
    for library in libraries:
        for obj, symbol in globals_of(library):
            folder, base = source_of(obj, known, folders)
            word = re.split(r"[_.]", base)[0]
            count += 1
            homes[word].add(folder)
            if symbol != word and not symbol.startswith(word + "_"):
                findings.append(f"{folder}/{base}: {symbol} does not start with {word}_")
    for word, where in sorted(homes.items()):
        logic = sorted(f for f in where if not f.startswith("drivers/"))
        if len(logic) > 1:
            findings.append(f"first word '{word}' lives in {' and '.join(logic)}")
    if count == 0:
        findings.append("nm found no global at all: this lint is broken")
    return tree.report(findings)


if __name__ == "__main__":
    sys.exit(main())
