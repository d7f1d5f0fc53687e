"""Kafka's command-line tools, many in one JVM."""

import json
import select
import subprocess
from dataclasses import dataclass

from .kafka import JAVA
from .paths import BUILD, KAFKA_JARS


@dataclass(frozen=True)
class Outcome:
    """How a run of a tool went."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        return self.out + self.err

    @property
    def lines(self) -> list[str]:
        """Of stdout, without empty ones."""
        return [line for line in self.out.splitlines() if line.strip()]


class Tools:
    """Runs tools, one at a time; as long as a `with` statement. A tool that hangs ends with its JVM, and the next
    gets another one."""

    def __init__(self) -> None:
        self._child: subprocess.Popen | None = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._end()

    def run(self, main: str, *arguments: object, stdin: str = "", seconds: float = 45) -> Outcome:
        """`main`: the name of the tool's class, below org.apache.kafka.tools if it has no dot."""
        name = main if main.startswith("kafka.") else f"org.apache.kafka.tools.{main}"
        self._child = self._child or self._start()
        self._child.stdin.write(json.dumps([stdin, name, *map(str, arguments)]) + "\n")
        self._child.stdin.flush()
        readable, _, _ = select.select([self._child.stdout], [], [], seconds)
        if not readable:
            self._end()
            raise TimeoutError(f"{main} {' '.join(map(str, arguments))} did not end within {seconds} s")
        return Outcome(**json.loads(self._child.stdout.readline()))

    def _start(self) -> subprocess.Popen:
        command = [*JAVA, "-cp", f"{KAFKA_JARS}/*:{BUILD}/java", "Tools"]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def _end(self) -> None:
        if self._child:
            self._child.kill()
            self._child.wait()
            self._child = None
