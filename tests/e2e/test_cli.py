#!/usr/bin/env python3
"""The command `sluice` against a live broker: each subcommand, its JSON (cli.golden), exit codes,
completion by real shells, man pages that mandoc has nothing to say about.

E2E_RECORD=1 writes cli.golden anew: look at the difference, scripts depend on it."""
import json
import os
import pathlib
import re
import shutil
import struct
import subprocess
import tempfile

from broker import program, stamp, target
from case import Skip, case, check, equal, finish, until
from golden import Golden
from kafka import NONE, PRODUCE, Connection, batch, crc32c, string

GOLDEN = pathlib.Path(__file__).with_name("cli.golden")
DIFFERS = ("cluster_id", "port", "time_ms", "member", "host", "coordinator", "controller", "id",
           "leader", "producer_id", "replicas", "isr")
SECONDS = 60
OK, FAILED, USAGE = 0, 1, 2
INIT_PRODUCER_ID, ADD_PARTITIONS_TO_TXN = 22, 24


class Cli:
    def __init__(self, bootstrap):
        self.bootstrap = bootstrap
        self.environment = {**os.environ, "SLUICE_BOOTSTRAP": bootstrap, "TERM": "xterm"}

    def run(self, *words, data=b"", code=OK):
        """stdout; the exit code must be as said."""
        done = subprocess.run([program(), *words], input=data, capture_output=True,
                              timeout=SECONDS, env=self.environment)
        equal(done.returncode, code, f"{words}: {done.stderr.decode(errors='replace')}")
        self.error = done.stderr.decode(errors="replace")
        return done.stdout

    def text(self, *words, **how):
        return self.run(*words, **how).decode()

    def json(self, *words, **how):
        return json.loads(self.run(*words, "--format", "json", **how))

    def lines(self, *words, **how):
        """Values of JSON lines."""
        return [json.loads(l) for l in
                self.run(*words, "--format", "json", **how).decode().splitlines()]


def told(cli, *words):
    """What stderr says is one line that holds the words."""
    check(cli.error.startswith("sluice: ") and cli.error.count("\n") == 1, cli.error)
    for word in words:
        check(word in cli.error, word, "is not in", cli.error)


def topics(cli, golden, run):
    name, other = f"cli-topics-{run}", f"cli-other-{run}"
    with case("cli: topic create, list, describe"):
        cli.run("topic", "create", name, other, "-p", "3", "-c", "retention.ms=3600000")
        equal(cli.run("topic", "create", name, code=FAILED), b"", "stdout")
        told(cli, name, "already exists", "--if-not-exists")
        cli.run("topic", "create", name, "--if-not-exists")
        cli.run("topic", "create", f"{name}-dry", "--dry-run")
        listed = {t["name"]: t for t in cli.json("topic", "list")}
        check(f"{name}-dry" not in listed, "a dry run made a topic")
        golden.same("topic list", listed[name])
        equal(cli.text("topic", "list").split()[:3], ["TOPIC", "PARTITIONS", "REPLICAS"])
        until("leaders", 20, lambda: all(
            p["end"] is not None for p in cli.json("topic", "describe", name)[0]["partitions"]))
        described, = cli.json("topic", "describe", name)
        described["configs"] = {"retention.ms": described["configs"]["retention.ms"]}
        golden.same("topic describe", described)
        check("retention.ms=3600000" in cli.text("topic", "describe", name), "text")
    with case("cli: topic alter changes one setting and leaves the others"):
        cli.run("topic", "alter", name, "-c", "max.message.bytes=2000000", "--dry-run")
        cli.run("topic", "alter", name, "-c", "max.message.bytes=1000000")

        def configs():
            return cli.json("topic", "describe", name)[0]["configs"]
        until("the setting", 10, lambda: configs()["max.message.bytes"]["value"] == "1000000")
        equal(configs()["retention.ms"]["value"], "3600000", "the other one")
        golden.same("topic alter", cli.json("topic", "alter", name, "--reset", "max.message.bytes"))
        cli.run("topic", "alter", name, "-c", "no.such.key=1", code=FAILED)
        told(cli, name, "no.such.key")
    with case("cli: topic add-partitions and trim"):
        cli.run("topic", "add-partitions", name, "--total", "4")
        cli.run("topic", "add-partitions", name, "--total", "2", code=FAILED)
        told(cli, name)
        until("leaders", 20, lambda: len([p for p in cli.json("topic", "describe", name)[0][
            "partitions"] if p["end"] is not None]) == 4)
        cli.run("produce", name, "-p", "1", data=b"a\nb\nc\n")
        golden.same("topic trim", cli.json("topic", "trim", name, "-p", "1", "--before", "-1"))
        equal(cli.json("topic", "describe", name)[0]["partitions"][1]["start"], 2, "start")
        equal(cli.run("consume", name, "-p", "1", "-e"), b"c\n", "what is left")
    with case("cli: topic delete"):
        golden.same("topic delete", cli.json("topic", "delete", name, other))
        until("they are gone", 20, lambda: not {name, other} & {
            t["name"] for t in cli.json("topic", "list")})
        cli.run("topic", "delete", name, code=FAILED)
        told(cli, name, "sluice topic list")
        cli.run("topic", "delete", name, "--if-exists")
        cli.run("topic", "describe", name, code=FAILED)
        check(name not in {t["name"] for t in cli.json("topic", "list")}, "describe made it")


