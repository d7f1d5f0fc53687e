"""Runs the `admin` programs of tests/e2e/clients (its README gives their verbs): one for each library, which
does one thing after the other and tells what a person would see."""

import queue
import sys
import threading
import time
from pathlib import Path
from typing import NamedTuple

from .client_security import NONE
from .clients import talk_to
from .kafka import JAVA
from .paths import BUILD, CLIENTS, KAFKA_JARS

GIVE_UP_S = 20
"""When a program says that its library is still trying."""


def _python(file: str) -> tuple:
    return (sys.executable, CLIENTS / "python" / file)


PROGRAMS = {
    "java": (*JAVA, "-Xmx256m", "-cp", f"{KAFKA_JARS}/*:{BUILD}/java", "Admin"),
    "librdkafka": _python("admin_librdkafka.py"),
    "franz-go": (BUILD / "goclient", "franz", "admin"),
    "sarama": (BUILD / "goclient", "sarama", "admin"),
    "kafkajs": ("node", CLIENTS / "node/kafkajs-admin.js"),
    "platformatic": ("node", CLIENTS / "node/platformatic-admin.js"),
    "kafka-python": _python("admin_kafka_python.py"),
    "aiokafka": _python("admin_aio_kafka.py"),
    "kafka-go": (BUILD / "goclient", "kafka-go", "admin"),
}


class Outcome(NamedTuple):
    """What became of one verb. kind: `ok`; `E`, an error; `W`, the library is still trying, and `words` are
    what it has logged; `none`, the library cannot do it."""

    kind: str
    words: str
    seconds: float


class AdminProgram:
    """A running `admin` program."""

    def __init__(self, library: str, bootstrap: str, log: Path):
        self.library = library
        self.log = log
        self._command = ["env", f"GIVE_UP_S={GIVE_UP_S}", *PROGRAMS[library], bootstrap]
        self._start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._child.kill()
        self._child.wait()

    def ask(self, *words, seconds: float = GIVE_UP_S + 20) -> Outcome:
        """Does what the verb and its arguments say. `seconds`: for the program, which gives up before; then it
        starts anew, since the library still tries."""
        began = time.monotonic()
        self._child.stdin.write(" ".join(str(word) for word in words) + "\n")
        self._child.stdin.flush()
        try:
            line = self._lines.get(timeout=seconds)
        except queue.Empty:
            line = ""
        assert line, f"{self.library} says nothing to {words}: {self.log.read_text(errors='replace')[-1500:]}"
        outcome = Outcome(*line.partition(" ")[::2], time.monotonic() - began)
        if outcome.kind == "W":
            self.__exit__()
            self._start()
        return outcome

    def does(self, *words) -> str:
        """What stands behind the `ok` that must come."""
        outcome = self.ask(*words)
        assert outcome.kind == "ok", f"{self.library} {words}: {outcome}"
        return outcome.words

    def _start(self) -> None:
        self._child = talk_to(self._command, self.log, NONE)
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=_pump, args=(self._child.stdout, self._lines), daemon=True).start()


def _pump(stdout, lines: queue.Queue) -> None:
    for line in stdout:
        lines.put(line.rstrip("\n"))
    lines.put("")
