"""The fixtures of all test files: one broker and one Envoy serve them all, and each
test makes topics of its own."""

import pytest

from tests.harness import clients, tokens, topics
from tests.harness.certificates import Certificate
from tests.harness.envoy import OneWorker
from tests.harness.fixtures import cluster_fixture, envoy_fixture
from tests.harness.guarded_envoy import GuardedEnvoy, section
from tests.harness.raw import Raw
from tests.harness.secured_brokers import secured_cluster
from tests.harness.shipped_envoy import SERVICE, Trust


def pytest_addoption(parser):
    parser.addoption(
        "--passthrough",
        action="store_true",
        help="no filter, and topics with as many partitions as clients see: tries the harness and the client programs",
    )


def pytest_collection_modifyitems(config, items):
    if config.getoption("--passthrough"):
        remapping = [i for i in items if i.get_closest_marker("remap")]
        config.hook.pytest_deselected(items=remapping)
        items[:] = [i for i in items if i not in remapping]


@pytest.fixture(scope="session")
def passthrough(request) -> bool:
    return request.config.getoption("--passthrough")


@pytest.fixture(scope="session")
def programs():
    """The compiled client programs."""
    clients.build()
    return clients.LIBRARIES


cluster = cluster_fixture("session")
shared_envoy = envoy_fixture("cluster", "session")


@pytest.fixture(scope="session")
def trust(tmp_path_factory) -> Trust:
    """Certificates of the tests with TLS."""
    return Trust.make(tmp_path_factory.mktemp("certificates"), 2)


@pytest.fixture(scope="session")
def secured(tmp_path_factory, trust):
    """Two brokers that want clients to log in; started only for tests that ask for them."""
    with secured_cluster(tmp_path_factory.mktemp("secured-kafka"), trust) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def service(trust) -> Certificate:
    """A client's certificate, which envoy/mutual-tls.yaml lets in."""
    return trust.clients.issue(SERVICE)


@pytest.fixture
def secured_topic(secured) -> topics.Topic:
    topic = topics.Topic(topics.MODULO, topics.unique(topics.MODULO.name))
    secured.create_topic(topic.name, topic.family.physical, 1)
    return topic


@pytest.fixture
def envoy(shared_envoy):
    """The shared Envoy, which must have come through the test alive and without a trap."""
    yield shared_envoy
    shared_envoy.assert_well()


@pytest.fixture(scope="module", params=["auto", "never"])
def share(request) -> str:
    """Whether connections of a worker share what they read: the tests that ask for this run both ways."""
    return request.param


@pytest.fixture(scope="module")
def shared_one_worker(tmp_path_factory, cluster, share, passthrough):
    config, mode = {**topics.MAPPING, "fetch": {"share": share}}, "passthrough" if passthrough else "dynamic"
    with OneWorker(tmp_path_factory.mktemp("one-worker"), cluster, config, mode) as envoy:
        yield envoy


@pytest.fixture
def one_worker(shared_one_worker):
    """An Envoy with one worker, whose connections share what they read, and in a second run do not; alive and
    without a trap after the test."""
    yield shared_one_worker
    shared_one_worker.assert_well()


@pytest.fixture
def raw(envoy):
    """A connection to broker 1 through Envoy, of a client that is known to step over control batches."""
    with Raw(envoy.port(1)) as connection:
        connection.announce("apache-kafka-java")
        yield connection


@pytest.fixture
def anonymous(envoy):
    """As `raw`, but the client does not tell its name, and so gets no control batches from the filter."""
    with Raw(envoy.port(1)) as connection:
        yield connection


@pytest.fixture(params=["anonymous", "raw"])
def client(request):
    """`anonymous` and `raw` in turn: a client that finds out by itself where its next record is, and a client
    that the filter moves past siblings' records."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def direct(cluster):
    """A connection to broker 1 around Envoy."""
    with Raw(cluster.ports[1]) as connection:
        yield connection


@pytest.fixture
def new_topic(cluster, passthrough):
    """new_topic(family, config) creates a mapped topic on the broker."""

    def create(family=topics.MODULO, config: dict | None = None) -> topics.Topic:
        topic = topics.Topic(family, topics.unique(family.name))
        cluster.create_topic(topic.name, family.virtual if passthrough else family.physical, config=config)
        return topic

    return create


@pytest.fixture
def misfit(cluster) -> str:
    """The name of a topic that has another number of partitions than its
    mapping says; gone after the test."""
    name = topics.unique(topics.MODULO.name)
    cluster.create_topic(name, topics.MODULO.physical - 1)
    yield name
    cluster.delete_topic(name)


@pytest.fixture(scope="session")
def issuer(tmp_path_factory) -> tokens.Issuer:
    return tokens.Issuer(tmp_path_factory.mktemp("issuer"))


@pytest.fixture(scope="session")
def shared_guarded(tmp_path_factory, cluster, issuer):
    oauthbearer = {"jwks": {"inline": issuer.jwk_set()}}
    with GuardedEnvoy(tmp_path_factory.mktemp("guarded"), cluster, section(oauthbearer)) as envoy:
        yield envoy


@pytest.fixture
def guarded(shared_guarded):
    """An Envoy that asks clients who they are, by all mechanisms; alive and without a trap after the test."""
    yield shared_guarded
    shared_guarded.assert_well()
