"""Schemas of files that the examples have: packages of Node, and a schema of a Go module."""

import fcntl
import json
import subprocess
from pathlib import Path

from .paths import BUILD, REPO

SCHEMAS = REPO / "tests/dashboard"
"""The package.json, and the programs that use its packages."""
COMPOSE = "github.com/compose-spec/compose-go/v2@v2.4.7"
"""What Docker Compose reads its files with."""


def node_packages() -> None:
    """Fetches them, if they are not there as package-lock.json names them."""
    BUILD.mkdir(parents=True, exist_ok=True)
    done = SCHEMAS / "node_modules/.done"
    with (BUILD / "dashboard.lock").open("w") as lock:
        # Several test processes may come here at once.
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = (SCHEMAS / "package-lock.json").read_text()
        if not done.exists() or done.read_text() != wanted:
            _run("npm", "ci", "--no-audit", "--no-fund", cwd=SCHEMAS)
            done.write_text(wanted)


def compose_schema() -> Path:
    """The JSON Schema of compose files."""
    module = json.loads(_run("go", "mod", "download", "-json", COMPOSE, cwd=SCHEMAS))
    return Path(module["Dir"]) / "schema/compose-spec.json"


def _run(*command: str, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
