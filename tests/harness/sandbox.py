"""Where the commands of a document are run: a directory with the files that the page shows, a PATH with the
programs that its reader has, and the addresses of the test in place of those that are written."""

import os
import re
import shlex
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from .checker import program
from .configurations import install_filter, local_files
from .envoy import EnvoyProcess
from .kafka import QUIET, KafkaCluster
from .paths import CONNECT_JARS, ENVOY_BINARY, KAFKA_JARS, REPO
from .process import free_ports, is_free

KAFKA_PROGRAMS = {
    "kafka-acls.sh": "org.apache.kafka.tools.AclCommand",
    "kafka-configs.sh": "kafka.admin.ConfigCommand",
    "kafka-console-consumer.sh": "org.apache.kafka.tools.consumer.ConsoleConsumer",
    "kafka-console-producer.sh": "org.apache.kafka.tools.ConsoleProducer",
    "kafka-consumer-groups.sh": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
    "kafka-delete-records.sh": "org.apache.kafka.tools.DeleteRecordsCommand",
    "kafka-get-offsets.sh": "org.apache.kafka.tools.GetOffsetShell",
    "kafka-groups.sh": "org.apache.kafka.tools.GroupsCommand",
    "kafka-leader-election.sh": "org.apache.kafka.tools.LeaderElectionCommand",
    "kafka-log-dirs.sh": "org.apache.kafka.tools.LogDirsCommand",
    "kafka-producer-perf-test.sh": "org.apache.kafka.tools.ProducerPerformance",
    "kafka-reassign-partitions.sh": "org.apache.kafka.tools.reassign.ReassignPartitionsCommand",
    "kafka-streams-application-reset.sh": "org.apache.kafka.tools.StreamsResetter",
    "kafka-topics.sh": "org.apache.kafka.tools.TopicCommand",
    "connect-mirror-maker.sh": "org.apache.kafka.connect.mirror.MirrorMaker",
}
FROM_REPOSITORY = ("envoy", "examples")
"""Directories that a page's commands may copy files from."""


class TestEnvoy(EnvoyProcess):
    """Envoy as a page starts it."""

    __test__ = False
    options = ("--drain-time-s", "2")


def gateway_words(cluster: KafkaCluster) -> dict[str, str]:
    """For pages that use envoy/dynamic.yaml and its like: Envoy's ports, the brokers behind it, and how clients
    call it. `route.dynamic.address` is a pattern that fits a cluster of one broker."""
    first = free_ports(12)
    ports = {9092: first + 10, 9901: first + 11} | {9100 + n: first + n for n in range(10)}
    brokers = cluster.bootstrap.split(",")
    return {
        **{f"0.0.0.0, port_value: {written}": f"127.0.0.1, port_value: {port}" for written, port in ports.items()},
        **{f"127.0.0.1, port_value: {written}": f"127.0.0.1, port_value: {port}" for written, port in ports.items()},
        **{f"kafka-{n}:9092": brokers[n % len(brokers)] for n in range(3)},
        **{f"{host}:9901": f"127.0.0.1:{ports[9901]}" for host in ("localhost", "127.0.0.1")},
        "kafka-{id}:9092": f"kafka-{{id}}.localhost:{brokers[0].rpartition(':')[2]}",
        **{f"{host}:9092": f"127.0.0.1:{ports[9092]}" for host in ("localhost", "kafka.example.com")},
        **{host: "127.0.0.1" for host in ("localhost", "kafka.example.com")},
        '"base": 9100': f'"base": {first}',
    }


@dataclass
class Sandbox:
    """`words`: what a page says, and what stands for it in this test, as `kafka-0:9092` and a broker's address.
    They are replaced in commands, in the page's files, and in those of the repository."""

    directory: Path
    words: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    said: list[tuple[str, str]] = field(default_factory=list)
    """Each command that was run, with its output."""

    def __post_init__(self) -> None:
        self._sessions: list[int] = []
        self._envoys: list[EnvoyProcess] = []
        self._state = self.directory / ".state"
        bin = self.directory / ".bin"
        bin.mkdir(parents=True)
        for name, main in KAFKA_PROGRAMS.items():
            self._program(bin / name, f'java -XX:TieredStopAtLevel=1 {QUIET} -cp "{KAFKA_JARS}/*:{CONNECT_JARS}/*" {main}')
        self._program(bin / "envoy", f"{ENVOY_BINARY} --disable-hot-restart")
        self._program(bin / "kafka-remapper-check", str(program()))
        self.environment |= {"PATH": f"{bin}:{os.environ['PATH']}", "HOME": str(self.directory)}

    def __enter__(self):
        return self

    def __exit__(self, failure, *_):
        for session in self._sessions:
            try:
                os.killpg(session, signal.SIGKILL)
            except ProcessLookupError:
                pass
        for envoy in self._envoys:
            envoy.process.stop()
            if failure is None:
                envoy.assert_no_traps()

    def translated(self, text: str) -> str:
        """The text with the words of this test. A word counts only as a whole: port 9092 is not in 19092."""
        if not self.words:
            return text
        longest_first = sorted(self.words, key=len, reverse=True)
        pattern = "|".join(rf"(?<![\w.-]){re.escape(word)}(?!\w)" for word in longest_first)
        return re.sub(pattern, lambda found: self.words[found[0]], text)

    def copy_repository(self) -> None:
        """What a page's commands may take from the repository, once; after `words` are known."""
        if (self.directory / "target").exists():
            return
        for top in FROM_REPOSITORY:
            for file in (REPO / top).rglob("*"):
                if file.suffix in (".yaml", ".json", ".properties", ".py"):
                    self.write(str(file.relative_to(REPO)), file.read_text())
        (self.directory / "target").mkdir()
        install_filter(self.directory / "target")

    def write(self, name: str, text: str) -> None:
        file = self.directory / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(self.translated(local_files(text, self.directory)))

    def run(self, command: str, seconds: float = 60) -> tuple[int, str]:
        """Runs a command as bash does, in the directory and with the variables that the commands before have left.
        Envoy goes on behind it; whatever else does ends with the sandbox. Exit code and output."""
        command = self.translated(command).replace("/etc/envoy/", f"{self.directory}/")
        if command.startswith("envoy ") and "--mode validate" not in command:
            self._start_envoy(command)
            return 0, ""
        script = f"set -a; [ ! -e {self._state} ] || . {self._state}\n"
        script += f"trap '{{ export -p; printf \"cd %q\\n\" \"$PWD\"; }} >{self._state}' EXIT\nset -e -o pipefail\n{command}"
        output = self.directory / ".output"
        with output.open("wb") as out:
            child = subprocess.Popen(
                ["bash", "-c", script],
                cwd=self.directory,
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._sessions.append(child.pid)
        code = child.wait(seconds)
        text = output.read_text(errors="replace")
        self.said.append((command, text))
        return code, text

    def _start_envoy(self, command: str) -> None:
        install_filter(self.directory)
        words = shlex.split(command.rstrip("& \n"))
        file = self.directory / words[words.index("-c") + 1]
        admin = yaml.safe_load(file.read_text())["admin"]["address"]["socket_address"]["port_value"]
        assert is_free(admin), f"{command}: its admin port {admin} is not free: give the page's port a word of the test"
        self._envoys.append(TestEnvoy(file, self.directory / f"envoy-{len(self._envoys)}.log", admin, self.environment))

    @staticmethod
    def _program(file: Path, command: str) -> None:
        file.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        file.chmod(0o755)


