#!/usr/bin/env python3
"""Makes Grafana's dashboards and Prometheus' alert rules.

  observe.py           writes deploy/grafana/*.json and deploy/prometheus/sluice-alerts.yml
  observe.py --check   says what is not up to date, and fails then

Metrics come from control/metrics/metrics.def: an expression that names one that is not there is an
error, and a panel's unit and help are those of its first metric."""
import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
SUFFIX = {"COUNTER": ["_total"], "INFO": ["_info"], "GAUGE": [""],
          "HISTOGRAM": ["_bucket", "_sum", "_count"]}
WORD = re.compile(r"\b((?:sluice|kafka)_[a-z0-9_]+)\b")


def table():
    """{name of a sample: (kind, help)}."""
    text = (ROOT / "control/metrics/metrics.def").read_text()
    rows = re.findall(r'^METRIC\("(\w+)", (\w+), \w+, "[\w,]*", \w+, \w+, "(.*)"\)$', text, re.M)
    if len(rows) != len(re.findall(r"^METRIC\(", text, re.M)):
        sys.exit("observe.py: metrics.def has rows of another form")
    return {name + suffix: (kind, help_) for name, kind, help_ in rows for suffix in SUFFIX[kind]}


METRICS = table()


def metrics_of(expr):
    names = WORD.findall(expr)
    for n in names:
        if n not in METRICS:
            sys.exit(f"observe.py: no metric {n} in metrics.def: {expr}")
    return names


# ---- dashboards ----

SEL = 'instance=~"$instance"'
TOPIC = SEL + ', topic=~"$topic"'
GROUP = SEL + ', group=~"$group"'


def rate(name, by="instance", sel=SEL):
    return f"sum by ({by}) (rate({name}{{{sel}}}[$__rate_interval]))"


def quantile(q, name, by, sel=SEL):
    return (f"histogram_quantile({q}, sum by (le, {by}) "
            f"(rate({name}_bucket{{{sel}}}[$__rate_interval])))")


def of(request):
    return SEL + f', request="{request}"'


def slow(request):
    return [(quantile(q, "sluice_request_seconds", "instance", of(request)),
             f"p{100 * q:g} {{{{instance}}}}") for q in (0.5, 0.99, 0.999)]


