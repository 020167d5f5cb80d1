"""Processes of the Java virtual machine for programs.py: jars by coordinates, one program at a time
in a session of its own, what it prints in a file."""
import os
import pathlib
import re
import signal
import subprocess

from case import until

STOP_SECONDS = 60
LOGGING = """status=error
appender.f.type=Console
appender.f.name=F
appender.f.target=SYSTEM_ERR
appender.f.layout.type=PatternLayout
appender.f.layout.pattern=[%d] %p %m (%c)%n
rootLogger.level=warn
rootLogger.appenderRef.f.ref=F
"""


class Program:
    """A class's main; stdout and stderr in files.  Ended at the latest where the block ends."""

    def __init__(self, lib, out, name, main, *words):
        self.stdout, self.stderr = out / f"{name}.out", out / f"{name}.err"
        logging = out / "log4j2.properties"
        logging.write_text(LOGGING)
        with open(self.stdout, "ab") as o, open(self.stderr, "ab") as e:
            self.process = subprocess.Popen(
                ["java", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
                 f"-Dlog4j2.configurationFile={logging}", "-cp", f"{lib}/*", main,
                 *map(str, words)],
                stdin=subprocess.DEVNULL, stdout=o, stderr=e, cwd=out, start_new_session=True)

    def runs(self):
        return self.process.poll() is None

    def text(self):
        return self.stdout.read_text(errors="replace")

    def wait(self, seconds):
        """Its exit code."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired as late:
            raise AssertionError(f"not ended within {seconds} s: {self.tail()}") from late

    def says(self, pattern, seconds):
        def look():
            found = re.search(pattern, self.text())
            if not found and not self.runs():
                raise AssertionError(f"ended with {self.process.returncode}: {self.tail()}")
            return found
        return until(f"'{pattern}' is printed", seconds, look, 0.2)

    def tail(self):
        lines = self.text().splitlines() + self.stderr.read_text(errors="replace").splitlines()
        return " ".join(lines[-3:])

    def stop(self):
        """SIGTERM, and SIGKILL when that does not help."""
        if self.runs():
            self.process.terminate()
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                pass
        self.end()

    def end(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()


def properties(path, **settings):
    """A file of properties; __ in a name stands for a dot."""
    pathlib.Path(path).write_text(
        "".join(f"{k.replace('__', '.')}={v}\n" for k, v in settings.items()))
    return path
