#!/usr/bin/env python3
"""Includes point down only: layers.txt names, for each folder, the folders it may include."""
import re
import sys

import tree

FREE = ("tests/", "bench/")  # see everything, are seen by nobody


def load():
    """{folder: set of folders}, {system header: set of folders}."""
    allowed, system = {}, {}
    for number, line in enumerate(tree.read("layers.txt").splitlines(), 1):
        line = line.split("#")[0].strip()
        if not line:
            continue
        name, _, rest = line.partition(":")
        if name == "system":
            headers, _, owners = rest.partition(":")
            for h in headers.split():
                system[h] = set(owners.split())
        elif name in allowed:
            sys.exit(f"layers.txt:{number}: {name} stands here twice")
        else:
            allowed[name] = set(rest.split())
    return allowed, system


def cycles(allowed):
    """A folder that can reach itself."""
    for start in allowed:
        seen, todo = set(), list(allowed[start])
        while todo:
            at = todo.pop()
            if at == start:
                yield f"layers.txt: {start} reaches itself"
                break
            if at not in seen:
                seen.add(at)
                todo += allowed.get(at, ())


def check(name, allowed, system):
    where = tree.folder(name)
    if where not in allowed:
        yield f"{name}: folder {where or '.'} is not in layers.txt"
        return
    for number, line in enumerate(tree.read(name).splitlines(), 1):
        m = re.match(r'\s*#\s*include\s*([<"])([^">]+)[">]', line)
        if not m:
            continue
        target = m.group(2)
        if m.group(1) == "<":
            if target in system and where not in system[target]:
                yield f"{name}:{number}: {where} may not include <{target}>"
            continue
        if "/" not in target:
            yield f'{name}:{number}: "{target}": write the path from the root'
            continue
        below = tree.folder(target)
        if below != where and below not in allowed[where]:
            yield f"{name}:{number}: {where} may not include {below}"


def main():
    allowed, system = load()
    findings = list(cycles(allowed))
    for name in tree.files(".c", ".cc", ".h", ".def"):
        if not name.startswith(FREE):
            findings += check(name, allowed, system)
    return tree.report(findings)


if __name__ == "__main__":
    sys.exit(main())
