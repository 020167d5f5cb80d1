#!/usr/bin/env python3
"""A broker over two devices of DPDK, each with a network of both families; under "namespaced.py
taps", where the client side of each is an interface, sl0 and sl1, in the same namespace."""
import os
import re
import subprocess
import tempfile
import threading

from broker import SMALL, Broker, free_port
from case import case, check, equal, finish, until
from kafka import FETCH, Connection, Cursor, topic_ready
from test_net import SECONDS, Net, order, tcpdump

FIRST, SECOND = "10.77.0.2", "10.78.0.2"
FIRST_6, SECOND_6 = "fd00:77::2", "fd00:78::2"
MTUS = {FIRST: 1500, SECOND: 1400}
LINES = 3000
RECORDS = 200


def at(broker, host):
    return f"[{host}]:{broker.port}" if ":" in host else f"{host}:{broker.port}"


def kcat(bootstrap, *arguments, data=None):
    done = subprocess.run(["kcat", "-b", bootstrap, "-m", str(SECONDS), *arguments], input=data,
                          capture_output=True, timeout=3 * SECONDS)
    check(done.returncode == 0, "kcat", *arguments, done.returncode, done.stderr)
    return done.stdout


def together(*jobs):
    """Runs functions at the same time; the first failure is that of all."""
    failed = []

    def run(job):
        try:
            job()
        except BaseException as why:  # told below, by the thread of the case
            failed.append(why)
    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if failed:
        raise failed[0]


def through_both(broker):
    """Producers of all four addresses at once; each topic is then read through the other device."""
    roads = [(FIRST, SECOND), (SECOND, FIRST), (FIRST_6, SECOND_6), (SECOND_6, FIRST_6)]
    texts = [b"".join(b"%d over %d, %s\n" % (i, road, b"padding " * 20) for i in range(LINES))
             for road in range(len(roads))]
    for road in range(len(roads)):
        topic_ready(broker.bootstrap, f"road{road}", 1)

    def write(road, host):
        kcat(at(broker, host), "-P", "-t", f"road{road}", "-X", "acks=all", data=texts[road])
    together(*[lambda road=road, host=host: write(road, host)
               for road, (host, _) in enumerate(roads)])

    def read(road, host):
        got = kcat(at(broker, host), "-C", "-e", "-q", "-t", f"road{road}", "-o", "beginning")
        check(got == texts[road], f"road {road}: {len(got)} bytes, not {len(texts[road])}")
    together(*[lambda road=road, host=host: read(road, host)
               for road, (_, host) in enumerate(roads)])


def told(broker, net):
    """Every list has the device, and each connection the segment size of its own."""
    info = net.json("info")
    equal(info["device"], "net_tap0,iface=sl0;net_tap1,iface=sl1", info)
    ports = net.json("ports")
    equal([(p["core"], p["port"], p["mtu"]) for p in ports],
          [(core, i, mtu) for core in range(info["cores"]) for i, mtu in enumerate(MTUS.values())],
          ports)
    check(all(p["link_up"] for p in ports), ports)
    equal(len({p["mac"] for p in ports}), 2, ports)
    addresses = {(a["port"], a["address"]) for a in net.json("addresses")}
    check({(0, f"{FIRST}/24"), (0, f"{FIRST_6}/64"), (1, f"{SECOND}/24"),
           (1, f"{SECOND_6}/64")} <= addresses, addresses)
    equal([p for p, a in sorted(addresses) if a.startswith("fe80")], [0, 1], addresses)
    clients = {host: Connection(at(broker, host)) for host in MTUS}
    for host, c in clients.items():
        c.api_versions()
        rows = [r for r in net.json("connections") if r["local"] == at(broker, host)]
        equal([r["mss"] for r in rows], [MTUS[host] - 20 - 20 - 12] * len(rows), rows)
        check(rows, host)
    neighbours = {(n["port"], n["address"]) for n in net.json("neighbours")}
    check({(0, "10.77.0.1"), (1, "10.78.0.1")} <= neighbours, neighbours)
    check(not {(1, "10.77.0.1"), (0, "10.78.0.1")} & neighbours, neighbours)
    check(re.search(r"(?m)^CORE +PORT +DEVICE", net.run("ports")), net.run("ports"))
    for c in clients.values():
        c.close()