def records(cli, golden, run):
    def topic(name, partitions=1):
        full = f"cli-{name}-{run}"
        cli.run("topic", "create", full, "-p", str(partitions))
        until("leaders", 20, lambda: all(
            p["end"] is not None for p in cli.json("topic", "describe", full)[0]["partitions"]))
        return full
    with case("cli: keys, nulls and headers go in and come out as JSON"):
        t = topic("records")
        cli.run("produce", t, "-K", ":", "-Z", "-H", "a=1", "-H", "a=2", "-z", "zstd",
                data=b"k1:v1\nk2:\nplain\n")
        golden.same("consume", cli.lines("consume", t, "-e"))
        equal(cli.text("consume", t, "-e", "-f", "%p %o %k %K %s %S %h\\n").splitlines(),
              ["0 0 k1 2 v1 2 a=1,a=2", "0 1 k2 2  -1 a=1,a=2", "0 2  -1 plain 5 a=1,a=2"])
    with case("cli: what consume prints as JSON, produce takes"):
        copy, lines = topic("copy"), cli.run("consume", t, "-e", "--format", "json")
        cli.run("produce", copy, "--from", "json", data=lines)

        def bare(rows):
            return [{k: v for k, v in r.items() if k not in ("topic", "time_ms")} for r in rows]
        equal(bare(cli.lines("consume", copy, "-e")), bare(cli.lines("consume", t, "-e")), "copy")
    with case("cli: offsets by start, end, number, distance and time; count"):
        t = topic("offsets")
        cli.run("produce", t, data=b"".join(b"m%d\n" % i for i in range(20)))
        for words, wanted in ((["-o", "start", "-n", "2"], "m0 m1"), (["-o", "end", "-e"], ""),
                              (["-o", "17", "-e"], "m17 m18 m19"), (["-o", "+18", "-e"], "m18 m19"),
                              (["-o", "-1", "-e"], "m19"), (["-o", "-2", "-n", "1"], "m18"),
                              (["-o", "@0", "-n", "1"], "m0"), (["-o", "@2999-01-01", "-e"], "")):
            equal(cli.text("consume", t, *words).split(), wanted.split(), words)
    with case("cli: files whole, delimiters, every codec"):
        t = topic("files")
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "all"
            path.write_bytes(bytes(range(256)) * 50)
            cli.run("produce", t, str(path))
            equal(cli.run("consume", t, "-e", "-f", "%s"), path.read_bytes(), "bytes")
            for i, codec in enumerate(("none", "gzip", "snappy", "lz4", "zstd"), 1):
                cli.run("produce", t, "-D", "--", "-z", codec, data=b"one--two")
                equal(cli.run("consume", t, "-o", str(2 * i - 1), "-e"), b"one\ntwo\n", codec)
    with case("cli: nothing is acknowledged that is not"):
        cli.run("produce", f"cli-missing-{run}", data=b"a\n", code=FAILED)
        told(cli, "cli-missing", "sluice topic list")
        cli.run("produce", t, "-p", "99", data=b"a\n", code=FAILED)
        told(cli, "'sluice topic describe'")


