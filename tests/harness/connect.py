"""Kafka Connect and MirrorMaker 2, as processes of their own with Kafka's own command lines."""

import json
import re
import urllib.error
import urllib.request
from pathlib import Path

from .kafka import JAVA
from .paths import CONNECT_JARS, KAFKA_JARS, REPO
from .process import Process, free_ports, wait_until

QUICK = {
    # Scanning all jars for plugins by reflection takes seconds.
    "plugin.discovery": "service_load",
    "offset.flush.interval.ms": 500,
}
LOG = "-Dorg.slf4j.simpleLogger.log.org.apache.kafka.connect=info"


class Java(Process):
    """A program of Kafka Connect, with its log in `<name>.log` and its settings, if any, in
    `<name>.properties`; killed at the end of a `with` statement. `options` are for the JVM."""

    options: tuple[str, ...] = ()

    def __init__(self, directory: Path, name: str, main: str, settings: dict, *files: Path):
        jars = list(CONNECT_JARS.glob("*.jar"))
        assert jars, f"no jars in {CONNECT_JARS}: run tests/tools/install.sh connect"
        properties = write_properties(directory / f"{name}.properties", settings)
        command = [*JAVA, LOG, *self.options, "-Xmx384m", "-cp", f"{KAFKA_JARS}/*:{CONNECT_JARS}/*", main, properties, *files]
        super().__init__(command, directory / f"{name}.log")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def says(self, words: str) -> bool:
        """Whether its log holds these words."""
        return words in self.log.read_text(errors="replace")

    def wait_until(self, what: str, condition, seconds: float = 60, every: float = 0.3):
        """As `wait_until` of process.py, and tells the program's last words when the time is over."""
        try:
            return wait_until(what, condition, seconds, every)
        except AssertionError as e:
            raise AssertionError(f"{e}\n{self.log_tail(60)}") from e


class Worker(Java):
    """A worker of Kafka Connect, which is up once a `with` statement has begun."""

    def __init__(self, directory: Path, name: str, bootstrap: str, settings: dict, connectors: dict[str, dict] | None = None):
        """`connectors`: what a standalone worker runs, by name; a distributed one is told over REST."""
        self.port = free_ports(1)
        files = [write_properties(directory / f"{c}.properties", {"name": c, **s}) for c, s in (connectors or {}).items()]
        mode = "Distributed" if connectors is None else "Standalone"
        converter = "org.apache.kafka.connect.storage.StringConverter"
        common = {
            "bootstrap.servers": bootstrap,
            "key.converter": converter,
            "value.converter": converter,
            "listeners": f"http://127.0.0.1:{self.port}",
            **QUICK,
        }
        super().__init__(directory, name, f"org.apache.kafka.connect.cli.Connect{mode}", {**common, **settings}, *files)

    def __enter__(self):
        try:
            self.wait_until("Connect is up", self._is_up, 90)
        except BaseException:
            self.kill()
            raise
        return self

    def create(self, name: str, config: dict) -> None:
        """Adds a connector to a distributed worker's cluster, or changes it."""
        texts = {k: str(v) for k, v in config.items()}
        self.wait_until(f"{name} is taken", lambda: self.rest("PUT", f"/connectors/{name}/config", texts))

    def states(self, name: str) -> dict[str, str]:
        """The state of the connector `name`, and of each of its tasks by number; nothing when it is unknown."""
        status = self.status(name)
        if not status:
            return {}
        return {"connector": status["connector"]["state"], **{str(t["id"]): t["state"] for t in status["tasks"]}}

    def status(self, name: str) -> dict | None:
        return self.rest("GET", f"/connectors/{name}/status")

    def wait_running(self, name: str, tasks: int) -> None:
        wanted = {"connector": "RUNNING", **{str(t): "RUNNING" for t in range(tasks)}}
        self.wait_until(f"{name} with {tasks} tasks", lambda: self.states(name) == wanted)

    def rest(self, method: str, path: str, body: dict | None = None) -> dict | None:
        """What Connect answers; None while it says that it cannot, as when workers rebalance."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.loads(answer.read() or b"{}")
        except urllib.error.HTTPError as e:
            assert e.code in (404, 409, 500, 503), e.read().decode()
            return None

    def _is_up(self) -> bool:
        assert self.alive(), f"it has ended:\n{self.log_tail()}"
        try:
            return self.rest("GET", "/") is not None
        except OSError:
            return False


class MirrorMaker(Java):
    """Both clusters' names, with their bootstrap addresses, and more settings."""

    def __init__(self, directory: Path, name: str, clusters: dict[str, str], settings: dict):
        named = {f"{c}.bootstrap.servers": b for c, b in clusters.items()}
        settings = {"clusters": ", ".join(clusters), **named, **QUICK, **settings}
        super().__init__(directory, name, "org.apache.kafka.connect.mirror.MirrorMaker", settings)


def write_properties(file: Path, settings: dict) -> Path:
    file.write_text("".join(f"{k}={v}\n" for k, v in settings.items()))
    return file


def own_topics() -> list[dict]:
    """The entries of docs/frameworks.md that leave the frameworks' own topics unmapped."""
    entries = re.findall(r'^ *({"regex": .*}),?$', (REPO / "docs/frameworks.md").read_text(), re.MULTILINE)
    assert len(entries) == 3
    return [json.loads(entry) for entry in entries]
