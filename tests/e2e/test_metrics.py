#!/usr/bin/env python3
"""The HTTP endpoint of a running broker: what it tells agrees with what clients did, Prometheus'
own tool accepts it, dashboards and alerts name only what is there, it stays up while the dataplane
is down, and whatever is asked of it, it answers as its description says."""
import http.client
import json
import os
import pathlib
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import urllib.parse

from broker import DATA, SMALL, Broker, free_port, stamp
from case import Skip, case, check, equal, finish, until
from kafka import NONE, Connection, string, topic_ready

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "deploy/prometheus"))
import observe  # noqa: E402

FIND_COORDINATOR, OFFSET_COMMIT, HEARTBEAT, LIST_OFFSETS, FUZZ_REQUESTS = 10, 8, 12, 2, 400
UNKNOWN_MEMBER, TOO_LARGE = 25, 10
OPEN = {"Accept": "application/openmetrics-text; version=1.0.0"}
# Names of kafka_exporter that promtool would rather have otherwise.
FOREIGN = {"kafka_consumergroup_current_offset_sum", "kafka_consumergroup_lag_sum"}


class Endpoint:
    def __init__(self, port):
        self.port = port

    def ask(self, path, method="GET", headers=None):
        """Status, body, content type."""
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=90)
        try:
            c.request(method, path, headers=headers or {})
            answer = c.getresponse()
            return answer.status, answer.read(), answer.getheader("Content-Type")
        finally:
            c.close()

    def text(self, path="/metrics", headers=None):
        status, body, _ = self.ask(path, headers=headers)
        equal(status, 200, path)
        return body.decode()

    def json(self, path, status=200):
        got, body, _ = self.ask(path)
        equal(got, status, path)
        return json.loads(body)


def series(text):
    """{name and labels: value}; fails where a series stands twice."""
    found = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        name, value = line.rsplit(" ", 1)
        check(name not in found, "twice:", name)
        found[name] = float(value)
    return found


def commit(c, group, topic, partition, offset):
    body = string(group) + struct.pack(">i", -1) + string("") + struct.pack(">qi", -1, 1) \
        + string(topic) + struct.pack(">iiq", 1, partition, offset) + string("")
    answer = c.call(OFFSET_COMMIT, 2, body)
    return struct.unpack(">h", answer.data[-2:])[0]


def promtool(text):
    """What it has to say, line by line."""
    if not shutil.which("promtool"):
        raise Skip("promtool is not installed")
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True,
                          text=True, timeout=60)
    return [line for line in (done.stdout + done.stderr).splitlines() if line]


def metrics_agree_with_what_clients_did(broker, e):
    topic, group = f"m-{stamp()}", f"g-{stamp()}"
    topic_ready(broker.bootstrap, topic, 2)
    c = Connection(broker.bootstrap)
    before = series(e.text())
    for i in range(5):
        equal(c.produce(topic, i % 2, [b"x", b"y"])[0], NONE, "produce")
    now = series(e.text())
    def grew(name, by):  # before control writes offsets, which are records too
        equal(now[name] - before.get(name, 0), by, name)
    grew("sluice_produce_records_total", 10)
    grew("sluice_produce_requests_total", 5)
    grew('sluice_api_requests_total{api="Produce"}', 5)
    grew('sluice_request_seconds_count{request="produce"}', 5)
    grew('sluice_request_stage_seconds_count{request="produce",stage="durable"}', 5)
    grew("sluice_produce_batch_bytes_count", 5)
    check(now['sluice_request_seconds_sum{request="produce"}'] > 0, "no time at all was measured")
    until("the coordinator is there", 30,
          lambda: c.call(FIND_COORDINATOR, 0, string(group)).take("h") == NONE)
    until("an offset is committed", 30, lambda: commit(c, group, topic, 0, 2) == NONE)
    equal(c.fetch(topic, 0, 0)[0], NONE, "fetch")

    def told():
        now = series(e.text())
        return now if now.get(f'sluice_partition_high_watermark{{topic="{topic}",partition="0"}}') \
            == 6 and now["sluice_census_fresh"] == 1 else None
    now = until("the high watermark is told", 10, told)
    p0, p1 = (f'{{topic="{topic}",partition="{i}"}}' for i in range(2))
    equal(now["sluice_partition_high_watermark" + p1], 4, "high watermark")
    equal(now["kafka_topic_partition_current_offset" + p0], 6, "its other name")
    equal(now[f'sluice_topic_partitions{{topic="{topic}"}}'], 2, "partitions")
    equal(now[f'sluice_group_lag_records{{group="{group}"}}'], 4, "lag")
    of = f'{{consumergroup="{group}",topic="{topic}",partition="0"}}'
    equal(now["kafka_consumergroup_lag" + of], 4, "lag by its other name")
    equal(now["kafka_consumergroup_current_offset" + of], 2, "committed")

    whole = e.json(f"/v1/groups/{group}")
    equal([(o["partition"], o["offset"], o["lag"]) for o in whole["offsets"]], [(0, 2, 4)], "/v1")
    equal(e.json(f"/v1/topics/{topic}")["partitions"][1]["log_end_offset"], 4, "/v1")
    c.close()


