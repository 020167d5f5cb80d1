#!/usr/bin/env python3
"""sluice net: what the broker tells of its network.  As it is: over kernel sockets; under
namespaced.py: over our own TCP/IP on a device of DPDK.

What scripts depend on is in net.golden and net-dpdk.golden: E2E_RECORD=1 writes it anew."""
import json
import os
import pathlib
import re
import shutil
import socket
import struct
import subprocess
import tempfile
import urllib.request

from broker import CONTROL, Broker, SMALL, free_port, program
from case import Skip, case, check, equal, finish, until
from golden import Golden
from kafka import Connection
from test_metrics import names_of_panels_and_alerts

OURS = bool(os.environ.get("E2E_NET"))
SECONDS = 90
GOLDEN = pathlib.Path(__file__).with_name("net-dpdk.golden" if OURS else "net.golden")
DIFFERS = ("core", "cores", "queues", "mac", "local", "remote", "rtt_us", "rto_us", "cwnd", "mss",
           "in_flight", "send_window", "receive_window", "unread", "unsent", "resent", "timeouts",
           "state", "age_ms", "count", "connections", "handshakes", "time_wait", "neighbours",
           "drops", "sent_by_reference", "sent_copied")


class Net:
    def __init__(self, port):
        self.at = f"127.0.0.1:{port}"

    def run(self, what, *more):
        done = subprocess.run([program(), "net", what, "--metrics", self.at, *more],
                              capture_output=True, text=True, timeout=SECONDS)
        equal(done.returncode, 0, f"{what}: {done.stderr}")
        self.error = done.stderr
        return done.stdout

    def json(self, what):
        return json.loads(self.run(what, "--format", "json"))

    def text(self, path):
        with urllib.request.urlopen(f"http://{self.at}{path}", timeout=SECONDS) as answer:
            return answer.read().decode()


def connections(broker, net):
    """Open connections are listed, ours among them, and gone when they are."""
    clients = [Connection(broker.bootstrap) for _ in range(5)]
    for c in clients:
        c.api_versions()
    ends = {"%s:%d" % c.socket.getsockname()[:2] for c in clients}
    rows = {r["remote"]: r for r in net.json("connections")}
    check(ends <= set(rows), ends, rows)
    for end in ends:
        row = rows[end]
        equal(row["state"], "ESTABLISHED", row)
        equal(row["local"], broker.bootstrap, row)
        check(row["rtt_us"] > 0 and row["cwnd"] >= row["mss"] > 0, row)
        equal((row["unread"], row["unsent"], row["in_flight"]), (0, 0, 0), row)
        check(row["core"] >= 0 if OURS else row["core"] == -1, row)
    table = net.run("connections")
    check("RTT-US" in table and all(end in table for end in ends), table)
    for c in clients:
        c.close()
    until("they are gone", SECONDS, lambda: not ends & {
        r["remote"] for r in net.json("connections") if r["state"] != "TIME_WAIT"})


def documents(broker, net):
    """Of a list the first row, of drops all."""
    golden = Golden(GOLDEN, DIFFERS)
    client = Connection(broker.bootstrap)
    client.api_versions()
    for what in ("info", "ports", "addresses", "routes", "neighbours", "connections", "drops"):
        value = net.json(what)
        golden.same(what, value if what in ("info", "drops") else value[:1])
        lines = net.run(what).splitlines()
        golden.same(f"{what}: text", [l.split()[0] for l in lines] if what == "info" else
                    lines[0].split() if lines else [])
    client.close()
    golden.write()


def kernel(net):
    """What is the kernel's is not told, and it is said who knows."""
    equal(net.json("info")["net"], "kernel", "net")
    for what, tool in (("ports", "ip -s link"), ("addresses", "ip address"),
                       ("routes", "ip route"), ("neighbours", "ip neighbour"),
                       ("drops", "nstat")):
        equal(net.json(what), [], what)
        check(f"kernel sockets: {tool}" in net.error, what, net.error)
    check("sluice_net_" not in net.text("/metrics"), "metrics of a stack that is not there")


