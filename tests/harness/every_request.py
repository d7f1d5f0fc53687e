"""A request of each API that says something: about a mapped topic, a group with offsets in every lane, the
broker, and so on. Values are by the names of fields of all versions."""

import base64
from collections.abc import Callable
from dataclasses import dataclass

from . import batch, topics
from .groups import wait_for_coordinator
from .messages import EveryApi
from .raw import Raw

TOPIC, GROUP, BROKER = 2, 32, 4
"""Types of resources of configurations."""
ACL_TOPIC, LITERAL, ALL, ALLOW, ANY, MATCH = 2, 3, 2, 3, 1, 1


@dataclass
class Case:
    """`values` of the request; `errors`: the names of all errors of the answer. `told`: which partitions of the
    topic the answer names; None: those that the request names."""

    values: dict
    errors: tuple[str, ...] = ("NONE",)
    told: tuple[int, ...] | None = ()


NAMED = None
"""Of `Case.told`."""


class Scene:
    """What the requests are about. `make_topic` makes a mapped topic with records in all partitions;
    `partitions` are those that requests name."""

    def __init__(
        self, program: EveryApi, port: int, make_topic: Callable[[], topics.Topic], offered: dict[str, range], keys: dict[str, int]
    ):
        self.topic = make_topic()
        self.partitions: list[int] = []
        self._make_topic = make_topic
        self._program = program
        self._port = port
        self._offered = offered
        self._keys = keys
        (described,) = self.call("Metadata", {"topics": [{"name": self.topic.name}]})["topics"]
        self.topic_id = described["topicId"]

    def call(self, name: str, values: dict, connection: str = "scene") -> dict:
        """A request in its highest version; its answer."""
        said = self._program.call(connection, self._port, self._keys[name], name, self.highest(name), values)
        assert "answer" in said, (name, said)
        return said["answer"]

    def highest(self, name: str) -> int:
        return self._offered[name][-1] if name in self._offered else 0

    def another_topic(self) -> topics.Topic:
        return self._make_topic()

    def names_all_siblings(self) -> bool:
        return len(self.partitions) == self.topic.virtual

    def each(self, index: str = "partitionIndex", **fields) -> list[dict]:
        return [{index: v, **fields} for v in self.partitions]

    def named(self, key: str = "name", partitions: str = "partitions", index: str = "partitionIndex", **fields) -> list[dict]:
        """The topic with its partitions, as a request's list of topics."""
        return [{key: self.topic.name, partitions: self.each(index, **fields)}]

    def numbered(self, key: str = "name", partitions: str = "partitionIndexes") -> list[dict]:
        """As `named`, where partitions are bare numbers."""
        return [{key: self.topic.name, partitions: list(self.partitions)}]

    def new_group(self) -> str:
        """The name of a group whose coordinator is ready."""
        name = topics.unique("group")
        with Raw(self._port) as raw:
            wait_for_coordinator(raw, name)
        return name

    def group(self) -> str:
        """A group without members that has an offset of each partition."""
        name = self.new_group()
        all_topics = self.named(committedOffset=1, committedMetadata="m")
        answer = self.call("OffsetCommit", commit_of(name, all_topics))
        assert all(p["errorCode"] == 0 for t in answer["topics"] for p in t["partitions"]), answer
        return name

    def member(self, synchronises: bool = True) -> dict:
        """The only member of a group of its own: the fields by which it names itself."""
        name = self.new_group()
        joined = self.call("JoinGroup", join_of(name, ""))
        joined = self.call("JoinGroup", join_of(name, joined["memberId"]))
        assert joined["errorCode"] == 0, joined
        who = {"groupId": name, "generationId": joined["generationId"], "memberId": joined["memberId"]}
        if synchronises:
            assert self.call("SyncGroup", sync_of(who))["errorCode"] == 0
        return who


def commit_of(group: str, named: list[dict]) -> dict:
    return {"groupId": group, "generationIdOrMemberEpoch": -1, "topics": named}


def join_of(group: str, member: str) -> dict:
    protocols = [{"name": "range", "metadata": base64.b64encode(b"\0\1\0\0\0\0\0\0\0\0").decode()}]
    times = {"sessionTimeoutMs": 30000, "rebalanceTimeoutMs": 30000}
    return {"groupId": group, **times, "memberId": member, "protocolType": "consumer", "protocols": protocols}