def errors_are_told_by_api(broker, e):
    """Of control (Heartbeat) and of the dataplane (ListOffsets, Produce)."""
    def errors():
        return {(r["api"], r["error"]): r["count"] for r in e.json("/v1/errors")["items"]}
    topic, c = f"e-{stamp()}", Connection(broker.bootstrap)
    topic_ready(broker.bootstrap, topic, 1)
    until("the coordinator is there", 30,
          lambda: c.call(FIND_COORDINATOR, 0, string("nobody")).take("h") == NONE)
    before = errors()
    heartbeat = string("nobody") + struct.pack(">i", 1) + string("member")
    check(until("the group is known not to be", 30, lambda: c.call(HEARTBEAT, 0, heartbeat)
                .take("h") == UNKNOWN_MEMBER), "Heartbeat")
    c.call(LIST_OFFSETS, 1, struct.pack(">ii", -1, 1) + string(topic)
           + struct.pack(">iiq", 1, 99, -1))
    equal(c.produce(topic, 0, [b"x" * 2000000])[0], TOO_LARGE, "produce")
    now = errors()
    for pair in (("Heartbeat", "UNKNOWN_MEMBER_ID"), ("ListOffsets", "UNKNOWN_TOPIC_OR_PARTITION"),
                 ("Produce", "MESSAGE_TOO_LARGE")):
        equal(now.get(pair, 0) - before.get(pair, 0), 1, pair)
        told = series(e.text())[f'sluice_api_errors_total{{api="{pair[0]}",error="{pair[1]}"}}']
        equal(told, now[pair], pair)
    c.close()


def histograms_are_cumulative(text):
    buckets = {}
    for name, value in series(text).items():
        m = re.match(r'(\w+)_bucket\{(.*),?le="([^"]+)"\}$', name)
        if m:
            buckets.setdefault((m.group(1), m.group(2)), []).append((float(m.group(3)), value))
    check(len(buckets) > 20, "histograms:", len(buckets))
    for key, rows in buckets.items():
        equal(rows, sorted(rows), f"bounds of {key}")
        values = [v for _, v in rows]
        equal(values, sorted(values), f"values of {key}")
        equal(rows[-1][0], float("inf"), f"last of {key}")


def names_of_panels_and_alerts():
    for path in sorted((ROOT / "deploy/grafana").glob("*.json")):
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel["targets"]:
                yield from ((path.name, n) for n in observe.WORD.findall(target["expr"]))
    text = (ROOT / "deploy/prometheus/sluice-alerts.yml").read_text()
    for expr in re.findall(r"^ +expr: (.*)$", text, re.M):
        yield from (("sluice-alerts.yml", n) for n in observe.WORD.findall(expr))


