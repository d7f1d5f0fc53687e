"""What becomes of each API: the table in filter/core/src/apis.rs, as the core's own tests read it for the
documentation."""

import re
from dataclasses import dataclass

from .paths import REPO

WHILE_MAPPED = {
    "Rewrite": True,
    "Pass": True,
    "Administer": True,
    "Authenticate": True,
    "Delegate": True,
    "PassUnmapped": False,
    "Refuse": False,
    "Hide": False,
}
"""Decision → whether clients that are not librdkafka are offered the API by a listener that maps topics, and has
neither a `sasl` nor an `upstream` section."""


@dataclass(frozen=True)
class Line:
    """A line of the table."""

    key: int
    name: str
    decision: str
    offered: range
    """The versions."""

    @property
    def is_offered(self) -> bool:
        """As WHILE_MAPPED says."""
        return WHILE_MAPPED[self.decision] and bool(self.offered)


def lines() -> list[Line]:
    """All, in the order of their keys, which have no gap."""
    text = (REPO / "filter/core/src/apis.rs").read_text()
    found = re.findall(r'^    api\((\d+), "(\w+)", (\d+), (-?\d+), (\w+)', text, re.M)
    table = [Line(int(key), name, decision, range(int(first), int(last) + 1)) for key, name, first, last, decision in found]
    assert [line.key for line in table] == list(range(len(table))), "a line of the table was not understood"
    return table
