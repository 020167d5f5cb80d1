#!/usr/bin/env python3
"""Runs rdkafka_client.c against the broker; its lines are the cases."""
import os
import subprocess

from broker import stamp, target

with target() as broker:
    code = subprocess.run([os.environ["RDKAFKA_CLIENT"], broker.bootstrap, stamp()],
                          timeout=500).returncode
raise SystemExit(code)
