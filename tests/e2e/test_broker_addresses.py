"""No answer that names a broker's address reaches a client unread, by the message schemas of Kafka itself."""

import json
import re
import zipfile

import pytest

from tests.harness.api_table import lines
from tests.harness.paths import KAFKA_JARS

READ = {"Produce": 10, "Metadata": 0, "FindCoordinator": 0, "DescribeCluster": 0}
"""The APIs whose answers hold addresses, with the first offered version that does. That the filter reads
these answers, whatever is mapped, is tested beside each API in `filter/core/src/apis`, and in
`filter/core/src/connection/tests.rs`: what is added here must be added there."""

CLIENTS = re.compile(r"Acls\.Host$|\.ClientHost$")
"""Addresses that are clients', not brokers'."""

ADDRESS = re.compile(r"host|port|listener|endpoint|address|url", re.I)


@pytest.fixture(scope="module")
def responses() -> dict[str, dict]:
    (jar,) = KAFKA_JARS.glob("kafka-clients-*.jar")
    with zipfile.ZipFile(jar) as archive:
        names = [n for n in archive.namelist() if re.fullmatch(r"common/message/\w+Response\.json", n)]
        schemas = [json.loads(re.sub(r"^\s*//.*$", "", archive.read(n).decode(), flags=re.M)) for n in names]
    return {schema["name"].removesuffix("Response"): schema for schema in schemas}


def addresses(schema: dict, version: int) -> list[str]:
    """Paths of the fields of this version, tagged ones included, that may hold an address."""
    structs = {struct["name"]: struct["fields"] for struct in schema.get("commonStructs", [])}

    def walk(fields: list, path: str) -> list[str]:
        found = []
        for field in fields:
            if not in_range(version, field["versions"]):
                continue
            name = f"{path}.{field['name']}"
            inner = field.get("fields") or structs.get(field["type"].removeprefix("[]"), [])
            named = not inner and ADDRESS.search(field["name"]) and not CLIENTS.search(name)
            found += [name] if named else walk(inner, name)
        return found

    return walk(schema["fields"], schema["name"])


def in_range(version: int, versions: str) -> bool:
    first, _, last = versions.partition("-")
    return first != "none" and int(first.rstrip("+")) <= version <= (int(last) if last else 999 if "+" in first else int(first))


def test_every_answer_that_holds_an_address_is_read(responses):
    found = {}
    for line in lines():
        for version in reversed(line.offered):
            if addresses(responses[line.name], version):
                assert line.decision == "Rewrite", f"{line.name} {version} passes with {addresses(responses[line.name], version)}"
                found[line.name] = version
    assert found == READ


def test_addresses_are_found_in_schemas_where_they_are(responses):
    """Were nothing found, the test above would say nothing."""
    assert addresses(responses["Fetch"], 16) and not addresses(responses["Fetch"], 12)
    assert "ProduceResponse.NodeEndpoints.Host" in addresses(responses["Produce"], 10)
    assert addresses(responses["DescribeQuorum"], 2)
