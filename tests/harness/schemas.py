"""What files of the examples have to fit: types of Grafana, from packages of Node, and the JSON Schema of compose
files."""

import fcntl
import subprocess

from .paths import BUILD, REPO, TOOLS

SCHEMAS = REPO / "tests/dashboard"
"""The package.json, and what uses its packages."""
COMPOSE = TOOLS / "compose/compose-spec.json"
"""As tests/tools/install.sh compose leaves it: what Docker Compose itself holds its files against."""


def node_packages() -> None:
    """Fetches them, if they are not there as package-lock.json names them."""
    BUILD.mkdir(parents=True, exist_ok=True)
    done = SCHEMAS / "node_modules/.done"
    with (BUILD / "dashboard.lock").open("w") as lock:
        # Several test processes may come here at once.
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = (SCHEMAS / "package-lock.json").read_text()
        if not done.exists() or done.read_text() != wanted:
            command = ["npm", "ci", "--no-audit", "--no-fund"]
            fetched = subprocess.run(command, cwd=SCHEMAS, capture_output=True, text=True, timeout=300)
            assert fetched.returncode == 0, fetched.stdout + fetched.stderr
            done.write_text(wanted)