# Dashboard: uid, title, variables, rows of panels (title, unit or None, [(expression, legend)]).
DASHBOARDS = [
    ("sluice-overview", "Sluice: overview", [], [
        ("Dataplane up", None, [(f"sluice_dataplane_up{{{SEL}}}", "{{instance}}")]),
        ("Partitions offline", None, [(f"sluice_partitions_offline{{{SEL}}}", "{{instance}}")]),
        ("Produced", "Bps", [(rate("sluice_produce_bytes_total"), "{{instance}}")]),
        ("Fetched", "Bps", [(rate("sluice_fetch_bytes_total"), "{{instance}}")]),
        ("Records produced", "cps", [(rate("sluice_produce_records_total"), "{{instance}}")]),
        ("Requests by api", "reqps", [(rate("sluice_api_requests_total", "api"), "{{api}}")]),
        ("Produce latency", "s", slow("produce")),
        ("Fetch latency, waiting for records included", "s", slow("fetch")),
        ("Latency of what control answers", "s", slow("forward")),
        ("Answered with an error", "cps", [
            (rate("sluice_produce_errors_total"), "produce {{instance}}"),
            (rate("sluice_fetch_errors_total"), "fetch {{instance}}")]),
        ("Errors in answers", "cps", [
            (rate("sluice_api_errors_total", "api, error"), "{{api}} {{error}}")]),
        ("Refused of peers", "cps", [(rate("sluice_drops_total", "reason"), "{{reason}}")]),
        ("Connections", None, [(f"sluice_connections{{{SEL}}}", "{{instance}}")]),
        ("Free space", "bytes", [(f"sluice_disk_free_bytes{{{SEL}}}", "{{instance}} {{dir}}")]),
        ("Memory", "bytes",
         [(f"sluice_process_resident_memory_bytes{{{SEL}}}", "{{instance}} {{process}}")]),
    ]),
    ("sluice-topics", "Sluice: topics", [("topic", "sluice_topic_partitions", "topic")], [
        ("Size", "bytes", [(f"sluice_topic_bytes{{{TOPIC}}}", "{{topic}}")]),
        ("Partitions", None, [(f"sluice_topic_partitions{{{TOPIC}}}", "{{topic}}")]),
        ("Records produced", "cps", [
            (f"sum by (topic) (rate(sluice_partition_high_watermark{{{TOPIC}}}[$__rate_interval]))",
             "{{topic}}")]),
        ("Records kept", None, [
            (f"sum by (topic) (sluice_partition_high_watermark{{{TOPIC}}} - "
             f"sluice_partition_log_start_offset{{{TOPIC}}})", "{{topic}}")]),
        ("Partitions that are not served", None, [
            (f"sum by (topic) (1 - sluice_partition_online{{{TOPIC}}})", "{{topic}}")]),
        ("Hottest partitions", "cps", [
            (f"topk(10, rate(sluice_partition_log_end_offset{{{TOPIC}}}[$__rate_interval]))",
             "{{topic}} {{partition}}")]),
    ]),
    ("sluice-groups", "Sluice: consumer groups", [("group", "sluice_group_members", "group")], [
        ("Lag", "short", [(f"sluice_group_lag_records{{{GROUP}}}", "{{group}}")]),
        ("Lag of the worst partition", "short",
         [(f"sluice_group_lag_records_highest{{{GROUP}}}", "{{group}}")]),
        ("Members", None, [(f"sluice_group_members{{{GROUP}}}", "{{group}}")]),
        ("Groups by state", None, [(f"sum by (state) (sluice_groups{{{SEL}}})", "{{state}}")]),
        ("Records consumed", "cps", [
            (f"sum by (group, topic) (rate(sluice_group_committed_offset{{{GROUP}}}"
             "[$__rate_interval]))", "{{group}} {{topic}}")]),
        ("Lag by partition", "short", [
            (f"topk(20, sluice_group_partition_lag_records{{{GROUP}}})",
             "{{group}} {{topic}} {{partition}}")]),
        ("Transactions by state", None,
         [(f"sum by (state) (sluice_transactions{{{SEL}}})", "{{state}}")]),
        ("Age of the oldest open transaction", "s",
         [(f"sluice_transaction_oldest_seconds{{{SEL}}}", "{{instance}}")]),
    ]),
    ("sluice-internals", "Sluice: inside a broker", [], [
        ("Produce by stage, p99", "s", [
            (quantile(0.99, "sluice_request_stage_seconds", "stage", of("produce")), "{{stage}}")]),
        ("Fetch by stage, p99", "s", [
            (quantile(0.99, "sluice_request_stage_seconds", "stage", of("fetch")), "{{stage}}")]),
        ("Busy cores", "percentunit", [
            (rate("sluice_core_busy_seconds_total", "instance, core"), "{{instance}} {{core}}")]),
        ("Turns, p99.9", "s",
         [(quantile(0.999, "sluice_turn_seconds", "instance"), "{{instance}}")]),
        ("Longest turn since the start", "s",
         [(f"sluice_turn_longest_seconds{{{SEL}}}", "{{instance}} {{core}}")]),
        ("Turns over a millisecond", "cps", [(rate("sluice_stalls_total", "place"), "{{place}}")]),
        ("Own TCP/IP: frames", "pps",
         [(rate("sluice_net_frames_total", "direction"), "{{direction}}")]),
        ("Own TCP/IP: refused", "cps", [(rate("sluice_net_drops_total", "reason"), "{{reason}}")]),
        ("Own TCP/IP: sent again", "cps",
         [(rate("sluice_net_segments_resent_total"), "{{instance}}")]),
        ("Journal", "Bps", [(rate("sluice_journal_bytes_total"), "{{instance}}")]),
        ("Journal frames", "cps", [(rate("sluice_journal_frames_total"), "{{instance}}")]),
        ("Written to segments", "Bps", [
            (rate("sluice_writeback_bytes_total"), "write-back {{instance}}"),
            (rate("sluice_extent_bytes_total"), "straight {{instance}}"),
            (rate("sluice_compaction_written_bytes_total"), "compaction {{instance}}")]),
        ("Reads from the cache", "percentunit", [
            (f"{rate('sluice_reads_cache_total')} / ({rate('sluice_reads_cache_total')} + "
             f"{rate('sluice_reads_disk_total')})", "{{instance}}")]),
        ("Sizes of batches, median", "bytes",
         [(quantile(0.5, "sluice_produce_batch_bytes", "instance"), "{{instance}}")]),
        ("System calls for each request", "short", [
            (f"{rate('sluice_system_calls_total')} / {rate('sluice_requests_total')}",
             "{{instance}}")]),
        ("Processor time", "percentunit", [
            (rate("sluice_process_cpu_seconds_total", "instance, process"),
             "{{instance}} {{process}}")]),
        ("Starts of processes", None,
         [(f"sluice_process_starts_total{{{SEL}}}", "{{instance}} {{process}}")]),
    ]),
]
WIDTH, HEIGHT = 12, 8


