"""MirrorMaker 2 as the examples run it, and the offsets that it translates."""

import time
from pathlib import Path

from tests.harness.connect import Java

from .servers import fill_in
from .stage import Stage
from .tools import next_records, offsets

SOON = {"plugin.discovery": "service_load"}
"""Connect starts without looking for plugins in all jars."""
SETTLED_S = 4
"""The three intervals of the examples' mirror.properties, one after the other, and some more."""


class Mirror(Java):
    """MirrorMaker 2 with a file of an example. `values`: what stands in the file, and what it is here."""

    # Tells where it begins to read, as with Kafka's own log4j2.yaml.
    options = ("-Dorg.slf4j.simpleLogger.log.org.apache.kafka.clients.consumer=info",)

    def __init__(self, directory: Path, source: Path, values: dict[str, str]):
        lines = (line.partition("=") for line in fill_in(source.read_text(), values).splitlines() if not line.startswith("#"))
        settings = {key.strip(): value.strip() for key, _, value in lines if key.strip()}
        super().__init__(directory, source.stem, "org.apache.kafka.connect.mirror.MirrorMaker", {**SOON, **settings})

    def finish(self) -> None:
        """Ends in good order: how far the copy is is remembered."""
        assert self.alive(), f"MirrorMaker has ended:\n{self.log_tail(60)}"
        self.stop(60)

    def wait_for_groups(self, stage: Stage, source: str, topic: str, target: str, copy: str) -> None:
        """`source`, `target`: bootstrap addresses. Until billing, which has read everything, has nothing left to
        read in the copy. What reports, which has not, finds there depends on what MirrorMaker has seen of it."""
        wanted = offsets(source, "billing", topic).keys()
        self.wait_until("offsets of billing", lambda: wanted <= offsets(target, "billing", copy).keys())
        time.sleep(SETTLED_S)
        self.wait_until("nothing to be read by billing", lambda: next_records(target, "billing", copy) == 0)
        stage.tell(f"billing has offsets of {len(wanted)} partitions there, and nothing left to read")
        had, has = offsets(source, "reports", topic), offsets(target, "reports", copy)
        left = next_records(target, "reports", copy)
        stage.tell(f"reports has offsets of {len(has)} partitions there, of {len(had)} here, and {left:,} records to read")