def sync_of(who: dict) -> dict:
    assignments = [{"memberId": who["memberId"], "assignment": base64.b64encode(b"\0\1\0\0\0\0\0\0\0\0").decode()}]
    return {**who, "protocolType": "consumer", "protocolName": "range", "assignments": assignments}


def produce(scene: Scene, version: int) -> Case:
    records = base64.b64encode(batch.build([b"value"])).decode()
    named = scene.named(partitions="partitionData", index="index", records=records)
    return Case({"acks": -1, "timeoutMs": 10000, "topicData": named}, told=NAMED)


def fetch(scene: Scene, version: int) -> Case:
    named = scene.named("topic", index="partition", fetchOffset=0, partitionMaxBytes=100, currentLeaderEpoch=-1)
    limits = {"maxWaitMs": 100, "minBytes": 1, "maxBytes": 1 << 20, "isolationLevel": 1}
    return Case({"replicaId": -1, **limits, "sessionEpoch": -1, "topics": named}, told=NAMED)


def list_offsets(scene: Scene, version: int) -> Case:
    return Case({"replicaId": -1, "topics": scene.named(timestamp=-1, currentLeaderEpoch=-1)}, told=NAMED)


def metadata(scene: Scene, version: int) -> Case:
    rights = {"includeClusterAuthorizedOperations": True, "includeTopicAuthorizedOperations": True}
    return Case({"topics": [{"name": scene.topic.name}], **rights}, told=tuple(range(scene.topic.virtual)))


def offset_commit(scene: Scene, version: int) -> Case:
    named = scene.named(committedOffset=1, committedLeaderEpoch=-1, committedMetadata="m")
    return Case(commit_of(scene.new_group(), named), told=NAMED)


def offset_fetch(scene: Scene, version: int) -> Case:
    group = scene.group()
    one = {"groupId": group, "topics": scene.numbered()}
    return Case({**one, "groups": [one], "requireStable": True}, told=NAMED)


def find_coordinator(scene: Scene, version: int) -> Case:
    return Case({"key": scene.new_group(), "keyType": 0, "coordinatorKeys": [scene.new_group(), scene.new_group()]})


def join_group(scene: Scene, version: int) -> Case:
    wants_id = 4  # KIP-394
    return Case(join_of(scene.new_group(), ""), ("NONE" if version < wants_id else "MEMBER_ID_REQUIRED",))


def heartbeat(scene: Scene, version: int) -> Case:
    return Case(scene.member())


def leave_group(scene: Scene, version: int) -> Case:
    who = scene.member()
    return Case({"groupId": who["groupId"], "memberId": who["memberId"], "members": [{"memberId": who["memberId"]}]})


def sync_group(scene: Scene, version: int) -> Case:
    return Case(sync_of(scene.member(synchronises=False)))


def describe_groups(scene: Scene, version: int) -> Case:
    return Case({"groups": [scene.member()["groupId"], scene.group()], "includeAuthorizedOperations": True})


def list_groups(scene: Scene, version: int) -> Case:
    scene.group()
    return Case({})


def delete_groups(scene: Scene, version: int) -> Case:
    return Case({"groupsNames": [scene.group()]})


def offset_delete(scene: Scene, version: int) -> Case:
    return Case({"groupId": scene.group(), "topics": scene.named()}, told=NAMED)


def sasl_handshake(scene: Scene, version: int) -> Case:
    """The broker's listener has no SASL."""
    return Case({"mechanism": "PLAIN"}, ("ILLEGAL_SASL_STATE",))


def sasl_authenticate(scene: Scene, version: int) -> Case:
    return Case({"authBytes": base64.b64encode(b"\0u\0p").decode()}, ("ILLEGAL_SASL_STATE",))


def api_versions(scene: Scene, version: int) -> Case:
    return Case({"clientSoftwareName": "every-api", "clientSoftwareVersion": "1", "nodeId": -1})


def create_topics(scene: Scene, version: int) -> Case:
    names = [topics.unique(topics.MODULO.name), topics.unique("unmapped")]
    configs = [{"name": "retention.ms", "value": "1000000"}]
    wanted = [{"name": name, "numPartitions": topics.MODULO.virtual, "replicationFactor": 1, "configs": configs} for name in names]
    return Case({"topics": wanted, "timeoutMs": 10000})


def delete_topics(scene: Scene, version: int) -> Case:
    name = scene.another_topic().name
    return Case({"topics": [{"name": name}], "topicNames": [name], "timeoutMs": 10000})


