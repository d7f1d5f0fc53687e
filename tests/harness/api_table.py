"""What becomes of each API: the table in docs/protocol.md, which a test of the core holds to the table in the
code."""

import re
from dataclasses import dataclass

from .paths import PROTOCOL

OFFERED_WHILE_MAPPED = {"read", "SASL", "passes", "administration", "delegation"}
"""What the document calls APIs that every client is offered by a listener that maps topics, and has neither a
`sasl` section nor a login of its own at the broker. librdkafka is offered one more."""


@dataclass(frozen=True)
class Line:
    """A line of the table."""

    key: int
    name: str
    first: int
    last: int
    """Below `first` where nothing is offered."""
    word: str
    note: str

    @property
    def versions(self) -> range:
        """Those that are let through."""
        return range(self.first, self.last + 1)

    @property
    def is_offered(self) -> bool:
        """As OFFERED_WHILE_MAPPED says."""
        return bool(self.versions) and self.word in OFFERED_WHILE_MAPPED


def table() -> dict[int, Line]:
    """Key → line, in the order of the keys."""
    found = {}
    pattern = r"^\| (\d+) \| (\w+) \| ([\d–]*) \| ([\w ]+) \| (.+) \|$"
    for key, name, versions, word, note in re.findall(pattern, PROTOCOL.read_text(), re.M):
        first, _, last = versions.partition("–")
        found[int(key)] = Line(int(key), name, int(first or 0), int(last or first or -1), word, note)
    assert list(found) == list(range(len(found))), "a line of the table was not understood"
    return found


TABLE = table()
