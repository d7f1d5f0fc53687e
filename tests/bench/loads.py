"""The benchmark's loads, the topics that they use, and what is aimed at."""

from dataclasses import dataclass, field

RECORD_BYTES = 1024
PHYSICAL = 4
"""Partitions of each mapped topic on the broker. An unmapped one has as many as clients see."""
WAYS = ("tcp_proxy", "unmapped", "mapped")
UNMAPPED = {"cpu": 1.05, "rate": 0.97}


@dataclass(frozen=True)
class Load:
    """A load that takes all ways. `virtual`: partitions that clients see. `aims`, for a mapped topic: CPU
    time per GB at most and MB/s at least, as ratios to tcp_proxy; read amplification at most."""

    title: str
    command: str
    virtual: int = 20
    consumers: int = 1
    workers: int = 2
    aims: dict[str, float] = field(default_factory=dict)

    def topic(self, way: str) -> str:
        """The topic that is read."""
        return f"{prefix(way)}-{self.virtual}-read"

    def aims_of(self, way: str) -> dict[str, float]:
        return {"tcp_proxy": {}, "unmapped": UNMAPPED, "mapped": self.aims}[way]


def prefix(way: str) -> str:
    """How names of the way's topics begin."""
    return "mapped" if way == "mapped" else "plain"


def each(virtual: int, workers: int, **aims: float) -> Load:
    """A lone consumer for each virtual partition. What is read of the broker's log may grow with Envoy's
    workers, which share nothing, and not with the consumers."""
    title = f"consume, {virtual} consumers of one partition each (C = {virtual // PHYSICAL}), {workers} worker{'s'[: workers - 1]}"
    return Load(title, "consume", virtual, virtual, workers, {**aims, "amplification": 1.2 * workers})


LOADS = {
    "produce": Load("produce, all partitions in turn", "produce", aims={"cpu": 1.5, "rate": 0.95}),
    "consume": Load("consume, one consumer of all partitions", "consume", aims={"cpu": 1.4, "rate": 0.95}),
    "consume each": each(20, workers=1, cpu=2.0, rate=0.8),
    "consume each, 2 workers": each(20, workers=2),
    "consume each of 80": each(80, workers=1),
}
NARROW = each(PHYSICAL, workers=1)
"""C = 1, for the mapped way only: where growth with C begins."""
GROWTH = ("C = 1", "consume each", "consume each of 80")
"""From one to the next C is five and four times as much."""

PACE_PER_S = 2000
P99_AIM_MS = 0.5
"""The p99 may be at most so much above tcp_proxy's."""
COMMITTED, COMMITTED_PHYSICAL = 100, 10
"""Partitions of the topic whose offsets are committed, as clients see them and as the broker holds them."""
COMMITS = 500
IDLE_CONNECTIONS, IDLE_RSS_AIM_MB = 1000, 150
MEMBERS = 4
"""Members of a group that have an Envoy of their own each, and a run of neighbouring partitions each."""


def filter_config(share: str) -> dict:
    """The filter's configuration. `share`: whether connections of a worker share what is read."""

    def mapped(regex: str, virtual: int, **more) -> dict:
        return {"regex": regex, "virtual_partitions": virtual, "physical_partitions": PHYSICAL, **more}

    views = sorted({load.virtual for load in (*LOADS.values(), NARROW)})
    topics = [mapped(f"mapped-{virtual}-.*", virtual) for virtual in views]
    topics.append(mapped("block-.*", 20, layout="block"))
    topics.append({"name": "commits-mapped", "virtual_partitions": COMMITTED, "physical_partitions": COMMITTED_PHYSICAL})
    return {"stat_prefix": "bench", "mapping": {"topics": topics}, "fetch": {"share": share}}
