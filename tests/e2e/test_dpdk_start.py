#!/usr/bin/env python3
"""net=dpdk that cannot start says in one line what mends it, and ends; nothing is tried again."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from broker import SMALL, program
from case import Skip, case, check, finish

ADDRESS = "net.address=10.77.0.2/24"
TAP = "net.devices=net_tap0,iface=sl1"


def refused(words, *settings, before=()):
    """`sluice run`, with the words `before` it, ends with an error that says the words."""
    home = pathlib.Path(tempfile.mkdtemp(prefix="sluice-e2e-"))
    try:
        options = [SMALL, "cores=1", "metrics.listener=", "net=dpdk", *settings]
        done = subprocess.run([*before, program(), "run", "--data", home / "data",
                               *[word for o in options for word in ("-o", o)]],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=60)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    check(done.returncode not in (0, None), "it did not fail", done.stdout)
    errors = "\n".join(l for l in done.stdout.splitlines() if " error " in l)
    for word in words:
        check(word in errors, f"'{word}' is not in", done.stdout)


def run(*command):
    subprocess.run(command, check=True, timeout=30, stdout=subprocess.DEVNULL)


def no_address():
    refused(["net.address", "10.77.0.2/24"], TAP)


def no_device():
    refused(["net.devices", "0000:41:00.0"], ADDRESS)


def absent_card():
    refused(["lspci -D"], ADDRESS, "net.devices=0000:fe:1f.7")


def absent_interface():
    refused(["ip link"], ADDRESS, "net.devices=net_af_packet0,iface=nowhere")


def foreign_listener():
    refused(["10.77.0.9 is none of net.address"], ADDRESS, TAP,
            "listeners=PLAINTEXT://10.77.0.9:9092")


def default_route():
    run("ip", "link", "add", "va", "type", "veth", "peer", "name", "vb")
    try:
        run("ip", "addr", "add", "10.78.0.1/24", "dev", "va")
        run("ip", "link", "set", "va", "up")
        run("ip", "route", "add", "default", "via", "10.78.0.2")
        refused(["net.default.route.device=va"], ADDRESS,
                "net.devices=net_af_packet0,iface=va")
    finally:
        run("ip", "link", "del", "va")


def part_of_the_default_route():
    """/sys shows the interfaces of the namespace in which it was mounted."""
    run("ip", "link", "add", "va", "type", "veth", "peer", "name", "vb")
    try:
        run("ip", "link", "add", "br9", "type", "bridge")
        run("ip", "link", "set", "va", "master", "br9", "up")
        run("ip", "addr", "add", "10.78.0.1/24", "dev", "br9")
        run("ip", "link", "set", "br9", "up")
        run("ip", "route", "add", "default", "via", "10.78.0.2")
        own_sys = ("unshare", "--mount", "sh", "-c", 'mount -t sysfs sys /sys && exec "$@"', "-")
        for device in "net_af_packet0,iface=va", "net_tap0,iface=sl1,remote=va":
            refused(["va is under br9", "net.default.route.device=va"], ADDRESS,
                    f"net.devices={device}", before=own_sys)
    finally:
        run("ip", "link", "del", "va")
        run("ip", "link", "del", "br9")


CASES = {
    "no address": no_address,
    "no device": no_device,
    "a card that is not there": absent_card,
    "an interface that is not there": absent_interface,
    "a listener on an address of somebody else": foreign_listener,
    "the device of the default route": default_route,
    "a device under the default route": part_of_the_default_route,
}


def unable():
    """Why it cannot be done here; None: it can, or it is being done."""
    if os.environ.get("E2E_INSIDE"):
        return None
    if not shutil.which("unshare") or not os.path.exists("/dev/net/tun"):
        return "no unshare or no /dev/net/tun"
    probe = subprocess.run(["unshare", "--net", "true"], stderr=subprocess.PIPE, text=True)
    if probe.returncode:
        return probe.stderr.strip()
    os.environ["E2E_INSIDE"] = "1"
    os.execvp("unshare", ["unshare", "--net", sys.executable, __file__])


def main():
    why = unable()
    for name, body in CASES.items():
        with case(f"net=dpdk refuses: {name}"):
            if why:
                raise Skip(why)
            body()
    finish()


main()
