#!/usr/bin/env python3
"""gates.py [--record] [--profile]: instructions of a request, counted by callgrind, against
gates.json.

REQUEST_COSTS names the program (request_costs.c).  A figure is the difference between a long and a
short run over their difference in requests, inside shard_turn and without the fakes of tests/.
What grew by more than TOLERANCE fails; what shrank by more asks for --record, which writes
gates.json anew.  --profile prints the functions that the instructions are in."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from case import Skip, case, check, finish  # noqa: E402

RECORDED = pathlib.Path(__file__).with_name("gates.json")
TOLERANCE = 0.10  # of the recorded value: smaller steps add up before anybody is asked
SHORT, LONG = 160, 960
NAME = re.compile(r"\((\d+)\)(?: (.*))?")


def self_costs(path):
    """{(file, function): instructions of its own} of a callgrind file."""
    names, costs = {}, {}
    file = function = None
    skip = False

    def name(kind, text):
        number, given = NAME.fullmatch(text).groups()
        if given is not None:
            names[kind, number] = given
        return names[kind, number]

    for line in path.read_text().splitlines():
        key, _, text = line.partition("=")
        if key in ("fl", "fi", "fe"):
            file = name("fl", text)
        elif key == "fn":
            function = name("fn", text)
        elif key in ("cfi", "cfl"):
            name("fl", text)
        elif key == "cfn":
            name("fn", text)
        elif key == "calls":
            skip = True  # the next line is what the callee cost
        elif key in ("ob", "cob"):
            name("ob", text)
        elif re.match(r"[-+*\d]", line):
            if not skip:
                costs[file, function] = costs.get((file, function), 0) + int(line.split()[-1])
            skip = False
    return costs


def counted(program, kind, count):
    with tempfile.TemporaryDirectory(prefix="sluice-gates-") as folder:
        out = pathlib.Path(folder) / "callgrind"
        done = subprocess.run(
            ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}",
             "--toggle-collect=shard_turn", program, kind, str(count)],
            capture_output=True, text=True, timeout=300)
        check(done.returncode == 0, f"{kind} {count}: {done.stderr[-2000:]}")
        return {k: v for k, v in self_costs(out).items() if "/tests/" not in (k[0] or "")}


def costs(program, kind):
    short, long = counted(program, kind, SHORT), counted(program, kind, LONG)
    return {k: (v - short.get(k, 0)) / (LONG - SHORT) for k, v in long.items()}


def main():
    program = os.environ.get("REQUEST_COSTS")
    if not program or not pathlib.Path(program).exists():
        raise SystemExit(f"REQUEST_COSTS must name the program, not '{program}'")
    recorded = json.loads(RECORDED.read_text()) if RECORDED.exists() else {}
    for kind in ("produce", "fetch"):
        with case(f"gates: instructions of a {kind} request"):
            if not shutil.which("valgrind"):
                raise Skip("no valgrind")
            found = costs(program, kind)
            total = sum(found.values())
            print(f"# {kind}: {total:.0f} instructions a request")
            if "--profile" in sys.argv:
                for (file, function), n in sorted(found.items(), key=lambda f: -f[1])[:25]:
                    print(f"#   {n:8.0f}  {function}  {(file or '?').rsplit('/', 1)[-1]}")
            check(total > 200, "callgrind saw too little to prove anything")
            if "--record" in sys.argv:
                recorded[f"{kind}_instructions"] = round(total)
                continue
            last = recorded[f"{kind}_instructions"]
            check(total <= last * (1 + TOLERANCE),
                  f"{total:.0f} instructions, {last} were recorded: cheaper code, or --record")
            if total < last * (1 - TOLERANCE):
                print(f"# {kind}: cheaper than recorded ({last}): gates.py --record")
    if "--record" in sys.argv:
        RECORDED.write_text(json.dumps(recorded, indent=1, sort_keys=True) + "\n")
    finish()


main()
