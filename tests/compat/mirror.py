"""MirrorMaker 2 from Apache Kafka to the broker under test: topics with their configs, every record
where it was, and the offsets of a group."""
import pathlib
import subprocess

import jvm
from broker import free_port
from case import check, equal, until
from kafka import Connection
from suites import E2E

PARTITIONS, EACH = 3, 5000


def kcat(bootstrap, *words):
    return subprocess.run(["kcat", "-b", bootstrap, "-q", *words], check=True, capture_output=True,
                          text=True, timeout=60).stdout


def contents(bootstrap, topic):
    text = kcat(bootstrap, "-C", "-t", topic, "-e", "-o", "beginning", "-f", "%p %k %s\\n")
    found = {}
    for line in text.splitlines():
        found.setdefault(line.split(" ", 1)[0], []).append(line)
    return found


def group_offsets(lib, bootstrap):
    text = subprocess.run(
        ["java", "-cp", f"{lib}/*", "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
         "--bootstrap-server", bootstrap, "--describe", "--group", "readers"],
        capture_output=True, text=True, timeout=60, check=False).stdout
    rows = [line.split() for line in text.splitlines()]
    return sorted((r[1], int(r[2]), int(r[3])) for r in rows
                  if len(r) > 4 and r[0] == "readers" and r[3].isdigit())


def configs(lib, bootstrap):
    return subprocess.run(
        ["java", "-cp", f"{lib}/*", "org.apache.kafka.tools.TopicCommand", "--bootstrap-server",
         bootstrap, "--describe", "--topic", "mirrored"],
        capture_output=True, text=True, timeout=60, check=True).stdout


def copy(broker, lib, out, kafka):
    c = Connection(kafka)
    c.create_topic("mirrored", PARTITIONS, configs=(("retention.ms", "123456789"),
                                                    ("cleanup.policy", "compact,delete")))
    c.close()
    lines = "".join(f"k{i}:v{i}\n" for i in range(PARTITIONS * EACH))
    subprocess.run(["kcat", "-P", "-b", kafka, "-t", "mirrored", "-K:", "-z", "lz4"], input=lines,
                   check=True, text=True, timeout=60)
    kcat(kafka, "-G", "readers", "-e", "-X", "auto.offset.reset=earliest", "mirrored")
    path = jvm.properties(
        out / "mm2.properties", clusters="a, b", a__bootstrap__servers=kafka,
        b__bootstrap__servers=broker.bootstrap, **{
            "a->b.enabled": "true", "b->a.enabled": "false", "a->b.topics": "mirrored",
            "replication.policy.class":
                "org.apache.kafka.connect.mirror.IdentityReplicationPolicy"},
        replication__factor=1, checkpoints__topic__replication__factor=1,
        heartbeats__topic__replication__factor=1, offset_syncs__topic__replication__factor=1,
        offset__storage__replication__factor=1, status__storage__replication__factor=1,
        config__storage__replication__factor=1, sync__topic__acls__enabled="false",
        sync__group__offsets__enabled="true", sync__group__offsets__interval__seconds=2,
        emit__checkpoints__interval__seconds=2, refresh__topics__interval__seconds=5,
        refresh__groups__interval__seconds=5, sync__topic__configs__interval__seconds=5,
        offset__lag__max=0)
    path.write_text(path.read_text().replace("offset_syncs", "offset-syncs"))
    wanted, groups = contents(kafka, "mirrored"), group_offsets(lib, kafka)
    equal(sum(map(len, wanted.values())), PARTITIONS * EACH, "what Kafka has")
    equal(len(groups), PARTITIONS, "offsets of the group in Kafka")
    with jvm.Program(lib, out, "mirror", "org.apache.kafka.connect.mirror.MirrorMaker", path) as p:
        def same():
            check(p.runs(), "MirrorMaker ended:", p.tail())
            c = Connection(broker.bootstrap)
            there = "mirrored" in c.topics()
            c.close()
            return there and contents(broker.bootstrap, "mirrored") == wanted
        until("every record is where it was", 180, same, 1)
        until("the offsets of the group are there", 90,
              lambda: group_offsets(lib, broker.bootstrap) == groups, 1)
        text = configs(lib, broker.bootstrap)
        check("retention.ms=123456789" in text and "compact,delete" in text, text)
        p.stop()


def from_kafka(broker, lib, out):
    port = free_port()
    oracle = [str(pathlib.Path(E2E) / "oracle.sh")]
    subprocess.run([*oracle, "start", str(port)], check=True, timeout=300,
                   stdout=subprocess.DEVNULL)
    try:
        copy(broker, lib, out, f"127.0.0.1:{port}")
    finally:
        subprocess.run([*oracle, "wipe", str(port)], check=True, timeout=120)
