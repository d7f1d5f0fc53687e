"""Runs `kafka-remapper-check`, which cargo builds on first use."""

import functools
import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .paths import REPO

PACKAGE = "kafka-remapper-check"


@dataclass(frozen=True)
class Outcome:
    code: int
    report: str
    """What was printed."""
    problem: str
    """What was said on standard error, without the lines that tell of progress."""

    def section(self, title: str) -> list[str]:
        """The lines below this title."""
        _, _, behind = f"\n{self.report}".partition(f"\n{title}\n")
        return [line.strip() for line in behind.split("\n\n")[0].splitlines()]


@functools.cache
def program() -> Path:
    command = ["cargo", "build", "--quiet", "--package", PACKAGE, "--message-format", "json"]
    built = subprocess.run(command, cwd=REPO, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    messages = map(json.loads, built.stdout.splitlines())
    return next(Path(m["executable"]) for m in messages if m.get("executable") and m["target"]["name"] == PACKAGE)


def check(config: dict | Path, bootstrap: str, *options: object, environment: dict | None = None) -> Outcome:
    """Compares the filter's configuration, or a file of Envoy's that has it, with the cluster there."""
    file, text = (str(config), "") if isinstance(config, Path) else ("-", json.dumps(config))
    command = [str(program()), "check", file, "--bootstrap", bootstrap, *map(str, options)]
    environment = {**os.environ, **(environment or {})}
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=120, env=environment)
    problem = [line for line in done.stderr.splitlines() if not line.startswith("…")]
    return Outcome(done.returncode, done.stdout, "\n".join(problem))
