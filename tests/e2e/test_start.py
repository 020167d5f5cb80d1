#!/usr/bin/env python3
"""What can be wrong at start is one line that says what to do, and exit code 1; and a clean stop
and start keep everything."""
import os
import pathlib
import socket
import subprocess
import tempfile

from broker import SMALL, Broker, answers, free_port, program, stamp
from case import Skip, case, check, equal, finish, until
from kafka import NONE, PRODUCE, TOPIC_EXISTS, Connection, batch, records_of, topic_ready

REFUSE_SECONDS = 120
STORAGE_ERROR = 56
RESERVE, OWN_FILES = 16 << 20, 4 << 20  # store_room.c; what goes on on a full disk needs of it


def refused(*arguments, words, environment=None):
    """sluice run with these arguments ends with code 1 and says each of the words on one line."""
    try:
        done = subprocess.run([program(), "run", *arguments], capture_output=True, text=True,
                              timeout=REFUSE_SECONDS, stdin=subprocess.DEVNULL,
                              env={**os.environ, **(environment or {})})
    except subprocess.TimeoutExpired:
        raise AssertionError(f"still running after {REFUSE_SECONDS} s: {arguments}") from None
    equal(done.returncode, 1, f"exit code, {done.stderr}")
    check(any(all(w in line for w in words) for line in done.stderr.splitlines()),
          f"no line with {words} in:", done.stderr)


def with_data(folder, *options):
    listener = f"listeners=PLAINTEXT://127.0.0.1:{free_port()}"
    words = [w for o in (listener, *options) for w in ("-o", o)]
    return ("--data", str(folder), *words)


def refusals(home):
    with case("start: a port in use"):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            s.listen()
            port = s.getsockname()[1]
            refused("--data", str(home / "port"), "-o", f"listeners=PLAINTEXT://127.0.0.1:{port}",
                    words=[str(port), "in use"])
    with case("start: a data directory that cannot be made"):
        (home / "file").write_text("in the way")
        refused(*with_data(home / "file" / "data"), words=[str(home / "file" / "data")])
    with case("start: a data directory that cannot be written"):
        refused(*with_data("/proc/sluice"), words=["/proc/sluice"])
    with case("start: an unknown key names the nearest"):
        refused(*with_data(home / "key", "num.partition=3"),
                words=["num.partition", "num.partitions"])
    with case("start: a value out of its domain"):
        refused(*with_data(home / "value", "num.partitions=many"), words=["num.partitions", "many"])
    with case("start: a configuration file with an unknown key"):
        (home / "bad.conf").write_text("# ours\nlog.segment.byte=1048576\n")
        refused(*with_data(home / "file-key"), str(home / "bad.conf"),
                words=["log.segment.byte", "log.segment.bytes"])
    with case("start: an unknown key in the environment"):
        refused(*with_data(home / "env"), environment={"SLUICE_NUM_PARTITION": "3"},
                words=["SLUICE_NUM_PARTITIONS"])
    with case("start: a listener that is none"):
        refused("--data", str(home / "listener"), "-o", "listeners=HTTP://127.0.0.1:1",
                words=["HTTP://127.0.0.1:1"])


def directory_cases(home):
    data = home / "shared"
    topic = f"restart-{stamp()}"
    with Broker(SMALL, data=data) as broker:
        with case("start: a second broker on the same directory is refused, the first goes on"):
            refused(*with_data(data), words=[str(data), "in use"])
            broker.alive()
        with case("stop and start: SIGTERM ends with 0, records, offsets and topics are there"):
            topic_ready(broker.bootstrap, topic, 3)
            c = Connection(broker.bootstrap)
            for i in range(300):
                equal(c.produce(topic, i % 3, [b"v%d" % i])[0], NONE, "produce")
            c.close()
            for round_ in range(3):
                broker.restart()
                c = until("partitions are led", 30, lambda: led(broker.bootstrap, topic, 3))
                for p in range(3):
                    equal([v for _, v in c.consume(topic, p)],
                          [b"v%d" % i for i in range(p, 300, 3)] + [b"again"] * round_, "records")
                    equal(c.produce(topic, p, [b"again"]), (NONE, 100 + round_), "next offset")
                equal(c.create_topic(topic, 3), TOPIC_EXISTS, "the topic is known")
                c.close()
        equal(broker.stop(), 0, "exit code")
    with case("start: a directory of a newer format is refused and left alone"):
        path = data / "sluice.format"
        text = path.read_text()
        check("version=1\n" in text, "no version in", text)
        path.write_text(text.replace("version=1\n", "version=999\n"))
        refused(*with_data(data), words=["newer", "999"])
        path.write_text(text)
        with Broker(SMALL, data=data) as broker:
            c = until("partitions are led", 30, lambda: led(broker.bootstrap, topic, 3))
            equal(len(c.consume(topic, 0)), 103, "records")
            c.close()


def led(bootstrap, topic, partitions):
    try:
        c = Connection(bootstrap)
        if c.partitions(topic) == (NONE, partitions):
            return c
        c.close()
    except (OSError, ConnectionError):
        pass
    return None


def full_disk(home):
    mount, data = home / "small", home / "small" / "data"
    mount.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=384m", "tmpfs", str(mount)],
                          capture_output=True, text=True)
    if made.returncode != 0:
        with case("full disk"):
            raise Skip(f"no mount here: {made.stderr.strip()}")
        return
    try:
        with Broker(SMALL, "cores=1", data=data) as broker:
            full_disk_cases(mount, broker)
    finally:
        subprocess.run(["umount", "-l", str(mount)], check=True)