def groups(cli, golden, run):
    t, g = f"cli-grouped-{run}", f"cli-group-{run}"
    with case("cli: a group keeps its offsets, and its lag is told"):
        cli.run("topic", "create", t, "-p", "2")
        until("leaders", 20, lambda: all(
            p["end"] is not None for p in cli.json("topic", "describe", t)[0]["partitions"]))
        for p in ("0", "1"):
            cli.run("produce", t, "-p", p, data=b"a\nb\nc\n")
        equal(sorted(cli.text("consume", t, "-g", g, "-e").split()), list("aabbcc"), "first time")
        cli.run("produce", t, "-p", "1", data=b"d\n")
        golden.same("group describe", cli.json("group", "describe", g))
        equal([r["lag"] for r in cli.json("group", "describe", g)[0]["offsets"]], [0, 1], "lag")
        check(g in {r["group"] for r in cli.json("group", "list")}, "group list")
        equal(cli.text("consume", t, "-g", g, "-e").split(), ["d"], "second time")
    with case("cli: group describe --watch goes on until it is told to stop"):
        watch = subprocess.Popen([program(), "group", "describe", g, "--watch", "1", "--format",
                                  "json"], stdout=subprocess.PIPE, env=cli.environment)
        try:
            for _ in range(2):
                equal(json.loads(watch.stdout.readline())[0]["group"], g, "a line")
        finally:
            watch.terminate()
        equal(watch.wait(SECONDS), OK, "exit code")
        watch.stdout.close()
    with case("cli: group seek, delete-offsets, delete"):
        golden.same("group seek", cli.json("group", "seek", g, "--to", "-2"))
        equal(sorted(cli.text("consume", t, "-g", g, "-e").split()), list("bccd"), "after seek")
        cli.run("group", "seek", g, "--to", "start", "-t", f"{t}:0", "--dry-run")
        equal(cli.json("group", "describe", g)[0]["lag"], 0, "a dry run did it")
        cli.run("group", "seek", g, "--to", "start", "-t", f"{t}:0")
        equal(cli.json("group", "describe", g)[0]["lag"], 3, "lag")
        golden.same("group delete-offsets", cli.json("group", "delete-offsets", g, "-t", t))
        golden.same("group delete", cli.json("group", "delete", g))
        check(g not in {r["group"] for r in cli.json("group", "list")}, "it is still there")
        cli.run("group", "delete", g, code=FAILED)
        told(cli, g, "sluice group list")


def cluster(cli, golden):
    with case("cli: cluster info and health"):
        golden.same("cluster info", cli.json("cluster", "info"))
        health = cli.json("cluster", "health", "--exit-when-healthy")
        equal((health["healthy"], health["leaderless"], health["under_replicated"]),
              (True, [], []), "health")
        equal(list(health), ["healthy", "brokers", "topics", "partitions", "leaderless",
                             "under_replicated"], "members")
    with case("cli: cluster config set and get"):
        key = "log.retention.ms"

        def value():
            return cli.json("cluster", "config", "get", key)[0]
        was = value()
        cli.run("cluster", "config", "set", f"{key}=86400001")
        until("the setting", 10, lambda: value()["value"] == "86400001")
        golden.same("cluster config get", value())
        cli.run("cluster", "config", "set", "--reset", key)
        until("the old one", 10, lambda: value() == was)
        cli.run("cluster", "config", "get", "no.such.key", code=FAILED)
        told(cli, "no.such.key")


