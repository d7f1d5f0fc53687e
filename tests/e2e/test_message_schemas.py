"""No message that names a broker's address, a partition or a group goes by unread, by the message schemas of
every Kafka that is installed; and no API of theirs is undecided. No server is started."""

import json
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.harness.api_table import TABLE
from tests.harness.messages import in_range
from tests.harness.paths import KAFKA_JARS, TOOLS

JARS = sorted(TOOLS.glob("kafka*/kafka-clients-*.jar"))
RENAMED = {"ListClientMetricsResources": "ListConfigResources"}
"""APIs by the names that older Kafkas give them."""

UNREAD = {"passes", "passes unmapped", "administration", "delegation"}
"""What docs/protocol.md calls APIs of which some requests or answers go by unread."""

READ = {"Produce": 10, "Metadata": 0, "FindCoordinator": 0, "DescribeCluster": 0}
"""The APIs whose answers hold addresses, with the first offered version that does. That the filter reads
these answers, whatever is mapped, is tested beside each API in `filter/core/src/apis`, and in
`filter/core/src/connection/tests.rs`: what is added here must be added there."""

MAY_PASS = {
    "DescribeQuorumRequest.Topics.Partitions.PartitionIndex": "of __cluster_metadata alone, which is never mapped",
    "DescribeQuorumResponse.Topics.Partitions.PartitionIndex": "of __cluster_metadata alone, which is never mapped",
    "LeaveGroupRequest.GroupId": "shadow groups have no members",
    "SyncGroupRequest.GroupId": "shadow groups have no members",
    "SyncGroupRequest.Assignments.Assignment": "from the leader of the group to its members",
    "SyncGroupResponse.Assignment": "from the leader of the group to its members",
    "CreateDelegationTokenResponse.Hmac": "a secret of the broker's",
    "RenewDelegationTokenRequest.Hmac": "a secret of the broker's",
    "ExpireDelegationTokenRequest.Hmac": "a secret of the broker's",
    "DescribeDelegationTokenResponse.Tokens.Hmac": "a secret of the broker's",
    "AlterUserScramCredentialsRequest.Upsertions.Salt": "of a password",
    "AlterUserScramCredentialsRequest.Upsertions.SaltedPassword": "a password",
    "PushTelemetryRequest.Metrics": "the client's own, told to nobody else",
}
"""Fields that look like a partition, a group, or bytes of any kind, and may pass unread: why."""

CLIENTS = re.compile(r"(Acls\w+\.([A-Za-z]+\.)*Host(Filter)?$)|\.ClientHost$")
"""Addresses that are clients', not brokers'."""

ADDRESS = re.compile(r"host|port|listener|endpoint|address|url", re.I)
PARTITION = re.compile(r"partition|index", re.I)


@dataclass(frozen=True)
class Field:
    path: str
    type: str
    entity: str

    @property
    def holds_address(self) -> bool:
        return bool(ADDRESS.search(self.path.rpartition(".")[2])) and not CLIENTS.search(self.path)

    @property
    def wants_reading(self) -> bool:
        is_partition = self.type in ("int32", "[]int32") and PARTITION.search(self.path.rpartition(".")[2])
        return bool(is_partition) or self.type in ("bytes", "records") or self.entity == "groupId"


def schemas(jar: Path) -> dict[int, dict[str, dict]]:
    """API key → "request" and "response" → schema."""
    found = {}
    with zipfile.ZipFile(jar) as archive:
        names = [n for n in archive.namelist() if re.fullmatch(r"common/message/\w+(Request|Response)\.json", n)]
        for name in names:
            schema = json.loads(re.sub(r"^\s*//.*$", "", archive.read(name).decode(), flags=re.M))
            found.setdefault(schema["apiKey"], {})[schema["type"]] = schema
    return found


@pytest.fixture(scope="module", params=JARS, ids=lambda jar: jar.stem)
def kafka(request) -> dict[int, dict[str, dict]]:
    return schemas(request.param)


def fields(schema: dict, version: int) -> list[Field]:
    """The fields of this version, tagged ones included, that hold no others."""
    structs = {struct["name"]: struct["fields"] for struct in schema.get("commonStructs", [])}

    def walk(fields: list, path: str) -> list[Field]:
        found = []
        for field in fields:
            if not in_range(version, field["versions"]):
                continue
            name = f"{path}.{field['name']}"
            inner = field.get("fields") or structs.get(field["type"].removeprefix("[]"))
            found += walk(inner, name) if inner else [Field(name, field["type"], field.get("entityType", ""))]
        return found

    return walk(schema["fields"], schema["name"])


