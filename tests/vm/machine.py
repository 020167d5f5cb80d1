"""A virtual machine with cards on PCI behind an IOMMU and disks on NVMe: QEMU, all emulated.

The log's disk is a file that outlives the machine: boot() after cut() finds what had reached it.
The cards are TAP interfaces of the network namespace that we run in, sl1 and on, with the addresses
10.99.N.1; the machine's side is for the broker, 10.99.N.2."""
import base64
import os
import pathlib
import shutil
import socket
import subprocess
import time

from case import check, until

HERE = pathlib.Path(__file__).resolve().parent
BOOT_SECONDS = 120  # a shell is there after 5 to 9 s on a machine that has nothing else to do
COMMAND_SECONDS = 240  # a card is bound in 5 s, and in over 60 on a machine with a load of 20
MEMORY_MB, LOG_MB, PAYLOAD_MB = 2048, 1536, 64
ROOT_OPTIONS = "root=PARTUUID=deadbeef-01 ro rootwait init=/init-vm"
# Without no_timer_check the kernel gives up when its first timer is late, as on a busy host.
KERNEL_OPTIONS = "console=ttyS0 quiet panic=-1 mitigations=off tsc=reliable no_timer_check"
IOMMU = {  # what the device must be told, and the kernel
    True: (["-device", "intel-iommu,intremap=on,aw-bits=48"], "intel_iommu=on iommu=nopt"),
    False: ([], "intel_iommu=off"),
}


class Card:
    """One card: QEMU's model, the kernel's driver, where it is; `queues` of those that spread
    connections over them as real ones do; `cuts`: it and its driver cut bursts into segments."""
    def __init__(self, number, model, *modules, queues=1, cuts=False):
        self.name, self.modules = model.split(",")[0].removesuffix("-net-pci"), modules
        self.model, self.number, self.queues, self.cuts = model, number, queues, cuts
        self.slot = 0x10 + number
        self.address = f"0000:00:{self.slot:02x}.0"
        self.interface = f"sl{number}"
        self.client, self.broker = f"10.99.{number}.1", f"10.99.{number}.2"


CARDS = [
    Card(1, "virtio-net-pci,disable-legacy=on,iommu_platform=on,mq=on,rss=on,vectors=6",
         "virtio_pci", "virtio_net", queues=2, cuts=True),
    Card(2, "e1000", "e1000"),
    Card(3, "e1000e", "e1000e"),
    Card(4, "vmxnet3", "vmxnet3", cuts=True),
]


def command(*words):
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    check(done.returncode == 0, f"{' '.join(map(str, words))}: {done.stdout}")


def disk_make(path, megabytes, folder=None):
    path.unlink(missing_ok=True)
    command("truncate", "-s", f"{megabytes}M", path)
    command("mke2fs", "-q", "-t", "ext4", "-E", "root_owner=0:0",
            *(["-d", folder] if folder else []), path)


