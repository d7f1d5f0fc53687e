"""The mappings of the tests' Envoy, each for topics with a prefix in their name, and what each
mapping does to a partition."""

import itertools
from dataclasses import dataclass

OFFSET_RANGE = 1 << 40


@dataclass(frozen=True)
class Family:
    """Topics `<name>.<anything>` with V virtual partitions over P physical ones."""

    name: str
    virtual: int
    physical: int
    layout: str = "modulo"
    offset_encoding: str = "identity"

    def entry(self) -> dict:
        """The family's entry in the filter's configuration."""
        return {
            "regex": f"{self.name}\\..*",
            "virtual_partitions": self.virtual,
            "physical_partitions": self.physical,
            "layout": self.layout,
            "offset_encoding": self.offset_encoding,
        }


MODULO = Family("modulo", 20, 4)
BLOCK = Family("block", 20, 4, layout="block")
LANE = Family("lane", 20, 4, offset_encoding="lane")
BLOCK_LANE = Family("blocklane", 20, 4, layout="block", offset_encoding="lane")
ONE = Family("one", 4, 1)
"""All four virtual partitions are siblings."""
CROWD = Family("crowd", 14, 1)
"""Two siblings for each of seven libraries."""
WIDE = Family("wide", 24, 6)
"""Enough physical partitions for each of three brokers to lead some."""
FAMILIES = (MODULO, BLOCK, LANE, BLOCK_LANE, ONE, CROWD, WIDE)
STAT_PREFIX = "t"
MAPPING = {"stat_prefix": STAT_PREFIX, "mapping": {"topics": [f.entry() for f in FAMILIES]}}
"""The filter's configuration, apart from advertise and route."""

_numbers = itertools.count()


@dataclass(frozen=True)
class Topic:
    """A mapped topic."""

    family: Family
    name: str

    @property
    def virtual(self) -> int:
        return self.family.virtual

    def physical_of(self, v: int) -> int:
        f = self.family
        return v % f.physical if f.layout == "modulo" else v // (f.virtual // f.physical)

    def lane_of(self, v: int) -> int:
        f = self.family
        return v // f.physical if f.layout == "modulo" else v % (f.virtual // f.physical)

    def siblings_of(self, v: int) -> list[int]:
        """The other virtual partitions on the same physical one."""
        return [s for s in range(self.virtual) if s != v and self.physical_of(s) == self.physical_of(v)]

    def client_offset(self, v: int, physical_offset: int) -> int:
        """What a client sees for a physical offset."""
        shift = self.lane_of(v) * OFFSET_RANGE if self.family.offset_encoding == "lane" else 0
        return shift + physical_offset


def unique(prefix: str) -> str:
    return f"{prefix}.{next(_numbers)}"
