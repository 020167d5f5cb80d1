"""RabbitMQ with its stream plugin, from Debian's package, as one process of one node on loopback
with everything it writes in a folder of its own; and the load that its Go client makes."""
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time

from servers import CLIENT_CPU, SERVER_CPU, free_port

HERE = pathlib.Path(__file__).resolve().parent
CLIENT = "github.com/rabbitmq/rabbitmq-stream-go-client@v1.5.0"
START_SECONDS = 60
NODE = "sluice-bench@localhost"


def client(home):
    """The program rabbit_load, built once."""
    folder, environment = home / "go" / "rabbit", {**os.environ, "GOPATH": str(home / "go"),
                                                   "GOFLAGS": "-modcacherw"}
    program, source = folder / "rabbit_load", HERE / "rabbit_load.go"
    if program.exists() and program.stat().st_mtime > source.stat().st_mtime:
        return program
    print(f"go build {source.name} with {CLIENT}", file=sys.stderr, flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shutil.copy(source, folder / "main.go")
    for words in (["mod", "init", "rabbit_load"], ["get", CLIENT], ["mod", "tidy"],
                  ["build", "-o", program.name, "."]):
        subprocess.run(["go", *words], cwd=folder, check=True, env=environment, timeout=600,
                       capture_output=True)
    return program


def installed():
    found = sorted(pathlib.Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-3.*/sbin"))
    if not found:
        raise SystemExit("RabbitMQ is not installed: deploy/deps.sh bench")
    return found[-1]


class Rabbit:
    def __init__(self, home):
        self.sbin, self.program = installed(), client(home)
        self.home = home / "rabbit"
        self.port, self.amqp, self.epmd, dist = (free_port() for _ in range(4))
        self.environment = {
            **os.environ, "HOME": str(self.home), "RABBITMQ_NODENAME": NODE,
            "RABBITMQ_CONFIG_FILE": str(self.home / "rabbit.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.home / "plugins"),
            "RABBITMQ_MNESIA_BASE": str(self.home / "data"),
            "RABBITMQ_LOG_BASE": str(self.home / "log"), "RABBITMQ_DIST_PORT": str(dist),
            "RABBITMQ_CONF_ENV_FILE": str(self.home / "none"),
            "ERL_EPMD_PORT": str(self.epmd), "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "RUNNING_UNDER_SYSTEMD": "true"}  # becomes the virtual machine instead of its parent
        self.process = None

    def start(self):
        shutil.rmtree(self.home, ignore_errors=True)
        self.home.mkdir(parents=True)
        (self.home / "plugins").write_text("[rabbitmq_stream].\n")
        (self.home / "rabbit.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self.amqp}\n"
            f"stream.listeners.tcp.1 = 127.0.0.1:{self.port}\n"
            f"stream.advertised_host = 127.0.0.1\nstream.advertised_port = {self.port}\n")
        with open(self.home / "out", "wb") as out:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "taskset", "-c", SERVER_CPU,
                 str(self.sbin / "rabbitmq-server")],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=self.environment)
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.1)
        raise SystemExit("RabbitMQ does not start:\n" + (self.home / "out").read_text()[-2000:])

    def pids(self):
        return [self.process.pid]

    def load(self, stream, publishers, size, batch, seconds):
        done = subprocess.run(
            ["taskset", "-c", CLIENT_CPU, str(self.program), *map(str, (
                self.port, stream, publishers, size, batch, seconds))],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=seconds + 60)
        if done.returncode:
            raise SystemExit(f"rabbit_load: {done.stderr[-1000:]}")
        return json.loads(done.stdout)

    def end(self):
        if self.process:
            self.process.kill()
            self.process.wait(60)
        subprocess.run(["epmd", "-port", str(self.epmd), "-kill"], timeout=10,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=self.environment)
        shutil.rmtree(self.home, ignore_errors=True)
