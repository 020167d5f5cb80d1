#!/usr/bin/env python3
"""The requests of cases.py to one broker; its answers against golden.json.

  diff.py BUILD               starts BUILD/sluice and prints each difference
  diff.py --record HOST:PORT  writes golden.json from a new Apache Kafka"""
import json
import os
import pathlib
import re
import socket
import struct
import sys
import time

import codec
from cases import CASES, CUT_OFF, RUN, SORTED

HERE = pathlib.Path(__file__).parent
GOLDEN = HERE / "golden.json"
TIMEOUT_S = 30
CLOSED = "closed"


class Peer:
    def __init__(self, bootstrap):
        self.host, port = bootstrap.rsplit(":", 1)
        self.port, self.correlation, self.socket = int(port), 0, None

    def exactly(self, n):
        data = b""
        while len(data) < n:
            part = self.socket.recv(n - len(data))
            if not part:
                raise ConnectionError("closed")
            data += part
        return data

    def ask(self, api, version, body):
        """The decoded answer, or CLOSED."""
        if not self.socket:
            self.socket = socket.create_connection((self.host, self.port), timeout=TIMEOUT_S)
        self.correlation += 1
        self.socket.sendall(codec.request(api, version, body, self.correlation))
        try:
            size = struct.unpack(">i", self.exactly(4))[0]
            data = self.exactly(size)
        except ConnectionError:
            self.socket.close()
            self.socket = None
            return CLOSED
        if struct.unpack(">i", data[:4])[0] != self.correlation:
            raise AssertionError(f"{api} {version}: correlation id of another request")
        return codec.response(api, version, data[4:])


def plain(value, name=""):
    """Without what depends on the run, and in an order that means nothing."""
    if isinstance(value, dict):
        return {k: plain(v, k) for k, v in value.items() if k not in RUN}
    if isinstance(value, list):
        items = [plain(v) for v in value]
        return sorted(items, key=json.dumps) if name in SORTED else items
    return value


def asked(bootstrap):
    """{"case version": answer}"""
    peer, answers = Peer(bootstrap), {}
    for case in CASES:
        low, high = codec.APIS[case.api].request.versions
        for version in case.versions or range(low, high + 1):
            key = f"{case.name} | {case.api} {version}"
            if key in answers:
                raise AssertionError(f"two cases: {key}")
            answers[key] = plain(peer.ask(case.api, version, case.body))
        time.sleep(case.wait)
    for api in CUT_OFF:
        version = codec.APIS[api].request.versions[1]
        answers[f"cut off | {api} {version}"] = peer.ask(api, version, b"\x7f\xff")
    return answers


def differences(wanted, got, path=""):
    """[(path, wanted, got)]"""
    if isinstance(wanted, dict) and isinstance(got, dict):
        return [d for k in {**wanted, **got} for d in differences(
            wanted.get(k, "absent"), got.get(k, "absent"), f"{path}.{k}" if path else k)]
    if isinstance(wanted, list) and isinstance(got, list) and len(wanted) == len(got):
        return [d for i, (w, g) in enumerate(zip(wanted, got))
                for d in differences(w, g, f"{path}[{i}]")]
    return [] if wanted == got else [(path, wanted, got)]


def allowed(case, path):
    """The path of the case's table that names this one."""
    for p in case.differs:
        pattern = re.escape(p).replace(r"\[\*\]", r"\[\d+\]")
        if re.match(pattern + r"($|[.\[])", path):
            return p
    return None


def compare(golden, answers):
    """Prints every difference that is not named; the number of faults."""
    faults, by_name = 0, {c.name: c for c in CASES}
    unused = {(c.name, p) for c in CASES for p in c.differs}
    for key in {**golden, **answers}:
        case = by_name.get(key.split(" | ")[0])
        for path, wanted, got in differences(golden.get(key, "absent"), answers.get(key, "absent")):
            p = allowed(case, path) if case else None
            if p is not None:
                unused.discard((case.name, p))
                continue
            faults += 1
            print(f"not ok {key}: {path or 'answer'}\n  Kafka  {json.dumps(wanted)[:600]}\n"
                  f"  Sluice {json.dumps(got)[:600]}")
    for name, p in sorted(unused):
        faults += 1
        print(f"not ok {name}: the difference in {p} is named and is not there")
    return faults


def main():
    if sys.argv[1] == "--record":
        answers = asked(sys.argv[2])
        lines = [f"{json.dumps(k)}: {json.dumps(v, sort_keys=True)}" for k, v in answers.items()]
        GOLDEN.write_text("{\n" + ",\n".join(lines) + "\n}\n")
        print(f"{len(answers)} answers recorded")
        return
    os.environ["SLUICE"] = str(pathlib.Path(sys.argv[1]).resolve() / "sluice")
    sys.path.insert(0, str(HERE.parents[1] / "e2e"))
    from broker import Broker
    golden = json.loads(GOLDEN.read_text())
    with Broker() as broker:
        answers = asked(broker.bootstrap)
    faults = compare(golden, answers)
    named = sum(len(c.differs) for c in CASES)
    print(f"{len(answers)} answers compared, {named} differences named, {faults} faults")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