def fuzz(e, seed):
    """Requests of no sense: each is answered, with a status and a form that are described."""
    choose = random.Random(seed)
    paths = list(json.loads(e.text("/v1/openapi.json"))["paths"])
    letters = "abz019-._~%/\\\"'{}[]<>;:@&=+$,!? \u00e9\u20ac\x01\x7f"
    for i in range(FUZZ_REQUESTS):
        name = "".join(choose.choice(letters) for _ in range(choose.randrange(1, 40)))
        path = choose.choice(paths)
        path = re.sub(r"\{\w+\}", lambda _: urllib.parse.quote(name, safe=""), path)
        if choose.random() < 0.3:
            path += urllib.parse.quote(name)
        if choose.random() < 0.5:
            value = choose.choice(["1", "0", "-1", "x", "", "10001", "1e3", "9" * 30, name])
            path += "?" + choose.choice(["limit", "skip", "nothing"]) + "=" \
                + urllib.parse.quote(value)
        method = choose.choice(["GET"] * 8 + ["HEAD", "POST", "DELETE", "PATCH"])
        said = f"seed {seed}, request {i}: {method} {path}"
        status, body, kind = e.ask(path, method)
        check(status in (200, 400, 404, 405, 503), said, status)
        equal(kind, "application/json; charset=utf-8", said)
        if method == "HEAD":
            equal(body, b"", said)
            continue
        answer = json.loads(body)
        if status != 200:
            equal(sorted(answer), ["code", "details", "message"], said)


def main():
    port = free_port()
    with Broker(SMALL, f"metrics.listener=127.0.0.1:{port}") as broker:
        e = Endpoint(port)
        until("the broker is ready", 30, lambda: e.ask("/readyz")[0] == 200)
        with case("metrics agree with what clients did"):
            metrics_agree_with_what_clients_did(broker, e)
        with case("errors in answers are told by api and by name"):
            errors_are_told_by_api(broker, e)
        with case("promtool accepts a live scrape"):
            lines = promtool(e.text())
            check(all(line.split()[0] in FOREIGN for line in lines), lines)
            equal(promtool(e.text("/metrics/internal")), [], "internal")
        with case("histograms are cumulative, and no series stands twice"):
            histograms_are_cumulative(e.text())
            histograms_are_cumulative(e.text("/metrics/internal"))
        with case("OpenMetrics has the same series, and an end"):
            text = e.text(headers=OPEN)
            check(text.endswith("# EOF\n"), text[-100:])
            check(e.ask("/metrics", headers=OPEN)[2].startswith("application/openmetrics-text"))
            equal(sorted(series(text)), sorted(series(e.text())), "series")
        with case("every metric of a panel or an alert is in a live scrape"):
            there = {re.split("[{ ]", line)[0] for line in e.text().splitlines()}
            named = list(names_of_panels_and_alerts())
            check(len(named) > 50, "names:", len(named))
            # What only net=dpdk has: test_net.py looks for these.
            named = [n for n in named if not n[1].startswith("sluice_net_")]
            equal(sorted({n for n in named if n[1] not in there}), [], "missing")
        with case("whatever is asked is answered as described"):
            seed = int(os.environ.get("SEED", "0")) or random.randrange(1, 1 << 30)
            print(f"# SEED={seed}")
            fuzz(e, seed)
        with case("it stays up while the dataplane is down"):
            pid = broker.pid(DATA)
            os.kill(pid, signal.SIGSTOP)
            equal(e.ask("/readyz")[0] in (200, 503), True, "answered")
            os.kill(pid, signal.SIGKILL)
            until("the dataplane is down, and told so", 30, lambda: [
                line for line in e.text().splitlines() if line == "sluice_dataplane_up 0"
            ] or series(e.text())['sluice_process_starts_total{process="data"}'] == 2)
            until("it is ready again", 60, lambda: e.ask("/readyz")[0] == 200)
            equal(series(e.text())['sluice_process_starts_total{process="data"}'], 2, "starts")
        with case("control is killed and the endpoint comes back on its port"):
            pid = broker.kill("sluice-control")
            broker.wait_restarted("sluice-control", pid)

            def back():
                try:
                    return e.ask("/livez")[0] == 200
                except OSError:
                    return False
            until("the endpoint answers", 30, back)
    finish()


if __name__ == "__main__":
    main()