def bounds(versions: str) -> tuple[int, int]:
    numbers = [int(number) for number in re.findall(r"\d+", versions)] or [0, -1]
    return numbers[0], numbers[-1]


def installed() -> dict[int, dict[str, dict]]:
    """Those of the Kafka that all tests run."""
    (jar,) = KAFKA_JARS.glob("kafka-clients-*.jar")
    return schemas(jar)


def test_the_table_was_understood():
    assert sum(bool(api.versions) for api in TABLE.values()) > 40
    assert {api.word for api in TABLE.values()} >= {"read", "passes", "administration", "delegation", "hidden"}


def test_every_api_is_decided(kafka):
    for key, messages in kafka.items():
        name = messages["request"]["name"].removesuffix("Request")
        api = TABLE.get(key)
        assert api, f"{name} ({key}) is an API of Kafka's that the table in filter/core/src/apis.rs lacks: decide what becomes of it"
        assert api.name == RENAMED.get(name, name), f"API key {key} is {name} in Kafka, and {api.name} in the table"


def test_versions_that_are_not_offered_have_a_reason(kafka):
    for key, messages in kafka.items():
        api, (_, last) = TABLE[key], bounds(messages["request"]["validVersions"])
        if api.versions and api.last < last:
            assert re.search(rf"\b{api.last + 1}\b", api.note), (
                f"Kafka has {api.name} {api.last + 1}: its line in filter/core/src/apis.rs has to say why that is not offered"
            )


def test_the_lowest_versions_are_those_of_kafka_4():
    for key, messages in installed().items():
        first, _ = bounds(messages["request"]["validVersions"])
        assert not TABLE[key].versions or TABLE[key].first == first, TABLE[key].name


def test_every_answer_that_holds_an_address_is_read(kafka):
    found = {}
    for api in TABLE.values():
        for version in reversed(api.versions):
            named = [field.path for field in fields(kafka[api.key]["response"], version) if field.holds_address]
            if named:
                assert api.word == "read", f"{api.name} {version} goes by unread with {named}"
                found[api.name] = version
    assert found == READ


def test_what_goes_by_unread_names_no_partition_and_no_group(kafka):
    excused = set()
    for api in TABLE.values():
        if api.word not in UNREAD - {"passes unmapped"}:
            continue
        for version in api.versions:
            for message in kafka[api.key].values():
                wanting = {field.path for field in fields(message, version) if field.wants_reading}
                unexcused = wanting - MAY_PASS.keys()
                assert not unexcused, f"{api.name} {version} goes by unread with {unexcused}"
                excused |= wanting
    assert excused == MAY_PASS.keys(), f"{MAY_PASS.keys() - excused} need no excuse"


def test_fields_are_found_in_schemas_where_they_are():
    """Were nothing found, the tests above would say nothing."""
    names = {messages["request"]["name"].removesuffix("Request"): messages for messages in installed().values()}

    def addresses(name: str, version: int) -> list[str]:
        return [field.path for field in fields(names[name]["response"], version) if field.holds_address]

    def wanting(name: str, kind: str, version: int) -> list[str]:
        return [field.path for field in fields(names[name][kind], version) if field.wants_reading]

    assert addresses("Fetch", 16) and not addresses("Fetch", 12)
    assert "ProduceResponse.NodeEndpoints.Host" in addresses("Produce", 10)
    assert addresses("DescribeQuorum", 2) and not addresses("DescribeQuorum", 1)
    assert not addresses("DescribeAcls", 3) and not addresses("DescribeGroups", 5)
    assert "DeleteRecordsRequest.Topics.Partitions.PartitionIndex" in wanting("DeleteRecords", "request", 2)
    assert "DescribeLogDirsResponse.Results.Topics.Partitions.PartitionIndex" in wanting("DescribeLogDirs", "response", 4)
    assert "ElectLeadersRequest.TopicPartitions.Partitions" in wanting("ElectLeaders", "request", 2)
    assert "DeleteGroupsRequest.GroupsNames" in wanting("DeleteGroups", "request", 2)
