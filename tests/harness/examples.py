"""Runs the programs of examples/, as `make example` does."""

import subprocess
import sys

from .paths import REPO


def run(name: str, *options: str, seconds: float = 170) -> str:
    """What an example printed, whose verdict must be that all is well."""
    command = [sys.executable, "-m", "examples.run", name, *options]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, timeout=seconds)
    assert done.returncode == 0 and "all is well" in done.stdout and "WRONG" not in done.stdout, done.stdout + done.stderr
    return done.stdout