def device(broker, net):
    info = net.json("info")
    equal(info["net"], "dpdk", info)
    equal(info["address"], f"{os.environ['E2E_HOST']}/24", info)
    ports = net.json("ports")
    equal(len(ports), info["cores"], "a queue each core")
    for core, port in enumerate(ports):
        equal((port["core"], port["queue"], port["queues"]), (core, core, info["cores"]), port)
        check(port["link_up"] and port["mtu"] == 1500, port)
        check("net_tap" in port["name"] or "net_af_packet" in port["name"], port)
    addresses = {a["address"]: a["state"] for a in net.json("addresses")}
    equal(addresses, {f"{os.environ['E2E_HOST']}/24": "ours"}, "addresses")


def neighbours(net):
    link = subprocess.run(["ip", "-json", "link", "show", "sl0"], check=True, timeout=SECONDS,
                          stdout=subprocess.PIPE)
    mac = json.loads(link.stdout)[0]["address"]
    known = [n for n in net.json("neighbours") if n["address"] == os.environ["E2E_CLIENT"]]
    check(known, "nobody knows us")
    check(all(n["mac"] == mac for n in known), mac, known)
    check(all(n["state"] in ("known", "stale", "probing") and n["age_ms"] >= 0 for n in known),
          known)


def counted(net, part, reason):
    rows = [r for r in net.json("drops") if (r["part"], r["reason"]) == (part, reason)]
    equal(len(rows), 1, (part, reason))
    return rows[0]["count"]


def drops(broker, net):
    """A datagram for a protocol that is not spoken, and a segment of nobody's connection."""
    host = os.environ["E2E_HOST"]
    before = counted(net, "ip", "ip_protocol")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.sendto(b"x", (host, 53))
    until("it is counted", SECONDS, lambda: counted(net, "ip", "ip_protocol") > before)
    check(re.search(r"ip_protocol +\d+ +a protocol that is not spoken here", net.run("drops")),
          net.run("drops"))
    before = counted(net, "ip", "ethertype")
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as s:
        s.bind(("sl0", 0))
        mac = bytes.fromhex(net.json("ports")[0]["mac"].replace(":", ""))
        s.send(mac + b"\x02" + bytes(5) + struct.pack(">H", 0x88cc) + bytes(46))
    until("it is counted", SECONDS, lambda: counted(net, "ip", "ethertype") > before)
    line = [l for l in net.text("/metrics").splitlines() if 'reason="ethertype"' in l]
    check(len(line) == 1 and float(line[0].split()[-1]) > before, line)


def frames(net):
    """Those of the device, which the cores look at once a second."""
    rows = re.findall(r'sluice_net_frames_total\{port="0",direction="(\w+)"\} (\d+)',
                      net.text("/metrics"))
    equal([d for d, _ in rows], ["in", "out"], rows)
    return min(int(n) for _, n in rows)


def order(broker, *words, code=0):
    done = subprocess.run([program(), "net", "capture", *words, "--data", broker.data, "--format",
                           "json"], capture_output=True, text=True, timeout=SECONDS)
    equal(done.returncode, code, f"{words}: {done.stdout} {done.stderr}")
    return json.loads(done.stdout) if code == 0 else done.stderr


def tcpdump(path):
    if not shutil.which("tcpdump"):
        raise Skip("no tcpdump")
    done = subprocess.run(["tcpdump", "-nn", "-r", path], capture_output=True, text=True,
                          timeout=SECONDS)
    equal(done.returncode, 0, done.stderr)
    return done.stdout.splitlines()


def a_connection(broker):
    c = Connection(broker.bootstrap)
    c.api_versions()
    end = c.socket.getsockname()[:2]
    c.close()
    return end


