"""MirrorMaker 2 as the examples run it, and the offsets that it translates."""

import time
from pathlib import Path

from tests.harness.connect import Java

from .servers import fill_in
from .stage import Stage
from .tools import offsets
from .unread import unread

SOON = {"plugin.discovery": "service_load"}
"""Connect starts without looking for plugins in all jars."""
SETTLED_S = 4
"""The three intervals of the examples' mirror.properties, one after the other, and some more."""


class Mirror(Java):
    """MirrorMaker 2 with a file of an example. `values`: what stands in the file, and what it is here."""

    # Tells where it begins to read, as with Kafka's own log4j2.yaml.
    options = ("-Dorg.slf4j.simpleLogger.log.org.apache.kafka.clients.consumer=info",)

    def __init__(self, directory: Path, source: Path, values: dict[str, str]):
        lines = [line for line in fill_in(source.read_text(), values).splitlines() if "=" in line and line[0] != "#"]
        settings = {key.strip(): value.strip() for key, _, value in (line.partition("=") for line in lines)}
        super().__init__(directory, source.stem, "org.apache.kafka.connect.mirror.MirrorMaker", {**SOON, **settings})

    def finish(self) -> None:
        """Ends in good order, and remembers how far the copy is."""
        assert self.alive(), f"MirrorMaker has ended:\n{self.log_tail(60)}"
        self.stop(60)

    def wait_for_groups(self, stage: Stage, source: str, topic: str, target: str, copy: str) -> None:
        """`source`, `target`: bootstrap addresses. Until billing, which has read everything, has nothing left
        to read in the copy. What reports, which has not, finds there depends on what MirrorMaker has seen."""
        assert not unread(source, "billing", topic), "billing has not committed what it has read"
        time.sleep(SETTLED_S)
        # Partitions without any record have no offset there, and need none.
        self.wait_until("nothing to be read by billing", lambda: not unread(target, "billing", copy))
        left = {"billing": 0, "reports": sum(unread(target, "reports", copy).values())}
        for group, count in left.items():
            had, has = offsets(source, group, topic), offsets(target, group, copy)
            stage.tell(f"{group} has offsets of {len(has)} partitions there, of {len(had)} here, and {count:,} records to read")
