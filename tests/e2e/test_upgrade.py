"""Another build of the filter takes the place of the one that runs, as docs/operations.md says: open connections
go on and end at a quiet moment, nothing is lost, and a build that is none changes nothing.

The other build is this one with a section more, so that Envoy has to load and start it: what is tested is the way
of putting it in. That builds of different versions read each other's records is what docs/format.md promises, and
filter/core/tests/format.rs holds."""

from pathlib import Path

import pytest

from tests.harness import topics
from tests.harness.envoy import wasm_file
from tests.harness.live_envoy import LiveEnvoy
from tests.harness.load import Load, read_to_the_end
from tests.harness.process import wait_until
from tests.harness.raw import Raw

pytestmark = pytest.mark.remap
RETIRED_S = 16
"""After so long connections under the former configuration have ended."""


class UpgradedEnvoy(LiveEnvoy):
    """Its filter is in the file `code`."""

    code: str | Path = ""

    def _filter(self) -> dict:
        found = super()._filter()
        found["typed_config"]["config"]["vm_config"]["code"]["local"]["filename"] = str(self.code or wasm_file())
        return found


def other_build(directory: Path) -> Path:
    """The filter with a custom section `other` behind its last section."""
    content = b"\x05other" + b"made for a test"
    file = directory / "other.wasm"
    file.write_bytes(Path(wasm_file()).read_bytes() + bytes([0, len(content)]) + content)
    return file


def upgrade(envoy: UpgradedEnvoy, code: Path, outcome: str) -> None:
    """Puts a file in, and waits for what Envoy makes of it. Envoy's main thread compiles it, and answers nobody
    meanwhile."""

    def is_counted() -> bool:
        try:
            return envoy.updates(outcome) > before
        except TimeoutError:
            return False

    before = envoy.updates(outcome)
    envoy.code = code
    envoy.change("stat_prefix", envoy.filter_config["stat_prefix"])
    wait_until(f"{outcome} by {code}", is_counted, 60)


def test_another_build_is_put_in_under_load(tmp_path, cluster):
    topic = topics.unique("upgraded")
    cluster.create_topic(topic, 4)
    mapping = {"topics": [{"name": topic, "virtual_partitions": 20, "physical_partitions": 4}]}
    config = {"stat_prefix": "upgraded", "mapping": mapping}
    with UpgradedEnvoy(tmp_path / "envoy", cluster, config) as envoy:
        with Load(envoy.bootstrap, topic, 20, True, per_second=200) as load, Raw(envoy.port(1)) as idle:
            idle.metadata([topic])
            upgrade(envoy, other_build(tmp_path), "config_reload")
            wait_until("the end of an idle connection", lambda: idle.is_closed_by_peer(0.01), RETIRED_S)
            before = load.acked_count()
            wait_until("records by the other build", lambda: load.acked_count() > before + 200)
        assert load.acked_count() == load.sent and not load.failed, load.failed[:3]
        found = read_to_the_end(envoy.bootstrap, topic, 20)
        assert {v: sorted(records) for v, records in load.acked.items()} == found
        broken = tmp_path / "broken.wasm"
        broken.write_bytes(b"\0asm")
        upgrade(envoy, broken, "config_fail")
        assert read_to_the_end(envoy.bootstrap, topic, 20) == found
