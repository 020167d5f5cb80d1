#!/usr/bin/env python3
"""schemathesis (PyPI) against /v1 of a running broker: requests made from the endpoint's own
OpenAPI description, good ones and bad ones; every answer must be as described: `make fuzz-http`.

  schema.py BUILD [--examples N] [--seed N]"""
import argparse
import os
import pathlib
import subprocess
import sys
import venv

VERSION = "schemathesis==4.32.5"
SECONDS = 1800


def program(build):
    """`st` in a virtual environment of the build folder, installed when it is not there."""
    home = build / "schemathesis"
    st = home / "bin/st"
    if not st.exists():
        venv.create(home, with_pip=True)
        subprocess.run([home / "bin/pip", "-q", "install", VERSION], check=True, timeout=SECONDS)
    return st


def main():
    p = argparse.ArgumentParser()
    p.add_argument("build", type=pathlib.Path)
    p.add_argument("--examples", type=int, default=100)
    p.add_argument("--seed", type=int)
    args = p.parse_args()
    build = args.build.resolve()
    os.environ["SLUICE"] = str(build / "sluice")
    import broker as brokers
    import kafka
    st, port = program(build), brokers.free_port()
    with brokers.Broker(brokers.SMALL, f"metrics.listener=127.0.0.1:{port}") as b:
        kafka.topic_ready(b.bootstrap, "topic", 3)
        command = [st, "run", f"http://127.0.0.1:{port}/v1/openapi.json", "--max-examples",
                   str(args.examples)]
        if args.seed is not None:
            command += ["--seed", str(args.seed)]
        done = subprocess.run(command, timeout=SECONDS, cwd=build)
        b.alive()
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
