"""Fills dist/ from the filter and the checker that `make wasm` and `make check-tool` have built."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from . import dependencies, documents, oci, wasm
from .dependencies import REPO

FILTER = "kafka_partition_remapper.wasm"
CHECKER = "kafka-remapper-check"
SUMS = "SHA256SUMS"
DOCUMENTS = ("LICENSE", "CHANGELOG.md", "SECURITY.md", "envoy/filter-config.schema.json")


class Unfit(Exception):
    """What was built cannot be released."""


def assemble(dist: Path, module: Path, checker: Path) -> dict[str, str]:
    """Fills the directory, and returns the SHA-256 of each file in it. Raises `Unfit`."""
    shutil.rmtree(dist, ignore_errors=True)
    dist.mkdir(parents=True)
    version, revision, compiler = dependencies.version(), git_revision(), rustc_version()
    found = dependencies.crates()
    if refused := dependencies.refused(found):
        raise Unfit("licences that are not allowed:\n  " + "\n  ".join(refused))
    about = {
        "org.opencontainers.image.title": "kafka-partition-remapper",
        "org.opencontainers.image.description": "Lets Kafka clients see more partitions of a topic than the brokers hold",
        "org.opencontainers.image.licenses": documents.OURS,
        "org.opencontainers.image.version": version,
        "org.opencontainers.image.revision": revision,
    }
    # As wasm-tools and others name them: the last word of the annotations' names.
    texts = {name.rsplit(".", 1)[1]: text for name, text in about.items() if not name.endswith("title")}
    content = wasm.with_custom_sections(module.read_bytes(), texts)
    if paths := private_paths(content):
        raise Unfit(f"{module} names paths of this machine: {', '.join(paths)}")
    (dist / FILTER).write_bytes(content)
    shutil.copy(checker, dist / CHECKER)
    oci.write(dist / "oci", content, version, about)
    for document in DOCUMENTS:
        shutil.copy(REPO / document, dist / Path(document).name)
    (dist / "THIRD_PARTY_LICENSES.txt").write_text(documents.licenses(found, compiler))
    shipped = {name: sha256(dist / name) for name in (FILTER, CHECKER)}
    (dist / "sbom.cdx.json").write_bytes(oci.to_json(documents.sbom(found, version, shipped, compiler)))
    files = sorted(file.relative_to(dist) for file in dist.rglob("*") if file.is_file())
    sums = {str(file): sha256(dist / file) for file in files}
    (dist / SUMS).write_text("".join(f"{digest}  {name}\n" for name, digest in sums.items()))
    return sums


def private_paths(content: bytes) -> list[str]:
    """Paths in a program that tell of the machine that built it."""
    homes = {str(Path.home()), str(REPO), os.environ.get("CARGO_HOME", "")} - {"", "/"}
    found = [path for path in sorted(homes) if f"{path}/".encode() in content]
    return found + sorted({text.decode() for text in re.findall(rb"/(?:home|root|Users)/[\w./-]+", content)})


def git_revision() -> str:
    """The commit, with `-dirty` where files differ from it; `unknown` outside of a repository."""

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=REPO, check=True, capture_output=True, text=True).stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("-dirty" if git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def rustc_version() -> str:
    command = [os.environ.get("RUSTC", "rustc"), "--version"]
    return subprocess.run(command, cwd=REPO, check=True, capture_output=True, text=True).stdout.split()[1]


def sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def main() -> int:
    dist, checker = REPO / "dist", REPO / "target" / CHECKER
    try:
        # Not in `assemble`: tests hand it the checker that is built for tests, which has its paths.
        if paths := private_paths(checker.read_bytes()):
            raise Unfit(f"{checker} names paths of this machine: {', '.join(paths)}")
        sums = assemble(dist, REPO / "target" / FILTER, checker)
    except Unfit as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1
    for name, digest in sums.items():
        if not name.startswith("oci/blobs"):
            print(f"dist/{name}  {(dist / name).stat().st_size / 1024:,.0f} KiB  sha256:{digest[:12]}…")
    return 0


if __name__ == "__main__":
    sys.exit(main())
