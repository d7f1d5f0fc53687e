"""The documents that tests run: their fenced blocks, and the commands in them.

An HTML comment on the line above a fence is for the tests, and readers do not see it:

    <!-- file: envoy.yaml -->   the page's commands find the block as that file
    <!-- other: Grafana -->     JSON that is not the filter's, or YAML of a kind that is not known: only parsed
"""

import re
import subprocess
import textwrap
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from .paths import REPO

FENCE = re.compile(r"^(?P<indent> *)```(?P<language>[a-z]*)\s*$")
NOTE = re.compile(r"^\s*<!-- (?P<kind>file|other): (?P<what>.+) -->$")
LANGUAGES = {"sh", "json", "yaml", "text", "console", "mermaid", "python", "rust"}
"""`sh` is run, `json` and `yaml` are validated; the others are to be read."""


@dataclass(frozen=True)
class Block:
    page: str
    line: int
    """Of the fence that begins it."""
    language: str
    text: str
    notes: dict[str, str]
    """What the comment above says: `file` or `other`."""

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    @cached_property
    def commands(self) -> list[str]:
        """The commands of an `sh` block, without comments: a command ends where bash says that it is complete."""
        found, command = [], ""
        for line in self.text.splitlines():
            if command or (line.strip() and not line.lstrip().startswith("#")):
                command += line + "\n"
            if command and is_complete(command):
                found.append(command.strip())
                command = ""
        assert not command, f"{self}: bash finds no end of this command:\n{command}"
        return found


def is_complete(command: str) -> bool:
    if command.endswith("\\\n"):
        return False
    parsed = subprocess.run(["bash", "-n", "-c", command], capture_output=True, text=True)
    return parsed.returncode == 0 and not parsed.stderr


@dataclass(frozen=True)
class Page:
    path: str
    """From the repository's root."""

    def __str__(self) -> str:
        return self.path

    @property
    def name(self) -> str:
        """As the page's scenario is called: docs/getting-started.md is docs_getting_started."""
        return re.sub(r"\W+", "_", self.path.removesuffix(".md")).lower()

    @cached_property
    def text(self) -> str:
        return (REPO / self.path).read_text()

    @cached_property
    def blocks(self) -> list[Block]:
        found, lines = [], self.text.splitlines()
        number = 0
        while number < len(lines):
            if begin := FENCE.match(lines[number]):
                end = next(n for n in range(number + 1, len(lines)) if lines[n].strip() == "```")
                note = NOTE.match(lines[number - 1]) if number else None
                text = textwrap.dedent("\n".join(lines[number + 1 : end]) + "\n")
                notes = {note["kind"]: note["what"]} if note else {}
                found.append(Block(self.path, number + 1, begin["language"], text, notes))
                number = end
            number += 1
        return found

    def of(self, language: str) -> list[Block]:
        return [block for block in self.blocks if block.language == language]


def pages() -> list[Page]:
    """All documents for users. Those for who changes the filter (CONTRIBUTING.md, filter/, tests/) are not run."""
    patterns = ("README.md", "docs/*.md", "envoy/*.md", "examples/*/README.md")
    files = [file for pattern in patterns for file in sorted(REPO.glob(pattern))]
    return [Page(str(Path(file).relative_to(REPO))) for file in files]
