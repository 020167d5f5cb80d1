#!/usr/bin/env python3
"""Sizes, banned calls, stray characters, and things that must exist.

  files        at most 600 lines of .c, .h, .py, .sh (a warning), never above 800
  functions    at most 70 lines between { and } of a definition
  columns      at most 100, in .c .h .py .sh
  calls        BANNED everywhere; ALLOCATE in the hot process and in core/, but for allow.txt
  characters   no tab (Makefile, Go aside), no trailing space, no invisible Unicode, final newline
  companions   every .c has tests/unit/<folder>/test_<file>.c (main.c, tests/, bench/ aside);
               every second-level folder of core, dataplane, control, drivers, bench, tests, deploy
               has a README.md
  git          no generated file, no path of somebody's machine"""
import re
import sys
import unicodedata

import tree

LINES_WANTED, LINES_MAX, FUNCTION_MAX, COLUMNS_MAX = 600, 800, 70, 100
SIZED = (".c", ".cc", ".h", ".py", ".sh")
BANNED = {
    "strcpy": "snprintf or memcpy with a length", "strcat": "snprintf", "sprintf": "snprintf",
    "vsprintf": "vsnprintf", "atoi": "strtol", "atol": "strtol", "strtok": "a cursor (bytes.h)",
    "alloca": "a named limit", "gets": "fgets", "rand": "rng.h", "srand": "rng.h",
    "time": "clock.h", "usleep": "an event to wait for",
}
ALLOCATE = ("malloc", "calloc", "realloc", "strdup", "aligned_alloc", "posix_memalign")
HOT = ("core/", "dataplane/")
GENERATED = re.compile(r"(^|/)(wire_gen\.[ch]|.*\.(o|a|so|class|jar|pyc|profraw))$")
HOST_PATH = re.compile(r"(?<![\w.$}])/(?:work|root|home/\w+|tmp)/\w")
READMES = ("core", "dataplane", "control", "drivers", "bench", "tests", "deploy")


def load_allowed():
    """allow.txt: 'path call  reason', one a line."""
    rows = {}
    for line in tree.read("tests/lint/allow.txt").splitlines():
        parts = line.split("#")[0].split(None, 2)
        if len(parts) == 3:
            rows[(parts[0], parts[1])] = parts[2]
        elif parts:
            sys.exit(f"tests/lint/allow.txt: '{line}': path, call, reason")
    return rows


def functions(lines):
    """(name, first line, length) of definitions: '{' and '}' stand in column 0."""
    start = None
    for number, line in enumerate(lines, 1):
        if line.rstrip() == "{":
            start = number
        elif line.startswith("}") and start:
            # The name stands in column 0 of the lines before, the type on a line of its own.
            name = "?"
            for back in range(start - 2, max(start - 12, -1), -1):
                m = re.match(r"(\w+)\(", lines[back])
                if m:
                    name = m.group(1)
                    break
            yield name, start, number - start - 1
            start = None


def check_sizes(name, text):
    lines = text.splitlines()
    if len(lines) > LINES_MAX:
        yield f"{name}: {len(lines)} lines, at most {LINES_MAX}"
    elif len(lines) > LINES_WANTED:
        print(f"warning: {name}: {len(lines)} lines, {LINES_WANTED} are enough")
    for number, line in enumerate(lines, 1):
        if len(line) > COLUMNS_MAX:
            yield f"{name}:{number}: {len(line)} columns, at most {COLUMNS_MAX}"
    if name.endswith(".c"):
        for function, number, length in functions(tree.code_only(text).splitlines()):
            if length > FUNCTION_MAX:
                yield f"{name}:{number}: {function}() has {length} lines, at most {FUNCTION_MAX}"


def check_calls(name, text, allowed, used):
    code = tree.code_only(text)
    hot = name.startswith(HOT)
    for number, line in enumerate(code.splitlines(), 1):
        for call in re.findall(r"(?<![\w.>])(\w+)\s*\(", line):
            if call in BANNED:
                yield f"{name}:{number}: {call}() is banned: use {BANNED[call]}"
            elif call in ALLOCATE and hot:
                if (name, call) in allowed:
                    used.add((name, call))
                else:
                    yield f"{name}:{number}: {call}() in the hot process (tests/lint/allow.txt)"
        if re.search(r"\bvolatile\b", line) and not re.search(
                r"volatile\s+sig_atomic_t|asm\s+volatile|__asm__\s+(__)?volatile", line):
            yield f"{name}:{number}: volatile: use C11 atomics"


def check_characters(name, text):
    if text and not text.endswith("\n"):
        yield f"{name}: no newline at the end"
    for number, line in enumerate(text.split("\n"), 1):
        if "\t" in line and not name.endswith(("Makefile", ".go")):
            yield f"{name}:{number}: tab"
        if line != line.rstrip():
            yield f"{name}:{number}: trailing space"
        if not line.isascii():
            for c in line:
                if unicodedata.category(c) in ("Cf", "Cc", "Zl", "Zp", "Co", "Cn") \
                        or (unicodedata.category(c) == "Zs" and c != " "):
                    yield f"{name}:{number}: invisible character U+{ord(c):04X}"


def check_companions(names):
    known = set(names)
    for n in names:
        if n.endswith((".c", ".cc")) and not n.startswith(("tests/", "bench/")):
            folder, base = tree.folder(n), n.rsplit("/", 1)[-1]
            test = f"tests/unit/{folder}/test_{base.split('.')[0]}.c"
            if base != "main.c" and test not in known:
                yield f"{n}: no {test}"
    for top in READMES:
        seconds = {n.split("/")[1] for n in names if n.startswith(top + "/") and n.count("/") > 1}
        for second in sorted(seconds):
            if f"{top}/{second}/README.md" not in known:
                yield f"{top}/{second}: no README.md"


def main():
    allowed, used = load_allowed(), set()
    names = [n for n in tree.files() if not n.startswith("tests/fuzz/corpus/")]
    findings = list(check_companions(names))
    for name in names:
        if GENERATED.search(name):
            findings.append(f"{name}: a generated file in git")
        if b"\0" in (tree.ROOT / name).read_bytes():
            continue
        text = tree.read(name)
        findings += check_characters(name, text)
        if name.endswith(SIZED):
            findings += check_sizes(name, text)
        if name.endswith((".c", ".cc", ".h")):
            findings += check_calls(name, text, allowed, used)
        if not name.startswith("tests/lint/"):
            for number, line in enumerate(text.split("\n"), 1):
                if HOST_PATH.search(line):
                    findings.append(f"{name}:{number}: a path of somebody's machine")
    for name, call in sorted(set(allowed) - used):
        findings.append(f"tests/lint/allow.txt: {name} no longer calls {call}()")
    return tree.report(findings)


if __name__ == "__main__":
    sys.exit(main())