def series(net):
    """Frames and drops of each device have series of their own."""
    def frames():
        rows = re.findall(r'sluice_net_frames_total\{port="(\d)",direction="(\w+)"\} (\d+)',
                          net.text("/metrics"))
        equal([(p, d) for p, d, _ in rows],
              [(p, d) for d in ("in", "out") for p in ("0", "1")], rows)
        return min(int(n) for *_, n in rows)
    until("frames of both are counted", SECONDS, lambda: frames() > 100)
    text = net.text("/metrics")
    for port in 0, 1:
        row = f'sluice_net_drops_total{{port="{port}",part="nic",reason="rx_missed"}}'
        check(row in text, row)
    rows = [(r["port"], r["part"]) for r in net.json("drops") if r["reason"] in
            ("rx_missed", "tcp_sequence")]
    equal(sorted(rows), [(-1, "tcp"), (0, "nic"), (1, "nic")], rows)


def capture(broker, folder):
    """A capture of one device has nothing of the other."""
    path = os.path.join(folder, "second.pcapng")
    check("no port 2" in order(broker, "start", path, "--port", "2", code=1), "a third device")
    order(broker, "start", path, "--port", "1")
    for host in FIRST, SECOND:
        c = Connection(at(broker, host))
        c.api_versions()
        c.close()
    order(broker, "stop")
    lines = tcpdump(path)
    check(any(f" {SECOND}." in l for l in lines), lines)
    check(not any(f" {FIRST}." in l for l in lines), lines)


def one_goes_down(broker, net):
    """The link of one device is down: the other serves on; up again, its connections go on."""
    topic_ready(broker.bootstrap, "down", 1)
    first, second = Connection(at(broker, FIRST)), Connection(at(broker, SECOND))
    equal(second.produce("down", 0, [b"before"]), (0, 0), "before")
    # It waits at the broker, whose answer then meets the dead link.
    second.socket.sendall(second.frame(FETCH, 4, second.fetch_body("down", 0, 1, wait_ms=25000)))
    link("sl1", "down")
    for i in range(RECORDS):
        equal(first.produce("down", 0, [b"%d" % i]), (0, 1 + i), "while the other is down")
    equal([v for _, v in first.consume("down", 0)],
          [b"before", *[b"%d" % i for i in range(RECORDS)]], "records")
    until("the link is told to be down", SECONDS, lambda: {
        p["port"]: p["link_up"] for p in net.json("ports")} == {0: True, 1: False})
    link("sl1", "up")
    answer = Cursor(second.receive())
    equal(answer.take("i"), second.correlation, "the answer that waited for the link")
    equal(Connection.fetched(answer)[0], 0, "the answer that waited for the link")
    equal(second.produce("down", 0, [b"after"]), (0, 1 + RECORDS), "the connection from before")
    until("the link is told to be up", SECONDS, lambda: all(
        p["link_up"] for p in net.json("ports")))
    for c in first, second:
        c.close()


def link(name, state):
    subprocess.run(["ip", "link", "set", name, state], check=True, timeout=SECONDS)


def main():
    port = free_port()
    broker = Broker(SMALL, f"metrics.listener=127.0.0.1:{port}", start=False)
    broker.options.append("listeners=" + ",".join(
        "PLAINTEXT://" + at(broker, host) for host in (FIRST, SECOND, FIRST_6, SECOND_6)))
    broker.start()
    with broker:
        net = Net(port)
        with case("devices: clients produce and fetch through both at the same time"):
            through_both(broker)
        with case("devices: what is told of the network is told of each"):
            told(broker, net)
        with case("devices: each has series of its own"):
            series(net)
        with tempfile.TemporaryDirectory() as folder:
            with case("devices: a capture of one has nothing of the other"):
                capture(broker, folder)
        with case("devices: while the link of one is down the other serves"):
            one_goes_down(broker, net)
        broker.alive()
    finish()


if __name__ == "__main__":
    main()