def transactions(cli, golden, run):
    t = f"cli-txn-{run}"
    with case("cli: producers of a partition; one without an open transaction is not aborted"):
        cli.run("topic", "create", t, "-p", "1")
        until("a leader", 20, lambda: cli.json("topic", "describe", t)[0]["partitions"][0][
            "end"] is not None)
        cli.run("produce", t, data=b"a\n")
        one, = cli.json("txn", "producers", f"{t}:0")
        equal((one["producer_epoch"], one["last_sequence"], one["open_from"]), (0, 0, None))
        cli.run("txn", "abort", f"{t}:0", "--producer", str(one["producer_id"]), code=FAILED)
        told(cli, str(one["producer_id"]), "no transaction open")
    with case("cli: txn list and describe after a client's transactions"):
        cli.run("topic", "create", t + "-empty", "-p", "1")
        done = subprocess.run([os.environ["RDKAFKA_TXN"], cli.bootstrap, t + "-empty"],
                              capture_output=True, text=True, timeout=SECONDS * 3)
        equal(done.returncode, 0, done.stdout)
        listed = {r["transactional_id"]: r for r in cli.json("txn", "list")}
        golden.same("txn list", listed[t + "-empty"])
        described, = cli.json("txn", "describe", t + "-empty")
        equal(described["state"], listed[t + "-empty"]["state"], "state")
        equal(list(described), ["transactional_id", "state", "producer_id", "producer_epoch",
                                "timeout_ms", "start_ms", "coordinator", "partitions"], "members")
        cli.run("txn", "describe", f"missing-{run}", code=FAILED)
        told(cli, f"missing-{run}")


def opened(cli, topic):
    """Begins a transaction in partition 0 and leaves it: the producer's id."""
    c = Connection(cli.bootstrap)

    def begun():
        answer = c.call(INIT_PRODUCER_ID, 1, string(topic) + struct.pack(">i", 60000))
        _, code, producer, epoch = answer.take("ihqh")
        return code == NONE and (producer, epoch)
    producer, epoch = until("InitProducerId", 30, begun, 0.2)

    def added():
        answer = c.call(ADD_PARTITIONS_TO_TXN, 1, string(topic) + struct.pack(
            ">qhi", producer, epoch, 1) + string(topic) + struct.pack(">ii", 1, 0))
        answer.take("ii")
        answer.string()
        return answer.take("iih")[2] == NONE
    until("AddPartitionsToTxn", 30, added, 0.2)
    data = bytearray(batch([b"never committed"]))
    struct.pack_into(">h", data, 21, 0x10)  # transactional
    struct.pack_into(">qhi", data, 43, producer, epoch, 0)
    struct.pack_into(">I", data, 17, crc32c(bytes(data[21:])))
    body = string(topic) + c.produce_body(topic, 0, bytes(data))[2:]
    equal(c.produced(c.call(PRODUCE, 7, body))[0], NONE, "Produce")
    c.close()
    return producer


def hanging(cli, golden, run):
    t = f"cli-hangs-{run}"
    with case("cli: a transaction that is open is shown, and aborted when it is asked for"):
        cli.run("topic", "create", t, "-p", "1")
        until("a leader", 20, lambda: cli.json("topic", "describe", t)[0]["partitions"][0][
            "end"] is not None)
        producer = opened(cli, t)
        cli.run("produce", t, data=b"behind it\n")

        def row():
            return {r["producer_id"]: r for r in cli.json("txn", "producers", f"{t}:0")}[producer]
        equal(row()["open_from"], 0, "open from")
        equal(cli.json("txn", "describe", t)[0]["partitions"], [{"topic": t, "partition": 0}])
        equal(cli.run("consume", t, "-e"), b"", "committed records wait for it")
        cli.run("txn", "abort", f"{t}:0", "--producer", str(producer), "--dry-run")
        equal(row()["open_from"], 0, "a dry run did it")
        golden.same("txn abort", cli.json("txn", "abort", f"{t}:0", "--producer", str(producer)))
        equal(row()["open_from"], None, "still open")
        equal(cli.run("consume", t, "-e"), b"behind it\n", "committed records")


def quotas(cli, golden, run):
    user = f"cli-user-{run}"
    with case("cli: quota set, list, remove"):
        cli.run("quota", "set", "--user", user, "--client-id", "a", "producer_byte_rate=1048576",
                "--dry-run")
        equal(cli.json("quota", "list", "--user", user), [], "a dry run did it")
        golden.same("quota set", cli.json("quota", "set", "--user", user, "--client-id", "a",
                                          "producer_byte_rate=1048576", "request_percentage=50"))
        until("the quota", 10, lambda: cli.json("quota", "list", "--user", user))
        golden.same("quota list", cli.json("quota", "list", "--user", user))
        equal(cli.text("quota", "list", "--user", user).split()[4:8],
              [user, "a", "producer_byte_rate", "1048576.000"], "table")
        cli.run("quota", "remove", "--user", user, "--client-id", "a", "producer_byte_rate",
                "request_percentage")
        until("it is gone", 10, lambda: not cli.json("quota", "list", "--user", user))
        cli.run("quota", "set", "--user", user, "no_such_rate=1", code=FAILED)
        told(cli, "no_such_rate")


