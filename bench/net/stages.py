#!/usr/bin/env python3
"""stages.py BUILD [--rows TEXT,...]: instructions of a frame, by stage, of rows of tcp_bench.

Counted by valgrind's callgrind, so a busy machine does not matter: each row runs twice, with two
counts, and the difference is divided by the frames between them; both ends are in it.  What a
function costs belongs to the stage that called it last: STAGES has the functions that begin one.
All names are looked for among FUNCTIONS callers, the nearest first."""
import argparse
import collections
import pathlib
import re
import subprocess
import sys
import tempfile

COUNTS = (14000, 54000)
CALLERS = 16
# In the order of a frame's way; what begins each.
STAGES = {
    "device, receive": ["host_rx", "host_release"],
    "IP in": ["ipnet_port_receive"],
    "TCP in": ["tcp_input"],
    "TCP's calls": ["tcp_poll", "tcp_peek", "tcp_consume", "tcp_send", "tcp_lend", "tcp_close",
                    "tcp_connect"],
    "application": ["turn"],
    "TCP out": ["tcp_flush"],
    "IP out": ["ipnet_send", "ipnet_port_flush"],
    "device, send": ["host_tx"],
    "timers and the loop": ["tcp_tick", "ipnet_port_turn", "duel_receive", "duel_send", "run_to"],
}
STAGE_OF = {f: stage for stage, functions in STAGES.items() for f in functions}
ROWS = ["64 bytes there and back, 100$", "64 bytes there and back, 1000, the device sums$",
        "1 KiB there and back, 1000$", "connect and close$", "bulk to the server$",
        "bulk to the server, the device sums$", "bulk to the server, the device sums and cuts$"]


def stage_of(name):
    """Of a function with its callers behind it: a'b'c."""
    for function in name.split("'"):
        stage = STAGE_OF.get(re.sub(r"\.(constprop|part|isra|cold).*", "", function))
        if stage:
            return stage
    return None


def costs(path):
    """Instructions by stage, from callgrind's file: of each function its own."""
    names, sums, stage, called = {}, collections.Counter(), None, False
    for line in path.read_text().splitlines():
        if line.startswith("fn="):
            number, _, name = line[3:].partition(" ")
            if name:
                names[number] = stage_of(name)
            stage = names[number]
        elif line.startswith("cfn=") or line.startswith("cfni="):
            number, _, name = line.partition("=")[2].partition(" ")
            if name:
                names[number] = stage_of(name)
        elif line.startswith("calls="):
            called = True  # the next line is what the other one cost
        elif line[:1] in "0123456789+-*":
            if not called and line:
                sums[stage] += int(line.split()[1])
            called = False
    return sums


def count(bench, row, number):
    with tempfile.TemporaryDirectory() as home:
        out = pathlib.Path(home) / "out"
        text = subprocess.run(
            ["valgrind", "--tool=callgrind", f"--separate-callers={CALLERS}",
             f"--callgrind-out-file={out}", bench, "--rounds", "1", "--only", row, "--count",
             str(number)], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True, timeout=900).stdout
        frames = re.findall(r"^# frames (\d+)$", text, re.M)
        if len(frames) != 1:
            sys.exit(f"{row}: names {len(frames)} rows")
        return int(frames[0]), costs(out)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--rows", help="of ROWS, those that contain this")
    args = parser.parse_args()
    bench = args.build / "bench/net/tcp_bench"
    print("| |", " | ".join(STAGES), "| all | frames each |")
    print("|---|" + "---|" * (len(STAGES) + 2))
    for row in ROWS:
        if args.rows and args.rows not in row:
            continue
        (frames, few), (more_frames, many) = (count(bench, row, n) for n in COUNTS)
        span = more_frames - frames
        cells = [(many[s] - few[s]) / span for s in STAGES]
        cells.append((sum(many.values()) - sum(few.values())) / span)
        each = span / (COUNTS[1] - COUNTS[0])
        print("|", row.rstrip("$"), "|", " | ".join(f"{c:,.0f}" for c in cells), f"| {each:.2f} |",
              flush=True)


main()
