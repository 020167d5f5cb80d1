"""device.py: what the disk itself does to a small durable write, without a broker.

fio plays what a phase asked of the disk: durable writes of 4 KiB (the journal) as often as frames
were written, into a file that is written already; and beside them, as many bytes a second as the
phase read and wrote in pieces, in pieces of the size that the broker uses, one at a time.  What
the small writes take then is the disk's own share of an acknowledgement."""
import json
import os
import pathlib
import subprocess

FRAME, READ_PIECE, WRITE_PIECE = 4096, 128 << 10, 1 << 20
JOURNAL_BYTES, READ_BYTES, WRITE_BYTES = 64 << 20, 1 << 30, 256 << 20
FILES_MB = (JOURNAL_BYTES + READ_BYTES + WRITE_BYTES) >> 20
LEAST_MB = 1  # per second; less is none


class Traffic:
    """Bytes that the device under a folder has read and written, by the kernel's statistics."""

    def __init__(self, home):
        dev = os.stat(home).st_dev
        self.path = pathlib.Path(f"/sys/dev/block/{os.major(dev)}:{os.minor(dev)}/stat")

    def look(self):
        words = self.path.read_text().split()
        return int(words[2]) * 512, int(words[6]) * 512


class Device:
    def __init__(self, home, journal_cpu, other_cpu):
        self.home = home / "device"
        self.home.mkdir()
        self.cpus = {"journal": journal_cpu, "read": other_cpu, "write": other_cpu}
        for name, size in (("journal", JOURNAL_BYTES), ("read", READ_BYTES),
                           ("write", WRITE_BYTES)):
            self.fio([self.job(name, "write", 1 << 20), f"--size={size}", "--end_fsync=1"])

    def job(self, name, way, block, *words):
        return " ".join((f"--name={name}", f"--filename={self.home / name}", f"--rw={way}",
                         f"--bs={block}", "--direct=1", "--ioengine=psync",
                         f"--cpus_allowed={self.cpus[name]}", *words))

    @staticmethod
    def fio(jobs):
        words = " ".join(jobs).split()
        out = subprocess.run(["fio", "--output-format=json", *words], check=True,
                             stdout=subprocess.PIPE, text=True).stdout
        return {j["jobname"]: j for j in json.loads(out)["jobs"]}

    def writes(self, seconds, per_second, read_mb=0, write_mb=0):
        """Microseconds of a durable write beside so much, and what was read and written."""
        jobs = [f"--time_based --runtime={seconds}",
                self.job("journal", "write", FRAME, "--sync=dsync",
                         f"--rate_iops={max(int(per_second), 1)}", "--rate_process=poisson")]
        for name, block, sync, mb in (("read", READ_PIECE, "none", read_mb),
                                      ("write", WRITE_PIECE, "dsync", write_mb)):
            if mb >= LEAST_MB:
                jobs.append(self.job(name, name, block, f"--sync={sync}", "--rate_iops=0",
                                     "--rate_process=linear", f"--rate={int(mb * 1e6)}"))
        found = self.fio(jobs)
        took = found["journal"]["write"]["clat_ns"]["percentile"]
        return {"device_p50_us": took["50.000000"] / 1e3, "device_p99_us": took["99.000000"] / 1e3,
                "device_p999_us": took["99.900000"] / 1e3,
                "device_writes": found["journal"]["write"]["iops"],
                "device_read_mb": found.get("read", {}).get("read", {}).get("bw_bytes", 0) / 1e6}