def small_disk(home):
    """512 MiB and no options: the journals adapt, the disk fills, deleting a topic makes room."""
    image, mount = home / "image", home / "ext4"
    mount.mkdir()
    with open(image, "wb") as f:
        f.truncate(512 << 20)
    made = subprocess.run(["mkfs.ext4", "-q", str(image)], capture_output=True, text=True)
    if made.returncode == 0:
        made = subprocess.run(["mount", "-o", "loop", str(image), str(mount)], capture_output=True,
                              text=True)
    if made.returncode != 0:
        with case("small disk"):
            raise Skip(f"no loop mount here: {made.stderr.strip()}")
        return
    try:
        with case("small disk: 512 MiB of ext4 with default keys fills, and recovers"), \
                Broker("cores=1", data=mount / "data") as broker:
            check("the file system is small" in broker.log.read_text(), broker.log_tail())
            value, topic, other = os.urandom(900000), f"small-{stamp()}", f"other-{stamp()}"
            for name in (topic, other):
                topic_ready(broker.bootstrap, name, 1)
            c = Connection(broker.bootstrap, timeout=60)
            kept, code = fill(c, topic, value)
            print(f"# {kept} records of 900 kB, then error {code}")
            equal(code, STORAGE_ERROR, "error")
            check(kept > 50, "turned away far too early")
            read_back(c, topic, value, kept)
            still_full(mount, c, other, value, 0)
            equal(c.delete_topic(topic), NONE, "DeleteTopics")
            until("produce", 60, lambda: c.produce(other, 0, [value])[0] == NONE)
            equal(broker.stop(), 0, "exit code")
            c.close()
    finally:
        subprocess.run(["umount", "-l", str(mount)], check=True)


def full_disk_cases(mount, broker):
    value, topic, kept = os.urandom(900000), f"full-{stamp()}", 0

    def led_again():
        return until("the partition is led", 30, lambda: led(broker.bootstrap, topic, 1))

    with case("full disk: produce is turned away, what was acknowledged can be read"):
        topic_ready(broker.bootstrap, topic, 1)
        c = Connection(broker.bootstrap, timeout=60)
        kept, code = fill(c, topic, value)
        print(f"# {kept} records of 900 kB, then error {code}")
        equal(code, STORAGE_ERROR, "error")
        check(kept > 50, "turned away far too early")
        broker.alive()
        read_back(c, topic, value, kept)
        kept = still_full(mount, c, topic, value, kept)
        check("disk is nearly full" in broker.log.read_text(), "not told:", broker.log_tail())
        c.close()
    with case("full disk: the broker stops and starts, what was acknowledged can be read"):
        with open(mount / "others", "wb") as others:  # somebody else takes nearly all of the rest
            room = os.statvfs(mount)
            others.write(bytes(max(0, room.f_bavail * room.f_frsize - (8 << 20))))
        stop_and_start(broker)
        c = led_again()
        read_back(c, topic, value, kept)
        kept = still_full(mount, c, topic, value, kept, min(free(mount), RESERVE))
        broker.kill("sluice-data")
        c.close()
        until("the broker answers again", 30, lambda: answers(broker.bootstrap))
        c = led_again()
        read_back(c, topic, value, kept)
        c.close()
    with case("full disk: with room again produce goes on without a restart"):
        c = led_again()
        subprocess.run(["mount", "-o", "remount,size=768m", str(mount)], check=True)
        until("produce", 10, lambda: c.produce(topic, 0, [value])[0] == NONE)
        read_back(c, topic, value, kept + 1)
        c.close()
    with case("full disk: after that the broker stops cleanly and has everything"):
        stop_and_start(broker)
        c = led_again()
        read_back(c, topic, value, kept + 1)
        c.close()


def stop_and_start(broker):
    equal(broker.stop(), 0, f"exit code: {broker.log_tail()}")
    # The kernel closes a listener of a ring some ms after the process ended.
    until("the port is free", 10, lambda: bindable(broker.port))
    broker.start()


def bindable(port):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def fill(connection, topic, value, kept=0):
    """Produces until the broker refuses: how many there are then in the log, which held `kept`, and
    the error."""
    body = Connection.produce_body(topic, 0, batch([value]))
    while kept < 500:
        code, offset = Connection.produced(connection.call(PRODUCE, 7, body))
        if code != NONE:
            return kept, code
        equal(offset, kept, "offset")
        kept += 1
    raise AssertionError("450 MB fit into 384 MB")


def free(mount):
    room = os.statvfs(mount)
    return room.f_bavail * room.f_frsize


def still_full(mount, connection, topic, value, kept, keep=RESERVE):
    """How many there are now: what was written back since the disk was full is promised no longer,
    and may have made room for some.  However many: what is refused is refused while there is room
    on the disk for all that was taken and for the broker's own files: `keep` bytes, less what those
    have taken of it."""
    now, code = fill(connection, topic, value, kept)
    equal(code, STORAGE_ERROR, "still full")
    left = free(mount)
    print(f"# {now - kept} more, {left >> 20} MiB are free", flush=True)
    check(left >= keep - OWN_FILES, f"of {keep} bytes that must stay free there are {left}")
    return now


def read_back(connection, topic, value, kept):
    at = 0
    while at < kept:
        error, _, records = connection.fetch(topic, 0, at, bytes_max=4 << 20)
        equal(error, NONE, f"fetch at {at}")
        for offset, got in records_of(records):
            if offset == at:
                check(got == value, f"bytes of {at}")
                at += 1


def main():
    with tempfile.TemporaryDirectory(prefix="sluice-start-") as folder:
        home = pathlib.Path(folder)
        refusals(home)
        directory_cases(home)
        full_disk(home)
        small_disk(home)
    finish()


main()