def variable(name, metric, label):
    query = f"label_values({metric}, {label})"
    return {"name": name, "label": name, "type": "query", "query": query, "definition": query,
            "datasource": {"type": "prometheus", "uid": "${DS_PROMETHEUS}"}, "refresh": 2,
            "multi": True, "includeAll": True, "allValue": ".*",
            "current": {"text": "All", "value": "$__all"}}


def panel(index, title, unit, targets):
    first = METRICS[metrics_of(targets[0][0])[0]][1]
    for expr, _ in targets:
        metrics_of(expr)
    return {
        "id": index + 1, "type": "timeseries", "title": title, "description": first,
        "datasource": {"type": "prometheus", "uid": "${DS_PROMETHEUS}"},
        "gridPos": {"x": index % 2 * WIDTH, "y": index // 2 * HEIGHT, "w": WIDTH, "h": HEIGHT},
        "fieldConfig": {"defaults": {"unit": unit or "none", "min": 0}, "overrides": []},
        "targets": [{"refId": chr(65 + i), "expr": e, "legendFormat": legend}
                    for i, (e, legend) in enumerate(targets)],
    }


def dashboard(uid, title, variables, panels):
    source = {"name": "DS_PROMETHEUS", "label": "Prometheus", "type": "datasource",
              "pluginId": "prometheus", "pluginName": "Prometheus"}
    return {
        "__inputs": [source], "uid": uid, "title": title, "tags": ["sluice"], "schemaVersion": 37,
        "version": 1, "editable": True, "refresh": "10s", "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": [variable("instance", "sluice_dataplane_up", "instance")]
                       + [variable(*v) for v in variables]},
        "panels": [panel(i, *p) for i, p in enumerate(panels)],
    }


# ---- alerts: name, severity, for, expression, summary, what to do ----

