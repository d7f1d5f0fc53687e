"""No message that names a broker's address or a partition goes by unread, by the message schemas of Kafka
itself."""

import re

import pytest

from tests.harness.api_table import lines
from tests.harness.kafka import other_versions
from tests.harness.messages import in_range, schemas

READ = {"Produce": 10, "Metadata": 0, "FindCoordinator": 0, "DescribeCluster": 0}
"""The APIs whose answers hold addresses, with the first offered version that does. That the filter reads
these answers, whatever is mapped, is tested beside each API in `filter/core/src/apis`, and in
`filter/core/src/connection/tests.rs`: what is added here must be added there."""

CLIENTS = re.compile(r"Acls\.Host$|\.ClientHost$")
"""Addresses that are clients', not brokers'."""

PARTITION = re.compile(r"partition|^index$", re.I)
ADDRESS = re.compile(r"host|port|listener|endpoint|address|url", re.I)


@pytest.fixture(scope="module", params=[None, *other_versions()])
def responses(request) -> dict[str, dict]:
    return schemas("Response", request.param)


def fields_named(schema: dict, version: int, pattern: re.Pattern) -> list[str]:
    """Paths of the fields of this version, tagged ones included, whose names are like this."""
    structs = {struct["name"]: struct["fields"] for struct in schema.get("commonStructs", [])}

    def walk(fields: list, path: str) -> list[str]:
        found = []
        for field in fields:
            if not in_range(version, field["versions"]):
                continue
            name = f"{path}.{field['name']}"
            inner = field.get("fields") or structs.get(field["type"].removeprefix("[]"), [])
            found += walk(inner, name) if inner else [name] if pattern.search(field["name"]) else []
        return found

    return walk(schema["fields"], schema["name"])


def addresses(schema: dict, version: int) -> list[str]:
    """Paths of the fields that may hold a broker's address."""
    return [name for name in fields_named(schema, version, ADDRESS) if not CLIENTS.search(name)]


def test_every_answer_that_holds_an_address_is_read(responses):
    found = {}
    for line in lines():
        for version in reversed(line.offered if line.name in responses else ()):
            if addresses(responses[line.name], version):
                assert line.decision == "Rewrite", f"{line.name} {version} passes with {addresses(responses[line.name], version)}"
                found[line.name] = version
    assert found == READ


@pytest.mark.parametrize("kind", ["Request", "Response"])
def test_every_message_that_holds_a_partition_is_read(kind):
    unread, named = ("Pass", "Administer", "Delegate"), 0
    for version in (None, *other_versions()):
        for line in lines():
            schema = schemas(kind, version).get(line.name)
            for v in line.offered if schema else ():
                fields = fields_named(schema, v, PARTITION)
                assert not (fields and line.decision in unread), f"{line.name} {v} passes with {fields}"
                named += bool(fields)
    assert named > 100


def test_addresses_are_found_in_schemas_where_they_are(responses):
    """Were nothing found, the test above would say nothing."""
    assert addresses(responses["Fetch"], 16) and not addresses(responses["Fetch"], 12)
    assert "ProduceResponse.NodeEndpoints.Host" in addresses(responses["Produce"], 10)
    assert addresses(responses["DescribeQuorum"], 2)