def capture(broker, folder):
    """Everything: the handshake and the end of a connection are in the file."""
    path = os.path.join(folder, "all.pcapng")
    status = order(broker, "start", path)
    equal((status["state"], status["file"], status["lost"]), ("running", path, 0), status)
    check("one is running" in order(broker, "start", path + "2", code=1), "two at a time")
    host, port = a_connection(broker)
    status = order(broker, "stop")
    equal((status["state"], status["why"], status["lost"]), ("ended", "stopped", 0), status)
    equal(status["bytes"], os.path.getsize(path), "bytes")
    equal(os.stat(path).st_mode & 0o777, 0o600, "mode")
    check("there is none" in order(broker, "stop", code=1), "an end without a beginning")
    check("there already" in order(broker, "start", path, code=1), "a file that is there")
    lines = [l for l in tcpdump(path) if f"{host}.{port} " in l or f"{host}.{port}:" in l]
    flags = [re.search(r"Flags \[([^]]*)\]", l).group(1) for l in lines]
    equal(flags[:3], ["S", "S.", "."], lines)
    check("P." in flags and any("F" in f for f in flags[3:]), lines)


def capture_one(broker, folder):
    """One connection, while another is used; it ends by itself."""
    path = os.path.join(folder, "one.pcapng")
    other, one = Connection(broker.bootstrap), Connection(broker.bootstrap)
    host, port = one.socket.getsockname()[:2]
    order(broker, "start", path, "--connection", f"{host}:{port}", "--packets", "6",
          "--snaplen", "9300")
    for _ in range(20):
        other.api_versions()
        one.api_versions()
    status = until("it has ended", SECONDS, lambda: [
        s for s in [order(broker, "status")] if s["state"] == "ended"])[0]
    equal((status["packets"], status["why"]), (6, "packets reached"), status)
    lines = tcpdump(path)
    equal(len(lines), 6, lines)
    check(all(f"{host}.{port}" in l for l in lines), lines)
    for c in other, one:
        c.close()


def capture_restarted(broker, folder):
    """A control that is killed ends the capture; the next one takes orders again."""
    path = os.path.join(folder, "killed.pcapng")
    order(broker, "start", path)
    old = broker.pid(CONTROL)
    broker.kill(CONTROL)
    broker.wait_restarted(CONTROL, old)
    until("it has ended", SECONDS, lambda: order(broker, "status")["state"] == "ended")
    equal(order(broker, "status")["why"], "control was restarted", "why")
    order(broker, "start", path + "2")
    a_connection(broker)
    check(order(broker, "stop")["packets"] >= 3, "packets")
    check(len(tcpdump(path + "2")) >= 3, "frames")


def metrics(net):
    until("frames are counted", SECONDS, lambda: frames(net) > 10)
    text, internal = net.text("/metrics"), net.text("/metrics/internal")
    there = {re.split("[{ ]", line)[0] for line in text.splitlines()}
    named = {n for _, n in names_of_panels_and_alerts() if n.startswith("sluice_net_")}
    check(len(named) >= 3, named)
    equal(sorted(named - there), [], "metrics of panels")
    check('sluice_core_net_total{core="0",part="loop",counter="polls",unit="polls"}' in internal,
          "polls of a core")


def over_the_kernel(broker, net):
    with case("net: with kernel sockets it says who knows the rest"):
        kernel(net)
        check("tcpdump" in order(broker, "start", "x", code=1), "who captures")


def over_our_own(broker, net):
    with case("net: the device, its queues and addresses"):
        device(broker, net)
    with case("net: neighbours with their link addresses"):
        neighbours(net)
    with case("net: what goes no further is counted under its reason"):
        drops(broker, net)
    with case("net: every metric of a panel is in a live scrape"):
        metrics(net)
    with tempfile.TemporaryDirectory() as folder:
        with case("net: a capture has a connection from its handshake to its end"):
            capture(broker, folder)
        with case("net: a capture of one connection has that only, and as much as asked for"):
            capture_one(broker, folder)
        with case("net: control may die in the middle of a capture"):
            capture_restarted(broker, folder)


def main():
    port = free_port()
    with Broker(SMALL, f"metrics.listener=127.0.0.1:{port}") as broker:
        net = Net(port)
        with case("net: connections are listed with what TCP knows of them"):
            connections(broker, net)
        with case("net: names in JSON and headings of tables are as they were"):
            documents(broker, net)
        if OURS:
            over_our_own(broker, net)
        else:
            over_the_kernel(broker, net)
    finish()


if __name__ == "__main__":
    main()
