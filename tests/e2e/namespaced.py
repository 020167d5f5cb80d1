#!/usr/bin/env python3
"""namespaced.py DEVICE TEST [ARGUMENT...]: runs a client test in a network namespace of its own,
where brokers serve over a device of DPDK instead of kernel sockets.

DEVICE: tap (the interface sl0 stays when its broker dies), veth (af_packet on one of a pair) or
taps (two, sl0 and sl1, each with a network of both families; packets of the second are shorter).
The test is unchanged: broker.py reads E2E_NET, the settings of the broker, and E2E_HOST, its
address."""
import os
import shutil
import subprocess
import sys

CLIENT, BROKER = "10.77.0.1", "10.77.0.2"
OURS = f"{CLIENT}/24"
# Of each interface of "taps": our addresses, those of the broker, and its MTU.
NETWORKS = (((OURS, "fd00:77::1/64"), (f"{BROKER}/24", "fd00:77::2/64"), 1500),
            (("10.78.0.1/24", "fd00:78::1/64"), ("10.78.0.2/24", "fd00:78::2/64"), 1400))
# Queues of the device: as many as the test's brokers have cores.
CORES = len(os.sched_getaffinity(0))


def run(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: {done.stdout}")


def tap(cores):
    run("ip", "tuntap", "add", "sl0", "mode", "tap", "multi_queue")
    run("ip", "addr", "add", OURS, "dev", "sl0")
    run("ip", "link", "set", "sl0", "up")
    return f"net.devices=net_tap0,iface=sl0 net.address={BROKER}/24"


def taps(cores):
    for i, (ours, _, mtu) in enumerate(NETWORKS):
        run("ip", "tuntap", "add", f"sl{i}", "mode", "tap", "multi_queue")
        run("ip", "link", "set", f"sl{i}", "mtu", str(mtu), "up")
        for address in ours:
            run("ip", "addr", "add", address, "dev", f"sl{i}", *["nodad"] * (":" in address))
    return " ".join("net." + key + "=" + ";".join(entries) for key, entries in (
        ("devices", [f"net_tap{i},iface=sl{i}" for i in range(len(NETWORKS))]),
        ("address", [",".join(broker) for _, broker, _ in NETWORKS]),
        ("mtu", [str(mtu) for *_, mtu in NETWORKS])))


def veth(cores):
    run("ip", "link", "add", "va", "type", "veth", "peer", "name", "sl0")
    # What a veth peer sends has no checksums, and frames of 64 KiB, unless told otherwise.
    run("ethtool", "-K", "sl0", "tx", "off", "tso", "off", "gso", "off")
    run("ip", "addr", "add", OURS, "dev", "sl0")
    for name in ("va", "sl0"):
        run("ip", "link", "set", name, "up")
    return (f"net.devices=net_af_packet0,iface=va,framecnt=2048,qpairs={cores} "
            f"net.address={BROKER}/24")


DEVICES = {"tap": tap, "taps": taps, "veth": veth}


def unable():
    """Why it cannot be done here; None: it can."""
    for tool in ("unshare", "ip", "ethtool"):
        if not shutil.which(tool):
            return f"no {tool}"
    if not os.path.exists("/dev/net/tun"):
        return "no /dev/net/tun"
    probe = subprocess.run(["unshare", "--net", "true"], stderr=subprocess.PIPE, text=True)
    return probe.stderr.strip() if probe.returncode else None


def main():
    if len(sys.argv) < 3 or sys.argv[1] not in DEVICES:
        raise SystemExit(__doc__)
    if not os.environ.get("E2E_INSIDE"):
        why = unable()
        if why:
            print(f"skip all ({why})")
            return
        os.environ["E2E_INSIDE"] = "1"
        os.execvp("unshare", ["unshare", "--net", sys.executable, *sys.argv])
    cores = 1 if "cores=1" in os.environ.get("E2E_OPTIONS", "").split() else CORES
    run("ip", "link", "set", "lo", "up")
    settings = DEVICES[sys.argv[1]](cores)
    os.environ["E2E_HOST"], os.environ["E2E_CLIENT"] = BROKER, CLIENT
    os.environ["E2E_NET"] = f"net=dpdk {settings}"
    os.execv(sys.executable, [sys.executable, *sys.argv[2:]])


main()