def create_partitions(scene: Scene, version: int) -> Case:
    wanted = [{"name": scene.topic.name, "count": 2 * scene.topic.virtual, "assignments": None}]
    return Case({"topics": wanted, "timeoutMs": 10000}, ("POLICY_VIOLATION",))


def delete_records(scene: Scene, version: int) -> Case:
    """Of all siblings, or of one alone, which is refused."""
    error = "NONE" if scene.names_all_siblings() else "POLICY_VIOLATION"
    return Case({"topics": scene.named(offset=0), "timeoutMs": 10000}, (error,), told=NAMED)


def init_producer_id(scene: Scene, version: int) -> Case:
    return Case({"transactionalId": None, "transactionTimeoutMs": 60000, "producerId": -1, "producerEpoch": -1})


def offset_for_leader_epoch(scene: Scene, version: int) -> Case:
    named = scene.named("topic", index="partition", currentLeaderEpoch=-1, leaderEpoch=0)
    return Case({"replicaId": -1, "topics": named}, told=NAMED)


def describe_acls(scene: Scene, version: int) -> Case:
    return Case({"resourceTypeFilter": ANY, "resourceNameFilter": None, "patternTypeFilter": ANY, "principalFilter": None,
                 "hostFilter": None, "operation": ANY, "permissionType": ANY})


def acl(scene: Scene) -> dict:
    return {"resourceType": ACL_TOPIC, "resourceName": scene.topic.name, "resourcePatternType": LITERAL, "principal": "User:a",
            "host": "*", "operation": ALL, "permissionType": ALLOW}


def create_acls(scene: Scene, version: int) -> Case:
    return Case({"creations": [acl(scene)]})


def delete_acls(scene: Scene, version: int) -> Case:
    scene.call("CreateAcls", {"creations": [acl(scene)]})
    wanted = {"resourceTypeFilter": ACL_TOPIC, "resourceNameFilter": scene.topic.name, "patternTypeFilter": LITERAL,
              "principalFilter": None, "hostFilter": None, "operation": ANY, "permissionType": ANY}
    return Case({"filters": [wanted]})


def describe_configs(scene: Scene, version: int) -> Case:
    wanted = [(TOPIC, scene.topic.name), (GROUP, "group"), (BROKER, "1")]
    resources = [{"resourceType": kind, "resourceName": name, "configurationKeys": None} for kind, name in wanted]
    return Case({"resources": resources, "includeSynonyms": True, "includeDocumentation": True})


def alter_configs(scene: Scene, version: int) -> Case:
    wanted = [(TOPIC, scene.topic.name, "retention.ms"), (GROUP, "group", "consumer.session.timeout.ms")]
    resources = [
        {"resourceType": kind, "resourceName": name, "configs": [{"name": setting, "value": "50000"}]} for kind, name, setting in wanted
    ]
    return Case({"resources": resources})


def get_telemetry_subscriptions(scene: Scene, version: int) -> Case:
    return Case({})


def push_telemetry(scene: Scene, version: int) -> Case:
    client = scene.call("GetTelemetrySubscriptions", {})
    told = {"clientInstanceId": client["clientInstanceId"], "subscriptionId": client["subscriptionId"] + 1}
    return Case({**told, "metrics": ""}, ("UNKNOWN_SUBSCRIPTION_ID",))


def list_config_resources(scene: Scene, version: int) -> Case:
    return Case({"resourceTypes": [TOPIC, BROKER, GROUP]})


def describe_client_quotas(scene: Scene, version: int) -> Case:
    any_name = 2
    return Case({"components": [{"entityType": "user", "matchType": any_name, "match": None}]})


def alter_client_quotas(scene: Scene, version: int) -> Case:
    operations = [{"key": "consumer_byte_rate", "value": 1e9, "remove": False}]
    return Case({"entries": [{"entity": [{"entityType": "user", "entityName": "a"}], "ops": operations}]})


def describe_scram_credentials(scene: Scene, version: int) -> Case:
    scene.call("AlterUserScramCredentials", alter_scram_credentials(scene, 0).values)
    return Case({"users": None})


def alter_scram_credentials(scene: Scene, version: int) -> Case:
    secret = {"salt": base64.b64encode(b"salt").decode(), "saltedPassword": base64.b64encode(bytes(32)).decode()}
    return Case({"upsertions": [{"name": "a", "mechanism": 1, "iterations": 4096, **secret}]})


