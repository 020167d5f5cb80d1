#!/usr/bin/env python3
"""start_sluice.py ID PORT FOLDER PROPERTIES PEERS: one broker for Kafka's own tests, in the
foreground.  Keys of PROPERTIES that Sluice has are handed on; of the others some have no meaning
here (a controller of its own, plug-ins in Java), and are left out."""
import os
import subprocess
import sys

SLUICE = os.environ["SLUICE"]
NOT_OURS = ("listeners", "advertised.listeners", "node.id", "broker.id", "log.dir", "log.dirs",
            "process.roles")


def known():
    text = subprocess.run([SLUICE, "config", "--markdown"], check=True, capture_output=True,
                          text=True).stdout
    return {l.split("`")[1] for l in text.splitlines() if l.startswith("| `")}


def main():
    node, port, folder, properties, _ = sys.argv[1:]
    settings = {"node.id": node, "listeners": f"PLAINTEXT://127.0.0.1:{port}",
                "journal.bytes": str(128 << 20), "group.initial.rebalance.delay.ms": "0"}
    keys = known()
    settings = {k: v for k, v in settings.items() if k in keys}
    with open(properties) as lines:
        for line in lines:
            key, _, value = line.strip().partition("=")
            if key in keys and key not in NOT_OURS:
                settings[key] = value
    words = [w for k, v in settings.items() for w in ("-o", f"{k}={v}")]
    os.makedirs(folder, exist_ok=True)
    os.execv(SLUICE, [SLUICE, "run", "--data", folder, *words])


if __name__ == "__main__":
    main()
