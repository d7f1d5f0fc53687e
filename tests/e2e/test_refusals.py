"""What is refused, and what each library then shows to a person: the words that `docs/refusals.md` has, within
the time that it says. UPDATE=1 in the environment writes what is seen now into that file."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from confluent_kafka import Producer

from tests.harness import refusals
from tests.harness.admin import AdminProgram
from tests.harness.envoy import Envoy
from tests.harness.raw import Raw
from tests.harness.refusals import LIBRARIES, THINGS

pytestmark = pytest.mark.remap
AT_A_TIME = 5
"""Programs that run side by side: most of their time they wait."""
LOAD = 3
"""A machine under load may take so many times as long."""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory, cluster, programs):
    cluster.create_topic(refusals.ORDERS, refusals.PHYSICAL)
    cluster.create_topic(refusals.ODD, refusals.PHYSICAL - 1)
    has_transactions(cluster)
    with Envoy(tmp_path_factory.mktemp("refusals"), cluster, refusals.MAPPING) as envoy:
        with Raw(envoy.port(1)) as raw:
            for partition in range(refusals.VIRTUAL):
                raw.append(refusals.ORDERS, partition, [b"one", b"two"])
        yield envoy
        envoy.assert_well()
    for topic in (refusals.ORDERS, refusals.ODD):
        cluster.delete_topic(topic)


def has_transactions(cluster) -> None:
    """Waits until the broker has made what it keeps transactions in, as on any cluster that had some."""
    Producer({"bootstrap.servers": cluster.bootstrap, "transactional.id": "first", "log_level": 0}).init_transactions(60)


@pytest.fixture(scope="module")
def seen(gateway, tmp_path_factory) -> dict:
    """thing → library → what a person sees, of all that libraries can do."""
    logs = tmp_path_factory.mktemp("programs")

    def ask(library: str) -> dict:
        with AdminProgram(library, gateway.bootstrap, logs / library) as program:
            program.ask("list")  # the first request of some programs waits for what comes with its start
            return {name: program.ask(*thing.words(library)) for name, thing in THINGS.items()}

    with ThreadPoolExecutor(AT_A_TIME) as pool:
        outcomes = dict(zip(LIBRARIES, pool.map(ask, LIBRARIES)))
    found = {
        name: {library: refusals.shown(outcomes[library][name]) for library in LIBRARIES if outcomes[library][name].kind != "none"}
        for name in THINGS
    }
    if "UPDATE" in os.environ:
        refusals.store(found)
        refusals.DOCUMENT.write_text(refusals.document(found))
    return found


@pytest.mark.timeout(300)
@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("thing", THINGS)
def test_what_a_person_sees(thing, library, seen):
    wanted, got = refusals.load()[thing].get(library), seen[thing].get(library)
    if wanted is None or got is None:
        assert wanted == got
        return
    assert (got["kind"], got["words"]) == (wanted["kind"], wanted["words"])
    assert got.get("at_most_s", 0) <= LOAD * wanted.get("at_most_s", 0)


@pytest.mark.parametrize("thing", [name for name, thing in THINGS.items() if thing.log])
def test_the_log_says_what_answers_have_no_room_for(thing, seen, gateway):
    assert THINGS[thing].log in gateway.log.read_text(errors="replace")


def test_the_document_is_what_was_seen():
    assert refusals.DOCUMENT.read_text() == refusals.document(refusals.load())
