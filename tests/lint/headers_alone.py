#!/usr/bin/env python3
"""headers_alone.py BUILD: every header compiles alone, with the include folders of the build."""
import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys

import tree


def include_folders(build):
    rows = json.loads((build / "compile_commands.json").read_text())
    found = []
    for row in rows:
        for option in re.findall(r"-(?:I|isystem)\s?(\S+)", row["command"]):
            path = str((pathlib.Path(row["directory"]) / option).resolve())
            if path not in found and pathlib.Path(path).is_dir() and ".p" != path[-2:]:
                found.append(path)
    return found


def compile_alone(name, options):
    done = subprocess.run(
        ["gcc", "-std=gnu17", "-D_GNU_SOURCE", '-DSLUICE_VERSION="lint"', "-fsyntax-only", "-Wall",
         "-Wextra", "-Wno-unused-parameter", "-Werror", "-x", "c", *options, "-include",
         str(tree.ROOT / name), os.devnull], capture_output=True, text=True)
    if done.returncode == 0:
        return []
    lines = [l for l in done.stderr.splitlines() if "error" in l]
    return [f"{name}: does not compile alone: {(lines or ['?'])[0].strip()}"]


def main():
    build = pathlib.Path(sys.argv[1])
    options = ["-I" + f for f in include_folders(build)]
    names = tree.files(".h")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        results = pool.map(lambda n: compile_alone(n, options), names)
    return tree.report([f for r in results for f in r])


if __name__ == "__main__":
    sys.exit(main())
