"""IBM/sarama from the Go proxy, under tests of our own (sarama/sarama_test.go): sarama's own
functional tests want five brokers and a proxy in front of them."""
import os
import shutil

import kgo
from suites import HERE, bounded

PACKAGE, VERSION = "github.com/IBM/sarama", "v1.61.1"
SECONDS = 300
MODES = {"sarama": None}


def run(broker, mode, folder, out, only=None):
    """Yields a row for each test that has no tests in it."""
    home = kgo.module(folder / "sarama", f"{PACKAGE}@{VERSION}")
    shutil.copy(HERE / "sarama" / "sarama_test.go", home)
    pick = ["-run", "^(" + "|".join(only) + ")$"] if only else []
    bounded(["go", "test", "-mod=mod", "-json", "-count=1", f"-timeout={SECONDS}s", *pick, "."],
            SECONDS + 60, out / "all.json", cwd=home,
            env={**os.environ, "BOOTSTRAP": broker.bootstrap})
    found = kgo.rows(out / "all.json")
    yield from (r for n, r in found.items() if not any(m.startswith(n + "/") for m in found))