def errors(cli):
    with case("cli: errors are one line that says what to do, with their exit codes"):
        cli.run("topic", "list", "-b", "127.0.0.1:1", code=FAILED)
        told(cli, "127.0.0.1:1", "sluice run", "-b HOST:PORT")
        cli.run("topic", "lst", code=USAGE)
        told(cli, "did you mean 'sluice topic list'?")
        cli.run("topic", "create", code=USAGE)
        told(cli, "sluice help topic create")
        cli.run("consume", "t", "-o", "middle", code=USAGE)
        told(cli, "start, end")
        cli.run("topic", "list", "-X", "no.such=1", code=USAGE)
        told(cli, "no.such")


def shell(cli, name, script):
    path = shutil.which(name)
    if not path:
        raise Skip(f"no {name} here")
    folder = str(pathlib.Path(program()).parent)
    done = subprocess.run([path, "-c", script], capture_output=True, text=True, timeout=SECONDS,
                          env={**cli.environment, "PATH": folder + ":" + os.environ["PATH"]})
    equal(done.stderr, "", f"{name}: stderr")
    return done.stdout.split("\n")


def shells(cli, run):
    topic = f"cli-shell-{run}"
    cli.run("topic", "create", topic)
    with case("cli: bash completes commands, options and the topics that there are"):
        def bash(*words):
            quoted = " ".join(f"'{w}'" for w in ("sluice", *words))
            return shell(cli, "bash", "source <(sluice completion bash); "
                         f"COMP_WORDS=({quoted}); COMP_CWORD={len(words)}; _sluice; "
                         'printf "%s\\n" "${COMPREPLY[@]}"')
        check("topic" in bash("to") and "create" in bash("topic", ""), bash("topic", ""))
        check("--if-not-exists" in bash("topic", "create", "--if"), "options")
        check(topic in bash("topic", "describe", "cli-sh"), "topics")
        check("json" in bash("topic", "list", "--format", ""), "choices")
    with case("cli: fish completes too"):
        found = shell(cli, "fish", f"sluice completion fish | source; complete -C 'sluice topic '; "
                      "complete -C 'sluice topic describe cli-sh'")
        check(any(l.startswith("create\t") for l in found), found)
        check(any(l.startswith(topic) for l in found), found)
    with case("cli: zsh completes too"):
        found = shell(cli, "zsh", "compdef() { :; }; _describe() { print -l -- $found }; "
                      "source <(sluice completion zsh); words=(sluice topic ''); CURRENT=3; "
                      "_sluice; words=(sluice topic describe cli-sh); CURRENT=4; _sluice")
        check(any(l.startswith("create:") for l in found), found)
        check(any(l.startswith(topic) for l in found), found)


def pages(cli):
    with case("cli: the man pages are there, and mandoc has nothing to say about them"):
        with tempfile.TemporaryDirectory() as folder:
            cli.run("__man", folder)
            made = {p.name for p in pathlib.Path(folder).iterdir()}
            built = pathlib.Path(program()).parent / "docs" / "man"
            equal({p.name for p in built.glob("*.1")}, made, "docs/man/meson.build lists")
            if not shutil.which("mandoc"):
                raise Skip("no mandoc here")
            done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning",
                                   *sorted(str(p) for p in built.glob("*.1"))],
                                  capture_output=True, text=True, timeout=SECONDS)
            # Only the date, which pages that are made do not have, and pages of other packages.
            left = [l for l in done.stdout.splitlines() if not re.search(
                "missing date|referenced manual not found", l)]
            equal(left, [], "mandoc")


def main():
    with target() as broker:
        cli, run = Cli(broker.bootstrap), stamp()
        golden = Golden(GOLDEN, DIFFERS, run)
        topics(cli, golden, run)
        records(cli, golden, run)
        groups(cli, golden, run)
        cluster(cli, golden)
        transactions(cli, golden, run)
        hanging(cli, golden, run)
        quotas(cli, golden, run)
        errors(cli)
        shells(cli, run)
        if broker.ours:
            pages(cli)
        golden.write()
    finish()


main()