def delegation_token(scene: Scene, version: int) -> Case:
    return Case({}, ("DELEGATION_TOKEN_REQUEST_NOT_ALLOWED",))


def describe_delegation_token(scene: Scene, version: int) -> Case:
    return Case({"owners": None}, ("DELEGATION_TOKEN_REQUEST_NOT_ALLOWED",))


def elect_leaders(scene: Scene, version: int) -> Case:
    preferred = 0
    wanted = {"electionType": preferred, "topicPartitions": scene.numbered("topic", "partitions"), "timeoutMs": 10000}
    return Case(wanted, ("ELECTION_NOT_NEEDED", "NONE"), told=NAMED)


def alter_reassignments(scene: Scene, version: int) -> Case:
    """As with records, siblings move together."""
    error = "NONE" if scene.names_all_siblings() else "INVALID_REPLICA_ASSIGNMENT"
    return Case({"topics": scene.named(replicas=[1]), "timeoutMs": 10000}, (*{"NONE", error},), told=NAMED)


def list_reassignments(scene: Scene, version: int) -> Case:
    return Case({"topics": scene.numbered(), "timeoutMs": 10000})


def describe_log_dirs(scene: Scene, version: int) -> Case:
    """The sizes are told once, for lane 0."""
    lane_0 = tuple(v for v in scene.partitions if scene.topic.lane_of(v) == 0)
    return Case({"topics": scene.numbered("topic", "partitions")}, told=lane_0)


def describe_producers(scene: Scene, version: int) -> Case:
    return Case({"topics": scene.numbered()}, told=NAMED)


def describe_quorum(scene: Scene, version: int) -> Case:
    return Case({"topics": [{"topicName": "__cluster_metadata", "partitions": [{"partitionIndex": 0}]}]})


def describe_cluster(scene: Scene, version: int) -> Case:
    brokers = 1
    return Case({"includeClusterAuthorizedOperations": True, "endpointType": brokers})


def list_transactions(scene: Scene, version: int) -> Case:
    return Case({})


CASES: dict[str, Callable[[Scene, int], Case]] = {
    "Produce": produce,
    "Fetch": fetch,
    "ListOffsets": list_offsets,
    "Metadata": metadata,
    "OffsetCommit": offset_commit,
    "OffsetFetch": offset_fetch,
    "FindCoordinator": find_coordinator,
    "JoinGroup": join_group,
    "Heartbeat": heartbeat,
    "LeaveGroup": leave_group,
    "SyncGroup": sync_group,
    "DescribeGroups": describe_groups,
    "ListGroups": list_groups,
    "SaslHandshake": sasl_handshake,
    "ApiVersions": api_versions,
    "CreateTopics": create_topics,
    "DeleteTopics": delete_topics,
    "DeleteRecords": delete_records,
    "InitProducerId": init_producer_id,
    "OffsetForLeaderEpoch": offset_for_leader_epoch,
    "DescribeAcls": describe_acls,
    "CreateAcls": create_acls,
    "DeleteAcls": delete_acls,
    "DescribeConfigs": describe_configs,
    "AlterConfigs": alter_configs,
    "DescribeLogDirs": describe_log_dirs,
    "SaslAuthenticate": sasl_authenticate,
    "CreatePartitions": create_partitions,
    "CreateDelegationToken": delegation_token,
    "RenewDelegationToken": delegation_token,
    "ExpireDelegationToken": delegation_token,
    "DescribeDelegationToken": describe_delegation_token,
    "DeleteGroups": delete_groups,
    "ElectLeaders": elect_leaders,
    "IncrementalAlterConfigs": alter_configs,
    "AlterPartitionReassignments": alter_reassignments,
    "ListPartitionReassignments": list_reassignments,
    "OffsetDelete": offset_delete,
    "DescribeClientQuotas": describe_client_quotas,
    "AlterClientQuotas": alter_client_quotas,
    "DescribeUserScramCredentials": describe_scram_credentials,
    "AlterUserScramCredentials": alter_scram_credentials,
    "DescribeQuorum": describe_quorum,
    "DescribeCluster": describe_cluster,
    "DescribeProducers": describe_producers,
    "ListTransactions": list_transactions,
    "GetTelemetrySubscriptions": get_telemetry_subscriptions,
    "PushTelemetry": push_telemetry,
    "ListConfigResources": list_config_resources,
}
"""A case is made for the scene and the version that will be sent."""
