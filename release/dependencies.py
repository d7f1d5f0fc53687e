"""The crates that are compiled into what we ship, as cargo resolves them, and their licences."""

import json
import re
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
SHIPPED = {"kafka-partition-remapper": "wasm32-unknown-unknown", "kafka-remapper-check": None}
"""What is shipped, and for which target; None: this machine's."""

ALLOWED = {
    "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "Unicode-3.0", "Unlicense", "Zlib",
}  # fmt: skip
"""Licences that ask for no more than to be named: all that we ship may have one of these."""

TEXTS = re.compile(r"(LICEN[CS]E|COPYING|COPYRIGHT|NOTICE|UNLICENSE)([-_.].*)?", re.I)


@dataclass(frozen=True)
class Crate:
    name: str
    version: str
    license: str
    """An SPDX expression."""
    directory: Path
    repository: str | None
    checksum: str | None
    """SHA-256 of the crate as the registry has it; None for our own."""
    used_by: tuple[str, ...]

    def texts(self) -> dict[str, str]:
        """The files with its licences."""
        files = [file for file in sorted(self.directory.iterdir()) if file.is_file() and TEXTS.fullmatch(file.name)]
        return {file.name: file.read_text(errors="replace").strip() for file in files}


def version() -> str:
    """Of the workspace."""
    return next(p["version"] for p in _metadata()["packages"] if p["name"] == "kafka-partition-remapper")


def crates() -> list[Crate]:
    """All that is compiled into the filter or the checker, our own crates as well; nothing that only builds or tests
    them."""
    users: dict[tuple[str, str], list[str]] = {}
    for package, target in SHIPPED.items():
        for crate in sorted(_tree(package, target or _host())):
            users.setdefault(crate, []).append(package)
    found = {(p["name"], p["version"]): p for p in _metadata()["packages"]}
    checksums = _checksums()
    return [
        Crate(
            *crate,
            (found[crate]["license"] or "").replace("/", " OR "),
            Path(found[crate]["manifest_path"]).parent,
            found[crate]["repository"],
            checksums.get(crate),
            tuple(used_by),
        )
        for crate, used_by in sorted(users.items())
    ]


def is_allowed(expression: str) -> bool:
    """Whether an SPDX expression leaves a choice of allowed licences."""
    words = re.findall(r"[()]|[^\s()]+", expression)

    def either() -> bool:
        value = both()
        while words and words[0] == "OR":
            words.pop(0)
            value = both() or value
        return value

    def both() -> bool:
        value = one()
        while words and words[0] == "AND":
            words.pop(0)
            value = one() and value
        return value

    def one() -> bool:
        if not words:
            return False
        if (word := words.pop(0)) == "(":
            value = either()
            return bool(words) and words.pop(0) == ")" and value
        if words and words[0] == "WITH":  # an exception only takes conditions away
            del words[:2]
        return word in ALLOWED

    return either() and not words


def refused(found: list[Crate]) -> list[str]:
    """Crates with licences that are not allowed."""
    return [f"{crate.name} {crate.version}: {crate.license or 'no licence'}" for crate in found if not is_allowed(crate.license)]


def _host() -> str:
    """The target that cargo builds for where none is named."""
    told = subprocess.run(["rustc", "-vV"], capture_output=True, text=True, check=True).stdout
    return next(line.removeprefix("host: ") for line in told.splitlines() if line.startswith("host: "))


def _tree(package: str, target: str) -> set[tuple[str, str]]:
    # Not from the metadata: that has the features of all packages together.
    command = ["cargo", "tree", "--locked", "--package", package, "--target", target, "--edges", "normal,no-proc-macro"]
    lines = subprocess.run([*command, "--prefix", "none", "--format", "{p}"], cwd=REPO, check=True, capture_output=True, text=True).stdout
    return {(words[0], words[1].removeprefix("v")) for line in lines.splitlines() if (words := line.split())}


@cache
def _metadata() -> dict:
    command = ["cargo", "metadata", "--locked", "--format-version", "1"]
    return json.loads(subprocess.run(command, cwd=REPO, check=True, capture_output=True, text=True).stdout)


def _checksums() -> dict[tuple[str, str], str]:
    text = (REPO / "Cargo.lock").read_text()
    entry = re.compile(r'name = "(.+)"\nversion = "(.+)"\nsource = ".+"\nchecksum = "([0-9a-f]{64})"')
    return {(name, version): checksum for name, version, checksum in entry.findall(text)}
