"""Stands in for Kubernetes: reads manifests, runs the Envoy of a pod on this machine, with the files, command
line, probes and hooks that its manifests say, and forwards connections of a Service to the pods.

A pod has an address of its own (127.0.0.2 and up: all of 127.0.0.0/8 is this machine's), and all pods and the
Service have the same ports, as there. What differs is the numbers: a port that the manifests name becomes a
free one here.
"""

import asyncio
import json
import random
import re
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import yaml

from .envoy import EnvoyProcess, wasm_file
from .process import free_ports

CONTAINER_DIRECTORY = "/etc/envoy/"
"""Where pods mount all that they mount."""


def manifests(directory: Path) -> list[dict]:
    """The documents of all YAML files of a directory, but for kustomization.yaml."""
    files = sorted(f for f in directory.glob("*.yaml") if f.name != "kustomization.yaml")
    return [document for file in files for document in yaml.safe_load_all(file.read_text())]


def find(documents: list[dict], kind: str, name: str = "") -> dict:
    """The one manifest of this kind, and name if one is given."""
    (found,) = (d for d in documents if d["kind"] == kind and name in ("", d["metadata"]["name"]))
    return found


def envoy_container(deployment: dict) -> dict:
    """The container of Envoy, be it a sidecar or not."""
    pod = deployment["spec"]["template"]["spec"]
    (found,) = (c for c in [*pod["initContainers"], *pod["containers"]] if c["name"] == "envoy")
    return found


class Ports:
    """Free ports of this machine in the place of those that manifests name. Those of Kafka stay in a row,
    since the filter counts brokers by their ports."""

    def __init__(self, bootstrap: int = 9092, base: int = 9100, brokers: int = 10, admin: int = 9901, status: int = 9902):
        first = free_ports(brokers + 3)
        self.kafka = {bootstrap: first, **{base + i: first + 1 + i for i in range(brokers)}}
        self.base = self.kafka[base]
        self._other = {admin: first + brokers + 1, status: first + brokers + 2}
        self.admin, self.status = self._other.values()

    def __getitem__(self, port: int) -> int:
        return (self.kafka | self._other)[port]


