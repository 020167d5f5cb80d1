"""segmentio/kafka-go's tests: a client of its own in Go, which speaks old versions.

The module's zip from the Go proxy contains them.  They talk to localhost:9092; in a copy that
address is the broker's.  Rows are the tests of the root package that the broker may matter for."""
import os
import re
import shutil
import subprocess

import kgo
from suites import Row, bounded

PACKAGE, VERSION = "github.com/segmentio/kafka-go", "v0.4.50"
SECONDS = 900
MODES = {"kafkago": None}
ADDRESS = re.compile(r"(localhost|127\.0\.0\.1):9092")
LITERALS = {'Host: "localhost", Port: 9092': 'Host: "{host}", Port: {port}',
            'TCP("localhost")': 'TCP("{host}:{port}")',
            'Host != "localhost"': 'Host != "{host}"',
            'Port != 9092': 'Port != {port}'}
# Their servers are of their own, or there is none.
ALONE = re.compile(r"^Test(Protocol|Marshal|Unmarshal|Hash|Murmur|Round[Rr]obin|LeastBytes|"
                   r"Balancer|Bytes|Buf|CRC|Discard|Compress|Codec|MessageSet|ReadVar|WriteVar|"
                   r"VarInt|Error|FindMembers|FindPartitions|RangeAssign|ValidateReader|"
                   r"ValidateWriter|ReadNewBytes|Rack|Logger|Timer)")


def build(folder, bootstrap):
    """A copy of the module that talks to `bootstrap`."""
    folder.mkdir(parents=True, exist_ok=True)
    said = subprocess.run(["go", "mod", "download", "-json", f"{PACKAGE}@{VERSION}"], cwd=folder,
                          check=True, capture_output=True, text=True).stdout
    home = folder / "module"
    shutil.rmtree(home, ignore_errors=True)
    shutil.copytree(re.search(r'"Dir": "([^"]+)"', said)[1], home)
    for path in [home, *home.rglob("*")]:
        path.chmod(path.stat().st_mode | 0o200)
    host, port = bootstrap.rsplit(":", 1)
    for path in home.rglob("*.go"):
        if path.name == "address_test.go":  # that is about the text of addresses
            continue
        text = ADDRESS.sub(bootstrap, path.read_text())
        for old, new in LITERALS.items():
            text = text.replace(old, new.format(host=host, port=port))
        path.write_text(text)
    return home


def run(broker, mode, folder, out, only=None):
    """Yields a row for each test; one that fails is run once more, alone."""
    home = build(folder / "kafka-go", broker.bootstrap)
    env = {**os.environ, "KAFKA_VERSION": "4.3.1", "KAFKA_SKIP_NETTEST": "1"}

    def go(name, *pattern):
        log = out / f"{name}.json"
        bounded(["go", "test", "-mod=mod", "-json", "-count=1", f"-timeout={SECONDS}s",
                 *pattern, "."],
                SECONDS + 60, log, cwd=home, env=env)
        return {n: r for n, r in kgo.rows(log).items() if "/" not in n and not ALONE.match(n)}

    found = go("all", *(["-run", "^(" + "|".join(only) + ")$"] if only else []))
    if not found:
        yield Row("build", "fail", 0, "no test ran")
    for name in [n for n, r in found.items() if r.verdict in ("fail", "timeout")]:
        found.update(go(f"again-{name}", "-run", f"^{name}$"))
    yield from found.values()