class Machine:
    def __init__(self, image, home, programs, cards):
        self.image, self.home, self.cards = pathlib.Path(image), pathlib.Path(home), cards
        self.process = self.line = None
        self.received, self.number = b"", 0
        payload = self.home / "payload"
        payload.mkdir()
        for path in (HERE / "guest.sh", *programs):
            shutil.copy2(path, payload)
        disk_make(self.home / "payload.img", PAYLOAD_MB, payload)
        disk_make(self.home / "log.img", LOG_MB)
        for card in cards:
            command("ip", "tuntap", "add", card.interface, "mode", "tap",
                    *["multi_queue"] * (card.queues > 1))
            command("ip", "addr", "add", f"{card.client}/24", "dev", card.interface)
            command("ip", "link", "set", card.interface, "up")

    def arguments(self, iommu):
        devices, options = IOMMU[iommu]
        words = ["qemu-system-x86_64", "-machine", "q35,accel=tcg", "-cpu", "max", "-smp", "2",
                 "-m", str(MEMORY_MB), "-nodefaults", "-display", "none", "-no-reboot", *devices,
                 "-kernel", str(self.image / "vmlinuz"),
                 "-append", f"{KERNEL_OPTIONS} {ROOT_OPTIONS} {options}",
                 "-serial", f"file:{self.home / 'console'}",
                 "-chardev", f"socket,id=agent,path={self.home / 'agent'},server=on,wait=off",
                 "-serial", "chardev:agent"]
        disks = (("root", self.image / "root.img", "readonly=on"),
                 ("payload", self.home / "payload.img", "readonly=on"),
                 ("log", self.home / "log.img", "cache=writeback"))
        for slot, (serial, path, how) in enumerate(disks, 4):
            words += ["-drive", f"if=none,id={serial},file={path},format=raw,{how}",
                      "-device", f"nvme,drive={serial},serial={serial},addr={slot:#x}"]
        for card in self.cards:
            platform = "" if iommu else ",iommu_platform=off"
            model = card.model + (platform if "iommu_platform" in card.model else "")
            queues = f",queues={card.queues}" if card.queues > 1 else ""
            words += ["-netdev", f"tap,id={card.interface},ifname={card.interface},script=no,"
                      f"downscript=no{queues}",
                      "-device", f"{model},netdev={card.interface},addr={card.slot:#x}.0,"
                      f"mac=52:54:00:00:00:{card.slot:02x},romfile="]
        return words

    def boot(self, iommu=True):
        """Until the agent says hello.  The machine ends with the test, also when that is killed."""
        errors = open(self.home / "qemu.err", "ab")
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *self.arguments(iommu)],
            stdin=subprocess.DEVNULL, stdout=errors, stderr=errors)
        errors.close()
        began = time.monotonic()
        self.line = until("QEMU listens", 20, self.connected)
        self.received = b""
        try:
            said = self.receive(BOOT_SECONDS)
            check(said.startswith("hello "), said)
        except BaseException:
            self.cut()
            raise
        print(f"# {said.removeprefix('hello ')} after {time.monotonic() - began:.0f} s", flush=True)

    def alive(self):
        check(self.process.poll() is None,
              f"QEMU ended: {(self.home / 'qemu.err').read_text(errors='replace')[-2000:]}")

    def connected(self):
        self.alive()
        line = socket.socket(socket.AF_UNIX)
        try:
            line.connect(str(self.home / "agent"))
        except OSError:
            line.close()
            return None
        return line

    def receive(self, seconds):
        """One line of the agent."""
        until_time = time.monotonic() + seconds
        while b"\n" not in self.received:
            self.line.settimeout(max(until_time - time.monotonic(), 0.01))
            try:
                part = self.line.recv(65536)
            except TimeoutError:
                raise AssertionError(f"no word in {seconds} s; {self.console()}") from None
            check(part, "the machine is gone;", self.console())
            self.received += part
        line, self.received = self.received.split(b"\n", 1)
        return line.decode()

    def console(self, lines=15):
        text = (self.home / "console").read_text(errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def run(self, text, seconds=COMMAND_SECONDS):
        """A command of the guest's shell; returns (exit code, output)."""
        self.number += 1
        encoded = base64.b64encode(text.encode()).decode()
        self.line.sendall(f"{self.number} {encoded}\n".encode())
        number, code, *output = self.receive(seconds).split(" ")
        check(int(number) == self.number, f"answer {number} to command {self.number}")
        return int(code), base64.b64decode(output[0] if output else "").decode(errors="replace")

    def good(self, text, seconds=COMMAND_SECONDS):
        code, output = self.run(text, seconds)
        check(code == 0, f"{text}: exit code {code}: {output}")
        return output.strip()

    def driver(self, card):
        """The kernel's driver of a card; "": none."""
        path = f"/sys/bus/pci/devices/{card.address}/driver"
        return self.run(f"basename $(readlink {path}) 2>&-")[1].strip()

    def cut(self):
        """The power goes: nothing in the guest's memory is written any more."""
        if self.line:
            self.line.close()
            self.line = None
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None


def image_ready(image, programs, build):
    """Builds the image when it is missing; False: it is, and must not be built."""
    words = [HERE / "image.sh", *([] if build else ["--ready"]), image, *programs]
    return subprocess.run(words).returncode == 0


def unable():
    """Why no machine can be started here; None: one can."""
    if os.geteuid() != 0:
        return "not root"
    for tool in ("qemu-system-x86_64", "mmdebstrap", "mke2fs", "ip", "unshare"):
        if not shutil.which(tool):
            return f"no {tool}: deploy/deps.sh vm"
    if not os.path.exists("/dev/net/tun"):
        return "no /dev/net/tun"
    return None


def mendings(text):
    """The commands that start errors name: each what follows the last ': ' of its line."""
    return [l.rsplit(": ", 1)[-1] for l in text.splitlines() if " error " in l and ": net." in l]