class Pod(EnvoyProcess):
    """Envoy, as the pod of a Deployment runs it. `change` may change the filter's configuration, `shorter`
    the texts of files and command line, to wait less than in production."""

    def __init__(
        self,
        directory: Path,
        documents: list[dict],
        ports: Ports,
        address: str,
        change: Callable[[dict], None],
        shorter: Callable[[str], str] = lambda text: text,
    ):
        self.directory, self.address, self.ports = directory, address, ports
        self._change, self._shorter = change, shorter
        deployment = find(documents, "Deployment")
        self._container = envoy_container(deployment)
        self._documents = documents
        self._spec = deployment["spec"]["template"]["spec"]
        self._mount()
        arguments = [self._local(a) for a in self._container["args"]]
        self.workers = int(arguments[arguments.index("--concurrency") + 1])
        config = arguments.index("--config-path")
        super().__init__(Path(arguments[config + 1]), directory / "envoy.log", ports.admin)

    @property
    def options(self) -> tuple[str, ...]:
        """What the manifest says beside what EnvoyProcess gives anyway."""
        given = {"--config-path": 2, "--concurrency": 2, "--disable-hot-restart": 1}
        arguments, rest = [self._local(a) for a in self._container["args"]], []
        while arguments:
            taken = given.get(arguments[0], 0)
            rest, arguments = (rest, arguments[taken:]) if taken else ([*rest, arguments[0]], arguments[1:])
        return tuple(rest)

    @property
    def admin(self) -> str:
        return f"http://{self.address}:{self.admin_port}"

    def run(self, command: list[str], seconds: float = 60) -> subprocess.CompletedProcess:
        """Runs a command of the manifests as in the container."""
        return subprocess.run([self._local(word) for word in command], capture_output=True, text=True, timeout=seconds)

    def started(self) -> bool:
        """What the startup probe finds."""
        return self.run(self._container["startupProbe"]["exec"]["command"]).returncode == 0

    def pre_stop(self) -> None:
        """Runs the hook, which must succeed."""
        done = self.run(self._container["lifecycle"]["preStop"]["exec"]["command"])
        assert done.returncode == 0 and " 200 " in done.stdout, (done.stdout, done.stderr)

    def set_config_map(self, name: str, edit: Callable[[str], str]) -> None:
        """The ConfigMap has changed: what the kubelet does is a swap of the directory that all files link
        to."""
        (mounted,) = (v for v in self._spec["volumes"] if v.get("configMap", {}).get("name") == name)
        directory = self._directory_of(mounted["name"])
        texts = {f: edit((directory / f).read_text()) for f in find(self._documents, "ConfigMap", name)["data"]}
        self._swap(directory, texts)

    def _mount(self) -> None:
        for volume in self._spec["volumes"]:
            directory = self._directory_of(volume["name"])
            directory.mkdir(parents=True)
            if "configMap" in volume:
                data = find(self._documents, "ConfigMap", volume["configMap"]["name"])["data"]
                self._swap(directory, {name: self._filled_in(text) for name, text in data.items()})
        for container in self._spec["initContainers"]:
            if container is not self._container:
                copy = [self._local(word) for word in container["command"]]
                subprocess.run([wasm_file() if word == "/kafka_partition_remapper.wasm" else word for word in copy], check=True)
        copied = self._directory_of("wasm") / Path(wasm_file()).name
        copied.rename(copied.with_name("kafka_partition_remapper.wasm"))

    def _directory_of(self, volume: str) -> Path:
        (mount,) = (m for m in self._container["volumeMounts"] if m["name"] == volume)
        return Path(self._local(mount["mountPath"] + "/"))

    @staticmethod
    def _swap(directory: Path, texts: dict[str, str]) -> None:
        new = directory / f"..version-{len(list(directory.iterdir()))}"
        new.mkdir()
        for name, text in texts.items():
            (new / name).write_text(text)
        link = directory / "..data_tmp"
        link.symlink_to(new.name)
        link.rename(directory / "..data")
        for name in texts:
            if not (directory / name).is_symlink():
                (directory / name).symlink_to(f"..data/{name}")

    def _filled_in(self, text: str) -> str:
        """A file with addresses, ports and the filter's configuration of this machine."""

        def here(found: re.Match) -> str:
            return f"{{address: {self.address}, port_value: {self.ports[int(found[1])]}}}"

        text = re.sub(r"\{address: (?:0\.0\.0\.0|127\.0\.0\.1), port_value: (\d+)\}", here, self._local(text))
        return self.with_filter(text, self._change)

    @staticmethod
    def with_filter(text: str, change: Callable[[dict], None]) -> str:
        """The file with a change in the filter's configuration, if that is in it."""
        found = re.search(r"value: \|\n( +\{\n.*?\n +\}\n)(?= *vm_config)", text, re.DOTALL)
        if not found:
            return text
        config = json.loads(found[1])
        change(config)
        return text[: found.start()] + f"value: {json.dumps(json.dumps(config))}\n" + text[found.end() :]

    def _local(self, text: str) -> str:
        here = {CONTAINER_DIRECTORY: f"{self.directory}/", "/dev/tcp/127.0.0.1/9901": f"/dev/tcp/{self.address}/{self.ports.admin}"}
        for there, path in here.items():
            text = text.replace(there, path)
        return self._shorter(text)


class Service:
    """Forwards each connection to a pod by chance, as long as a `with` statement. `ready` are the addresses
    of the pods that new connections go to; open connections stay where they are."""

    def __init__(self, ports: list[int], ready: list[str]):
        self.ready = ready
        self.taken: dict[str, int] = {}
        """How many connections each pod was given."""
        self._ports = ports
        self._servers: list[asyncio.Server] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self):
        self._thread.start()
        for port in self._ports:
            serve = asyncio.start_server(lambda r, w, p=port: self._forward(r, w, p), "127.0.0.1", port)
            self._servers.append(asyncio.run_coroutine_threadsafe(serve, self._loop).result(10))
        return self

    def __exit__(self, *_):
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        for server in self._servers:
            server.close()
        while open_connections := asyncio.all_tasks() - {asyncio.current_task()}:
            for task in open_connections:
                task.cancel()
            await asyncio.gather(*open_connections, return_exceptions=True)
        await asyncio.sleep(0.1)  # until the last have closed

    async def _forward(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter, port: int) -> None:
        pod = random.choice(self.ready)
        self.taken[pod] = self.taken.get(pod, 0) + 1
        try:
            server, to_server = await asyncio.open_connection(pod, port)
        except OSError:
            to_client.close()
            return
        await asyncio.gather(_pipe(client, to_server), _pipe(server, to_client))


async def _pipe(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
    except ConnectionError:
        pass
    finally:
        sink.close()