ALERTS = [
    ("SluiceDown", "critical", "1m", 'up{job="sluice"} == 0',
     "{{ $labels.instance }} does not answer",
     "Look whether sluice run is there, and at its last log lines."),
    ("SluiceDataplaneDown", "critical", "1m", "sluice_dataplane_up == 0",
     "no client is served by {{ $labels.instance }}",
     "It starts, recovers its logs, or cannot start: its log lines and /readyz say which."),
    ("SluicePartitionsOffline", "critical", "2m",
     "sluice_partitions_offline > 0 and on (instance) sluice_dataplane_up == 1",
     "{{ $value }} partitions of {{ $labels.instance }} are not served",
     "A disk failed, or records are damaged: stop the broker and run sluice log verify."),
    ("SluiceDamage", "critical", "0m", "increase(sluice_damaged_total[10m]) > 0",
     "{{ $labels.instance }} read records that are damaged",
     "Check the disk; sluice log verify tells what is damaged, on a stopped broker."),
    ("SluiceRestarts", "warning", "0m", "increase(sluice_process_starts_total[15m]) > 2",
     "{{ $labels.process }} of {{ $labels.instance }} is started again and again",
     "The log lines before each start say why."),
    ("SluiceDiskFillsUp", "warning", "15m",
     "predict_linear(sluice_disk_free_bytes[1h], 4 * 3600) < 0",
     "{{ $labels.dir }} of {{ $labels.instance }} is full within four hours",
     "Shorten retention (retention.ms, retention.bytes) or add a data directory (log.dirs)."),
    ("SluiceDiskFull", "critical", "5m", "sluice_disk_free_bytes / sluice_disk_bytes < 0.05",
     "{{ $labels.dir }} of {{ $labels.instance }} has less than a twentieth left",
     "Appends are refused before the disk is full: make room now."),
    ("SluiceProduceSlow", "warning", "10m",
     "histogram_quantile(0.99, sum by (le, instance) "
     '(rate(sluice_request_seconds_bucket{request="produce"}[5m]))) > 0.1',
     "one Produce of a hundred takes over 100 ms on {{ $labels.instance }}",
     "The dashboard 'inside a broker' shows the stage; durable: look at the disk."),
    ("SluiceServerErrors", "warning", "5m",
     'sum by (instance, api, error) (rate(sluice_api_errors_total{error=~'
     '"UNKNOWN_SERVER_ERROR|KAFKA_STORAGE_ERROR|COORDINATOR_NOT_AVAILABLE"}[5m])) > 0',
     "{{ $labels.instance }} answers {{ $labels.api }} with {{ $labels.error }}",
     "It is the broker's fault, not its clients': its log lines say what failed."),
    ("SluiceStalls", "warning", "5m", "sum by (instance) (rate(sluice_stalls_total[5m])) > 5",
     "loops of {{ $labels.instance }} stall: over 5 turns a second take over a millisecond",
     "sluice_stalls_total says where; on shared cores it may be the neighbours."),
    ("SluiceGroupLagGrows", "warning", "15m",
     "sluice_group_lag_records > 10000 and deriv(sluice_group_lag_records[15m]) > 0",
     "group {{ $labels.group }} falls behind: {{ $value }} records",
     "Its consumers are too few, too slow, or gone: sluice_group_members."),
    ("SluiceTransactionHangs", "warning", "0m", "sluice_transaction_oldest_seconds > 900",
     "a transaction has been open for a quarter of an hour on {{ $labels.instance }}",
     "Who reads committed data waits for it: /v1/transactions names it."),
    ("SluiceNetMisses", "warning", "5m",
     'rate(sluice_net_drops_total{reason=~"rx_missed|rx_errors|tx_errors"}[5m]) > 0',
     "the device of {{ $labels.instance }} loses frames: {{ $labels.reason }}",
     "rx_missed: the cores do not keep up, or are not alone on their processors; errors: cable, "
     "switch or driver. sluice net drops counts them."),
    ("SluiceNetResends", "warning", "15m",
     "rate(sluice_net_segments_resent_total[5m]) / on (instance) "
     'rate(sluice_net_segments_total{direction="out"}[5m]) > 0.02',
     "{{ $labels.instance }} sends more than one TCP segment of fifty again",
     "The network loses segments: sluice net connections shows towards whom."),
    ("SluiceLimitNear", "warning", "10m",
     "sluice_partitions / sluice_partitions_limit > 0.9 or "
     "sluice_topics / sluice_topics_limit > 0.9",
     "{{ $labels.instance }} is near partitions.max or topics.max",
     "Raise it and restart the broker."),
    ("SluiceScrapeShort", "warning", "10m", "sluice_census_left_out > 0",
     "metrics of {{ $labels.instance }} leave {{ $value }} groups or offsets out",
     "There are more groups than a scrape takes: set metrics.partitions=false."),
]


def alerts():
    out = ["# Made by observe.py from its table and control/metrics/metrics.def.",
           "groups:", "  - name: sluice", "    rules:"]
    for name, severity, duration, expr, summary, todo in ALERTS:
        metrics_of(expr)
        out += [f"      - alert: {name}", f"        expr: {json.dumps(expr)}",
                f"        for: {duration}", "        labels:", f"          severity: {severity}",
                "        annotations:", f"          summary: {json.dumps(summary)}",
                f"          description: {json.dumps(todo)}"]
    return "\n".join(out) + "\n"


def files():
    yield ROOT / "deploy/prometheus/sluice-alerts.yml", alerts()
    for d in DASHBOARDS:
        text = json.dumps(dashboard(*d), indent=1, ensure_ascii=False) + "\n"
        yield ROOT / f"deploy/grafana/{d[0]}.json", text


def main():
    check, stale = "--check" in sys.argv[1:], 0
    for path, text in files():
        if path.exists() and path.read_text() == text:
            continue
        stale += 1
        if check:
            print(f"{path.relative_to(ROOT)} is not what observe.py makes: run it")
        else:
            path.write_text(text)
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
