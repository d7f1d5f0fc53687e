"""How an example tells what it does: steps with their time, checks, and a verdict at the end."""

import contextlib
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.harness.paths import REPO


class Stage:
    """`directory` is the example's own, and `running` ends what the example has started."""

    def __init__(self, directory: Path, running: contextlib.ExitStack):
        self.directory = directory
        self.running = running
        self.wrong: list[str] = []
        self._started = time.monotonic()

    def step(self, text: str) -> None:
        """What begins now."""
        print(f"{time.monotonic() - self._started:>5.1f} s  {text}", flush=True)

    def tell(self, text: str) -> None:
        """What was seen, a line or more."""
        for line in text.splitlines():
            print(f"         {line}", flush=True)

    def check(self, text: str, good: bool) -> None:
        """What must be so."""
        self.tell(f"{'ok    ' if good else 'WRONG '} {text}")
        if not good:
            self.wrong.append(text)


def perform(name: str, play: Callable[[Stage], None]) -> int:
    """Runs an example, and gives its exit code. What it leaves in `target` when it fails are its logs."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    (REPO / "target").mkdir(exist_ok=True)
    directory = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=REPO / "target"))
    good = False
    try:
        with _quiet_clients(directory / "clients.log"), contextlib.ExitStack() as running:
            stage = Stage(directory, running)
            play(stage)
            good = not stage.wrong
        print(f"\n{name}: " + ("all is well" if good else f"{len(stage.wrong)} WRONG: " + "; ".join(stage.wrong)))
    except KeyboardInterrupt:
        good = True
        print("\nstopped")
        return 130
    except Exception as error:  # whatever it is, words and the logs help more than a traceback
        print(f"\nerror: {error}", flush=True)
    finally:
        if good:
            shutil.rmtree(directory, ignore_errors=True)
        else:
            print(f"logs: {directory}", flush=True)
    return 0 if good else 1


@contextlib.contextmanager
def _quiet_clients(log: Path):
    """Client libraries tell stderr of every connection that ends; that goes into a file."""
    sys.stderr.flush()
    terminal = os.dup(2)
    with log.open("wb") as out:
        os.dup2(out.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(terminal, 2)
        os.close(terminal)
