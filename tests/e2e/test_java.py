#!/usr/bin/env python3
"""Runs java/ClientTest.java against the broker; its lines are the cases."""
import os
import subprocess

from broker import stamp, target

with target() as broker:
    classes = os.environ["JAVA_CLASSES"]
    code = subprocess.run(["java", "-Xmx512m", "-cp", f"{classes}:{classes}/lib/*", "ClientTest",
                           broker.bootstrap, stamp()], timeout=500).returncode
raise SystemExit(code)
